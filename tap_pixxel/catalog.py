"""The catalog of `--catalog`: its form, its streams, and how they are replicated."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from pixxel_singer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_METHODS = (REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL)
_START_AGAIN = "start from the output of --discover"


def apply_catalog_rules(
    catalog: dict[str, Any], replication_keys: Mapping[str, str | None]
) -> None:
    """Check a catalog, and set the replication of each of its streams where the SDK reads it.

    The metadata `replication-method` and `forced-replication-method` take precedence over the
    entry's own `replication_method`, in this order.

    Args:
        catalog: As `--discover` prints it, with a user's changes; it is changed.
        replication_keys: The replication key of each stream; None for a full table.

    Raises:
        InputError: It has another form, an unknown stream, a stream twice, or a replication that
            the stream does not have.
    """
    streams = catalog.get("streams")
    if not isinstance(streams, list):
        raise InputError(f"--catalog: has no list 'streams'; {_START_AGAIN}")
    if not all(map(_is_entry, streams)):
        raise InputError(
            "--catalog: a stream lacks tap_stream_id, schema or metadata, or one of them or "
            f"key_properties has another form than in Singer; {_START_AGAIN}"
        )
    names: set[str] = set()
    problems: list[str] = []
    for entry in streams:
        name = entry["tap_stream_id"]
        if name in names:
            problems.append(f"stream '{name}' occurs twice; remove one of its entries")
        elif name not in replication_keys:
            problems.append(_describe_unknown(name, replication_keys))
        elif entry.get("stream", name) != name:
            problems.append(f"stream '{name}' cannot have another name here; use 'stream_maps'")
        else:
            problems += _set_replication(entry, replication_keys[name])
        names.add(name)
    if problems:
        raise InputError(*(f"--catalog: {each}" for each in problems))


def _is_entry(entry: object) -> bool:
    match entry:
        case {"tap_stream_id": str(), "schema": {"properties": dict()}, "metadata": list(metadata)}:
            columns = entry["schema"]["properties"].values()  # type: ignore[index]  # as matched
            return (
                all(map(_is_metadata, metadata))
                and all(isinstance(each, dict) for each in columns)
                and _is_key_list(entry.get("key_properties"))  # type: ignore[attr-defined]  # a dict
            )
        case _:
            return False


def _is_metadata(metadata: object) -> bool:
    match metadata:
        case {"breadcrumb": list(breadcrumb), "metadata": dict(fields)}:
            keys = fields.get("table-key-properties")
            return all(isinstance(each, str) for each in breadcrumb) and _is_key_list(keys)
        case _:
            return False


def _is_key_list(keys: object) -> bool:
    """Return whether key properties are a list of different texts, or not given."""
    if keys is None:
        return True
    texts = isinstance(keys, list) and all(isinstance(each, str) for each in keys)
    return texts and len(set(keys)) == len(keys)  # type: ignore[call-overload,arg-type]  # a list


def _describe_unknown(name: str, known: Mapping[str, object]) -> str:
    nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
    return f"there is no stream '{name}'; the nearest name is '{nearest}'"


def _set_replication(entry: dict[str, Any], own_key: str | None) -> Iterator[str]:
    """Set the replication of a stream; yield a line for each problem."""
    name = entry["tap_stream_id"]
    root: dict[str, Any] = {}
    for each in entry["metadata"]:
        if not each["breadcrumb"]:
            root |= each["metadata"]
    for key in (root.get("replication-key"), entry.get("replication_key")):
        if key is not None and key != own_key:
            its_own = f"its key is '{own_key}'" if own_key else "it is a full table"
            yield f"stream '{name}' cannot have the replication key {key!r}; {its_own}"
    possible = _METHODS if own_key else _METHODS[:1]
    methods = (
        root.get("replication-method"),
        root.get("forced-replication-method"),
        entry.get("replication_method"),
    )
    method = next((each for each in methods if each is not None), possible[-1])
    if method not in possible:
        yield f"stream '{name}' cannot be replicated by {method!r}; use {' or '.join(possible)}"
    entry["replication_key"], entry["replication_method"] = own_key, method
