"""Leftovers: files that a run takes away, and those that one which was killed has left."""

from __future__ import annotations

import posixpath
from itertools import groupby
from typing import TYPE_CHECKING

from target_stac.links import ROOT, untied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_stac.existing import Tree
    from target_stac.index import Index
    from target_stac.output import Output
    from target_stac.tree import Layout

UNFINISHED = ".unfinished"
"""Is there while an export is being written: a line for each path, after + if it comes with it, or
- if it goes."""
COMING, GOING = "+-"
_CATALOG_FILES = frozenset({"catalog.json", "collection.json"})


class Leftovers:
    """Knows which files an export does without from now on.

    Args:
        output: The place.
        index: The items.
        tree: What the last run has left.
        layout: Says where catalogs belong.
        wants_tree: Whether the export is to have a tree.
    """

    def __init__(
        self, output: Output, index: Index, tree: Tree, layout: Layout, *, wants_tree: bool
    ) -> None:
        self._output = output
        self._index = index
        self._tree = tree
        self._layout = layout
        self._wants_tree = wants_tree
        self._in_doubt: set[str] = set()

    def recover(self, announced: bytes, *, adopt: bool) -> None:
        """Take over what a run that was killed has put down and not linked, and drop the rest.

        Args:
            announced: What that run wrote down; paths that lead out of the export are no one's.
            adopt: Whether its items are to stay.
        """
        for line in announced.decode(errors="replace").splitlines():
            path = line[1:]
            if not path or path.startswith("/") or ".." in path.split("/"):
                continue
            if posixpath.basename(path) in _CATALOG_FILES:
                self._in_doubt.add(path)
                continue
            if line.startswith(COMING) and adopt:
                self._tree.adopt(path, self._index)
            self._index.discard(path)

    def announce(self, scratch: Path) -> None:
        """Say which files come or go, for a later run to mend if this one is killed."""
        file = scratch / UNFINISHED
        with file.open("w", encoding="ascii") as lines:
            lines.writelines(f"{GOING}{path}\n" for path in self._going())
            if self._wants_tree:
                lines.writelines(f"{COMING}{path}\n" for path in self._coming())
        self._output.put(UNFINISHED, file)

    def remove(self, catalogs: set[str]) -> None:
        """Remove what nothing links to any more.

        Files that go lose their own links first, so that none of them leads to a file that has
        gone before; catalogs go after what is below them, the root last.

        Args:
            catalogs: Paths of those that stay.
        """
        if not self._wants_tree:
            for row in self._index.rows():
                if row.old_path:
                    self._index.discard(row.old_path)
        gone = sorted((self._tree.catalogs | self._in_doubt) - catalogs, key=_depth)
        for path in gone:
            self._untie(path)
            self._output.settle()
        for path in self._leaving(self._index.stale(tied=True)):
            self._untie(path)
        self._output.settle()
        for path in self._leaving(self._index.stale()):
            self._output.delete(path)
        for _, paths in groupby(reversed(gone), _depth):
            self._output.settle()
            for path in paths:
                self._output.delete(path)

    def forget(self) -> None:
        """Say that the export is finished."""
        self._output.settle()
        self._output.delete(UNFINISHED)
        self._output.settle()

    def _going(self) -> Iterator[str]:
        yield from self._index.stale()
        yield from sorted(self._in_doubt | self._tree.catalogs - {ROOT})
        for row in self._index.moving() if self._wants_tree else self._index.rows():
            if row.old_path:
                yield row.old_path

    def _coming(self) -> Iterator[str]:
        for row in self._index.moving():
            yield row.path
        for collection in self._index.collections():
            yield self._layout.collection(collection)
        for collection, name in self._index.touched():
            yield self._layout.year(collection, name[:4]).path
            for leaf in self._layout.month(collection, name).walk():
                yield leaf.path

    def _leaving(self, paths: list[str]) -> Iterator[str]:
        for path in paths:
            if not self._wants_tree or not self._index.holds(path):
                yield path

    def _untie(self, path: str) -> None:
        content = self._output.read(path)
        alone = untied(content) if content is not None else None
        if alone is not None and alone != content:
            self._output.write(path, alone)


def _depth(path: str) -> int:
    return path.count("/")
