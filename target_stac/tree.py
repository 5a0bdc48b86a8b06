"""The tree of a catalog: collections, years, months, and parts of a month that is too long."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING

from target_stac.facts import link_to
from target_stac.index import NO_COLLECTION
from target_stac.links import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_stac.index import Index, Row
    from target_stac.links import Linker
    from target_stac.output import Output
    from target_stac.records import Json

STAC_VERSION = "1.1.0"
MAX_BYTES = 900_000
"""Of a catalog's links; a catalog file stays under 1 MB."""
_NO_HASH = "0" * 64
_HASH_DIGITS = 8


@dataclass
class Leaf:
    """A catalog below a collection.

    Attributes:
        path: Of its file.
        id: Its STAC id; begins with the collection's.
        title: What of the id is its own.
        children: The catalogs below it.
        rows: The items it lists.
    """

    path: str
    id: str
    title: str
    children: list[Leaf] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def walk(self) -> Iterator[Leaf]:
        """Give this one and all below it, from the top down."""
        yield self
        for child in self.children:
            yield from child.walk()


def _day(row: Row) -> str:
    return row.facts.day[8:10]


def _bound(row: Row) -> int:
    """Say how long its link can be at the most, without writing it."""
    texts = (row.id, row.name, row.folder, row.facts.title, *(row.facts.origin or ()))
    return 600 + 6 * sum(map(len, texts))  # a character may be escaped by six


def _digit(place: int) -> Callable[[Row], str]:
    return lambda row: sha256(row.id.encode("utf-8", "surrogatepass")).hexdigest()[place]


_DIVISIONS: tuple[Callable[[Row], str], ...] = (_day, *map(_digit, range(_HASH_DIGITS)))
"""What a catalog that is too long is divided by: days first, then evenly."""


class Layout:
    """Says which catalogs there are and what they list.

    Args:
        index: The items.
        linker: Writes the links; their length counts.
    """

    def __init__(self, index: Index, linker: Linker) -> None:
        self._index = index
        self._linker = linker
        self._known: dict[str, list[str]] = {}

    def collection(self, collection: str) -> str:
        """Give the path of a collection's file."""
        name = "collection.json" if collection != NO_COLLECTION else "catalog.json"
        return f"{self._index.folder(collection)}/{name}"

    def year(self, collection: str, year: str) -> Leaf:
        """Give a year with its months, these without what they list."""
        path = f"{self._index.folder(collection)}/{year}/catalog.json"
        made = Leaf(path, f"{collection or 'no-collection'}-{year}", year)
        made.children = [
            self._month(collection, month)
            for month in self._months(collection)
            if month.startswith(year)
        ]
        return made

    def month(self, collection: str, month: str) -> Leaf:
        """Give a month with its items, divided where one file could not list them all."""
        made = self._month(collection, month)
        self._divide(made, self._index.month(collection, month), 0)
        return made

    def _months(self, collection: str) -> list[str]:
        """Name a collection's months, asking once: no item comes while a tree is written."""
        if collection not in self._known:
            self._known[collection] = self._index.months(collection)
        return self._known[collection]

    def _month(self, collection: str, month: str) -> Leaf:
        year, number = month.split("-")
        path = f"{self._index.folder(collection)}/{year}/{number}/catalog.json"
        return Leaf(path, f"{collection or 'no-collection'}-{month}", month)

    def _divide(self, leaf: Leaf, rows: list[Row], level: int) -> None:
        if level == len(_DIVISIONS) or self._fit(rows):
            leaf.rows = rows
            for row in rows:
                row.leaf = leaf.path
            return
        key = _DIVISIONS[level]
        for name, group in groupby(sorted(rows, key=key), key):
            title = f"{leaf.title}-{name}"
            path = leaf.path.replace("catalog.json", f"{name}/catalog.json")
            part = Leaf(path, f"{leaf.id}-{name}", title)
            self._divide(part, list(group), level + 1)
            leaf.children.append(part)

    def _fit(self, rows: list[Row]) -> bool:
        """Tell whether one catalog can list them."""
        published = len(self._linker.href("", ""))
        if sum(published + _bound(row) for row in rows) <= MAX_BYTES:
            return True
        return sum(map(self._length, rows)) <= MAX_BYTES

    def _length(self, row: Row) -> int:
        return len(encode(link_to(row, self._linker.href(row.path, row.path), _NO_HASH))) + 16


class Writer:
    """Writes the catalogs, and only those that are not as they should be.

    Args:
        output: The place.
        linker: Writes the links.
    """

    def __init__(self, output: Output, linker: Linker) -> None:
        self._output = output
        self._linker = linker
        self._there: set[str] = set()

    def expect(self, paths: set[str]) -> None:
        """Note the catalogs that the last run has left."""
        self._there = set(paths)

    def begin(self, path: str, document: Json, parent: str | None) -> None:
        """Put a catalog without its children where there is none yet.

        What is written below it may then link up to it at any time.
        """
        if path not in self._there:
            self._there.add(path)
            self._output.write(path, encode(self._linked(path, document, parent, [])))

    def finish(self, path: str, document: Json, parent: str | None, links: list[Json]) -> bool:
        """Put a catalog with the links to what is below it.

        Returns:
            Whether it had to be written.
        """
        content = encode(self._linked(path, document, parent, links))
        if content == self._output.read(path):
            return False
        self._output.write(path, content)
        return True

    def begin_leaf(self, leaf: Leaf, parent: str) -> None:
        """Put a year, month or part without what it lists where there is none yet."""
        self.begin(leaf.path, document(leaf), parent)

    def leaf(self, leaf: Leaf, parent: str) -> bool:
        """Put a year, month or part, all below it being there.

        Returns:
            Whether it had to be written.
        """
        children = [self._linker.child(leaf.path, c.path, c.title) for c in leaf.children]
        items = [
            link_to(row, self._linker.href(leaf.path, row.path), row.sha256 or _NO_HASH)
            for row in leaf.rows
        ]
        return self.finish(leaf.path, document(leaf), parent, children + items)

    def _linked(self, path: str, document: Json, parent: str | None, links: list[Json]) -> Json:
        own = self._linker.up(path, parent)
        return {**document, "links": [*own, *links, *document.get("links", ())]}


def document(leaf: Leaf) -> Json:
    """Make the catalog of a year, month or part, without links."""
    collection = leaf.id.removesuffix(f"-{leaf.title}")
    return {
        "type": "Catalog",
        "id": leaf.id,
        "stac_version": STAC_VERSION,
        "title": leaf.title,
        "description": f"Items of {collection} acquired in {leaf.title}",
    }
