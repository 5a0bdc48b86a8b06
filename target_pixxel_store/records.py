"""Records: what upstream asks for, read field by field; no value of a record is ever quoted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_pixxel_store.places import Destination, fault, normalised

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES = ("S3", "GCS", "AZBLOB")
DELETED_AT = "_sdc_deleted_at"
SECRETS = "secrets"
MANAGED_BY = "managed_by"
VERSION = "credentials_version"
OUR_LABELS = frozenset({MANAGED_BY, VERSION})
"""Labels that this target sets; a record that has them, as the tap's do, does not ask for them."""
DEEPEST = 100
"""Levels that a record may be nested; a STAC item has ten."""
CATALOG_ID, ORDER_ITEM_ID, PATH, STORE = "catalog_id", "order_item_id", "path", "store"
REQUEST_FIELDS = frozenset({CATALOG_ID, ORDER_ITEM_ID, PATH})
"""What requests for deliveries and for downloads have."""
_LONGEST = 512  # characters of an id or a name


class Rejected(Exception):
    """A record cannot be acted on; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class StoreWish:
    """A store as a record, or a setting, wants it.

    Attributes:
        cloud: S3, GCS or AZBLOB (`type`).
        prefix: Of all keys, without a slash at either end (`path_prefix`).
        labels: None where the record does not speak of labels.
        credentials: Name of an entry in the setting `credentials`.
    """

    name: str
    cloud: str
    bucket: str
    region: str
    prefix: str
    labels: dict[str, str] | None
    credentials: str

    @property
    def place(self) -> Destination:
        """Where the store's deliveries begin."""
        return Destination(self.cloud, self.bucket, self.prefix)


@dataclass(frozen=True, slots=True)
class Request:
    """A wish for a delivery, or for a download.

    Attributes:
        store: Name or id of the store; empty where a download is wanted.
        path: Below the store's prefix, or the folder of downloads; None where the template says it.
        catalog_id: The catalog, or None where an order item is asked for.
        order_item_id: The order item, or None.
        fields: What the template may name, and what the filters look at.
        by_tap: Whether it came as tap-pixxel emits it, rather than as a request of its own.
    """

    store: str
    path: str | None
    catalog_id: str | None
    order_item_id: str | None
    fields: Mapping[str, Any] = field(repr=False)
    by_tap: bool = False


def read_store(record: Mapping[str, Any]) -> StoreWish:
    """Read a record of the stream `stores`, flat or as tap-pixxel emits it.

    Raises:
        Rejected: A field is missing or of another type.
    """
    configs = record.get("configs")
    if configs is None:
        configs = record
    elif not isinstance(configs, dict):
        raise Rejected("'configs' is not an object")
    name = text_of(record, "name")
    prefix = optional_text(configs, "path_prefix") or ""
    # A leading slash is no fault of a prefix: keys have none either way.
    if why := fault(prefix.lstrip("/")):
        raise Rejected(f"'path_prefix' {why}")
    return StoreWish(
        name=name,
        cloud=_type(record),
        bucket=text_of(configs, "bucket"),
        region=text_of(configs, "region"),
        prefix=normalised(prefix),
        labels=_labels(record.get("labels")),
        credentials=optional_text(record, "credentials") or name,
    )


