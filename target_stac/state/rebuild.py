"""Rebuild the index of an export from its files: from the catalog, or else from ndjson."""

from __future__ import annotations

import posixpath
import re
import sqlite3
from contextlib import closing, contextmanager
from itertools import filterfalse
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from target_stac.filenames import TEMPORARY_SUFFIX
from target_stac.item_links import summarize_item
from target_stac.links import (
    ROOT_FILE,
    encode_json,
    find_links,
    strip_mirror_asset,
    strip_structural_links,
)
from target_stac.partitions import GEOPARQUET_PATHS, NDJSON_PATHS
from target_stac.records import (
    COLLECTION,
    ITEM,
    NO_COLLECTION,
    InvalidStacError,
    read_acquisition_time,
    validate_minimal,
)
from target_stac.settings import CATALOG, GEOPARQUET, ITEM_COLLECTION, NDJSON
from target_stac.state.item_index import ROOT
from target_stac.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_stac.records import Json
    from target_stac.state.item_index import ItemIndex
    from target_stac.storage import Storage

COLLECTIONS_FILE = "collections.ndjson"
PREVIEW, COLLECTIONS = "preview", "collections"
"""Formats of files that belong to the catalog and to ndjson."""
EXTRA_FORMATS = {ROOT: CATALOG, PREVIEW: CATALOG, COLLECTIONS: NDJSON}
_FOUND_TABLE = "CREATE TABLE found (path TEXT PRIMARY KEY, kind TEXT); BEGIN"
_FILES = {
    CATALOG: r"catalog\.json|[^/]+/(collection|catalog)\.json|[^/]+/\d{4}(/\d\d(/[0-9a-f]+)*)?/"
    r"catalog\.json",
    NDJSON: NDJSON_PATHS,
    GEOPARQUET: GEOPARQUET_PATHS,
    ITEM_COLLECTION: r"itemcollection\.json",
    PREVIEW: r"preview\.html",
    COLLECTIONS: r"collections\.ndjson",
}
"""The paths of a format's files."""
_FORMATS = {name: re.compile(pattern) for name, pattern in _FILES.items()}
_ITEM_PATH = re.compile(r"[^/]+/\d{4}/\d\d/[^/]+\.json")

_decode_document = msgspec.json.Decoder(dict[str, Any]).decode


def make_damage_error(path: str) -> StorageError:
    """Return the error for a file that is missing or not as this program wrote it."""
    return StorageError(
        f"output: '{path}' is missing or was modified by another program; choose another folder, "
        "or recreate the export with 'mode' overwrite and a sync of everything"
    )


