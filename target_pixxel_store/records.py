"""Records: parsed field by field; errors never quote a value of a record.

A blank text counts as a missing field, as CSV files have no other way to leave one out. For the
same reason, a list or a number may be the text of its JSON.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from target_pixxel_store.download_sources import AOI_ASSETS, INSIGHT, JOB, TASK, make_source
from target_pixxel_store.errors import RecordError
from target_pixxel_store.locations import (
    BucketPath,
    is_bucket_name,
    normalize_path,
    path_error,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_pixxel_store.download_sources import DownloadSource, SourceKind

STORE_TYPES = ("S3", "GCS", "AZBLOB")
DELETED_AT = "_sdc_deleted_at"
MANAGED_BY_LABEL = "managed_by"
VERSION_LABEL = "credentials_version"
MANAGED_LABELS = frozenset({MANAGED_BY_LABEL, VERSION_LABEL})
"""Labels that this target sets; in a record, such as the tap's, they are ignored."""
MAX_DEPTH = 100
"""Levels to which a record may be nested; a STAC item has ten."""
CATALOG_ID, ORDER_ITEM_ID, PATH, STORE = "catalog_id", "order_item_id", "path", "store"
REPLACE_DELIVERY = "replace_delivery"
REQUEST_FIELDS = frozenset({CATALOG_ID, ORDER_ITEM_ID, PATH})
"""Fields of delivery and download requests."""
TASK_ID = "task_id"
SOURCES = {"asset_ids": AOI_ASSETS, "insight_id": INSIGHT, "job_id": JOB}
"""The fields of download requests that show which kind of source they name, beside catalogs."""
_PARTS = {name: field for field, kind in SOURCES.items() for name in kind.lists}
SOURCE_FIELDS = frozenset({*SOURCES, *_PARTS, *INSIGHT.ids, *TASK.ids})
"""Fields that only download requests have."""
_NOTHING: tuple[object, ...] = (None, [], "[]")
_URL_FIELDS = frozenset(
    {"id", ORDER_ITEM_ID, "aoi_id", "insight_id", "workflow_id", "job_id", TASK_ID, "block"}
)
"""Fields that become a segment of the path of a request, and must not lead to another endpoint."""
_URL_SYNTAX = frozenset("/\\?#%;")
_MAX_TEXT_LENGTH = 512  # characters of an id or a name
_ALLOWED_WHITESPACE = "\n\r\t"  # allowed in a description beside printable characters


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """A store as a record or a setting specifies it.

    Attributes:
        location: The location of its prefix (`type`, `bucket`, `path_prefix`).
        labels: None where the record has no labels.
        credentials_name: Name of an entry in the setting `credentials`.
    """

    name: str
    region: str
    location: BucketPath
    labels: dict[str, str] | None
    credentials_name: str


@dataclass(frozen=True, slots=True)
class CatalogRequest:
    """A request for a delivery, or for a download.

    Attributes:
        store: Name or id of the store; empty for a download.
        path: The path below the store's prefix, or below the folder of downloads; None for the
            path that the template makes.
        catalog_id: The catalog; None where an order item is requested.
        order_item_id: The order item; None where a catalog is requested.
        fields: The fields that the template and the filters read.
        from_tap: Whether it is a record of tap-pixxel's streams, not an explicit request.
        replace_delivery: Id of a delivery that counts as FAILED.
    """

    store: str
    path: str | None
    catalog_id: str | None
    order_item_id: str | None
    fields: Mapping[str, Any] = field(repr=False)
    from_tap: bool = False
    replace_delivery: str | None = None


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """A request to download a source that is no catalog.

    Attributes:
        path: The path below the folder of downloads; None where the record has none.
        fields: The fields that the template reads.
    """

    source: DownloadSource
    path: str | None
    fields: Mapping[str, Any] = field(repr=False)


def read_store(record: Mapping[str, Any]) -> StoreSpec:
    """Read a record of the stream `stores`, flat or as tap-pixxel emits it.

    Raises:
        RecordError: A field is missing or invalid.
    """
    configs = read_value(record, "configs")
    if configs is None:
        configs = record
    elif not isinstance(configs, dict):
        raise RecordError("'configs' must be an object")
    name = required_text(record, "name")
    bucket = required_text(configs, "bucket")
    if not is_bucket_name(bucket):
        raise RecordError(
            "'bucket' must be the name of a bucket, not a URL, an ARN or a path; put a path into "
            "'path_prefix'"
        )
    prefix = optional_text(configs, "path_prefix") or ""
    # A prefix may start with a slash; keys never do.
    if reason := path_error(prefix.lstrip("/")):
        raise RecordError(f"'path_prefix' {reason}")
    return StoreSpec(
        name=name,
        location=BucketPath(_read_type(record), bucket, normalize_path(prefix)),
        region=required_text(configs, "region"),
        labels=_read_labels(read_value(record, "labels")),
        credentials_name=optional_text(record, "credentials") or name,
    )


