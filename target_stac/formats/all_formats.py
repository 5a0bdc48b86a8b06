"""Write all formats beside the catalog: ndjson, GeoParquet, ItemCollection and the preview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_stac.formats.item_collection import ITEM_COLLECTION_FILE, write_item_collection
from target_stac.formats.ndjson import NdjsonFiles
from target_stac.formats.preview import PreviewItem, write_preview
from target_stac.links import add_mirror_asset, encode_json
from target_stac.records import NO_COLLECTION
from target_stac.settings import CATALOG, GEOPARQUET, ITEM_COLLECTION, NDJSON
from target_stac.state.item_index import LOCATED, NDJSON_FILES, UNLOCATED
from target_stac.state.previous_export import COLLECTIONS_FILE
from target_stac.storage import replace_if_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from target_stac.formats.geoparquet import Omissions
    from target_stac.formats.item_lines import ItemLines
    from target_stac.links import LinkBuilder
    from target_stac.records import Json
    from target_stac.settings import StacSettings
    from target_stac.state.item_index import IndexRow, ItemIndex
    from target_stac.state.item_reader import ItemReader
    from target_stac.storage import Storage

PREVIEW_FILE = "preview.html"
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class FormatsWriter:
    """Writer of all formats except the catalog.

    Args:
        settings: The settings, with the formats to write.
        storage: The storage.
        scratch: A local folder.
        index: The items.
        link_builder: Builds the links.
        reader: Reads the items' JSON.
        check: Raises if a stop was requested.

    Attributes:
        geoparquet_omissions: What the GeoParquet files written by this run do not hold, by the id
            of their collection.
    """

    def __init__(
        self,
        *,
        settings: StacSettings,
        storage: Storage,
        scratch: Path,
        index: ItemIndex,
        link_builder: LinkBuilder,
        reader: ItemReader,
        check: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._scratch = scratch
        self._index = index
        self._link_builder = link_builder
        self._reader = reader
        self._check = check
        self.geoparquet_omissions: dict[str, Omissions] = {}

    def write(self, collections: Mapping[str, Json], changed_collections: set[str]) -> None:
        """Write the formats; a file whose content is unchanged is not written.

        Args:
            collections: All collections without structural links, by id.
            changed_collections: Ids of the collections with added, changed or removed items.
        """
        formats = self._settings.formats
        ndjson_files = NdjsonFiles(self._scratch)
        ndjson_files.write(self._index.rows(), self._encode_row)
        if GEOPARQUET in formats:
            for collection in self._index.collection_ids():
                if collection in changed_collections or not self._has_geoparquet(collection):
                    self._write_geoparquet(
                        collection, ndjson_files.lines[collection], collections[collection]
                    )
        if ITEM_COLLECTION in formats:
            write_item_collection(self._storage, ndjson_files.read_all(), self._scratch)
        if CATALOG in formats:
            self._write_preview(ndjson_files, collections)
        if NDJSON in formats:
            ndjson_files.publish(self._storage)
            self._write_collections(collections)

    def is_geoparquet_missing(self) -> bool:
        """Return whether a GeoParquet file is missing, as after a run that could not write it."""
        return GEOPARQUET in self._settings.formats and not all(
            map(self._has_geoparquet, self._index.collection_ids())
        )

    def delete_unused(self, collections: set[str]) -> None:
        """Delete the files of other formats, and those of collections without items.

        Args:
            collections: Ids of all collections of this export and the previous one.
        """
        formats = self._settings.formats
        unused = []
        if NDJSON not in formats:
            unused += [*NDJSON_FILES.values(), COLLECTIONS_FILE]
        if ITEM_COLLECTION not in formats:
            unused.append(ITEM_COLLECTION_FILE)
        if CATALOG not in formats:
            unused.append(PREVIEW_FILE)
        kept = set(self._index.collection_ids()) if GEOPARQUET in formats else set()
        unused += [self._index.geoparquet_path(name) for name in sorted(collections - kept)]
        for path in unused:
            self._storage.delete(path)

    def _encode_row(self, row: IndexRow) -> bytes:
        self._check()
        is_in_ndjson = row.location is not None and row.location.source in {LOCATED, UNLOCATED}
        has_same_links = self._settings.root_href is None or row.catalog_path in {
            None,
            row.old_catalog_path,
        }
        if is_in_ndjson and has_same_links and not row.incoming:
            return self._reader.read_previous(row)
        collection_path = self._index.collection_path(row.collection)
        return self._link_builder.encode_ndjson_item(
            self._reader.read(row),
            row.path,
            row.catalog_path or row.old_catalog_path or collection_path,
            collection_path if row.collection != NO_COLLECTION else None,
        )

    def _has_geoparquet(self, collection: str) -> bool:
        return self._storage.exists(self._index.geoparquet_path(collection))

    def _write_geoparquet(self, collection: str, lines: ItemLines, document: Json) -> None:
        from target_stac.formats.geoparquet import GeoparquetWriter  # noqa: PLC0415 - 50 MiB

        file = self._scratch / "items.parquet"
        writer = GeoparquetWriter(
            {file: lines},
            collection=document if collection != NO_COLLECTION else None,
            scratch=self._scratch,
            check=self._check,
        )
        writer.write()
        if writer.omissions:
            self.geoparquet_omissions[collection] = writer.omissions
        replace_if_changed(self._storage, self._index.geoparquet_path(collection), file)

    def _write_preview(self, ndjson_files: NdjsonFiles, collections: Mapping[str, Json]) -> None:
        path = self._scratch / PREVIEW_FILE
        with path.open("wb") as file:
            write_preview(
                file.write,
                title=self._settings.title,
                items=self._read_preview_items(ndjson_files),
                collections={
                    name: str(document.get("title") or name)
                    for name, document in collections.items()
                    if name != NO_COLLECTION
                },
                total=sum(ndjson_files.counts.values()),
            )
        replace_if_changed(self._storage, PREVIEW_FILE, path)

    def _read_preview_items(self, ndjson_files: NdjsonFiles) -> Iterator[PreviewItem]:
        for line in ndjson_files.read_all():
            self._check()
            item = _decode(line)
            collection = item.get("collection") or NO_COLLECTION
            yield PreviewItem(self._index.item_path(collection, item["id"]), item)

    def _write_collections(self, collections: Mapping[str, Json]) -> None:
        content = b"".join(
            encode_json(self._add_links(name, collections[name])) + b"\n"
            for name in sorted(collections)
            if name != NO_COLLECTION
        )
        if content != self._storage.read(COLLECTIONS_FILE):
            self._storage.write(COLLECTIONS_FILE, content)

    def _add_links(self, name: str, document: Json) -> Json:
        """Return a collection with links into the export if the export has a root href."""
        if not self._settings.root_href:
            return document
        path = self._index.collection_path(name)
        links = self._link_builder.structural_links(path, None)
        if GEOPARQUET in self._settings.formats and self._index.has_items(name):
            href = self._link_builder.href(path, self._index.geoparquet_path(name))
            document = add_mirror_asset(document, href)
        return {**document, "links": [*links, *document.get("links", ())]}