class IndexRebuild:
    """Rebuild of an index from an export's files, whose state is in doubt.

    Items that a killed run has written, but not listed in a catalog, are taken as well. All files
    but those of the items become stale until they are written again.

    Args:
        storage: The storage.
        index: An empty index.
        root_href: URL that the export is published under, if any.
        is_strict: Whether a damaged file is an error; else it is left out.
        check: Raises if a stop was requested.

    Attributes:
        is_damaged: Whether a damaged file was left out.
        has_other_copies: Whether there are files of formats that items are not read from.
    """

    def __init__(
        self,
        storage: Storage,
        index: ItemIndex,
        root_href: str | None,
        *,
        is_strict: bool,
        check: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._index = index
        self._root_href = root_href
        self._is_strict = is_strict
        self._check = check
        self._collections: dict[str, Json] = {}
        self.is_damaged = self.has_other_copies = False

    def run(self, root: Json | None, *, is_own: bool) -> None:
        """Fill the index.

        Args:
            root: The root catalog, if there is one.
            is_own: Whether this program has written to the storage; else only ndjson is read.

        Raises:
            StorageError: A file is damaged or missing.
        """
        with closing(sqlite3.connect("", isolation_level=None)) as self._found:  # a temporary file
            self._found.executescript(_FOUND_TABLE)
            for path in self._storage.list_files():
                self._classify(path, is_own=is_own)
            if root is None:
                for path in self._paths(ITEM):
                    self._index.mark_stale(path)
                self._read_ndjson()
            else:
                self._read_root(root)
                self._read_items()
            self._read_catalogs(has_root=root is not None)
        self._index.write_collections(self._collections)

    def _classify(self, path: str, *, is_own: bool) -> None:
        whole = path.removesuffix(TEMPORARY_SUFFIX)
        kind = next((name for name, each in _FORMATS.items() if each.fullmatch(whole)), None)
        if kind is None and _ITEM_PATH.fullmatch(whole):
            kind = ITEM
        self.has_other_copies |= kind in {GEOPARQUET, ITEM_COLLECTION}
        if kind is None or not (is_own or kind in {NDJSON, COLLECTIONS}):
            return
        if whole != path or kind not in {CATALOG, ITEM}:
            self._index.mark_stale(path, kind)
        if whole == path:
            self._found.execute("INSERT INTO found VALUES (?, ?)", (path, kind))

    def _paths(self, kind: str) -> Iterator[str]:
        query = "SELECT path FROM found WHERE kind = ? ORDER BY path"
        return (path for (path,) in self._found.execute(query, (kind,)))

    def _is_found(self, path: str) -> bool:
        query = "SELECT 1 FROM found WHERE path = ?"
        return self._found.execute(query, (path,)).fetchone() is not None

    def _read_root(self, root: Json) -> None:
        """Set the folders of the collections that the root catalog lists."""
        for path in filter(self._is_found, self._find_targets(ROOT_FILE, root, "child")):
            with self._tolerating():
                document = _parse_object(path, self._storage.read(path) or b"")
                is_collection = document.get("type") == "Collection"
                name = str(document.get("id")) if is_collection else NO_COLLECTION
                self._index.set_collection_folder(name, posixpath.dirname(path))

    def _read_items(self) -> None:
        """Add the items; of two files of an item that a killed run moved, keep the later path."""
        invalid = []
        for path, content in self._storage.read_many(self._paths(ITEM)):
            self._check()
            folder, year, month, file = path.split("/")
            try:
                item = _parse_item(path, content or b"")
            except StorageError:
                invalid.append((path,))
                continue
            collection = item.get("collection") or NO_COLLECTION
            if not self._index.set_collection_folder(collection, folder):
                continue  # a copy that somebody has made
            known = self._index.find_row(collection, item["id"])
            if known is not None:
                self._index.remove_found(known)
            name = file.removesuffix(".json")
            self._add_item(item, old_day=f"{year}-{month}-01", name=name)
        self._found.executemany("DELETE FROM found WHERE path = ?", invalid)

    def _read_catalogs(self, *, has_root: bool) -> None:
        for path, content in self._storage.read_many(self._paths(CATALOG)):
            if has_root and path.endswith("/collection.json"):
                with self._tolerating():
                    self._add_collection(path, _parse_object(path, content or b""))
        for path, content in self._storage.read_many(self._paths(CATALOG)):
            folder = path.partition("/")[0]
            if has_root and path != ROOT_FILE and folder not in self._index.collection_folders():
                continue  # a copy that somebody has made
            self._index.mark_stale(path, CATALOG)
            with self._tolerating():
                document = _parse_object(path, content or b"")
                targets = self._find_targets(path, document, "child", "item") if has_root else ()
                for missing in filterfalse(self._is_found, targets):
                    raise make_damage_error(missing)

    def _find_targets(self, path: str, document: Json, *rels: str) -> Iterator[str]:
        """Yield the paths that a catalog's links lead to."""
        for link in find_links(document):
            if link.get("rel") in rels:
                href = unquote(str(link.get("href")))
                if self._root_href and href.startswith(f"{self._root_href}/"):
                    yield posixpath.normpath(href.removeprefix(f"{self._root_href}/"))
                else:
                    yield posixpath.normpath(posixpath.join(posixpath.dirname(path), href))

    def _add_collection(self, path: str, document: Json) -> None:
        try:
            validate_minimal(COLLECTION, document)
        except InvalidStacError:
            raise make_damage_error(path) from None
        folder, name = posixpath.dirname(path), document["id"]
        if not folder or self._index.set_collection_folder(name, folder):
            links = strip_structural_links(document.get("links", ()), self._root_href)
            self._collections[name] = {**strip_mirror_asset(document), "links": links}

    def _read_ndjson(self) -> None:
        for path in self._paths(NDJSON):
            with self._tolerating():
                for line in self._read_lines(path):
                    self._add_item(_parse_item(path, line))
        with self._tolerating():
            for line in self._read_lines(COLLECTIONS_FILE):
                self._add_collection(COLLECTIONS_FILE, _parse_object(COLLECTIONS_FILE, line))

    def _read_lines(self, path: str) -> Iterator[bytes]:
        local = self._storage.local_path(path)
        if local is not None:
            with local.open("rb") as file:
                for line in file:
                    self._check()
                    yield line

    def _add_item(self, item: Json, old_day: str | None = None, name: str | None = None) -> None:
        links = strip_structural_links(item.get("links", ()), self._root_href)
        collection, summary = item.get("collection") or NO_COLLECTION, summarize_item(item, links)
        body = encode_json({**item, "links": links})
        self._index.add(
            collection, item["id"], summary, body, is_incoming=False, old_day=old_day, name=name
        )

    @contextmanager
    def _tolerating(self) -> Iterator[None]:
        """Pass over a damaged file, unless that is an error."""
        try:
            yield
        except StorageError:
            if self._is_strict:
                raise
            self.is_damaged = True


def _parse_object(path: str, content: bytes) -> Json:
    try:
        document: Json = _decode_document(content)
    except (msgspec.DecodeError, RecursionError):
        raise make_damage_error(path) from None
    return document


def _parse_item(path: str, content: bytes) -> Json:
    item = _parse_object(path, content)
    try:
        validate_minimal(ITEM, item)
        read_acquisition_time(item)
    except InvalidStacError:
        raise make_damage_error(path) from None
    return item
