"""Upload the object of a delivery to a bucket, with the store's credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from pixxel_sandbox.json_types import Json

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ClientConfig, ObjectStore, RetryConfig

TIMEOUT = timedelta(seconds=5)
_BUCKET_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class UploadDestination:
    """A bucket and the credentials to write to it.

    Attributes:
        store_type: The store's type.
        endpoint: The URL of the object storage.
        bucket: The bucket's name.
        region: The bucket's region.
        secrets: The store's credentials by name.
    """

    store_type: str
    endpoint: str
    bucket: str
    region: str
    secrets: frozenset[tuple[str, str]] = field(repr=False)

    def secret(self, name: str) -> str:
        """Return one of the credentials."""
        return dict(self.secrets)[name]


@dataclass(frozen=True)
class Upload:
    """An object to be written to a bucket."""

    destination: UploadDestination
    key: str
    content: bytes = field(repr=False)


def make_object_key(store: Json, delivery: Json) -> str:
    """Return the key of a delivery's object: the store's prefix, the delivery's path, its file."""
    parts = (
        store["configs"].get("path_prefix"),
        delivery["cloud_delivery"].get("path"),
        delivery["target_path"],
    )
    return "/".join(name for part in parts if part for name in part.split("/") if name)


def upload_object(upload: Upload) -> bool:
    """Write an object to its bucket.

    Returns:
        Whether it was written: False if the bucket is missing, unreachable, or denies access.
    """
    import obstore  # noqa: PLC0415 - only where something is delivered
    from obstore.exceptions import BaseError  # noqa: PLC0415

    try:
        obstore.put(_open_store(upload.destination), upload.key, upload.content)
    except (BaseError, OSError, ValueError):
        return False
    return True


@lru_cache(maxsize=16)
def _open_store(destination: UploadDestination) -> ObjectStore:
    """Make the client of a bucket, once, since it takes longer than to write a small object."""
    # obstore panics at unprintable text, which no `except` for errors would catch.
    texts = [destination.region, *dict(destination.secrets).values()]
    if not _BUCKET_NAME.fullmatch(destination.bucket):
        raise ValueError("no such bucket")
    if destination.store_type != "GCS" and not all(text.isprintable() for text in texts):
        raise ValueError("no such region or credentials")
    return STORE_FACTORIES[destination.store_type](destination)


def _client_options() -> ClientConfig:
    return {"allow_http": True, "connect_timeout": TIMEOUT, "timeout": TIMEOUT}


def _retry_config() -> RetryConfig:
    return {"max_retries": 1, "retry_timeout": TIMEOUT}


def _s3(to: UploadDestination) -> ObjectStore:
    from obstore.store import S3Store  # noqa: PLC0415

    return S3Store(
        to.bucket,
        endpoint=to.endpoint,
        region=to.region,
        access_key_id=to.secret("access_key_id"),
        secret_access_key=to.secret("secret_access_key"),
        skip_signature=False,
        virtual_hosted_style_request=False,
        client_options=_client_options(),
        retry_config=_retry_config(),
    )


def _azure(to: UploadDestination) -> ObjectStore:
    """Make the client of a container; the endpoint is the token authority as well."""
    from obstore.store import AzureStore  # noqa: PLC0415

    return AzureStore(
        to.bucket,
        endpoint=to.endpoint,
        authority_host=to.endpoint,
        account_name=to.secret("account_name"),
        tenant_id=to.secret("tenant_id"),
        client_id=to.secret("client_id"),
        client_secret=to.secret("client_secret"),
        skip_signature=False,
        client_options=_client_options(),
        retry_config=_retry_config(),
    )


def _google(to: UploadDestination) -> ObjectStore:
    """Make the client of a bucket; the endpoint needs no token."""
    from obstore.store import GCSStore  # noqa: PLC0415

    account = msgspec.json.decode(to.secret("service_account_credentials"), type=Json)
    local = {"gcs_base_url": to.endpoint, "disable_oauth": True}
    return GCSStore(
        to.bucket,
        service_account_key=msgspec.json.encode({**account, **local}).decode(),
        client_options=_client_options(),
        retry_config=_retry_config(),
    )


STORE_FACTORIES: dict[str, Callable[[UploadDestination], ObjectStore]] = {
    "S3": _s3,
    "AZBLOB": _azure,
    "GCS": _google,
}
"""The functions that make a bucket's client, by the store's type."""
