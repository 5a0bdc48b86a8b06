"""Write all formats beside the catalog: ndjson, GeoParquet, ItemCollection and the preview."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from hashlib import file_digest
from itertools import chain, groupby, repeat, starmap
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from target_stac.formats.datasets import DatasetWriter, make_metadata
from target_stac.formats.item_collection import ITEM_COLLECTION_FILE, write_item_collection
from target_stac.formats.ndjson import NdjsonFiles
from target_stac.formats.omissions import Omissions
from target_stac.formats.preview import (
    MAX_ASSET_LISTS,
    FeatureEncoder,
    PreviewItem,
    decode_item,
    write_preview,
)
from target_stac.formats.preview.values import format_text
from target_stac.links import add_mirror_asset, encode_json, strip_relative_links
from target_stac.partitions import LENGTHS, make_dataset_path
from target_stac.records import NO_COLLECTION
from target_stac.settings import CATALOG, GEOPARQUET, ITEM_COLLECTION, NDJSON
from target_stac.state.item_index import SPOOL, FileKey
from target_stac.state.rebuild import COLLECTIONS, COLLECTIONS_FILE, PREVIEW
from target_stac.storage import replace_if_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
    from pathlib import Path

    from pixxel_singer.progress import StageProgress
    from target_stac.formats.item_lines import ItemLines
    from target_stac.links import LinkBuilder
    from target_stac.records import Json
    from target_stac.settings import StacSettings
    from target_stac.state.item_index import IndexRow, ItemIndex
    from target_stac.state.item_reader import ItemReader
    from target_stac.storage import Storage

PREVIEW_FILE = "preview.html"
_FEATURE_BATCH = 1000
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
        verify: Whether files may differ from what the index holds, so that each is compared.
        check: Raises if a stop was requested.
        progress: Shows how far each format is.
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
        verify: bool,
        check: Callable[[], None],
        progress: StageProgress,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._scratch = scratch
        self._index = index
        self._link_builder = link_builder
        self._reader = reader
        self._verify = verify
        self._check = check
        self._length = LENGTHS[settings.partition]
        self._progress = progress

    def write(
        self,
        collections: Mapping[str, Json],
        previous: Mapping[str, Json],
        write_catalog: Callable[[], None],
    ) -> None:
        """Write the files that hold changed items, and those that are missing.

        Args:
            collections: All collections without structural links, by id.
            previous: Those of the previous export.
            write_catalog: Writes the catalog, before any other format and while the GeoParquet is
                being made.
        """
        if not self._settings.root_href:
            collections, previous = (
                {name: strip_relative_links(document) for name, document in each.items()}
                for each in (collections, previous)
            )
        outdated = self._find_outdated()
        with (
            closing(NdjsonFiles(self._scratch, self._length, outdated)) as lines,
            closing(self._make_dataset_writer(lines)) as datasets,
        ):
            self._write_lines(lines, outdated)
            if GEOPARQUET in self._settings.formats:
                self._start_geoparquet(datasets, outdated, collections, previous)
            write_catalog()
            self._index.move_locations()
            if CATALOG in self._settings.formats:
                self._make_preview(lines, collections)
            for dataset in self._progress.track(
                "collections in GeoParquet", len(datasets.started), datasets.started
            ):
                datasets.finish(dataset)
            if FileKey(ITEM_COLLECTION) in outdated:
                whole = self._scratch / ITEM_COLLECTION_FILE
                write_item_collection(whole, lines.read_all())
                self._put(ITEM_COLLECTION_FILE, FileKey(ITEM_COLLECTION), whole)
            if CATALOG in self._settings.formats:
                self._put(PREVIEW_FILE, FileKey(PREVIEW), self._scratch / PREVIEW_FILE)
            self._put_lines(lines, outdated)
        if NDJSON in self._settings.formats:
            self._write_collections(collections)

    def is_file_missing(self) -> bool:
        """Return whether a file is missing, as of a new format."""
        return bool(self._find_outdated())

    def _find_outdated(self) -> set[FileKey]:
        """Return what the files hold that are missing, or whose items have changed."""
        changed = set(self._index.changed_partitions(self._length))
        partitions = set(self._index.partitions(self._length))
        keys = set()
        for name in self._settings.formats - {CATALOG}:
            keys |= {self._make_key(name, *each) for each in changed}
            made = {self._make_key(name, *each) for each in partitions}
            keys |= {key for key in made if not self._index.has_file(key)}
        return keys

    def _make_key(self, name: str, collection: str, partition: str) -> FileKey:
        """Return the key of the file of a format that holds a partition of a collection."""
        if name == ITEM_COLLECTION or (name == NDJSON and not partition):
            return FileKey(name)
        return FileKey(name, collection, partition)

    def _write_lines(self, lines: NdjsonFiles, outdated: Container[FileKey]) -> None:
        """Write the lines of outdated files to local files."""
        needed = [
            each
            for each in self._index.partitions(self._length)
            if any(
                self._make_key(name, *each) in outdated
                for name in (NDJSON, ITEM_COLLECTION, GEOPARQUET)
            )
        ]
        rows = chain.from_iterable(starmap(self._index.rows, needed))
        tracked = self._progress.track(
            "lines of items", sum(starmap(self._index.count_items, needed)), rows
        )
        self._index.record_lines(
            (*line.location, line.collection, line.id)
            for line in lines.write(tracked, self._encode_row)
        )

    def _put_lines(self, lines: NdjsonFiles, outdated: Collection[FileKey]) -> None:
        """Move the outdated files of ndjson into the storage."""
        for key in outdated:
            if key.format == NDJSON:
                self._index.renew_files(key)
        for path, file in lines.files.items():
            if file.is_outdated and file.count:
                self._put(path, file.key, file.local)

    def _encode_row(self, row: IndexRow) -> bytes:
        self._check()
        if row.location is not None and row.location.file != SPOOL and not row.changed:
            return self._reader.read_line(row)
        collection_path = self._index.collection_path(row.collection)
        return self._link_builder.encode_ndjson_item(
            self._reader.read(row),
            row.path,
            row.catalog_path or collection_path,
            collection_path if row.collection != NO_COLLECTION else None,
        )

    def _make_dataset_writer(self, lines: NdjsonFiles) -> DatasetWriter:
        def get_lines(collection: str, partitions: Iterable[str]) -> dict[str, ItemLines]:
            known = lines.lines.get(collection, {})
            missing = [each for each in partitions if each not in known]
            rows = chain.from_iterable(self._index.rows(collection, each) for each in missing)
            deque(lines.write(rows, self._encode_row), maxlen=0)
            return {each: lines.lines[collection][each] for each in partitions}

        return DatasetWriter(
            index=self._index,
            scratch=self._scratch,
            get_lines=get_lines,
            put=self._put,
            check=self._check,
        )

    def _start_geoparquet(
        self,
        datasets: DatasetWriter,
        outdated: Iterable[FileKey],
        collections: Mapping[str, Json],
        previous: Mapping[str, Json],
    ) -> None:
        """Start to make the outdated files of each collection."""
        partitions = _group_partitions(self._index.partitions(self._length))
        changed = _group_partitions(
            (key.collection, key.partition) for key in outdated if key.format == GEOPARQUET
        )
        for collection in sorted(partitions.keys() | changed.keys()):
            document, known = (
                make_metadata(each.get(collection), is_partitioned=self._length > 0)
                for each in (collections, previous)
            )
            whole = partitions.get(collection, set())
            to_write = changed.get(collection, set()) | (whole if document != known else set())
            if to_write:
                datasets.start(collection, document, whole=whole, outdated=to_write)

    def _make_preview(self, lines: NdjsonFiles, collections: Mapping[str, Json]) -> None:
        titles = {
            name: format_text(document.get("title") or name) or name
            for name, document in collections.items()
            if name != NO_COLLECTION
        }
        path = self._scratch / PREVIEW_FILE
        with path.open("wb") as file:
            write_preview(
                file.write,
                title=self._settings.title,
                items=self._read_features(FeatureEncoder(sorted(titles)), lines),
                collections=titles,
                newest=self._read_newest(lines),
                datasets=self._find_datasets(),
                total=self._index.count(),
            )
        self._index.forget_omissions(PREVIEW)
        for collection, items in groupby(self._index.items_without_feature(), itemgetter(0)):
            omissions = Omissions()
            for _, identifier in items:
                omissions.add("geometry", identifier)
            self._index.record_omissions(FileKey(PREVIEW, collection), omissions.list())

    def _read_features(self, encoder: FeatureEncoder, lines: NdjsonFiles) -> Iterator[bytes]:
        """Yield the features of all items; those that the index has are not made again."""
        new: list[tuple[str, str, bytes]] = []
        total = self._index.count("west IS NOT NULL")
        features = self._index.features()
        for collection, identifier, known in self._progress.track("footprints", total, features):
            self._check()
            feature = known
            if feature is None:
                row = self._index.find_row(collection, identifier)
                assert row is not None  # noqa: S101 - it is in the index
                feature = encoder.encode(self._read_preview_item(row, lines, decode_item)) or b""
                new.append((collection, identifier, feature))
            yield feature
            if len(new) == _FEATURE_BATCH:
                self._index.record_features(new)
                new.clear()
        self._index.record_features(new)
        yield from repeat(b"", self._index.count("west IS NULL"))

    def _read_newest(self, lines: NdjsonFiles) -> Iterator[PreviewItem]:
        """Yield the items whose assets the preview lists."""
        for row in self._index.newest_rows(MAX_ASSET_LISTS):
            self._check()
            yield self._read_preview_item(row, lines, _decode)

    def _read_preview_item(
        self, row: IndexRow, lines: NdjsonFiles, decode: Callable[[bytes], Mapping[str, Any]]
    ) -> PreviewItem:
        line = lines.find_line(row.location) or self._encode_row(row)
        return PreviewItem(row.path, decode(line))

    def _find_datasets(self) -> dict[str, str]:
        """Return the path of the GeoParquet of each collection that has items."""
        if GEOPARQUET not in self._settings.formats:
            return {}
        return {
            name: make_dataset_path(self._index.collection_folder(name), self._settings.partition)
            for name in self._index.collection_ids()
        }

    def _write_collections(self, collections: Mapping[str, Json]) -> None:
        path = self._scratch / COLLECTIONS_FILE
        with path.open("wb") as file:
            for name in sorted(collections):
                if name != NO_COLLECTION:
                    file.write(encode_json(self._add_links(name, collections[name])) + b"\n")
        self._put(COLLECTIONS_FILE, FileKey(COLLECTIONS), path)

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

    def _put(self, path: str, key: FileKey, file: Path) -> None:
        """Move a local file into the storage, unless it is unchanged."""
        with file.open("rb") as content:
            digest = file_digest(content, "sha256").digest()
        has_changed = self._index.record_file(path, key, digest)
        if self._verify:
            replace_if_changed(self._storage, path, file)
        elif has_changed:
            self._storage.put_file(path, file)


def _group_partitions(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return the partitions by collection."""
    partitions: dict[str, set[str]] = {}
    for collection, partition in pairs:
        partitions.setdefault(collection, set()).add(partition)
    return partitions
