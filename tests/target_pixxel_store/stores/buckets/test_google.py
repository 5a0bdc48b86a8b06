"""Google Cloud Storage: the service account's key signs tokens; invalid keys are reported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import obstore
import pytest

from target_pixxel_store.credentials import Credentials
from target_pixxel_store.locations import BucketLocation
from target_pixxel_store.stores.buckets import BucketErrorKind, object_size, probe_write_access
from tests.target_pixxel_store.cloud_servers import (
    BearerTokenCloud,
    assert_no_secrets,
    create_service_account,
    expect_bucket_error,
    serve_cloud,
    set_conflicting_environment,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EMAIL = "loader@project-of-the-test.iam.gserviceaccount.com"
FIELDS, PUBLIC = create_service_account(EMAIL)
LOCATION = BucketLocation("GCS", "bucket", "europe-west1", "image/ry")


def credentials(fields: Any = FIELDS) -> Credentials:
    text = fields if isinstance(fields, str) else json.dumps(fields)
    values = {"project_id": "project-of-the-test", "service_account_credentials": text}
    return Credentials("prod", values, None)


@pytest.fixture
def google() -> Iterator[BearerTokenCloud]:
    permissions = {EMAIL: {"write", "delete", "read"}}
    with serve_cloud(BearerTokenCloud({"bucket": {}}, permissions, keys={EMAIL: PUBLIC})) as cloud:
        yield cloud


def test_google_valid_key_probe_leaves_nothing(google: BearerTokenCloud) -> None:
    assert probe_write_access(LOCATION, credentials(), google.url) == []
    assert google.buckets == {"bucket": {}}
    assert [method for method, _ in google.requests] == ["PUT", "DELETE"]
    assert google.requests[0][1].startswith("/bucket/image/ry/.pixxel-singer-probe-")


def test_google_replaced_key_is_unknown_key(google: BearerTokenCloud) -> None:
    old, _ = create_service_account(EMAIL)
    error = expect_bucket_error(LOCATION, credentials(old), google.url)
    assert error.kind is BucketErrorKind.UNKNOWN_KEY
    assert "check their service_account_credentials" in str(error)


def test_google_missing_bucket_named(google: BearerTokenCloud) -> None:
    error = expect_bucket_error(
        LOCATION._replace(bucket="no-such-bucket"), credentials(), google.url
    )
    assert error.kind is BucketErrorKind.MISSING_BUCKET


def test_google_write_denied_names_permission(google: BearerTokenCloud) -> None:
    google.permissions[EMAIL] = {"read"}
    error = expect_bucket_error(LOCATION, credentials(), google.url)
    assert error.kind is BucketErrorKind.DENIED
    assert "grant storage.objects.create" in str(error)


def test_google_write_only_account_passes_probe_but_cannot_read(google: BearerTokenCloud) -> None:
    google.permissions[EMAIL] = {"write"}
    [note] = probe_write_access(LOCATION, credentials(), google.url)
    [left] = google.buckets["bucket"]
    assert f"credentials 'prod' may not delete, so the probe object '{left}'" in note
    assert_no_secrets(note, credentials())
    error = expect_bucket_error(LOCATION, credentials(), google.url, object_key=left)
    assert error.kind is BucketErrorKind.DENIED
    assert "grant storage.objects.get" in str(error)


def test_google_object_size_found_by_full_key(google: BearerTokenCloud) -> None:
    google.buckets["bucket"]["delivered/a b.tif"] = b"image"
    assert object_size(LOCATION, credentials(), google.url, "delivered/a b.tif") == 5
    assert object_size(LOCATION, credentials(), google.url, "delivered/b.tif") is None


@pytest.mark.parametrize(
    ("fields", "reason"),
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
def test_google_malformed_key_reported_before_request(
    google: BearerTokenCloud, fields: Any, reason: str
) -> None:
    error = expect_bucket_error(LOCATION, credentials(fields), google.url)
    assert error.kind is BucketErrorKind.MALFORMED
    assert reason in str(error)
    assert "s3cret" not in str(error)
    assert google.requests == []


def test_google_environment_credentials_ignored(
    google: BearerTokenCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_conflicting_environment(monkeypatch)
    assert probe_write_access(LOCATION, credentials(), google.url) == []


def test_google_untrusted_certificate_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    permissions = {EMAIL: {"write", "delete"}}
    with serve_cloud(
        BearerTokenCloud({"bucket": {}}, permissions, keys={EMAIL: PUBLIC}), tmp_path
    ) as cloud:
        error = expect_bucket_error(LOCATION, credentials(), cloud.url)
        assert error.kind is BucketErrorKind.UNREACHABLE
        assert "check its certificate, which is not trusted: set SSL_CERT_FILE" in str(error)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        assert probe_write_access(LOCATION, credentials(), cloud.url) == []


def test_google_emulator_without_token_allowed(google: BearerTokenCloud) -> None:
    unsigned = {"client_email": EMAIL, "disable_oauth": True}
    assert (
        expect_bucket_error(LOCATION, credentials(unsigned), google.url).kind
        is BucketErrorKind.UNKNOWN_KEY
    )
    assert google.requests != []
    assert (
        expect_bucket_error(LOCATION, credentials(unsigned), None).kind is BucketErrorKind.MALFORMED
    )


def test_google_probe_object_already_gone_accepted(
    google: BearerTokenCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstore, "put", lambda *_, **__: None)
    assert probe_write_access(LOCATION, credentials(), google.url) == []
    assert [method for method, _ in google.requests] == ["DELETE"]
