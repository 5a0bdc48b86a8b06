"""Google Cloud Storage: the service account's key signs, and a key that is none is named so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import obstore
import pytest

from target_pixxel_store.credentials import Credentials
from target_pixxel_store.locations import BucketLocation
from target_pixxel_store.stores.buckets import BucketErrorKind, object_size, probe_write_access
from tests.target_pixxel_store.cloud_servers import (
    Bearers,
    assert_discreet,
    misled,
    refusal,
    service_account,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EMAIL = "loader@project-of-the-test.iam.gserviceaccount.com"
FIELDS, PUBLIC = service_account(EMAIL)
PLACE = BucketLocation("GCS", "bucket", "europe-west1", "image/ry")


def credentials(fields: Any = FIELDS) -> Credentials:
    text = fields if isinstance(fields, str) else json.dumps(fields)
    values = {"project_id": "project-of-the-test", "service_account_credentials": text}
    return Credentials("prod", values, None)


@pytest.fixture
def google() -> Iterator[Bearers]:
    rights = {EMAIL: {"write", "delete", "read"}}
    with serving(Bearers({"bucket": {}}, rights, keys={EMAIL: PUBLIC})) as cloud:
        yield cloud


def test_the_right_key_is_proven_and_leaves_nothing(google: Bearers) -> None:
    assert probe_write_access(PLACE, credentials(), google.url) == []
    assert google.buckets == {"bucket": {}}
    assert [method for method, _ in google.seen] == ["PUT", "DELETE"]
    assert google.seen[0][1].startswith("/bucket/image/ry/.pixxel-singer-probe-")


def test_a_key_that_was_replaced_is_unknown(google: Bearers) -> None:
    old, _ = service_account(EMAIL)
    error = refusal(PLACE, credentials(old), google.url)
    assert error.kind is BucketErrorKind.UNKNOWN_KEY
    assert "check their service_account_credentials" in str(error)


def test_a_missing_bucket_is_named(google: Bearers) -> None:
    error = refusal(PLACE._replace(bucket="no-such-bucket"), credentials(), google.url)
    assert error.kind is BucketErrorKind.MISSING_BUCKET


def test_who_may_not_write_is_told_which_permission_is_lacking(google: Bearers) -> None:
    google.rights[EMAIL] = {"read"}
    error = refusal(PLACE, credentials(), google.url)
    assert error.kind is BucketErrorKind.DENIED
    assert "grant storage.objects.create" in str(error)


def test_who_may_only_write_is_proven_and_may_not_look(google: Bearers) -> None:
    google.rights[EMAIL] = {"write"}
    [note] = probe_write_access(PLACE, credentials(), google.url)
    [left] = google.buckets["bucket"]
    assert f"credentials 'prod' may not delete, so the probe object '{left}'" in note
    assert_discreet(note, credentials())
    error = refusal(PLACE, credentials(), google.url, look=left)
    assert error.kind is BucketErrorKind.DENIED
    assert "grant storage.objects.get" in str(error)


def test_an_object_that_is_gone_before_its_deletion_is_none_left(
    google: Bearers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstore, "put", lambda *_, **__: None)
    assert probe_write_access(PLACE, credentials(), google.url) == []
    assert [method for method, _ in google.seen] == ["DELETE"]


def test_an_object_is_found_by_its_full_key(google: Bearers) -> None:
    google.buckets["bucket"]["delivered/a b.tif"] = b"image"
    assert object_size(PLACE, credentials(), google.url, "delivered/a b.tif") == 5
    assert object_size(PLACE, credentials(), google.url, "delivered/b.tif") is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("not JSON: s3cret-of-the-test", "are not JSON"),
        ('["s3cret-of-the-test"]', "are not a JSON object"),
        (FIELDS | {"private_key": ""}, "lack private_key"),
        ({"client_email": EMAIL}, "lack private_key and private_key_id"),
        (FIELDS | {"private_key": "s3cret-of-the-test"}, "must be an RSA key in PEM format"),
        (FIELDS | {"private_key": FIELDS["private_key"][:300]}, "must be an RSA key in PEM format"),
    ],
    ids=["text", "list", "empty key", "lacks key", "no PEM", "cut off"],
)
def test_a_malformed_key_is_named_before_anything_is_asked(
    google: Bearers, fields: Any, why: str
) -> None:
    error = refusal(PLACE, credentials(fields), google.url)
    assert error.kind is BucketErrorKind.MALFORMED
    assert why in str(error)
    assert "s3cret" not in str(error)
    assert google.seen == []


def test_the_environments_credentials_and_options_are_not_used(
    google: Bearers, monkeypatch: pytest.MonkeyPatch
) -> None:
    misled(monkeypatch)
    assert probe_write_access(PLACE, credentials(), google.url) == []


def test_a_key_cannot_lead_elsewhere_or_away_from_signing(google: Bearers) -> None:
    told = FIELDS | {"gcs_base_url": "http://127.0.0.1:9"}
    assert probe_write_access(PLACE, credentials(told), google.url) == []


def test_a_certificate_must_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rights = {EMAIL: {"write", "delete"}}
    with serving(Bearers({"bucket": {}}, rights, keys={EMAIL: PUBLIC}), tmp_path) as cloud:
        error = refusal(PLACE, credentials(), cloud.url)
        assert error.kind is BucketErrorKind.UNREACHABLE
        assert "check its certificate, which is not trusted: set SSL_CERT_FILE" in str(error)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        assert probe_write_access(PLACE, credentials(), cloud.url) == []


def test_an_emulator_may_be_asked_without_a_token(google: Bearers) -> None:
    unsigned = {"client_email": EMAIL, "disable_oauth": True}
    assert refusal(PLACE, credentials(unsigned), google.url).kind is BucketErrorKind.UNKNOWN_KEY
    assert google.seen != []
    assert refusal(PLACE, credentials(unsigned), None).kind is BucketErrorKind.MALFORMED
