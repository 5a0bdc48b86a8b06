"""Parcels: what a delivery puts into a bucket, under which key, and with whose credentials."""

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from pixxel_sandbox.footprints import Json

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

PACKED: Final = (1980, 1, 1, 0, 0, 0)
PATIENCE: Final = timedelta(seconds=5)
_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Destination:
    """A bucket, and the credentials it is written to with.

    Attributes:
        kind: the store's type.
        endpoint: where the cloud, or what imitates it, listens.
        secrets: the store's credentials, by name.
    """

    kind: str
    endpoint: str
    bucket: str
    region: str
    secrets: frozenset[tuple[str, str]] = field(repr=False)

    def secret(self, name: str) -> str:
        """Returns one of the credentials."""
        return dict(self.secrets)[name]


@dataclass(frozen=True)
class Parcel:
    """An object on its way into a bucket."""

    destination: Destination
    key: str
    content: bytes = field(repr=False)


def object_key(store: Json, delivery: Json) -> str:
    """Returns the key of a delivery's object: the store's prefix, the delivery's path, its file."""
    parts = (
        store["configs"].get("path_prefix"),
        delivery["cloud_delivery"].get("path"),
        delivery["target_path"],
    )
    return "/".join(name for part in parts if part for name in part.split("/") if name)


def packed(members: Mapping[str, Json | None]) -> bytes:
    """Packs details of catalogs, but for their many assets, into a zip under the names given.

    Returns:
        The same bytes for the same details.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, details in members.items():
            short = {key: value for key, value in (details or {}).items() if key != "assets"}
            archive.writestr(zipfile.ZipInfo(name, PACKED), msgspec.json.encode(short))
    return content.getvalue()


def put(parcel: Parcel) -> bool:
    """Writes a parcel into its bucket.

    Returns:
        Whether it arrived; not when the bucket is missing, unreachable, or refuses.
    """
    import obstore  # noqa: PLC0415 - only where something is delivered
    from obstore.exceptions import BaseError  # noqa: PLC0415

    try:
        obstore.put(_opened(parcel.destination), parcel.key, parcel.content)
    except (BaseError, OSError, ValueError):
        return False
    return True


@lru_cache(maxsize=16)
def _opened(destination: Destination) -> "ObjectStore":
    """Opens a bucket, once: it takes longer than to write a small object."""
    # obstore panics at these, which no ``except`` for errors would catch.
    plain = [destination.region, *dict(destination.secrets).values()]
    if not _BUCKET.fullmatch(destination.bucket):
        raise ValueError("no such bucket")
    if destination.kind != "GCS" and not all(text.isprintable() for text in plain):
        raise ValueError("no such region or credentials")
    return OPENERS[destination.kind](destination)


def _client() -> "ClientConfig":
    return {"allow_http": True, "connect_timeout": PATIENCE, "timeout": PATIENCE}


def _retries() -> "RetryConfig":
    return {"max_retries": 1, "retry_timeout": PATIENCE}


def _s3(to: Destination) -> "ObjectStore":
    from obstore.store import S3Store  # noqa: PLC0415

    return S3Store(
        to.bucket,
        endpoint=to.endpoint,
        region=to.region,
        access_key_id=to.secret("access_key_id"),
        secret_access_key=to.secret("secret_access_key"),
        skip_signature=False,
        virtual_hosted_style_request=False,
        client_options=_client(),
        retry_config=_retries(),
    )


def _azure(to: Destination) -> "ObjectStore":
    """Opens a container; what imitates the cloud gives the token as well."""
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
        client_options=_client(),
        retry_config=_retries(),
    )


def _google(to: Destination) -> "ObjectStore":
    """Opens a bucket; what imitates the cloud asks for no token."""
    from obstore.store import GCSStore  # noqa: PLC0415

    account = msgspec.json.decode(to.secret("service_account_credentials"), type=Json)
    local = {"gcs_base_url": to.endpoint, "disable_oauth": True}
    return GCSStore(
        to.bucket,
        service_account_key=msgspec.json.encode({**account, **local}).decode(),
        client_options=_client(),
        retry_config=_retries(),
    )


OPENERS: Final[dict[str, Callable[[Destination], "ObjectStore"]]] = {
    "S3": _s3,
    "AZBLOB": _azure,
    "GCS": _google,
}
"""How the bucket of a store is reached, by the store's type."""
