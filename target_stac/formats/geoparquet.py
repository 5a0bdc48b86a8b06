"""Write the items of a collection as stac-geoparquet, with a column for each of their fields."""

from __future__ import annotations

import asyncio
import logging
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import rustac

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_BATCH_ITEMS = 200
# It logs a warning for each item member that STAC does not define; the docs mention it instead.
logging.getLogger("stac").setLevel(logging.ERROR)
_ITEM_DECODER = msgspec.json.Decoder(dict[str, Any])


class GeoparquetError(Exception):
    """The items of a collection do not fit one table; the message gives the reason."""


def write_geoparquet(
    path: Path, read_lines: Callable[[], Iterator[bytes]], check: Callable[[], None]
) -> None:
    """Write a collection's items as stac-geoparquet.

    The writer takes its schema from the first batch, and drops fields that only later batches
    have. So the first pass finds the items that are the first to have some field, or to have it
    with another type. They form the first batch, and the schema covers all items.

    Args:
        path: Absolute path of the file.
        read_lines: Returns the items' JSON, all with a geometry; called three times.
        check: Raises if a stop was requested.

    Raises:
        GeoparquetError: A field has incompatible types, such as a string and a number.
    """
    types: dict[Any, Any] = {}
    try:
        schema_items = _find_schema_items(read_lines(), types, check)
        decode = _decode_without_empty_structs if _has_empty_struct(types) else _decode_item
        asyncio.run(_write_batches(path, read_lines, decode, schema_items, check))
    except RecursionError:
        raise GeoparquetError("an item is nested too deeply") from None
    except rustac.RustacError as error:
        reason = str(error).strip().splitlines()[0]
        raise GeoparquetError(f"the items do not fit one table: {reason}") from None


async def _write_batches(
    path: Path,
    read_lines: Callable[[], Iterator[bytes]],
    decode: Callable[[bytes], dict[str, Any]],
    schema_items: frozenset[int],
    check: Callable[[], None],
) -> None:
    batch = [decode(line) for number, line in enumerate(read_lines()) if number in schema_items]
    async with rustac.geoparquet_writer(batch, str(path)) as writer:
        others = (
            decode(line) for number, line in enumerate(read_lines()) if number not in schema_items
        )
        while batch := list(islice(others, _BATCH_ITEMS)):
            check()
            await writer.write(batch)


def _decode_item(line: bytes) -> dict[str, Any]:
    return _ITEM_DECODER.decode(line)


def _decode_without_empty_structs(line: bytes) -> dict[str, Any]:
    """Decode an item without its empty objects, for which Parquet has no type."""
    item: dict[str, Any] = _drop_empty_structs(_decode_item(line))
    return item


def _drop_empty_structs(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return [
            _drop_empty_structs(element) or None
            if isinstance(element, dict)
            else _drop_empty_structs(element)
            for element in value
        ]
    if isinstance(value, dict):
        members = {name: _drop_empty_structs(member) for name, member in value.items()}
        return {name: member for name, member in members.items() if member != {}}
    return value


def _has_empty_struct(types: dict[Any, Any]) -> bool:
    members = [member for name, member in types.items() if isinstance(name, str)]
    return (dict in types and not members) or any(map(_has_empty_struct, members))


def _find_schema_items(
    lines: Iterable[bytes], types: dict[Any, Any], check: Callable[[], None]
) -> frozenset[int]:
    """Return the numbers of the items that have a field, or a type of it, before any other.

    Args:
        lines: The items' JSON.
        types: Filled with the types of all fields: by name the types of a member, by "" those of
            a list's elements, by Python type that a value has this type.
        check: Raises if a stop was requested.
    """
    schema_items = set()
    for number, line in enumerate(lines):
        check()
        item = _decode_item(line)
        del item["geometry"]  # one column for all types of geometry
        if _merge_types(item, types):
            schema_items.add(number)
    return frozenset(schema_items)


def _merge_types(value: Any, types: dict[Any, Any]) -> bool:  # noqa: ANN401 - any JSON
    """Add a value's fields and types to `types`; return whether any of them is new."""
    if isinstance(value, dict):
        is_new = _add_type(dict, types)
        for name, member in value.items():
            member_types = types.get(name)
            if member_types is None:
                member_types = types[name] = {}
                is_new = True
            is_new |= _merge_types(member, member_types)
        return is_new
    if isinstance(value, list):
        is_new = _add_type(list, types)
        element_types = types.setdefault("", {})
        for element in value:
            is_new |= _merge_types(element, element_types)
        return is_new
    return _add_type(type(value), types)


def _add_type(kind: type, types: dict[Any, Any]) -> bool:
    if kind in types:
        return False
    types[kind] = True
    return True
