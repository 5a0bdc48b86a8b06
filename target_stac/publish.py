"""The tree, brought up to date: at any moment every link of what is there resolves."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from target_stac.index import LATE_AND_ORIGIN, NO_COLLECTION
from target_stac.links import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_stac.bodies import Bodies
    from target_stac.index import Index, Row
    from target_stac.links import Linker
    from target_stac.output import Output
    from target_stac.records import Json
    from target_stac.tree import Layout, Leaf, Writer


class Publisher:
    """Writes a tree from the top down, then from the bottom up.

    A catalog that is new is put down empty before anything below it, so that links upward resolve.
    The items come next, those derived from others after them, then the catalogs that list them,
    the root last. Files that nothing links to any more are for the caller to delete afterwards.

    Args:
        output: The place.
        index: The items, with their plan made.
        bodies: Gives the items' JSON.
        linker: Writes links.
        layout: Says which catalogs there are.
        writer: Writes the catalogs.
        trusting: Whether an item's file is taken to be there as its catalog says.
        check: Raises when a stop was asked for.

    Attributes:
        written: Item files written.
        changed: Whether the root or a collection had to be written.
        collections: Ids of the collections with items that came, changed or went.
        catalogs: Paths of all catalogs that belong to the tree.
    """

    def __init__(
        self,
        *,
        output: Output,
        index: Index,
        bodies: Bodies,
        linker: Linker,
        layout: Layout,
        writer: Writer,
        trusting: bool,
        check: Callable[[], None],
    ) -> None:
        self._output = output
        self._index = index
        self._bodies = bodies
        self._linker = linker
        self._layout = layout
        self._writer = writer
        self._trusting = trusting
        self._check = check
        self.written = 0
        self.changed = False
        self.collections: set[str] = set()
        self.catalogs: set[str] = set()

    def publish(self, root: Json, collections: dict[str, Json], there: set[str]) -> None:
        """Write all that is not as it should be.

        Args:
            root: The root catalog without links.
            collections: All collections by id, with bare links.
            there: Paths of the catalogs that the last run has left.
        """
        self._writer.expect(there)
        self.changed |= ROOT not in there
        self._writer.begin(ROOT, root, None)
        touched = self._index.touched()
        months = [month for month in touched if month[0] in collections]
        self.changed |= len(months) < len(touched)  # this run has left nothing of a collection
        for name in dict.fromkeys(name for name, _ in months):
            self._writer.begin(self._layout.collection(name), collections[name], ROOT)
        for month in months:
            self._begin(*month)
        self._output.settle()
        for month in months:
            self._late_items(*month)
        self._output.settle()
        for month in months:
            self._finish(*month)
        for collection, number in dict.fromkeys((name, month[:4]) for name, month in months):
            year = self._layout.year(collection, number)
            if not year.children or self._writer.leaf(year, self._layout.collection(collection)):
                self.collections.add(collection)
        links = [self._collection(name, collections[name]) for name in sorted(collections)]
        self._output.settle()
        self.changed |= self._writer.finish(ROOT, root, None, links)
        self.catalogs.add(ROOT)
        self._keep_untouched(set(touched), there)
        self._output.settle()

    def _begin(self, collection: str, name: str) -> None:
        """Put down the catalogs of a month, and its items but for those that are late."""
        month = self._layout.month(collection, name)
        if not month.rows and not month.children:
            return
        year = self._layout.year(collection, name[:4])
        top = self._layout.collection(collection)
        self._writer.begin_leaf(year, top)
        for leaf, parent in _with_parents(month, year.path):
            self._writer.begin_leaf(leaf, parent)
            self.catalogs.add(leaf.path)
        for leaf in month.walk():
            for row in leaf.rows:
                self._check()
                if row.late == LATE_AND_ORIGIN:
                    self._output.write(row.path, self._content(row, redirect=False))
                elif not row.late:
                    self._item(row)
            self._index.file(leaf.rows)

    def _late_items(self, collection: str, month: str) -> None:
        for row in self._index.month(collection, month):
            self._check()
            if row.late:
                self._item(row)

    def _finish(self, collection: str, name: str) -> None:
        """Let the catalogs of a month list what they should."""
        month = self._layout.month(collection, name)
        if not month.rows and not month.children:
            return
        year = self._layout.year(collection, name[:4])
        for leaf, parent in reversed(list(_with_parents(month, year.path))):
            if self._writer.leaf(leaf, parent):
                self.collections.add(collection)

    def _content(self, row: Row, *, redirect: bool = True) -> bytes:
        top = self._layout.collection(row.collection) if row.collection != NO_COLLECTION else None
        return self._linker.item(
            self._bodies(row), row.path, row.leaf or "", top, redirect=redirect
        )

    def _item(self, row: Row) -> None:
        if not row.incoming and not row.moved:
            return
        content = self._content(row)
        digest = sha256(content).hexdigest()
        known = digest == row.sha256 and row.path == row.old_path
        if not known or not (self._trusting or self._output.read(row.path) == content):
            self._output.write(row.path, content)
            self.written += 1
        row.sha256 = digest
        self._index.written(row)

    def _collection(self, name: str, document: Json) -> Json:
        path = self._layout.collection(name)
        years = []
        for number in dict.fromkeys(month[:4] for month in self._index.months(name)):
            year = self._layout.year(name, number)
            self.catalogs.add(year.path)
            years.append(self._linker.child(path, year.path, year.title))
        self._output.settle()
        self.changed |= self._writer.finish(path, document, ROOT, years)
        self.catalogs.add(path)
        title = document.get("title")
        return self._linker.child(ROOT, path, title if isinstance(title, str) and title else name)

    def _keep_untouched(self, touched: set[tuple[str, str]], there: set[str]) -> None:
        """Count the catalogs of the months that nothing has changed in among the tree's."""
        kept = {
            f"{self._index.folder(collection)}/{month.replace('-', '/')}"
            for collection in self._index.collections()
            for month in self._index.months(collection)
            if (collection, month) not in touched
        }
        self.catalogs |= {path for path in there if "/".join(path.split("/")[:3]) in kept}


def _with_parents(leaf: Leaf, parent: str) -> Iterator[tuple[Leaf, str]]:
    """Give a catalog and all below it, each with the path of the one above."""
    yield leaf, parent
    for child in leaf.children:
        yield from _with_parents(child, leaf.path)
