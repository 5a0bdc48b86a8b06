"""Records: what upstream asks for, read field by field; no value of a record is ever quoted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_pixxel_store.errors import RecordError
from target_pixxel_store.locations import BucketPath, normalize_path, path_error

if TYPE_CHECKING:
    from collections.abc import Mapping

STORE_TYPES = ("S3", "GCS", "AZBLOB")
DELETED_AT = "_sdc_deleted_at"
SECRETS = "secrets"
MANAGED_BY_LABEL = "managed_by"
VERSION_LABEL = "credentials_version"
MANAGED_LABELS = frozenset({MANAGED_BY_LABEL, VERSION_LABEL})
"""Labels that this target sets; a record that has them, as the tap's do, does not ask for them."""
MAX_DEPTH = 100
"""Levels that a record may be nested; a STAC item has ten."""
CATALOG_ID, ORDER_ITEM_ID, PATH, STORE = "catalog_id", "order_item_id", "path", "store"
REQUEST_FIELDS = frozenset({CATALOG_ID, ORDER_ITEM_ID, PATH})
"""What requests for deliveries and for downloads have."""
_MAX_TEXT_LENGTH = 512  # characters of an id or a name


@dataclass(frozen=True, slots=True)
class StoreSpec:
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
    credentials_name: str

    @property
    def location(self) -> BucketPath:
        """Where the store's deliveries begin."""
        return BucketPath(self.cloud, self.bucket, self.prefix)


@dataclass(frozen=True, slots=True)
class CatalogRequest:
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
    from_tap: bool = False


def read_store(record: Mapping[str, Any]) -> StoreSpec:
    """Read a record of the stream `stores`, flat or as tap-pixxel emits it.

    Raises:
        Rejected: A field is missing or of another type.
    """
    configs = record.get("configs")
    if configs is None:
        configs = record
    elif not isinstance(configs, dict):
        raise RecordError("'configs' is not an object")
    name = required_text(record, "name")
    prefix = optional_text(configs, "path_prefix") or ""
    # A leading slash is no fault of a prefix: keys have none either way.
    if why := path_error(prefix.lstrip("/")):
        raise RecordError(f"'path_prefix' {why}")
    return StoreSpec(
        name=name,
        cloud=_read_type(record),
        bucket=required_text(configs, "bucket"),
        region=required_text(configs, "region"),
        prefix=normalize_path(prefix),
        labels=_read_labels(record.get("labels")),
        credentials_name=optional_text(record, "credentials") or name,
    )


def read_store_deletion(record: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Give the name and the id, where known, of the store that a record wants deleted.

    Raises:
        Rejected: It has no name.
    """
    if record.get(DELETED_AT) is None:
        return None
    return required_text(record, "name"), optional_text(record, "id")


def read_delivery_request(record: Mapping[str, Any]) -> CatalogRequest:
    """Read a record of the stream `delivery_requests`.

    Raises:
        Rejected: A field is missing or of another type, or both ids are there.
    """
    catalog, item, path = _read_catalog_or_item(record)
    return CatalogRequest(required_text(record, STORE), path, catalog, item, record)


def read_download_request(record: Mapping[str, Any]) -> CatalogRequest:
    """Read a record of the stream `download_requests`.

    Raises:
        Rejected: A field is missing or of another type, or both ids are there.
    """
    catalog, item, path = _read_catalog_or_item(record)
    return CatalogRequest("", path, catalog, item, record)


def _read_catalog_or_item(record: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Give the catalog or the order item that is wanted, and the path."""
    catalog, item = optional_text(record, CATALOG_ID), optional_text(record, ORDER_ITEM_ID)
    if catalog and item:
        raise RecordError(f"has both '{CATALOG_ID}' and '{ORDER_ITEM_ID}'; send one of them")
    if not catalog and not item:
        raise RecordError(f"has neither '{CATALOG_ID}' nor '{ORDER_ITEM_ID}'; send one of them")
    path = optional_text(record, PATH)
    if path is not None and (why := path_error(path)):
        raise RecordError(f"'path' {why}")
    return catalog, item, path


def read_catalog(record: Mapping[str, Any], store: str) -> CatalogRequest:
    """Read a record of the stream `catalogs`, to be delivered to a store.

    Raises:
        Rejected: It has no id.
    """
    return CatalogRequest(store, None, required_text(record, "id"), None, record, from_tap=True)


def read_order_item(record: Mapping[str, Any], store: str) -> CatalogRequest:
    """Read a record of the stream `order_items`, whose catalogs are delivered to a store.

    Raises:
        Rejected: It has no id.
    """
    return CatalogRequest(store, None, None, required_text(record, "id"), record, from_tap=True)


def remove_secrets(value: Any, *, in_lists: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """Copy JSON without secrets, however deep.

    Args:
        value: A record, or a SCHEMA message.
        in_lists: Whether their names go out of lists too, as from the `required` of a schema.
    """
    if isinstance(value, dict):
        return {
            name: remove_secrets(each, in_lists=in_lists)
            for name, each in value.items()
            if not _is_secret(name)
        }
    if isinstance(value, list):
        return [
            remove_secrets(each, in_lists=in_lists)
            for each in value
            if not (in_lists and isinstance(each, str) and _is_secret(each))
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


def reject_secrets(value: Any, max_depth: int = MAX_DEPTH) -> None:  # noqa: ANN401 - any JSON
    """Refuse a record that carries a secret, anywhere in it.

    Args:
        value: The record.
        max_depth: How deep it may be nested.

    Raises:
        Rejected: It does.
        RecursionError: It is nested deeper, so that writing it down later could fail.
    """
    if not max_depth:
        raise RecursionError
    if isinstance(value, dict):
        for name, each in value.items():
            if _is_secret(name):
                raise RecordError(
                    f"carries '{name.lower()}'; secrets belong into the setting 'credentials', "
                    "and a record names the entry"
                )
            reject_secrets(each, max_depth - 1)
    elif isinstance(value, list):
        for each in value:
            reject_secrets(each, max_depth - 1)


def required_text(record: Mapping[str, Any], name: str) -> str:
    """Give a text of a record.

    Raises:
        Rejected: It is missing or empty, or as in `optional_text`.
    """
    found = optional_text(record, name)
    if not found:
        raise RecordError(f"has no '{name}'")
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
        raise RecordError(f"'{name}' is not a text")
    if name in {PATH, "path_prefix"}:
        return value
    if len(value) > _MAX_TEXT_LENGTH or not value.isprintable():
        raise RecordError(f"'{name}' is too long, or not printable")
    return value.strip()


def _read_type(record: Mapping[str, Any]) -> str:
    found = required_text(record, "type").upper()
    if found not in STORE_TYPES:
        raise RecordError(f"'type' is none of {', '.join(STORE_TYPES)}")
    return found


def _read_labels(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise RecordError("'labels' is not an object of texts")
    return {name: label for name, label in value.items() if name not in MANAGED_LABELS}
