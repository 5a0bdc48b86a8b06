"""Lay out a catalog: collections, years, months, and the parts of a month that is too long."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING

from target_stac.item_links import make_item_link
from target_stac.links import encode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_stac.links import LinkBuilder
    from target_stac.state.item_index import IndexRow, ItemIndex

MAX_LINK_BYTES = 900_000
"""Maximum size of a catalog's links, so that its file stays under 1 MB."""
_HASH_DIGITS = 8


@dataclass
class CatalogNode:
    """A catalog below a collection.

    Attributes:
        path: Path of its file.
        id: Its STAC id; starts with the id of the collection.
        title: The part of the id after that of the collection.
        children: The catalogs that it lists.
        rows: The items that it lists.
    """

    path: str
    id: str
    title: str
    children: list[CatalogNode] = field(default_factory=list)
    rows: list[IndexRow] = field(default_factory=list)

    def walk(self) -> Iterator[CatalogNode]:
        """Yield this catalog and all catalogs below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


def _day_key(row: IndexRow) -> str:
    return row.summary.day[8:10]


def _max_link_bytes(row: IndexRow) -> int:
    """Return an upper bound of the size of an item's link, without encoding the link."""
    texts = (row.name, row.folder, row.summary.title)
    return 200 + 6 * sum(map(len, texts))  # an escaped character takes up to six bytes


def _make_hash_digit_key(position: int) -> Callable[[IndexRow], str]:
    return lambda row: sha256(row.id.encode("utf-8", "surrogatepass")).hexdigest()[position]


_DIVISION_KEYS: tuple[Callable[[IndexRow], str], ...] = (
    _day_key,
    *map(_make_hash_digit_key, range(_HASH_DIGITS)),
)
"""Keys that divide a catalog that is too long: first the day, then a hash, for even parts."""


class CatalogLayout:
    """Layout of the catalogs below the collections.

    Args:
        index: The items.
        link_builder: Builds the links, whose size divides the catalogs.
    """

    def __init__(self, index: ItemIndex, link_builder: LinkBuilder) -> None:
        self._index = index
        self._link_builder = link_builder
        self._months_by_collection: dict[str, list[str]] = {}

    def year_node(self, collection: str, year: str) -> CatalogNode:
        """Return a year with its months, but without the items of the months."""
        path = self.year_path(collection, year)
        node = CatalogNode(path, f"{collection or 'no-collection'}-{year}", year)
        node.children = [
            self._make_month_node(collection, month)
            for month in self._find_months(collection)
            if month.startswith(year)
        ]
        return node

    def year_path(self, collection: str, year: str) -> str:
        """Return the path of a year's catalog."""
        return f"{self._index.collection_folder(collection)}/{year}/catalog.json"

    def month_node(self, collection: str, month: str) -> CatalogNode:
        """Return a month with its items, divided if one file cannot list them all."""
        node = self._make_month_node(collection, month)
        self._divide(node, list(self._index.rows(collection, month)), 0)
        return node

    def _find_months(self, collection: str) -> list[str]:
        """Return a collection's months, cached: no item is added while a catalog is written."""
        if collection not in self._months_by_collection:
            self._months_by_collection[collection] = self._index.months(collection)
        return self._months_by_collection[collection]

    def _make_month_node(self, collection: str, month: str) -> CatalogNode:
        year, number = month.split("-")
        path = f"{self._index.collection_folder(collection)}/{year}/{number}/catalog.json"
        return CatalogNode(path, f"{collection or 'no-collection'}-{month}", month)

    def _divide(self, node: CatalogNode, rows: list[IndexRow], level: int) -> None:
        if level == len(_DIVISION_KEYS) or self._fits_one_catalog(rows):
            node.rows = rows
            return
        key = _DIVISION_KEYS[level]
        for name, group in groupby(sorted(rows, key=key), key):
            title = f"{node.title}-{name}"
            path = node.path.replace("catalog.json", f"{name}/catalog.json")
            part = CatalogNode(path, f"{node.id}-{name}", title)
            self._divide(part, list(group), level + 1)
            node.children.append(part)

    def _fits_one_catalog(self, rows: list[IndexRow]) -> bool:
        href_bytes = len(self._link_builder.href("", ""))
        if sum(href_bytes + _max_link_bytes(row) for row in rows) <= MAX_LINK_BYTES:
            return True
        return sum(map(self._link_bytes, rows)) <= MAX_LINK_BYTES

    def _link_bytes(self, row: IndexRow) -> int:
        href = self._link_builder.href(row.path, row.path)
        return len(encode_json(make_item_link(row.summary, href))) + 16
