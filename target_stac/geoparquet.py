"""GeoParquet, one file a collection, with the columns that any of its items needs."""

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

_BATCH = 200  # items
# It warns of each member that STAC does not give an item, item by item; the docs say it once.
logging.getLogger("stac").setLevel(logging.ERROR)
_ITEM = msgspec.json.Decoder(dict[str, Any])


class GeoparquetError(Exception):
    """The items of a collection do not fit into one table; the text says why."""


def write(path: Path, lines: Callable[[], Iterator[bytes]], check: Callable[[], None]) -> None:
    """Write a collection's items as stac-geoparquet.

    The writer takes its schema from the first batch, and drops what later ones have beyond it.
    So the first pass finds the items that are the first to have some field, or to have it in
    another type; they make the first batch, and the schema is that of all items.

    Args:
        path: Absolute.
        lines: Gives the items' JSON, all with a geometry; called twice.
        check: Raises when a stop was asked for.

    Raises:
        GeoparquetError: A field is a text in one item and a number in another, or the like.
    """
    known: dict[Any, Any] = {}
    try:
        firsts = _first_to_have_something(lines(), known, check)
        read = _without_hollows if _has_hollow(known) else _item
        asyncio.run(_write(path, lines, read, firsts, check))
    except RecursionError:
        raise GeoparquetError("an item is nested too deeply") from None
    except rustac.RustacError as error:
        reason = str(error).strip().splitlines()[0]
        raise GeoparquetError(f"items that do not fit into one table: {reason}") from None


async def _write(
    path: Path,
    lines: Callable[[], Iterator[bytes]],
    read: Callable[[bytes], dict[str, Any]],
    firsts: frozenset[int],
    check: Callable[[], None],
) -> None:
    numbered = enumerate(lines())
    batch = [read(line) for number, line in numbered if number in firsts]
    async with rustac.geoparquet_writer(batch, str(path)) as writer:
        rest = (read(line) for number, line in enumerate(lines()) if number not in firsts)
        while batch := list(islice(rest, _BATCH)):
            check()
            await writer.write(batch)


def _item(line: bytes) -> dict[str, Any]:
    return _ITEM.decode(line)


def _without_hollows(line: bytes) -> dict[str, Any]:
    """Read an item without its empty objects, for which Parquet has no type."""
    filled: dict[str, Any] = _filled(_item(line))
    return filled


def _filled(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return [
            _filled(inner) or None if isinstance(inner, dict) else _filled(inner) for inner in value
        ]
    if isinstance(value, dict):
        members = {name: _filled(inner) for name, inner in value.items()}
        return {name: inner for name, inner in members.items() if inner != {}}
    return value


def _has_hollow(known: dict[Any, Any]) -> bool:
    below = [inner for name, inner in known.items() if isinstance(name, str)]
    return (dict in known and not below) or any(map(_has_hollow, below))


def _first_to_have_something(
    lines: Iterable[bytes], known: dict[Any, Any], check: Callable[[], None]
) -> frozenset[int]:
    """Number the items that have a field, or a type of it, that none before them has."""
    firsts = set()
    for number, line in enumerate(lines):
        check()
        item = _item(line)
        del item["geometry"]  # one column, whatever its type
        if _learn(item, known):
            firsts.add(number)
    return frozenset(firsts)


def _learn(value: Any, known: dict[Any, Any]) -> bool:  # noqa: ANN401 - any JSON
    """Add a value's fields and types to those known; tell whether there was any to add."""
    if isinstance(value, dict):
        new = _add(dict, known)
        for name, inner in value.items():
            below = known.get(name)
            if below is None:
                below = known[name] = {}
                new = True
            new |= _learn(inner, below)
        return new
    if isinstance(value, list):
        new = _add(list, known)
        below = known.setdefault("", {})
        for inner in value:
            new |= _learn(inner, below)
        return new
    return _add(type(value), known)


def _add(kind: type, known: dict[Any, Any]) -> bool:
    if kind in known:
        return False
    known[kind] = True
    return True
