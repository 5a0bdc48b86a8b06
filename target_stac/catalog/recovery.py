"""Mark a run's changes before it writes, recover from a killed run, and delete stale files."""

from __future__ import annotations

import posixpath
from itertools import groupby
from typing import TYPE_CHECKING

from target_stac.links import ROOT_FILE, strip_child_links

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_stac.catalog.layout import CatalogLayout
    from target_stac.state.item_index import ItemIndex
    from target_stac.state.previous_export import PreviousTree
    from target_stac.storage import Storage

MARKER_FILE = ".unfinished"
"""Exists while an export is written: a line for each path, after + if the run adds the file, or
after - if it removes the file."""
ADDED, REMOVED = "+-"
_CATALOG_NAMES = frozenset({"catalog.json", "collection.json"})


class ExportRecovery:
    """Recovery from a killed run, and the marker file that the next run recovers from.

    Args:
        storage: The storage.
        index: The items.
        tree: The catalog of the previous export.
        layout: Lays out the catalogs.
        writes_catalog: Whether this run writes a catalog.
    """

    def __init__(
        self,
        storage: Storage,
        index: ItemIndex,
        tree: PreviousTree,
        layout: CatalogLayout,
        *,
        writes_catalog: bool,
    ) -> None:
        self._storage = storage
        self._index = index
        self._tree = tree
        self._layout = layout
        self._writes_catalog = writes_catalog
        self._marked_catalogs: set[str] = set()

    def recover(self, marker: bytes, *, keep_items: bool) -> None:
        """Index the items that a killed run wrote but did not link, and mark its files as stale.

        Args:
            marker: Content of that run's marker file; paths out of the export are ignored.
            keep_items: Whether to keep its items.
        """
        for line in marker.decode(errors="replace").splitlines():
            path = line[1:]
            if not path or path.startswith("/") or ".." in path.split("/"):
                continue
            if posixpath.basename(path) in _CATALOG_NAMES:
                self._marked_catalogs.add(path)
                continue
            if line.startswith(ADDED) and keep_items:
                self._tree.recover_item(path, self._index)
            self._index.mark_stale(path)

    def write_marker(self, scratch: Path) -> None:
        """Write the marker file, from which a later run recovers if this run is killed."""
        file = scratch / MARKER_FILE
        with file.open("w", encoding="ascii") as lines:
            lines.writelines(f"{REMOVED}{path}\n" for path in self._removed_paths())
            if self._writes_catalog:
                lines.writelines(f"{ADDED}{path}\n" for path in self._added_paths())
        self._storage.put_file(MARKER_FILE, file)

    def remove_stale_files(self, catalogs: set[str]) -> None:
        """Delete the files that are no longer part of the export.

        Each file first loses its links, so that no link leads to a deleted file. Then items are
        deleted, then catalogs, children first.

        Args:
            catalogs: Paths of the catalogs to keep.
        """
        if not self._writes_catalog:
            for row in self._index.rows():
                if row.old_path:
                    self._index.mark_stale(row.old_path)
        stale_catalogs = sorted(
            (self._tree.catalogs | self._marked_catalogs) - catalogs, key=_depth
        )
        for path in stale_catalogs:
            self._strip_child_links(path)
            self._storage.flush()
        for path in self._skip_current_items(self._index.stale_files(linking=True)):
            self._strip_child_links(path)
        self._storage.flush()
        for path in self._skip_current_items(self._index.stale_files()):
            self._storage.delete(path)
        for _, paths in groupby(reversed(stale_catalogs), _depth):
            self._storage.flush()
            for path in paths:
                self._storage.delete(path)

    def remove_marker(self) -> None:
        """Delete the marker file: the export is complete."""
        self._storage.flush()
        self._storage.delete(MARKER_FILE)
        self._storage.flush()

    def _removed_paths(self) -> Iterator[str]:
        yield from self._index.stale_files()
        yield from sorted(self._marked_catalogs | self._tree.catalogs - {ROOT_FILE})
        for row in self._index.rows_to_place() if self._writes_catalog else self._index.rows():
            if row.old_path:
                yield row.old_path

    def _added_paths(self) -> Iterator[str]:
        for row in self._index.rows_to_place():
            yield row.path
        for collection in self._index.collection_ids():
            yield self._index.collection_path(collection)
        for collection, name in self._index.changed_months():
            yield self._layout.year_node(collection, name[:4]).path
            for node in self._layout.month_node(collection, name).walk():
                yield node.path

    def _skip_current_items(self, paths: list[str]) -> Iterator[str]:
        for path in paths:
            if not self._writes_catalog or not self._index.has_path(path):
                yield path

    def _strip_child_links(self, path: str) -> None:
        content = self._storage.read(path)
        stripped = strip_child_links(content) if content is not None else None
        if stripped is not None and stripped != content:
            self._storage.write(path, stripped)


def _depth(path: str) -> int:
    return path.count("/")
