"""What no cloud is needed for: dead endpoints, names that are none, and how objects are named."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError

from target_pixxel_store.credentials import Credentials
from target_pixxel_store.locations import BucketLocation, BucketPath
from target_pixxel_store.stores.buckets import BucketErrorKind, probe_write_access
from tests.target_pixxel_store.cloud_servers import free_port, refusal, service_account

SECRET = "s3cret-of-the-test"
PLACE = BucketLocation("S3", "bucket", "eu-west-1", "image/ry")
NOWHERE = "http://127.0.0.1:9"
VALUES = {
    "S3": {"access_key_id": "key-of-the-test", "secret_access_key": SECRET},
    "AZBLOB": {
        "account_name": "account",
        "tenant_id": "tenant",
        "client_id": "client-of-the-test",
        "client_secret": SECRET,
    },
}


def credentials(kind: str = "S3", **change: str) -> Credentials:
    return Credentials("prod", VALUES[kind] | change, None)


def test_a_refused_connection_is_unreachable_at_once() -> None:
    began = time.monotonic()
    error = refusal(PLACE, credentials(), f"http://user:{SECRET}@127.0.0.1:{free_port()}")
    assert time.monotonic() - began < 5
    assert error.kind is BucketErrorKind.UNREACHABLE
    assert "does not respond at 127.0.0.1:" in str(error)


def test_an_endpoint_that_never_answers_does_not_hold_up_the_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        error = refusal(PLACE, credentials(), f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert 1 < time.monotonic() - began < 20
    assert error.kind is BucketErrorKind.UNREACHABLE


def test_a_dead_token_service_is_not_taken_for_the_container() -> None:
    place = BucketLocation("AZBLOB", "container", "", "")
    error = refusal(place, credentials("AZBLOB"), None, authority_host=NOWHERE)
    assert error.kind is BucketErrorKind.UNREACHABLE
    assert "the service that issues tokens" in str(error)


def test_a_look_at_a_dead_endpoint_is_no_missing_object() -> None:
    error = refusal(PLACE, credentials(), NOWHERE, look="image/ry/a.tif")
    assert error.kind is BucketErrorKind.UNREACHABLE


@pytest.mark.parametrize(
    ("change", "endpoint", "why"),
    [
        ({"bucket": "a bucket"}, NOWHERE, "has an invalid name"),
        ({"bucket": "line\nend"}, NOWHERE, "has an invalid name"),
        ({"bucket": ""}, NOWHERE, "has an invalid name"),
        ({"region": "eu west"}, NOWHERE, "'eu west' is not a region of S3"),
        ({}, "not a URL", "must be an http or https URL"),
        ({}, "ftp://127.0.0.1", "must be an http or https URL"),
        ({}, "http://127.0.0.1:99999", "must be an http or https URL"),
        ({}, "http://127.0.0.1/ü ü", "must be an http or https URL"),
        ({"prefix": "a/../b"}, NOWHERE, "check the names of bucket and prefix"),
        ({"prefix": "a//b"}, NOWHERE, "check the names of bucket and prefix"),
    ],
)
def test_what_cannot_be_part_of_a_request_is_refused(
    change: dict[str, str], endpoint: str, why: str
) -> None:
    error = refusal(PLACE._replace(**change), credentials(), endpoint)
    assert error.kind is BucketErrorKind.OTHER
    assert why in str(error)


@pytest.mark.parametrize(
    ("kind", "key"),
    [(kind, key) for kind, values in VALUES.items() for key in values],
)
@pytest.mark.parametrize("value", ["line\nend-of-s3cret", "s3cret of the test", "s3cret-ü", ""])
def test_a_value_that_no_header_can_hold_is_malformed(kind: str, key: str, value: str) -> None:
    place = PLACE._replace(type=kind)
    error = refusal(place, credentials(kind, **{key: value}), NOWHERE)
    assert error.kind is BucketErrorKind.MALFORMED
    assert f"the {key} of credentials 'prod'" in str(error)
    assert "s3cret" not in str(error)


@pytest.mark.parametrize(
    ("answer", "kind", "why"),
    [
        (
            "status code: 400: <Code>AuthorizationHeaderMalformed</Code>",
            BucketErrorKind.OTHER,
            "is in a different region",
        ),
        (
            "Received redirect without LOCATION, this",
            BucketErrorKind.OTHER,
            "is in a different region",
        ),
        (
            "status code: 403: <Code>RequestTimeTooSkewed</Code>",
            BucketErrorKind.OTHER,
            "this machine's clock",
        ),
        (
            "status code: 503 Service Unavailable",
            BucketErrorKind.OTHER,
            "status 503; try again later",
        ),
        (
            "status code: 405 Not Allowed",
            BucketErrorKind.OTHER,
            "status 405; check bucket, prefix and",
        ),
        (
            "<Code>ExpiredToken</Code>",
            BucketErrorKind.UNKNOWN_KEY,
            "does not recognize credentials 'prod'",
        ),
        (
            "<Code>AuthorizationFailure</Code>",
            BucketErrorKind.DENIED,
            "is not writable under",
        ),
        ("status code: 401 Unauthorized", BucketErrorKind.UNKNOWN_KEY, "does not recognize"),
        (
            "Error performing token request: status code: 404",
            BucketErrorKind.UNKNOWN_KEY,
            "does not recognize",
        ),
        ("words of s3cret-of-the-test", BucketErrorKind.OTHER, "cannot be used; check"),
    ],
)
def test_answers_that_no_local_server_gives_have_their_own_words(
    monkeypatch: pytest.MonkeyPatch, answer: str, kind: BucketErrorKind, why: str
) -> None:
    def put(*_: Any, **__: Any) -> None:
        raise GenericError(f"Generic S3 error: PUT failed - {answer} {SECRET}")

    monkeypatch.setattr(obstore, "put", put)
    error = refusal(PLACE, credentials(), NOWHERE)
    assert error.kind is kind
    assert why in str(error)


def test_without_an_endpoint_the_cloud_itself_is_asked_over_https(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def put(store: Any, *_: Any, **__: Any) -> None:
        asked.append(store)

    monkeypatch.setattr(obstore, "put", put)
    monkeypatch.setattr(obstore, "delete", lambda *_: None)
    fields, _ = service_account("loader@test")
    text = json.dumps(fields)
    google = Credentials("g", {"project_id": "p", "service_account_credentials": text}, None)
    probe_write_access(PLACE, credentials(), None)
    probe_write_access(PLACE._replace(type="GCS"), google, None)
    probe_write_access(PLACE._replace(type="AZBLOB"), credentials("AZBLOB"), None)
    s3, gcs, azure = asked
    assert s3.config["endpoint"] == "https://s3.eu-west-1.amazonaws.com"
    assert gcs.config["base_url"] == "https://storage.googleapis.com"
    assert {"endpoint", "authority_host"}.isdisjoint(azure.config)
    assert [store.client_options["allow_http"] for store in asked] == ["false"] * 3


def test_an_object_is_named_by_its_clouds_scheme() -> None:
    for cloud, scheme in (("S3", "s3"), ("GCS", "gs"), ("AZBLOB", "az"), ("NEW", "new")):
        place = BucketPath(cloud, "bucket", "a")
        assert place.uri("/b//c.tif") == f"{scheme}://bucket/a/b/c.tif"