def read_deleted(record: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Give the name and the id, where known, of the store that a record wants deleted.

    Raises:
        Rejected: It has no name.
    """
    if record.get(DELETED_AT) is None:
        return None
    return text_of(record, "name"), optional_text(record, "id")


def read_request(record: Mapping[str, Any]) -> Request:
    """Read a record of the stream `delivery_requests`.

    Raises:
        Rejected: A field is missing or of another type, or both ids are there.
    """
    catalog, item, path = _wanted(record)
    return Request(text_of(record, STORE), path, catalog, item, record)


def read_download(record: Mapping[str, Any]) -> Request:
    """Read a record of the stream `download_requests`.

    Raises:
        Rejected: A field is missing or of another type, or both ids are there.
    """
    catalog, item, path = _wanted(record)
    return Request("", path, catalog, item, record)


def _wanted(record: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Give the catalog or the order item that is wanted, and the path."""
    catalog, item = optional_text(record, CATALOG_ID), optional_text(record, ORDER_ITEM_ID)
    if catalog and item:
        raise Rejected(f"has both '{CATALOG_ID}' and '{ORDER_ITEM_ID}'; send one of them")
    if not catalog and not item:
        raise Rejected(f"has neither '{CATALOG_ID}' nor '{ORDER_ITEM_ID}'; send one of them")
    path = optional_text(record, PATH)
    if path is not None and (why := fault(path)):
        raise Rejected(f"'path' {why}")
    return catalog, item, path


def read_catalog(record: Mapping[str, Any], store: str) -> Request:
    """Read a record of the stream `catalogs`, to be delivered to a store.

    Raises:
        Rejected: It has no id.
    """
    return Request(store, None, text_of(record, "id"), None, record, by_tap=True)


def read_order_item(record: Mapping[str, Any], store: str) -> Request:
    """Read a record of the stream `order_items`, whose catalogs are delivered to a store.

    Raises:
        Rejected: It has no id.
    """
    return Request(store, None, None, text_of(record, "id"), record, by_tap=True)


def without_secrets(value: Any, *, names: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """Copy JSON without secrets, however deep.

    Args:
        value: A record, or a SCHEMA message.
        names: Whether their names go out of lists too, as from the `required` of a schema.
    """
    if isinstance(value, dict):
        return {
            name: without_secrets(each, names=names)
            for name, each in value.items()
            if not _is_secret(name)
        }
    if isinstance(value, list):
        return [
            without_secrets(each, names=names)
            for each in value
            if not (names and isinstance(each, str) and _is_secret(each))
        ]
    return value


def _is_secret(name: str) -> bool:
    return name.lower() in _SECRET_NAMES


_SECRET_NAMES = frozenset(
    {
        SECRETS,
        "access_key_id",
        "secret_access_key",
        "client_secret",
        "service_account_credentials",
    }
)


def refuse_secrets(value: Any, levels: int = DEEPEST) -> None:  # noqa: ANN401 - any JSON
    """Refuse a record that carries a secret, anywhere in it.

    Args:
        value: The record.
        levels: How deep it may be nested.

    Raises:
        Rejected: It does.
        RecursionError: It is nested deeper, so that writing it down later could fail.
    """
    if not levels:
        raise RecursionError
    if isinstance(value, dict):
        for name, each in value.items():
            if _is_secret(name):
                raise Rejected(
                    f"carries '{name.lower()}'; secrets belong into the setting 'credentials', "
                    "and a record names the entry"
                )
            refuse_secrets(each, levels - 1)
    elif isinstance(value, list):
        for each in value:
            refuse_secrets(each, levels - 1)


def text_of(record: Mapping[str, Any], name: str) -> str:
    """Give a text of a record.

    Raises:
        Rejected: It is missing or empty, or as in `optional_text`.
    """
    found = optional_text(record, name)
    if not found:
        raise Rejected(f"has no '{name}'")
    return found


def optional_text(record: Mapping[str, Any], name: str) -> str | None:
    """Give a text of a record, without spaces at its ends; None where it is missing or null.

    Raises:
        Rejected: It is no text, or none of a name or an id.
    """
    value = record.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Rejected(f"'{name}' is not a text")
    if name in {PATH, "path_prefix"}:
        return value
    if len(value) > _LONGEST or not value.isprintable():
        raise Rejected(f"'{name}' is too long, or not printable")
    return value.strip()


def _type(record: Mapping[str, Any]) -> str:
    found = text_of(record, "type").upper()
    if found not in TYPES:
        raise Rejected(f"'type' is none of {', '.join(TYPES)}")
    return found


def _labels(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise Rejected("'labels' is not an object of texts")
    return {name: label for name, label in value.items() if name not in OUR_LABELS}