def read_store_deletion(record: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Return the name and the id, if any, of a store to delete; None for any other record.

    Raises:
        RecordError: It has no name.
    """
    if read_value(record, DELETED_AT) is None:
        return None
    return required_text(record, "name"), optional_text(record, "id")


def read_delivery_request(record: Mapping[str, Any]) -> CatalogRequest:
    """Read a record of the stream `delivery_requests`.

    Raises:
        RecordError: A field is missing or invalid, or it has both ids.
    """
    catalog, item = optional_text(record, CATALOG_ID), optional_text(record, ORDER_ITEM_ID)
    if catalog and item:
        raise RecordError(f"has both '{CATALOG_ID}' and '{ORDER_ITEM_ID}'; send one of them")
    if not catalog and not item:
        raise RecordError(f"has neither '{CATALOG_ID}' nor '{ORDER_ITEM_ID}'; send one of them")
    path = _read_path(record)
    replaces = optional_text(record, REPLACE_DELIVERY) or None
    if replaces and not catalog:
        raise RecordError(f"has '{REPLACE_DELIVERY}', which requires '{CATALOG_ID}'")
    store = required_text(record, STORE)
    return CatalogRequest(store, path, catalog, item, record, replace_delivery=replaces)


def read_download_request(record: Mapping[str, Any]) -> CatalogRequest | SourceRequest:
    """Read a record of the stream `download_requests`.

    Raises:
        RecordError: A field is missing or invalid, or it does not name exactly one source.
    """
    names = (CATALOG_ID, ORDER_ITEM_ID, *SOURCES)
    found = [name for name in names if read_value(record, name) not in _NOTHING]
    if len(found) > 1:
        raise RecordError(f"has both '{found[0]}' and '{found[1]}'; send one of them")
    if not found:
        raise RecordError(f"has none of {', '.join(names)}; send one of them")
    [name] = found
    path = _read_path(record)
    if name not in SOURCES:
        key = required_text(record, name)
        catalog, item = (key, None) if name == CATALOG_ID else (None, key)
        return CatalogRequest("", path, catalog, item, record)
    is_task = name == "job_id" and read_value(record, TASK_ID) is not None
    return SourceRequest(_read_source(TASK if is_task else SOURCES[name], record), path, record)


def _read_source(kind: SourceKind, record: Mapping[str, Any]) -> DownloadSource:
    fields: dict[str, Any] = {name: read_text_list(record, name) for name in kind.lists}
    for name, owner in _PARTS.items():
        if name not in fields and read_value(record, name) not in _NOTHING:
            raise RecordError(f"has '{name}', which requires '{owner}'")
    for name in kind.ids:
        fields[name] = required_text(record, name)
    if kind is AOI_ASSETS and not fields["asset_ids"]:
        raise RecordError("has no 'asset_ids'")
    return make_source(kind, fields)


def _read_path(record: Mapping[str, Any]) -> str | None:
    path = optional_text(record, PATH)
    if path is not None and (reason := path_error(path)):
        raise RecordError(f"'{PATH}' {reason}")
    return path


def read_tap_record(record: Mapping[str, Any], store: str, *, is_catalog: bool) -> CatalogRequest:
    """Read a record of the stream `catalogs` or `order_items`, to be delivered to a store.

    Raises:
        RecordError: It has no id.
    """
    key = required_text(record, "id")
    catalog, item = (key, None) if is_catalog else (None, key)
    return CatalogRequest(store, None, catalog, item, record, from_tap=True)


def remove_secrets(value: Any, *, in_lists: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """Return a copy of JSON without secrets at any depth.

    Args:
        value: A record, or a SCHEMA message.
        in_lists: Whether lists lose the names of secrets, too, such as `required` in a schema.
    """
    if isinstance(value, dict):
        return {
            name: remove_secrets(each, in_lists=in_lists)
            for name, each in value.items()
            if not is_secret(name)
        }
    if isinstance(value, list):
        return [
            remove_secrets(each, in_lists=in_lists)
            for each in value
            if not (in_lists and isinstance(each, str) and is_secret(each))
        ]
    return value


@lru_cache(4096)
def is_secret(name: str) -> bool:
    """Return whether a name is that of a secret: `aws_secret_access_key`, `apiKey`, `Password`."""
    return bool(_find_secret(f"{name} {_WORD_ENDS.sub('_', name)}".lower()))


_find_secret = re.compile(
    r"(?:passw(?:or)?d|pwd|passphrase|secrets?|token|authorization|connection_?string|credential"
    r"|service_account_credentials|key_?id(?= |\Z)|(?<!spectral)(?<!spectral[\W_])signature"
    r"|(?:access|account|api|encryption|private|secret|shared|storage)_?key"
    r"|(?<![a-z])(?:bearer|jwt|sas))(?![a-z])"
    r"(?![\W_]+(?:at|count|id|length|limit|name|required|type|ur[il]|used|version)(?: |\Z))"
).search
_WORD_ENDS = re.compile(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NESTED = (dict, list)


def reject_secrets(value: Any, max_depth: int = MAX_DEPTH) -> None:  # noqa: ANN401 - any JSON
    """Raise where a record contains a secret at any depth.

    Args:
        value: The record, or an object or a list in it.
        max_depth: Levels to which it may be nested.

    Raises:
        RecordError: It contains a secret.
        RecursionError: It is nested deeper, so that writing it to a file could fail.
    """
    if not max_depth:
        raise RecursionError
    if isinstance(value, dict):
        if name := next(filter(is_secret, value), None):
            raise RecordError(
                f"contains '{name.lower()}'; put secrets into the setting 'credentials', and "
                "name the entry in the record"
            )
        value = value.values()
    for each in value:
        if isinstance(each, _NESTED):  # most values are not
            reject_secrets(each, max_depth - 1)


def required_text(record: Mapping[str, Any], name: str) -> str:
    """Return a string field of a record.

    Raises:
        RecordError: It is missing, empty or invalid.
    """
    found = optional_text(record, name)
    if not found:
        raise RecordError(f"has no '{name}'")
    return found


def optional_text(record: Mapping[str, Any], name: str) -> str | None:
    """Return a string field of a record, stripped; None where it is missing.

    Raises:
        RecordError: It is not a string, too long for a name or an id, not printable, or an id that
            could change the path of a request.
    """
    value = read_value(record, name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RecordError(f"'{name}' must be a string")
    if name in {PATH, "path_prefix"}:
        return value
    if len(value) > _MAX_TEXT_LENGTH or not value.isprintable():
        raise RecordError(f"'{name}' must be printable, with at most {_MAX_TEXT_LENGTH} characters")
    text = value.strip()
    if name in _URL_FIELDS and (text in {".", ".."} or not _URL_SYNTAX.isdisjoint(text)):
        syntax = " ".join(sorted(_URL_SYNTAX))
        raise RecordError(f"'{name}' must not be . or .., or contain one of {syntax}")
    return text


def read_value(record: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON
    """Return a field of a record; None where it is missing, null or a blank text."""
    value = record.get(name)
    return None if isinstance(value, str) and not value.strip() else value


def read_number(value: object) -> float | None:
    """Return a finite number, or that of a text of JSON; None for anything else."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value.strip(), type=int | float)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -math.inf < value < math.inf else None


def read_integer(value: object) -> int | None:
    """Return a whole number, or that of a text of JSON; None for anything else."""
    found = read_number(value)
    return int(found) if found is not None and int(found) == found else None


def read_text_list(record: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a field with a list of strings, each stripped; empty where it is missing.

    A single string is accepted, and JSON, as warehouses and stream maps make it.

    Raises:
        RecordError: It is not such a list, or one of them is empty, too long or not printable.
    """
    value = read_value(record, name)
    if value is None:
        return ()
    if isinstance(value, str):
        value = _decode_list(value, name)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise RecordError(f"'{name}' must be a list of strings")
    return tuple(required_text({name: each}, name) for each in value)


def _decode_list(text: str, name: str) -> object:
    """Return the list of a JSON text, or of a text that is its only string."""
    return decode_json_text(text, name) if text.lstrip().startswith("[") else [text]


def decode_json_text(text: str, name: str) -> object:
    """Return the value of a field that is a JSON text, as warehouses and stream maps make it.

    Raises:
        RecordError: It is not JSON.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise RecordError(f"'{name}' is a string that is not JSON") from None


def read_description(record: Mapping[str, Any]) -> str:
    """Return the field `description`, which may have several lines; empty where it is missing.

    Raises:
        RecordError: It is not a string, or not printable.
    """
    value = record.get("description")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RecordError("'description' must be a string")
    if not all(each.isprintable() or each in _ALLOWED_WHITESPACE for each in value):
        raise RecordError("'description' must be printable")
    return value


def _read_type(record: Mapping[str, Any]) -> str:
    found = required_text(record, "type").upper()
    if found not in STORE_TYPES:
        raise RecordError(f"'type' must be one of {', '.join(STORE_TYPES)}")
    return found


def _read_labels(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise RecordError("'labels' must be an object of strings")
    return {name: label for name, label in value.items() if name not in MANAGED_LABELS}
