"""Clients of buckets: use a store's credentials and nothing from the environment."""

from __future__ import annotations

import json
import os
import re
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obstore.store import AzureStore, GCSStore, S3Store

from target_pixxel_store.credentials import KEYS_BY_STORE_TYPE, SERVICE_ACCOUNT
from target_pixxel_store.locations import is_bucket_name
from target_pixxel_store.stores.buckets.errors import (
    OBSTORE_ERRORS,
    BucketError,
    BucketErrorKind,
    from_obstore_error,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from obstore.store import ClientConfig, ObjectStore, RetryConfig

    from target_pixxel_store.credentials import Credentials
    from target_pixxel_store.locations import BucketLocation

_REQUEST_TIMEOUT = timedelta(seconds=8)
_RETRY: RetryConfig = {"max_retries": 2, "retry_timeout": _REQUEST_TIMEOUT}
"""A request that hangs is not repeated, one that fails at once is. So a write and its deletion
take at most 16 s, and Azure's token 8 s more."""
_CONNECT_TIMEOUT = timedelta(seconds=4)
_DEFAULT_REGION = "us-east-1"
"""The region in S3 signatures where the store has none, as S3-compatible clouds do."""
_GCS_URL = "https://storage.googleapis.com"
_CLOUD_VARIABLE_PREFIXES = (
    *("AWS_", "GOOGLE_", "AZURE_", "AZURITE_", "GCE_METADATA_", "IDENTITY_", "MSI_"),
    *("OBJECT_STORE_", "SERVICE_ACCOUNT"),
)
"""Prefixes of the environment variables that obstore's constructors read."""
_environment_lock = threading.Lock()
_WITHOUT_TOKEN = {"disable_oauth": True}
_VALUE_PATTERNS = {
    "access_key_id": re.compile(r"[!-~]+"),
    "secret_access_key": re.compile(r"[!-~]+"),
    "account_name": re.compile(r"[a-z0-9]{3,24}"),
    "tenant_id": re.compile(r"[\w.-]+", re.ASCII),
    "client_id": re.compile(r"[!-~]+"),
    "client_secret": re.compile(r"[!-~]+"),
}
"""Values that are valid in a URL or a header; obstore panics on any other."""
_URL_PATTERN = re.compile(r"[!-~]+")
_REGION_PATTERN = re.compile(r"[A-Za-z0-9-]+")


def make_client(
    location: BucketLocation,
    credentials: Credentials,
    endpoint: str | None,
    authority_host: str | None = None,
) -> ObjectStore:
    """Create the client of a bucket; it sends no request yet.

    Raises:
        BucketError: The credentials, the endpoint or the bucket's name are invalid.
    """
    urls = {"endpoint": endpoint, "authority_host": authority_host}
    _validate(location, credentials, urls.values())
    options: ClientConfig = {
        "allow_http": any(urlsplit(url or "").scheme == "http" for url in urls.values()),
        "connect_timeout": _CONNECT_TIMEOUT,
        "timeout": _REQUEST_TIMEOUT,
    }
    both: dict[str, Any] = {"client_options": options, "retry_config": _RETRY}
    bucket = location.bucket
    values: dict[str, Any] = {
        key: credentials.values[key] for key in KEYS_BY_STORE_TYPE[location.type]
    }
    with _hidden_cloud_environment():
        try:
            if location.type == "GCS":
                key = _reduce_service_account_key(location, credentials, endpoint)
                url = (endpoint or _GCS_URL).rstrip("/")
                return GCSStore(bucket, service_account_key=key, base_url=url, **both)
            if location.type == "AZBLOB":
                values |= {name: url.rstrip("/") for name, url in urls.items() if url}
                return AzureStore(bucket, **values, **both)
            region = location.region or _DEFAULT_REGION
            return S3Store(
                bucket,
                **values,
                region=region,
                endpoint=endpoint or f"https://s3.{region}.amazonaws.com",
                virtual_hosted_style_request=False,
                **both,
            )
        except OBSTORE_ERRORS as error:
            raise from_obstore_error(error, location, credentials, endpoint, "open") from None


def _validate(
    location: BucketLocation, credentials: Credentials, urls: Iterable[str | None]
) -> None:
    """Check names, URLs and values before they become part of a request.

    Raises:
        BucketError: One of them is invalid.
    """
    problem, region = None, location.region or _DEFAULT_REGION
    if not is_bucket_name(location.bucket):
        problem = "has an invalid name"
    elif location.type == "S3" and not _REGION_PATTERN.fullmatch(region):
        problem = f"cannot be used: {region!r} is not a region of S3"
    elif not all(url is None or _is_url(url) for url in urls):
        problem = "cannot be used: its endpoint must be an http or https URL"
    if problem:
        raise BucketError(BucketErrorKind.OTHER, f"{location.label} {problem}")
    for key in sorted(KEYS_BY_STORE_TYPE[location.type]):
        value = credentials.values.get(key)
        if not value or (key in _VALUE_PATTERNS and not _VALUE_PATTERNS[key].fullmatch(value)):
            raise BucketError(
                BucketErrorKind.MALFORMED,
                f"{location.label}: the {key} of credentials '{credentials.name}' is "
                f"{'invalid' if value else 'missing'}; copy it again, without spaces around it",
            )


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return (
            url.scheme in {"http", "https"}
            and bool(url.hostname)
            and (url.port is None or url.port > 0)
            and _URL_PATTERN.fullmatch(text) is not None
        )
    except ValueError:
        return False


def _reduce_service_account_key(
    location: BucketLocation, credentials: Credentials, endpoint: str | None
) -> str:
    """Return the fields of a service account's key that obstore needs.

    Other fields could redirect requests: obstore reads a base URL from them, or a flag to send no
    token, which only an emulator accepts.

    Raises:
        BucketError: It is not the key of a service account.
    """

    def malformed(reason: str) -> BucketError:
        return BucketError(
            BucketErrorKind.MALFORMED,
            f"{location.label}: the {SERVICE_ACCOUNT} of credentials '{credentials.name}' {reason}"
            "; they must be the complete JSON key of a service account, as downloaded",
        )

    try:
        fields = json.loads(credentials.values[SERVICE_ACCOUNT])
    except ValueError:
        raise malformed("are not JSON") from None
    if not isinstance(fields, dict):
        raise malformed("are not a JSON object")
    needed = {name: fields.get(name) for name in ("client_email", "private_key", "private_key_id")}
    if endpoint and fields.get("disable_oauth") is True:
        return json.dumps({name: value or "" for name, value in needed.items()} | _WITHOUT_TOKEN)
    if lacking := [
        name for name, value in needed.items() if not (isinstance(value, str) and value)
    ]:
        raise malformed(f"lack {' and '.join(lacking)}")
    return json.dumps(needed)


@contextmanager
def _hidden_cloud_environment() -> Iterator[None]:
    """Remove the clouds' variables from the environment while a client is created.

    obstore's constructors read them, and no argument overrides some of them: a session token, an
    encryption, the path of a different key.
    """
    with _environment_lock:
        names = [name for name in os.environ if name.upper().startswith(_CLOUD_VARIABLE_PREFIXES)]
        hidden = {name: os.environ.pop(name) for name in names}
        try:
            yield
        finally:
            os.environ.update(hidden)
