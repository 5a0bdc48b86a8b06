"""Bucket errors that need no cloud: dead endpoints, invalid names, and error responses."""

from __future__ import annotations

import json
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError

from target_pixxel_store.credentials import Credentials
from target_pixxel_store.locations import BucketLocation
from target_pixxel_store.stores.buckets import BucketErrorKind, probe_write_access
from tests.target_pixxel_store.cloud_servers import (
    create_service_account,
    expect_bucket_error,
)

SECRET = "s3cret-of-the-test"
LOCATION = BucketLocation("S3", "bucket", "eu-west-1", "image/ry")
DEAD_ENDPOINT = "http://127.0.0.1:9"
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


def test_probe_dead_token_service_named() -> None:
    location = BucketLocation("AZBLOB", "container", "", "")
    error = expect_bucket_error(location, credentials("AZBLOB"), None, authority_host=DEAD_ENDPOINT)
    assert error.kind is BucketErrorKind.UNREACHABLE
    assert "the service that issues tokens" in str(error)


def test_object_size_dead_endpoint_is_unreachable() -> None:
    error = expect_bucket_error(LOCATION, credentials(), DEAD_ENDPOINT, object_key="image/ry/a.tif")
    assert error.kind is BucketErrorKind.UNREACHABLE


@pytest.mark.parametrize(
    ("change", "endpoint", "reason"),
    [
        ({"bucket": "a bucket"}, DEAD_ENDPOINT, "has an invalid name"),
        ({"bucket": "line\nend"}, DEAD_ENDPOINT, "has an invalid name"),
        ({"bucket": ""}, DEAD_ENDPOINT, "has an invalid name"),
        ({"region": "eu west"}, DEAD_ENDPOINT, "'eu west' is not a region of S3"),
        ({}, "not a URL", "must be an http or https URL"),
        ({}, "ftp://127.0.0.1", "must be an http or https URL"),
        ({}, "http://127.0.0.1:99999", "must be an http or https URL"),
        ({}, "http://127.0.0.1/ü ü", "must be an http or https URL"),
        ({"prefix": "a/../b"}, DEAD_ENDPOINT, "check the names of bucket and prefix"),
        ({"prefix": "a//b"}, DEAD_ENDPOINT, "check the names of bucket and prefix"),
    ],
)
def test_probe_invalid_location_or_endpoint_rejected(
    change: dict[str, str], endpoint: str, reason: str
) -> None:
    error = expect_bucket_error(LOCATION._replace(**change), credentials(), endpoint)
    assert error.kind is BucketErrorKind.OTHER
    assert reason in str(error)


@pytest.mark.parametrize(
    ("kind", "key"),
    [(kind, key) for kind, values in VALUES.items() for key in values],
)
@pytest.mark.parametrize("value", ["line\nend-of-s3cret", "s3cret of the test", "s3cret-ü", ""])
def test_probe_invalid_header_value_is_malformed(kind: str, key: str, value: str) -> None:
    location = LOCATION._replace(type=kind)
    error = expect_bucket_error(location, credentials(kind, **{key: value}), DEAD_ENDPOINT)
    assert error.kind is BucketErrorKind.MALFORMED
    assert f"the {key} of credentials 'prod'" in str(error)
    assert "s3cret" not in str(error)


@pytest.mark.parametrize(
    ("response", "kind", "reason"),
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
def test_probe_error_response_classified(
    monkeypatch: pytest.MonkeyPatch, response: str, kind: BucketErrorKind, reason: str
) -> None:
    def put(*_: Any, **__: Any) -> None:
        raise GenericError(f"Generic S3 error: PUT failed - {response} {SECRET}")

    monkeypatch.setattr(obstore, "put", put)
    error = expect_bucket_error(LOCATION, credentials(), DEAD_ENDPOINT)
    assert error.kind is kind
    assert reason in str(error)


def test_probe_without_endpoint_uses_cloud_https(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stores: list[Any] = []

    def put(store: Any, *_: Any, **__: Any) -> None:
        stores.append(store)

    monkeypatch.setattr(obstore, "put", put)
    monkeypatch.setattr(obstore, "delete", lambda *_: None)
    key_fields, _ = create_service_account("loader@test")
    text = json.dumps(key_fields)
    google = Credentials("g", {"project_id": "p", "service_account_credentials": text}, None)
    probe_write_access(LOCATION, credentials(), None)
    probe_write_access(LOCATION._replace(type="GCS"), google, None)
    probe_write_access(LOCATION._replace(type="AZBLOB"), credentials("AZBLOB"), None)
    s3, gcs, azure = stores
    assert s3.config["endpoint"] == "https://s3.eu-west-1.amazonaws.com"
    assert gcs.config["base_url"] == "https://storage.googleapis.com"
    assert {"endpoint", "authority_host"}.isdisjoint(azure.config)
    assert [store.client_options["allow_http"] for store in stores] == ["false"] * 3
    key = json.loads(gcs.config["service_account_key"])
    assert key.keys() == {"client_email", "private_key", "private_key_id"}, "others may redirect"
    for store in stores:  # a probe must not hang
        assert {"connect_timeout", "timeout"} <= store.client_options.keys()
