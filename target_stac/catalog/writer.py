"""Write the catalog's files in an order in which every link resolves at any moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from target_stac.catalog.layout import PLACEHOLDER_HASH
from target_stac.item_links import make_item_link
from target_stac.links import ROOT_FILE, encode_json
from target_stac.records import NO_COLLECTION, STAC_VERSION
from target_stac.state.item_index import BOTH_PASSES, FIRST_PASS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_stac.catalog.layout import CatalogLayout, CatalogNode
    from target_stac.links import LinkBuilder
    from target_stac.records import Json
    from target_stac.state.item_index import IndexRow, ItemIndex
    from target_stac.state.item_reader import ItemReader
    from target_stac.storage import Storage


@dataclass
class CatalogWriteResult:
    """Result of `CatalogWriter.write`.

    Attributes:
        items_written: Number of item files written.
        changed: Whether the root or a collection was written.
        collections: Ids of the collections with added, changed or removed items.
        catalogs: Paths of all catalogs of the export.
    """

    items_written: int = 0
    changed: bool = False
    collections: set[str] = field(default_factory=set)
    catalogs: set[str] = field(default_factory=set)


class CatalogWriter:
    """Writer of the catalog files that are new or changed.

    It first writes new catalogs without their children, so that the links of items to them
    resolve; then the items, then the items derived from others, then the catalogs that list them,
    and the root last. The caller deletes stale files afterwards.

    Args:
        storage: The storage.
        index: The items, with the changed ones marked.
        reader: Reads the items' JSON.
        link_builder: Builds the links.
        layout: Lays out the catalogs.
        previous_catalogs: Paths of the previous export's catalogs.
        trust_previous: Whether an item's file is assumed to match the hash in the link to it;
            otherwise it is read and compared.
        check: Raises if a stop was requested.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        index: ItemIndex,
        reader: ItemReader,
        link_builder: LinkBuilder,
        layout: CatalogLayout,
        previous_catalogs: set[str],
        trust_previous: bool,
        check: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._index = index
        self._reader = reader
        self._link_builder = link_builder
        self._layout = layout
        self._previous_catalogs = previous_catalogs
        self._trust_previous = trust_previous
        self._check = check
        self._existing_catalogs = set(previous_catalogs)
        self._result = CatalogWriteResult()

    def write(self, root: Json, collections: dict[str, Json]) -> CatalogWriteResult:
        """Write the catalog.

        Args:
            root: The root catalog without links.
            collections: All collections without structural links, by id.
        """
        result = self._result
        result.changed |= ROOT_FILE not in self._previous_catalogs
        self._write_if_new(ROOT_FILE, root, None)
        changed_months = self._index.changed_months()
        months = [month for month in changed_months if month[0] in collections]
        result.changed |= len(months) < len(changed_months)  # a collection lost all its items
        for name in dict.fromkeys(name for name, _ in months):
            self._write_if_new(self._index.collection_path(name), collections[name], ROOT_FILE)
        for month in months:
            self._write_first_pass(*month)
        self._storage.flush()
        for month in months:
            self._write_second_pass(*month)
        self._storage.flush()
        for month in months:
            self._write_month_catalogs(*month)
        for collection, number in dict.fromkeys((name, month[:4]) for name, month in months):
            year = self._layout.year_node(collection, number)
            if not year.children or self._write_node(year, self._index.collection_path(collection)):
                result.collections.add(collection)
        links = [self._write_collection(name, collections[name]) for name in sorted(collections)]
        self._storage.flush()
        result.changed |= self._write_if_changed(ROOT_FILE, root, None, links)
        result.catalogs.add(ROOT_FILE)
        self._keep_unchanged(set(changed_months))
        self._storage.flush()
        return result

    def _write_first_pass(self, collection: str, name: str) -> None:
        """Write the new catalogs of a month, and its items of the first pass."""
        month = self._layout.month_node(collection, name)
        if not month.rows and not month.children:
            return
        year = self._layout.year_node(collection, name[:4])
        self._write_node_if_new(year, self._index.collection_path(collection))
        for node, parent in _with_parents(month, year.path):
            self._write_node_if_new(node, parent)
            self._result.catalogs.add(node.path)
        for node in month.walk():
            for row in node.rows:
                self._check()
                if row.write_pass == BOTH_PASSES:
                    self._storage.write(row.path, self._encode_item(row, redirect=False))
                elif row.write_pass == FIRST_PASS:
                    self._write_item(row)
            self._index.record_catalogs(node.rows)

    def _write_second_pass(self, collection: str, month: str) -> None:
        for row in self._index.month_rows(collection, month):
            self._check()
            if row.write_pass != FIRST_PASS:
                self._write_item(row)

    def _write_month_catalogs(self, collection: str, name: str) -> None:
        month = self._layout.month_node(collection, name)
        if not month.rows and not month.children:
            return
        year = self._layout.year_node(collection, name[:4])
        for node, parent in reversed(list(_with_parents(month, year.path))):
            if self._write_node(node, parent):
                self._result.collections.add(collection)

    def _encode_item(self, row: IndexRow, *, redirect: bool = True) -> bytes:
        collection_path = (
            self._index.collection_path(row.collection) if row.collection != NO_COLLECTION else None
        )
        return self._link_builder.encode_item(
            self._reader.read(row),
            row.path,
            row.catalog_path or "",
            collection_path,
            redirect=redirect,
        )

    def _write_item(self, row: IndexRow) -> None:
        if not row.incoming and not row.has_moved:
            return
        content = self._encode_item(row)
        digest = sha256(content).hexdigest()
        is_known = digest == row.sha256 and row.path == row.old_path
        if not is_known or not (self._trust_previous or self._storage.read(row.path) == content):
            self._storage.write(row.path, content)
            self._result.items_written += 1
        row.sha256 = digest
        self._index.record_written(row)

    def _write_collection(self, name: str, document: Json) -> Json:
        """Write a collection; return the root's link to it."""
        path = self._index.collection_path(name)
        years = []
        for number in dict.fromkeys(month[:4] for month in self._index.months(name)):
            year = self._layout.year_node(name, number)
            self._result.catalogs.add(year.path)
            years.append(self._link_builder.child_link(path, year.path, year.title))
        self._storage.flush()
        self._result.changed |= self._write_if_changed(path, document, ROOT_FILE, years)
        self._result.catalogs.add(path)
        title = document.get("title")
        return self._link_builder.child_link(
            ROOT_FILE, path, title if isinstance(title, str) and title else name
        )

    def _keep_unchanged(self, changed_months: set[tuple[str, str]]) -> None:
        """Add the catalogs of unchanged months to the result."""
        kept = {
            f"{self._index.collection_folder(collection)}/{month.replace('-', '/')}"
            for collection in self._index.collection_ids()
            for month in self._index.months(collection)
            if (collection, month) not in changed_months
        }
        self._result.catalogs |= {
            path for path in self._previous_catalogs if "/".join(path.split("/")[:3]) in kept
        }

    def _write_if_new(self, path: str, document: Json, parent: str | None) -> None:
        """Write a catalog without its children if it does not exist yet."""
        if path not in self._existing_catalogs:
            self._existing_catalogs.add(path)
            self._storage.write(path, self._encode_catalog(path, document, parent, []))

    def _write_if_changed(
        self, path: str, document: Json, parent: str | None, links: list[Json]
    ) -> bool:
        """Write a catalog with the links to its children; return whether it changed."""
        content = self._encode_catalog(path, document, parent, links)
        if content == self._storage.read(path):
            return False
        self._storage.write(path, content)
        return True

    def _write_node_if_new(self, node: CatalogNode, parent: str) -> None:
        self._write_if_new(node.path, _make_node_document(node), parent)

    def _write_node(self, node: CatalogNode, parent: str) -> bool:
        """Write a year, month or part with its links; return whether it changed."""
        children = [
            self._link_builder.child_link(node.path, child.path, child.title)
            for child in node.children
        ]
        items = [
            make_item_link(
                row.id,
                row.summary,
                self._link_builder.href(node.path, row.path),
                row.sha256 or PLACEHOLDER_HASH,
            )
            for row in node.rows
        ]
        return self._write_if_changed(
            node.path, _make_node_document(node), parent, children + items
        )

    def _encode_catalog(
        self, path: str, document: Json, parent: str | None, links: list[Json]
    ) -> bytes:
        structural = self._link_builder.structural_links(path, parent)
        return encode_json({**document, "links": [*structural, *links, *document.get("links", ())]})


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
