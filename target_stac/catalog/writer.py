"""Write the catalog's files in an order in which all links down resolve at any moment."""

from __future__ import annotations

from hashlib import sha256
from itertools import chain, starmap
from typing import TYPE_CHECKING

from target_stac.item_links import make_item_link
from target_stac.links import ROOT_FILE, encode_json
from target_stac.records import NO_COLLECTION, STAC_VERSION
from target_stac.settings import CATALOG
from target_stac.state.item_index import ROOT, FileKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_stac.catalog.layout import CatalogLayout, CatalogNode
    from target_stac.links import LinkBuilder
    from target_stac.records import Json
    from target_stac.state.item_index import IndexRow, ItemIndex
    from target_stac.state.item_reader import ItemReader
    from target_stac.storage import Storage


class CatalogWriter:
    """Writer of the catalog files that are new or changed.

    It first writes the items, then the items derived from others, then the catalogs that list
    them from the bottom up, and the root last: so no link leads down to a file that does not
    exist. Until the end, links up from new files may. The caller assigns the items to catalogs
    before, and deletes stale files afterwards.

    Args:
        storage: The storage.
        index: The items, with the changed ones marked.
        reader: Reads the items' JSON.
        link_builder: Builds the links.
        layout: Lays out the catalogs.
        verify: Whether files may differ from what the index holds, so that each is compared.
        check: Called before an item is written; raises if a stop was requested.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        index: ItemIndex,
        reader: ItemReader,
        link_builder: LinkBuilder,
        layout: CatalogLayout,
        verify: bool,
        check: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._index = index
        self._reader = reader
        self._link_builder = link_builder
        self._layout = layout
        self._verify = verify
        self._check = check

    def assign_items(self) -> None:
        """Assign the items of changed months to the catalogs that list them.

        An item that gets another one is marked as changed.
        """
        for month in self._index.changed_months():
            for node in self._layout.month_node(*month).walk():
                for row in node.rows:
                    row.changed |= row.catalog_path != node.path
                    row.catalog_path = node.path
                self._index.record_catalogs(node.rows)

    def write(self, root: Json, collections: dict[str, Json]) -> None:
        """Write the catalog.

        Args:
            root: The root catalog without links.
            collections: All collections without structural links, by id.
        """
        months = self._index.changed_months()
        for row in chain.from_iterable(starmap(self._index.rows, months)):
            if row.changed and row.summary.origin is None:
                self._write_item(row)
        self._storage.flush()
        for row in self._index.changed_derived_rows():
            self._write_item(row)
        self._storage.flush()
        for month in months:
            self._write_month(*month)
        self._storage.flush()
        for collection, year in self._index.changed_partitions(4):
            self._write_year(collection, year)
        self._storage.flush()
        links = [self._write_collection(name, collections[name]) for name in sorted(collections)]
        self._storage.flush()
        self._write_catalog(ROOT_FILE, FileKey(ROOT), root, None, links)
        self._storage.flush()

    def _write_month(self, collection: str, name: str) -> None:
        """Write the catalogs of a month, parts before the whole."""
        self._index.renew_files(FileKey(CATALOG, collection, name))
        month = self._layout.month_node(collection, name)
        if not month.rows and not month.children:
            return
        year_path = self._layout.year_path(collection, name[:4])
        for node, parent in reversed(list(_with_parents(month, year_path))):
            self._write_node(node, FileKey(CATALOG, collection, name), parent)
            if month.children:
                self._storage.flush()

    def _write_year(self, collection: str, name: str) -> None:
        key = FileKey(CATALOG, collection, name)
        self._index.renew_files(key)
        year = self._layout.year_node(collection, name)
        if year.children:
            self._write_node(year, key, self._index.collection_path(collection))

    def _write_item(self, row: IndexRow) -> None:
        self._check()
        collection_path = (
            self._index.collection_path(row.collection) if row.collection != NO_COLLECTION else None
        )
        content = self._link_builder.encode_item(
            self._reader.read(row), row.path, row.catalog_path or "", collection_path
        )
        self._storage.write(row.path, content, verify=self._verify)
        self._index.record_moved(row)

    def _write_collection(self, name: str, document: Json) -> Json:
        """Write a collection; return the root's link to it."""
        path = self._index.collection_path(name)
        years = [
            self._link_builder.child_link(path, self._layout.year_path(name, number), number)
            for number in dict.fromkeys(month[:4] for month in self._index.months(name))
        ]
        self._write_catalog(path, FileKey(CATALOG, name), document, ROOT_FILE, years)
        title = document.get("title")
        return self._link_builder.child_link(
            ROOT_FILE, path, title if isinstance(title, str) and title else name
        )

    def _write_node(self, node: CatalogNode, key: FileKey, parent: str) -> None:
        """Write a year, month or part with its links."""
        children = [
            self._link_builder.child_link(node.path, child.path, child.title)
            for child in node.children
        ]
        items = [
            make_item_link(row.summary, self._link_builder.href(node.path, row.path))
            for row in node.rows
        ]
        self._write_catalog(node.path, key, _make_node_document(node), parent, children + items)

    def _write_catalog(
        self, path: str, key: FileKey, document: Json, parent: str | None, links: list[Json]
    ) -> None:
        """Write a catalog with the links to its children, unless it is unchanged."""
        structural = self._link_builder.structural_links(path, parent)
        content = encode_json(
            {**document, "links": [*structural, *links, *document.get("links", ())]}
        )
        if self._index.record_file(path, key, sha256(content).digest()) or self._verify:
            self._storage.write(path, content, verify=self._verify)


def _make_node_document(node: CatalogNode) -> Json:
    """Return the catalog of a year, month or part, without links."""
    collection = node.id.removesuffix(f"-{node.title}")
    return {
        "type": "Catalog",
        "id": node.id,
        "stac_version": STAC_VERSION,
        "title": node.title,
        "description": f"Items of {collection} acquired in {node.title}",
    }


def _with_parents(node: CatalogNode, parent: str) -> Iterator[tuple[CatalogNode, str]]:
    """Yield a catalog and all catalogs below it, each with the path of its parent."""
    yield node, parent
    for child in node.children:
        yield from _with_parents(child, node.path)
