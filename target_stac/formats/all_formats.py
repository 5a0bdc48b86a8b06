"""Write all formats beside the catalog: ndjson, GeoParquet, ItemCollection and the preview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_stac.filenames import TEMPORARY_SUFFIX
from target_stac.formats.item_collection import ITEM_COLLECTION_FILE, write_item_collection
from target_stac.formats.ndjson import NdjsonFiles
from target_stac.formats.preview import PreviewItem, write_preview
from target_stac.links import add_mirror_asset, encode_json
from target_stac.partitions import (
    GEOPARQUET_FOLDER,
    make_dataset_path,
    make_geoparquet_path,
    make_partition_name,
    parse_geoparquet_path,
)
from target_stac.records import NO_COLLECTION
from target_stac.settings import CATALOG, GEOPARQUET, ITEM_COLLECTION, NDJSON
from target_stac.state.item_index import LOCATED, NDJSON_FILES, UNLOCATED
from target_stac.state.previous_export import COLLECTIONS_FILE
from target_stac.storage import replace_if_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from target_stac.formats.item_lines import ItemLines
    from target_stac.links import LinkBuilder
    from target_stac.records import Json
    from target_stac.settings import StacSettings
    from target_stac.state.item_index import IndexRow, ItemIndex
    from target_stac.state.item_reader import ItemReader
    from target_stac.storage import Storage

PREVIEW_FILE = "preview.html"
OMISSIONS_FILE = "omissions.json"
"""What GeoParquet does not hold, by collection; logged by each run until it is corrected."""
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
        geoparquet_omissions: What GeoParquet does not hold of each collection, by its id.
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
        self.geoparquet_omissions = self._read_omissions()

    def write(self, collections: Mapping[str, Json], changed_collections: set[str]) -> None:
        """Write the formats; a file whose content is unchanged is not written.

        Args:
            collections: All collections without structural links, by id.
            changed_collections: Ids of the collections with added, changed or removed items.
        """
        formats = self._settings.formats
        ndjson_files = NdjsonFiles(self._scratch, self._settings.partition)
        ndjson_files.write(self._index.rows(), self._encode_row)
        if GEOPARQUET in formats:
            for collection in sorted(changed_collections | self._find_missing_geoparquet()):
                if collection in ndjson_files.lines:
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
        return bool(self._find_missing_geoparquet())

    def delete_unused(self, collections: set[str]) -> None:
        """Delete the files of other formats, those of collections without items, and omissions.

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
        folders = set(map(self._index.collection_folder, collections))
        kept = set()
        if GEOPARQUET in formats:
            for name in self._index.collection_ids():
                kept |= self._geoparquet_paths(name)
        unused += [
            path
            for path in self._list_geoparquet()
            if path not in kept and parse_geoparquet_path(path) in folders
        ]
        for path in unused:
            self._storage.delete(path)
        self._write_omissions(self._index.collection_ids() if GEOPARQUET in formats else [])

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

    def _geoparquet_paths(self, collection: str) -> set[str]:
        """Return the paths of a collection's GeoParquet files."""
        folder = self._index.collection_folder(collection)
        return {
            make_geoparquet_path(folder, make_partition_name(month, self._settings.partition))
            for month in self._index.months(collection)
        }

    def _list_geoparquet(self) -> set[str]:
        """Return the paths of all files in the folder of GeoParquet, without temporary suffixes."""
        return {
            path.removesuffix(TEMPORARY_SUFFIX)
            for path in self._storage.list_files(GEOPARQUET_FOLDER)
        }

    def _find_missing_geoparquet(self) -> set[str]:
        """Return the ids of the collections of which a GeoParquet file is missing."""
        if GEOPARQUET not in self._settings.formats:
            return set()
        existing = set(self._storage.list_files(GEOPARQUET_FOLDER))
        return {
            name
            for name in self._index.collection_ids()
            if not self._geoparquet_paths(name) <= existing
        }

    def _write_geoparquet(
        self, collection: str, partitions: Mapping[str, ItemLines], document: Json
    ) -> None:
        from target_stac.formats.geoparquet import GeoparquetWriter  # noqa: PLC0415 - 50 MiB

        files = {name: self._scratch / f"{n}.parquet" for n, name in enumerate(partitions)}
        writer = GeoparquetWriter(
            {file: partitions[name] for name, file in files.items()},
            collection=document if collection != NO_COLLECTION else None,
            scratch=self._scratch,
            check=self._check,
        )
        writer.write()
        self.geoparquet_omissions[collection] = writer.omissions.describe()
        folder = self._index.collection_folder(collection)
        for name, file in files.items():
            replace_if_changed(self._storage, make_geoparquet_path(folder, name), file)
            file.unlink(missing_ok=True)

    def _read_omissions(self) -> dict[str, str]:
        """Return the omissions of the previous export; none if the file is damaged."""
        content = self._storage.read(OMISSIONS_FILE)
        try:
            return msgspec.json.decode(content or b"{}", type=dict[str, str])
        except msgspec.DecodeError:
            return {}

    def _write_omissions(self, collections: list[str]) -> None:
        self.geoparquet_omissions = {
            name: self.geoparquet_omissions[name]
            for name in collections
            if self.geoparquet_omissions.get(name)
        }
        if not self.geoparquet_omissions:
            self._storage.delete(OMISSIONS_FILE)
        elif self.geoparquet_omissions != self._read_omissions():
            self._storage.write(OMISSIONS_FILE, encode_json(self.geoparquet_omissions))

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
            href = self._link_builder.href(
                path,
                make_dataset_path(self._index.collection_folder(name), self._settings.partition),
            )
            document = add_mirror_asset(document, href)
        return {**document, "links": [*links, *document.get("links", ())]}
