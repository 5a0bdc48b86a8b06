"""Collect the objects of a run, and merge them into the export in all formats."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from pixxel_singer import distribution_version
from pixxel_singer.errors import InputError
from pixxel_singer.filesystem import describe_error
from pixxel_singer.progress import StageProgress
from target_stac.catalog.collections import derive_collection, is_derived
from target_stac.catalog.layout import CatalogLayout
from target_stac.catalog.writer import CatalogWriter
from target_stac.formats.all_formats import PREVIEW_FILE, FormatsWriter
from target_stac.formats.item_collection import MAX_ITEM_COLLECTION
from target_stac.formats.omissions import Omission, describe_omissions
from target_stac.item_links import summarize_item
from target_stac.links import (
    LinkBuilder,
    add_mirror_asset,
    encode_json,
    strip_mirror_asset,
    strip_structural_links,
)
from target_stac.partitions import LENGTHS, make_dataset_path
from target_stac.records import (
    COLLECTION,
    ITEM,
    METADATA_MEMBER,
    NO_COLLECTION,
    STAC_VERSION,
    InvalidStacError,
    validate_minimal,
)
from target_stac.report import Changes, compare_collections, format_report, show_report
from target_stac.settings import CATALOG, GEOPARQUET, ITEM_COLLECTION, NDJSON
from target_stac.state.item_index import CHANGED, NEW
from target_stac.state.item_reader import ItemReader
from target_stac.state.manifest import LAYOUT_VERSION, Manifest
from target_stac.state.rebuild import EXTRA_FORMATS, PREVIEW
from target_stac.storage import StorageError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from pathlib import Path

    from target_stac.records import Json
    from target_stac.settings import StacSettings
    from target_stac.storage import Storage
    from target_stac.validation import StacValidator

REJECTED_FILE = "rejected.ndjson"
_OMISSIONS = {
    GEOPARQUET: "GeoParquet of %s: null where its column cannot hold the value: %s",
    PREVIEW: "preview.html of %s: not drawn for what no map can show: %s",
}
"""What the log says of what a format cannot hold."""
SCRATCH_ERRORS = (OSError, sqlite3.OperationalError)
"""Errors of the temporary folder; those of the storage are `StorageError` already."""


class Export:
    """An export that a run updates or overwrites.

    Nothing in the storage changes before `publish`: until then, all objects are in local files.

    Args:
        settings: The target's settings.
        storage: The storage.
        scratch: An empty local folder.
        validator: Validates the objects of this run.
        logger: Logs the summary and warnings.
        check: Raises if a stop was requested.

    Attributes:
        rejected: Number of rejected objects by stream.
        has_omissions: Whether a format of the export lacks what it cannot hold.

    Raises:
        StorageError: The previous export is damaged, or the temporary folder is full.
        InputError: The previous export has another `root_href`.
    """

    def __init__(
        self,
        *,
        settings: StacSettings,
        storage: Storage,
        scratch: Path,
        validator: StacValidator,
        logger: logging.Logger,
        check: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._scratch = scratch
        self._validator = validator
        self._logger = logger
        self._check = check
        try:
            self._manifest = Manifest(
                storage,
                scratch,
                settings.root_href,
                is_update=settings.is_update,
                logger=logger,
                check=check,
            )
        except SCRATCH_ERRORS as error:
            raise self._scratch_error(error) from None
        self._index = self._manifest.index
        self._link_builder = LinkBuilder(settings.root_href, self._index.item_path)
        self._layout = CatalogLayout(self._index, self._link_builder)
        self._collections = self._previous_collections = self._index.read_collections()
        self._incoming_collections: dict[str, Json] = {}
        self._progress = StageProgress(logger)
        self._rejected_file = (scratch / REJECTED_FILE).open("wb")
        self._incoming_items = self._removed_items = 0
        self._keeps_missing = settings.is_update
        self.rejected: Counter[str] = Counter()
        self.has_omissions = False

    def close(self) -> None:
        """Close the local files."""
        with suppress(OSError):  # of a full folder, where `reject` has failed already
            self._rejected_file.close()
        self._index.close()

    def keep_missing_items(self) -> None:
        """Keep the items that this run does not receive, although 'mode' is overwrite.

        Raises:
            InputError: The previous export cannot be merged into.
        """
        if not {CATALOG, NDJSON} & self._settings.formats:
            raise InputError("the export has neither of the formats catalog and ndjson")
        self._manifest.check_root_href(self._settings.root_href)
        if self._manifest.is_damaged:
            raise InputError("the export is damaged, or was written by an earlier version")
        self._keeps_missing = True

    # The objects of this run

    def take(self, stream: str, kind: str, stac: Json) -> None:
        """Add an item or collection; reject it if it is invalid.

        Raises:
            StorageError: The temporary folder is full.
        """
        try:
            validate_minimal(kind, stac)
            links = strip_structural_links(stac.get("links", ()), self._settings.root_href)
            if kind == ITEM:
                self._take_item(stac, links)
            else:
                self._take_collection(stac, links)
        except InvalidStacError as error:
            self.reject(stream, f"{kind} {error}", stac)
        except SCRATCH_ERRORS as error:
            raise self._scratch_error(error) from None

    def reject(self, stream: str, reason: str, record: Json) -> None:
        """Add a record to the rejected ones, with the reason, instead of to the export."""
        self.rejected[stream] += 1
        line = encode_json({"stream": stream, "reason": reason, "record": record})
        try:
            self._rejected_file.write(line + b"\n")
        except SCRATCH_ERRORS as error:
            raise self._scratch_error(error) from None

    def _scratch_error(self, error: Exception) -> StorageError:
        return StorageError(
            f"temporary folder '{self._scratch}': {describe_error(error)}; set TMPDIR to a folder "
            "with enough space"
        )

    def _take_item(self, item: Json, links: list[Json]) -> None:
        collection = item.get("collection") or NO_COLLECTION
        summary = summarize_item(item, links)
        body = encode_json({**item, "links": links})
        if self._validator.should_validate(item):
            path = self._index.collection_path(collection)
            written = self._link_builder.encode_item(
                body, f"{path}/item", path, collection and path
            )
            self._validate(ITEM, msgspec.json.decode(written))
        self._index.add(collection, item["id"], summary, body)
        self._incoming_items += 1

    def _take_collection(self, collection: Json, links: list[Json]) -> None:
        if self._validator.should_validate(collection):
            self._validate(COLLECTION, collection)
        self._incoming_collections[collection["id"]] = {
            **strip_mirror_asset(collection),
            "links": links,
        }

    def _validate(self, kind: str, stac: Json) -> None:
        error = self._validator.find_error(kind, stac)
        if error:
            raise InvalidStacError(f"is invalid: {error}")

    # The new export

    def publish(self, *, input_complete: bool = True) -> None:
        """Write the export in all formats.

        Args:
            input_complete: Whether the input ended with a STATE; a run with 'mode' overwrite
                requires that.

        Raises:
            InputError: There are too many items for an ItemCollection alone, or the input of a run
                with 'mode' overwrite is empty or incomplete.
            StorageError: A file could not be written, here or in the temporary folder.
            StopRequested: A stop was requested; all links of the export resolve nevertheless.
        """
        try:
            self._publish(input_complete=input_complete)
        except SCRATCH_ERRORS as error:
            raise self._scratch_error(error) from None

    def _publish(self, *, input_complete: bool) -> None:
        if not self._keeps_missing:
            self._drop_missing_items(input_complete=input_complete)
        total, unlocated = self._index.count(), self._index.count("west IS NULL")
        new, changed = map(self._index.count_incoming, (NEW, CHANGED))
        items = Changes(new, changed, self._removed_items, total)
        if (
            self._settings.is_update
            and self.is_idle
            and not (self.rejected or total or self._collections)
        ):
            self._logger.warning("received no STAC Items or Collections; nothing written")
            return
        if ITEM_COLLECTION in self._settings.formats and total > MAX_ITEM_COLLECTION:
            self._leave_out_item_collection(total)
        previous_href = self._index.read_settings().get("root_href")
        reader = ItemReader(self._index, self._storage, previous_href)
        try:
            with self._progress:
                self._write_changes(reader)
        finally:
            reader.close()
        self._write_rejected()
        self._report(items, unlocated)

    def _leave_out_item_collection(self, total: int) -> None:
        """Write the other formats, so that an export that has grown too large stays up to date."""
        problem = (
            f"the export has {total:,} items, but an ItemCollection may have at most "
            f"{MAX_ITEM_COLLECTION:,}; remove itemcollection from 'formats'"
        )
        formats = self._settings.formats - {ITEM_COLLECTION}
        if not formats:
            raise InputError(problem)
        self._settings = replace(self._settings, formats=formats)
        self.has_omissions = True
        self._logger.warning("itemcollection.json is left out: %s", problem)

    def _write_changes(self, reader: ItemReader) -> None:
        """Write what has changed; nothing, if nothing has."""
        settings = self._make_settings()
        previous = self._index.read_settings()
        is_same_version = previous.get("version") == settings["version"]
        verify = self._manifest.is_rebuilt or not is_same_version or not self._settings.is_update
        writes_catalog = CATALOG in self._settings.formats
        self._index.mark_changed(
            everything=verify or writes_catalog != self._index.has_format(CATALOG)
        )
        collections = self._merge_collections()
        formats = FormatsWriter(
            settings=self._settings,
            storage=self._storage,
            scratch=self._scratch,
            index=self._index,
            link_builder=self._link_builder,
            reader=reader,
            verify=verify,
            check=self._check,
            progress=self._progress,
        )
        if not (
            verify
            or self._index.has_changes()
            or collections != self._collections
            or any(previous.get(name) != value for name, value in settings.items())
            or formats.is_file_missing()
        ):
            self._report_omissions()
            return
        if verify or collections.keys() != self._collections.keys():
            self._index.clear_features()  # each refers to its collection by position
        self._manifest.claim()
        catalog = self._make_catalog_writer(reader, verify=verify)
        if writes_catalog:
            catalog.assign_items()
        elif self._index.has_format(CATALOG):
            self._index.mark_all_items_stale()

        def write_catalog() -> None:
            if writes_catalog:
                self._progress.start("items of the catalog", self._index.count("changed"))
                catalog.write(self._make_root(), self._add_mirror_assets(collections))

        formats.write(collections, self._collections, write_catalog)
        self._index.drop_formats(
            self._settings.formats
            | {extra for extra, name in EXTRA_FORMATS.items() if name in self._settings.formats}
        )
        self._index.drop_partitions({NDJSON, GEOPARQUET}, LENGTHS[self._settings.partition])
        self._report_omissions()
        self._index.drop_collections(collections)
        self._index.write_collections(collections)
        self._index.write_settings(settings)
        self._delete_stale_files()
        self._collections = collections
        self._manifest.finish(has_lines=NDJSON in self._settings.formats)

    def _make_settings(self) -> dict[str, str | None]:
        """Return what the files of the export depend on, beside the objects."""
        settings = self._settings
        return {
            "version": f"{LAYOUT_VERSION} {distribution_version()}",
            "root": encode_json(self._make_root()).decode(),
            "root_href": settings.root_href,
            "formats": " ".join(sorted(settings.formats)),
            "partition": settings.partition,
        }

    @property
    def is_idle(self) -> bool:
        """Whether this run has received no item and no collection."""
        return not self._incoming_items and not self._incoming_collections

    def _drop_missing_items(self, *, input_complete: bool) -> None:
        if not input_complete:
            raise InputError(
                "the input does not end with a STATE, so the tap may have been interrupted, and "
                "'mode' overwrite would remove the missing items; the export is unchanged"
            )
        if self.is_idle and (self.rejected or not self._settings.allow_empty):
            raise InputError(
                "received no STAC Items or Collections that are valid, so 'mode' overwrite would "
                "remove the whole export; the export is unchanged"
                if self.rejected
                else "received no STAC Items or Collections, so 'mode' overwrite would remove the "
                "whole export; the export is unchanged; set 'allow_empty' if there may be none"
            )
        self._removed_items = self._index.keep_only_incoming()
        if self._removed_items:
            self._logger.warning(
                "removed %s items missing from this run (mode: overwrite)",
                f"{self._removed_items:,}",
            )
        self._collections = {
            name: self._collections[name]
            for name in self._incoming_collections
            if name in self._collections
        }

    def _merge_collections(self) -> dict[str, Json]:
        """Return the collections of the new export, with what is derived from their items."""
        collections = self._collections | self._incoming_collections
        changed = {name for name, _ in self._index.changed_partitions(0)}
        for name in self._index.collection_ids():
            known = collections.get(name)
            # What a collection is derived from may be new as well.
            if known is None or (
                is_derived(known) and (name in changed or self._incoming_collections)
            ):
                collections[name] = derive_collection(
                    name, known, self._index.summaries(name), collections, self._collection_href
                )
        return collections

    def _collection_href(self, name: str, other: str) -> str:
        """Return the href from the file of a collection to that of another."""
        start, target = map(self._index.collection_path, (name, other))
        return self._link_builder.href(start, target)

    def _make_catalog_writer(self, reader: ItemReader, *, verify: bool) -> CatalogWriter:
        return CatalogWriter(
            storage=self._storage,
            index=self._index,
            reader=reader,
            link_builder=self._link_builder,
            layout=self._layout,
            verify=verify,
            check=self._count_written,
        )

    def _count_written(self) -> None:
        self._check()
        self._progress.advance()

    def _add_mirror_assets(self, collections: dict[str, Json]) -> dict[str, Json]:
        """Return the collections, each with its GeoParquet as an asset if it has items."""
        if GEOPARQUET not in self._settings.formats:
            return collections
        documents = dict(collections)
        for name in set(self._index.collection_ids()) - {NO_COLLECTION}:
            path = self._index.collection_path(name)
            href = self._link_builder.href(
                path,
                make_dataset_path(self._index.collection_folder(name), self._settings.partition),
            )
            documents[name] = add_mirror_asset(documents[name], href)
        return documents

    def _make_root(self) -> Json:
        settings = self._settings
        return {
            "type": "Catalog",
            "id": settings.catalog_id,
            "stac_version": STAC_VERSION,
            "title": settings.title,
            "description": settings.description,
            METADATA_MEMBER: {"layout": LAYOUT_VERSION},
        }

    def _delete_stale_files(self) -> None:
        self._storage.flush()
        for _, group in groupby(self._index.stale_files(), itemgetter(1)):
            for path, _ in group:
                self._storage.delete(path)
            self._storage.flush()

    def _report_omissions(self) -> None:
        omissions = self._index.read_omissions()
        for (name, collection), rows in groupby(omissions, itemgetter(0, 1)):
            self.has_omissions = True
            self._logger.warning(
                _OMISSIONS[name],
                f"collection '{collection}'" if collection else "items without a collection",
                describe_omissions(Omission(*row[2:]) for row in rows),
            )

    def _write_rejected(self) -> None:
        self._rejected_file.close()
        if self.rejected:
            self._storage.put_file(REJECTED_FILE, self._scratch / REJECTED_FILE)
        else:
            self._storage.delete(REJECTED_FILE)

    def _report(self, items: Changes, unlocated: int) -> None:
        """Report what has changed, where the export is, and what it lacks."""
        has_map = CATALOG in self._settings.formats
        left_out = {
            f"{self.rejected.total():,} rejected records, see {REJECTED_FILE}": self.rejected,
            "what a format cannot hold, see the warnings": self.has_omissions,
            f"{unlocated:,} items without a geometry, from the map only": unlocated and has_map,
        }
        lines = format_report(
            items=items,
            collections=compare_collections(self._previous_collections, self._collections),
            output=self._settings.output,
            map_file=PREVIEW_FILE if has_map else None,
            left_out=[text for text, is_so in left_out.items() if is_so],
        )
        show_report(lines, self._logger)
        if self._validator.validated_count:
            self._logger.info("validated %s objects", f"{self._validator.validated_count:,}")
        if self._validator.missing_schemas:
            self._logger.warning(
                "did not validate against schemas missing from the folder 'schemas': %s",
                ", ".join(sorted(self._validator.missing_schemas)),
            )
        for stream, count in sorted(self.rejected.items()):
            self._logger.error("%s: rejected %d records; see %s", stream, count, REJECTED_FILE)
