"""Collect the objects of a run, and merge them into the export in all formats."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from pixxel_singer.errors import InputError
from pixxel_singer.filesystem import describe_error
from target_stac.catalog.collections import make_missing_collection
from target_stac.catalog.layout import CatalogLayout
from target_stac.catalog.recovery import MARKER_FILE, ExportRecovery
from target_stac.catalog.writer import CatalogWriter
from target_stac.formats.all_formats import FormatsWriter
from target_stac.formats.item_collection import MAX_ITEM_COLLECTION
from target_stac.item_links import summarize_item
from target_stac.links import (
    LinkBuilder,
    add_mirror_asset,
    encode_json,
    strip_mirror_asset,
    strip_structural_links,
)
from target_stac.partitions import make_dataset_path
from target_stac.records import (
    COLLECTION,
    ITEM,
    METADATA_MEMBER,
    NO_COLLECTION,
    STAC_VERSION,
    InvalidStacError,
    validate_minimal,
)
from target_stac.settings import CATALOG, GEOPARQUET, ITEM_COLLECTION, NDJSON, UPDATE
from target_stac.state import previous_export
from target_stac.state.item_index import NDJSON_FILES, ItemIndex
from target_stac.state.item_reader import ItemReader
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
SCRATCH_ERRORS = (OSError, sqlite3.Error)
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
        StorageError: The previous export is damaged.
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
        self._index = ItemIndex(scratch)
        self._link_builder = LinkBuilder(settings.root_href, self._index.item_path)
        self._layout = CatalogLayout(self._index, self._link_builder)
        self._collections: dict[str, Json] = {}
        self._incoming_collections: set[str] = set()
        self._rejected_file = (scratch / REJECTED_FILE).open("wb")
        self._ndjson_files: dict[int, Path] = {}
        self._previous_collections: set[str] = set()
        self._changed_collections: set[str] = set()
        self._catalog_changed = False
        self._incoming_items = self._items_written = 0
        self.rejected: Counter[str] = Counter()
        self.has_omissions = False
        try:
            self._read_previous()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the local files."""
        with suppress(OSError):  # of a full folder, where `reject` has failed already
            self._rejected_file.close()
        self._index.close()

    # The previous export

    def _read_previous(self) -> None:
        settings = self._settings
        root = previous_export.read_root(self._storage)
        marker = self._storage.read(MARKER_FILE)
        metadata = root[METADATA_MEMBER] if root else {}
        if root and settings.is_update and metadata.get("root_href") != settings.root_href:
            raise InputError(
                "the export at 'output' has another 'root_href'; use that one, or set 'mode' to "
                "overwrite"
            )
        self._root = root
        self._tree = previous_export.PreviousTree(
            self._storage,
            metadata.get("root_href"),
            was_interrupted=marker is not None and settings.is_update,
        )
        self._recovery = ExportRecovery(
            self._storage,
            self._index,
            self._tree,
            self._layout,
            writes_catalog=CATALOG in settings.formats,
        )
        # A killed run leaves files in an unknown state, and other formats have other files.
        self._rewrite_all = marker is not None or metadata.get("formats") != sorted(
            settings.formats
        )
        if root:
            self._read_tree(root)
        self._recovery.recover(marker or b"", keep_items=settings.is_update)
        # After a killed run, a catalog whose root lists something is newer than the ndjson files.
        is_ndjson_outdated = (
            root is not None and marker is not None and not previous_export.is_empty_root(root)
        )
        if settings.is_update and not is_ndjson_outdated:
            self._read_ndjson()
        self._previous_collections = set(
            self._tree.collections
        ) | previous_export.read_collection_ids(self._storage)
        self._previous_documents = dict(self._collections)

    def _read_tree(self, root: Json) -> None:
        try:
            self._tree.index_items(root, self._index)
        except StorageError as error:
            if self._settings.is_update:
                raise
            self._logger.warning(
                "%s; some files of the previous export may remain", str(error).partition(";")[0]
            )
        self._collections |= self._tree.collections

    def _read_ndjson(self) -> None:
        paths = {source: self._storage.local_path(name) for source, name in NDJSON_FILES.items()}
        self._ndjson_files = {source: path for source, path in paths.items() if path is not None}
        previous_export.index_ndjson(self._ndjson_files, self._index)
        self._collections = previous_export.read_collections(self._storage) | self._collections

    def make_update(self) -> Export:
        """Return an export that merges the objects of this run into the previous export.

        Raises:
            InputError: The previous export cannot be updated with these settings.
            StorageError: The previous export is damaged.
        """
        if not {CATALOG, NDJSON} & self._settings.formats:
            raise InputError("the export has neither of the formats catalog and ndjson")
        scratch = self._scratch / UPDATE
        scratch.mkdir()
        update = Export(
            settings=replace(self._settings, mode=UPDATE),
            storage=self._storage,
            scratch=scratch,
            validator=self._validator,
            logger=self._logger,
            check=self._check,
        )
        self._index.copy_incoming_to(update._index)
        update._incoming_items = self._incoming_items
        update._incoming_collections = self._incoming_collections
        update._collections |= {
            name: self._collections[name] for name in self._incoming_collections
        }
        update.rejected = self.rejected
        self._rejected_file.flush()
        with (self._scratch / REJECTED_FILE).open("rb") as rejected:
            shutil.copyfileobj(rejected, update._rejected_file)
        return update

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
        self._index.add_incoming(collection, item["id"], summary, body)
        self._incoming_items += 1

    def _take_collection(self, collection: Json, links: list[Json]) -> None:
        if self._validator.should_validate(collection):
            self._validate(COLLECTION, collection)
        self._collections[collection["id"]] = {**strip_mirror_asset(collection), "links": links}
        self._incoming_collections.add(collection["id"])

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
            InputError: There are too many items for an ItemCollection, or the input of a run with
                'mode' overwrite is empty or incomplete.
            StorageError: A file could not be written, here or in the temporary folder.
            StopRequested: A stop was requested; all links of the export resolve nevertheless.
        """
        try:
            self._publish(input_complete=input_complete)
        except SCRATCH_ERRORS as error:
            raise self._scratch_error(error) from None

    def _publish(self, *, input_complete: bool) -> None:
        if not self._settings.is_update:
            self._drop_missing_items(input_complete=input_complete)
        elif self.is_idle and not (self.rejected or self._has_previous()):
            self._logger.warning("received no STAC Items or Collections; nothing written")
            return
        total = self._index.count()
        if ITEM_COLLECTION in self._settings.formats and total > MAX_ITEM_COLLECTION:
            raise InputError(
                f"the export has {total:,} items, but an ItemCollection may have at most "
                f"{MAX_ITEM_COLLECTION:,}; remove itemcollection from 'formats'"
            )
        self._add_missing_collections()
        writes_catalog = CATALOG in self._settings.formats
        self._index.mark_changed(
            everything=self._rewrite_all or (writes_catalog and self._root is None)
        )
        self._changed_collections = {collection for collection, _ in self._index.changed_months()}
        self._recovery.write_marker(self._scratch)
        reader = ItemReader(
            self._index, self._storage, self._ndjson_files, self._settings.root_href
        )
        try:
            catalogs = self._write_catalog(reader) if writes_catalog else set()
            # The collection is in the metadata of its GeoParquet.
            self._changed_collections |= {
                name
                for name, document in self._collections.items()
                if document != self._previous_documents.get(name)
            } & set(self._index.collection_ids())
            self._write_formats(reader)
        finally:
            reader.close()
        self._recovery.remove_stale_files(catalogs)
        self._write_rejected()
        self._recovery.remove_marker()
        self._log_summary(total)

    @property
    def is_idle(self) -> bool:
        """Whether this run has received no item and no collection."""
        return not self._incoming_items and not self._incoming_collections

    def _has_previous(self) -> bool:
        return self._root is not None or bool(self._ndjson_files)

    def _drop_missing_items(self, *, input_complete: bool) -> None:
        if not input_complete:
            raise InputError(
                "the input does not end with a STATE, so the tap may have been interrupted, and "
                "'mode' overwrite would remove the missing items; the export is unchanged"
            )
        if self.is_idle:
            raise InputError(
                "received no STAC Items or Collections, so 'mode' overwrite would remove the whole "
                "export; the export is unchanged"
            )
        removed = self._index.keep_only_incoming()
        if removed:
            self._logger.warning(
                "removed %s items missing from this run (mode: overwrite)", f"{removed:,}"
            )
        self._collections = {name: self._collections[name] for name in self._incoming_collections}

    def _add_missing_collections(self) -> None:
        """Synthesise the collections that no record contains, and those synthesised earlier."""
        for name in self._index.collection_ids():
            known = self._collections.get(name)
            if known is None or (
                name not in self._incoming_collections and previous_export.is_synthesised(known)
            ):
                self._collections[name] = make_missing_collection(name, self._index.rows(name))

    def _write_catalog(self, reader: ItemReader) -> set[str]:
        """Write the catalog; return the paths of all its catalogs."""
        writer = CatalogWriter(
            storage=self._storage,
            index=self._index,
            reader=reader,
            link_builder=self._link_builder,
            layout=self._layout,
            previous_catalogs=self._tree.catalogs,
            trust_previous=self._settings.is_update,
            check=self._check,
        )
        result = writer.write(self._make_root(), self._add_mirror_assets())
        self._catalog_changed = result.changed
        self._items_written = result.items_written
        if not self._rewrite_all:
            self._changed_collections = result.collections
        return result.catalogs

    def _add_mirror_assets(self) -> dict[str, Json]:
        """Return the collections, each with its GeoParquet as an asset if it has items."""
        if GEOPARQUET not in self._settings.formats:
            return self._collections
        documents = dict(self._collections)
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
            METADATA_MEMBER: {
                "layout": previous_export.LAYOUT_VERSION,
                "root_href": settings.root_href,
                "formats": sorted(settings.formats),
            },
        }

    def _write_formats(self, reader: ItemReader) -> None:
        writer = FormatsWriter(
            settings=self._settings,
            storage=self._storage,
            scratch=self._scratch,
            index=self._index,
            link_builder=self._link_builder,
            reader=reader,
            check=self._check,
        )
        if (
            self._rewrite_all
            or self._changed_collections
            or self._catalog_changed
            or writer.is_geoparquet_missing()
        ):
            writer.write(self._collections, self._changed_collections)
        writer.delete_unused({NO_COLLECTION, *self._collections, *self._previous_collections})
        for name, omissions in writer.geoparquet_omissions.items():
            self.has_omissions = True
            self._logger.warning(
                "GeoParquet of %s: null where its column cannot hold the value: %s",
                f"collection '{name}'" if name != NO_COLLECTION else "items without a collection",
                omissions,
            )

    def _write_rejected(self) -> None:
        self._rejected_file.close()
        if self.rejected:
            self._storage.put_file(REJECTED_FILE, self._scratch / REJECTED_FILE)
        else:
            self._storage.delete(REJECTED_FILE)

    def _log_summary(self, total: int) -> None:
        unlocated = self._index.count("west IS NULL")
        counts = (total, len(self._collections), unlocated, self._incoming_items)
        self._logger.info(
            "exported %s items in %s collections, %s of them without a geometry; this run received "
            "%s items and wrote %s item files of the catalog",
            *(f"{count:,}" for count in (*counts, self._items_written)),
        )
        if self._validator.validated_count:
            self._logger.info("validated %s objects", f"{self._validator.validated_count:,}")
        if self._validator.missing_schemas:
            self._logger.warning(
                "did not validate against schemas missing from the folder 'schemas': %s",
                ", ".join(sorted(self._validator.missing_schemas)),
            )
        for stream, count in sorted(self.rejected.items()):
            self._logger.error("%s: rejected %d records; see %s", stream, count, REJECTED_FILE)
