"""What is made of the items beside the tree: ndjson, GeoParquet, an ItemCollection and the map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_stac import geoparquet
from target_stac.existing import COLLECTION_LINES, LINES
from target_stac.index import LOCATED, NO_COLLECTION, UNLOCATED
from target_stac.links import encode
from target_stac.ndjson import Lines
from target_stac.output import replace
from target_stac.preview import Footprint, write_preview
from target_stac.settings import CATALOG, GEOPARQUET, ITEM_COLLECTION, NDJSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from target_stac.bodies import Bodies
    from target_stac.index import Index, Row
    from target_stac.links import Linker
    from target_stac.output import Output
    from target_stac.records import Json
    from target_stac.settings import Settings
    from target_stac.tree import Layout

ITEM_COLLECTION_FILE = "itemcollection.json"
MAP = "preview.html"
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Products:
    """Makes all formats but the tree.

    Args:
        settings: Which of them.
        output: The place.
        scratch: A local folder.
        index, linker, layout, bodies: Of the export.
        check: Raises when a stop was asked for.

    Attributes:
        failed: Why a collection has no GeoParquet, by its id.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        output: Output,
        scratch: Path,
        index: Index,
        linker: Linker,
        layout: Layout,
        bodies: Bodies,
        check: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._output = output
        self._scratch = scratch
        self._index = index
        self._linker = linker
        self._layout = layout
        self._bodies = bodies
        self._check = check
        self.failed: dict[str, str] = {}

    def make(self, collections: Mapping[str, Json], changed: set[str]) -> None:
        """Make them; a file that would be the same is left alone.

        Args:
            collections: By id, with bare links.
            changed: Ids of those with items that came, changed or went.
        """
        formats = self._settings.formats
        lines = Lines(self._scratch)
        lines.write(self._index.rows(), self._line)
        if GEOPARQUET in formats:
            for collection in self._index.collections():
                self._geoparquet(collection, lines, afresh=collection in changed)
        if ITEM_COLLECTION in formats:
            self._item_collection(lines)
        if CATALOG in formats:
            self._map(lines, collections)
        if NDJSON in formats:
            lines.publish(self._output)
            self._collection_lines(collections)

    def lacking(self) -> bool:
        """Tell whether a collection that could be GeoParquet is not, as after a run that failed."""
        return GEOPARQUET in self._settings.formats and not all(
            self._output.exists(self._parquet_path(name)) for name in self._index.located()
        )

    def drop(self, collections: set[str]) -> None:
        """Remove the files of formats that are no longer wanted, and of collections that are gone.

        Args:
            collections: Ids of all that there are or were.
        """
        formats = self._settings.formats
        unwanted = []
        if NDJSON not in formats:
            unwanted += [*LINES.values(), COLLECTION_LINES]
        if ITEM_COLLECTION not in formats:
            unwanted.append(ITEM_COLLECTION_FILE)
        if CATALOG not in formats:
            unwanted.append(MAP)
        left = set(self._index.collections()) if GEOPARQUET in formats else set()
        unwanted += [self._parquet_path(name) for name in sorted(collections - left)]
        for path in unwanted:
            self._output.delete(path)

    def _line(self, row: Row) -> bytes:
        self._check()
        kept = row.place is not None and row.place.source in {LOCATED, UNLOCATED}
        same_links = self._settings.root_href is None or row.leaf in {None, row.old_leaf}
        if kept and same_links and not row.incoming:
            return self._bodies.line(row)
        path = self._layout.collection(row.collection)
        leaf = row.leaf or row.old_leaf or path
        return self._linker.line(
            self._bodies(row), row.path, leaf, path if row.collection != NO_COLLECTION else None
        )

    def _parquet_path(self, collection: str) -> str:
        return f"geoparquet/{self._index.folder(collection)}.parquet"

    def _geoparquet(self, collection: str, lines: Lines, *, afresh: bool) -> None:
        path = self._parquet_path(collection)
        if not lines.has(collection):
            self._output.delete(path)
            return
        if not afresh and self._output.exists(path):
            return
        file = self._scratch / "items.parquet"
        try:
            geoparquet.write(file, lambda: lines.of(collection), self._check)
        except geoparquet.GeoparquetError as error:
            self.failed[collection] = str(error)
            self._output.delete(path)
        else:
            replace(self._output, path, file)

    def _item_collection(self, lines: Lines) -> None:
        file = self._scratch / ITEM_COLLECTION_FILE
        with file.open("wb") as whole:
            whole.write(b'{"type":"FeatureCollection","features":[')
            for number, line in enumerate(lines.all()):
                whole.write((b",\n" if number else b"\n") + line.rstrip(b"\n"))
            whole.write(b"\n]}\n")
        replace(self._output, ITEM_COLLECTION_FILE, file)

    def _map(self, lines: Lines, collections: Mapping[str, Json]) -> None:
        file = self._scratch / MAP
        with file.open("wb") as page:
            write_preview(
                page.write,
                title=self._settings.title,
                items=self._footprints(lines),
                collections={
                    name: str(document.get("title") or name)
                    for name, document in collections.items()
                    if name != NO_COLLECTION
                },
                total=sum(lines.counts.values()),
            )
        replace(self._output, MAP, file)

    def _footprints(self, lines: Lines) -> Iterator[Footprint]:
        for line in lines.all():
            self._check()
            item = _decode(line)
            collection = item.get("collection") or NO_COLLECTION
            yield Footprint(self._index.path_of(collection, item["id"]), item)

    def _collection_lines(self, collections: Mapping[str, Json]) -> None:
        content = b"".join(
            encode(self._published(name, collections[name])) + b"\n"
            for name in sorted(collections)
            if name != NO_COLLECTION
        )
        if content != self._output.read(COLLECTION_LINES):
            self._output.write(COLLECTION_LINES, content)

    def _published(self, name: str, document: Json) -> Json:
        path = self._layout.collection(name)
        own = self._linker.up(path, None) if self._settings.root_href else []
        return {**document, "links": [*own, *document.get("links", ())]}
