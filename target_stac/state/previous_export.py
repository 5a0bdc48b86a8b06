"""Read the previous export, which a new run merges into."""

from __future__ import annotations

import posixpath
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from pixxel_singer.errors import InputError
from target_stac.item_links import parse_item_link, summarize_item
from target_stac.links import ROOT_FILE, strip_mirror_asset, strip_structural_links
from target_stac.records import (
    COLLECTION,
    ITEM,
    METADATA_MEMBER,
    NO_COLLECTION,
    InvalidStacError,
    validate_minimal,
)
from target_stac.state.item_index import NDJSON_FILES, JsonLocation
from target_stac.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_stac.item_links import ItemSummary
    from target_stac.records import Json
    from target_stac.state.item_index import ItemIndex
    from target_stac.storage import Storage

LAYOUT_VERSION = 1
"""Of the catalog; incremented when a later version cannot merge into an earlier one's export."""
COLLECTIONS_FILE = "collections.ndjson"

_decode_document = msgspec.json.Decoder(dict[str, Any]).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_root(storage: Storage) -> Json | None:
    """Return the root catalog of the previous export, None if there is none.

    Raises:
        InputError: Another program wrote the root catalog.
    """
    content = storage.read(ROOT_FILE)
    if content is None:
        return None
    root = _parse_object(ROOT_FILE, content)
    match root.get(METADATA_MEMBER):
        case {"layout": 1}:
            return root
        case _:
            raise InputError(
                "output: another program wrote the existing catalog.json; choose another folder, "
                "or remove the file"
            )


def is_empty_root(root: Json) -> bool:
    """Return whether a root catalog lists nothing; then the items are only in other formats."""
    return not any(_find_links(root, "child"))


class PreviousTree:
    """The catalog of the previous export.

    Args:
        storage: The storage.
        root_href: The root href that the previous export was written with.
        was_interrupted: Whether the previous run was killed; then an item's file may differ from
            its summary in the catalog's link.

    Attributes:
        catalogs: Paths of its catalogs.
        collections: Its collections without structural links, by id.
    """

    def __init__(self, storage: Storage, root_href: str | None, *, was_interrupted: bool) -> None:
        self._storage = storage
        self._root_href = root_href
        self._was_interrupted = was_interrupted
        self.catalogs: set[str] = set()
        self.collections: dict[str, Json] = {}

    def index_items(self, root: Json, index: ItemIndex) -> None:
        """Add all items of the catalog to an index.

        Raises:
            StorageError: A link does not resolve, or another program made it.
        """
        self.catalogs.add(ROOT_FILE)
        for link in _find_links(root, "child"):
            path = self._resolve_link(ROOT_FILE, link)
            document = self._read_document(path)
            collection = NO_COLLECTION
            if document.get("type") == "Collection":
                collection = str(document.get("id"))
                self.collections[collection] = _strip_collection_links(path, document)
            index.set_collection_folder(collection, posixpath.dirname(path))
            self._index_catalog(path, document, collection, index)

    def _index_catalog(self, path: str, document: Json, collection: str, index: ItemIndex) -> None:
        self.catalogs.add(path)
        for link in _find_links(document, "child"):
            child_path = self._resolve_link(path, link)
            self._index_catalog(child_path, self._read_document(child_path), collection, index)
        for link in _find_links(document, "item"):
            try:
                identifier, summary, digest = parse_item_link(link)
            except (KeyError, TypeError, IndexError):
                raise make_damage_error(path) from None
            item_path = self._resolve_link(path, link)
            if self._was_interrupted:
                summary, digest = self._read_item(item_path)
            index.add_from_tree(
                collection, identifier, summary, path=item_path, catalog_path=path, sha256=digest
            )

    def recover_item(self, path: str, index: ItemIndex) -> None:
        """Add an item whose file a killed run wrote but did not link, unless the index has it."""
        content = self._storage.read(path)
        if content is not None:
            item, summary = _parse_item(path, content)
            collection, identifier = item.get("collection") or NO_COLLECTION, item["id"]
            if not index.has_item(collection, identifier):
                digest = sha256(content).hexdigest()
                index.set_collection_folder(collection, path.split("/", maxsplit=1)[0])
                index.add_from_tree(
                    collection, identifier, summary, path=path, catalog_path="", sha256=digest
                )

    def _read_item(self, path: str) -> tuple[ItemSummary, str]:
        """Return the summary of an item's file, and its SHA-256."""
        content = self._storage.read(path)
        if content is None:
            raise make_damage_error(path)
        return _parse_item(path, content)[1], sha256(content).hexdigest()

    def _read_document(self, path: str) -> Json:
        content = self._storage.read(path)
        if content is None:
            raise make_damage_error(path)
        return _parse_object(path, content)

    def _resolve_link(self, start: str, link: Json) -> str:
        href = str(link.get("href"))
        prefix = f"{self._root_href}/"
        if href.startswith(prefix):
            path = posixpath.normpath(unquote(href.removeprefix(prefix)))
        else:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(start), unquote(href)))
        if path in self.catalogs or path.startswith(("../", "/")) or ":" in path:
            raise make_damage_error(start)
        return path


def index_ndjson(files: dict[int, Path], index: ItemIndex) -> None:
    """Add the items of the previous export's ndjson files to an index.

    Args:
        files: Local paths by source.
        index: The index.

    Raises:
        StorageError: A line is not an item.
    """
    for source, file in files.items():
        offset = 0
        with file.open("rb") as lines:
            for line in lines:
                item, summary = _parse_item(NDJSON_FILES[source], line)
                location = JsonLocation(source, offset, len(line.rstrip(b"\n")))
                collection = item.get("collection") or NO_COLLECTION
                index.add_from_ndjson(collection, item["id"], summary, location)
                offset += len(line)


def read_collections(storage: Storage) -> dict[str, Json]:
    """Return the collections of the previous collections.ndjson, by id, without structural links.

    Raises:
        StorageError: A line is not a collection.
    """
    collections = {}
    for line in (storage.read(COLLECTIONS_FILE) or b"").splitlines():
        document = _parse_object(COLLECTIONS_FILE, line)
        collections[str(document.get("id"))] = _strip_collection_links(COLLECTIONS_FILE, document)
    return collections


def read_collection_ids(storage: Storage) -> set[str]:
    """Return the ids in the previous collections.ndjson; none if the file cannot be read."""
    try:
        return set(read_collections(storage))
    except StorageError:
        return set()


def is_synthesised(collection: Json) -> bool:
    """Return whether a collection was synthesised from its items, and may be again."""
    return METADATA_MEMBER in collection and collection.get("type") == COLLECTION.capitalize()


def _find_links(document: Json, rel: str) -> Iterator[Json]:
    links = document.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == rel:
            yield link


def _parse_item(path: str, content: bytes) -> tuple[Json, ItemSummary]:
    """Return an item without its assets, which are its largest part, and its summary."""
    try:
        members = _decode_members(content)
        members.pop("assets", None)
        item = {name: msgspec.json.decode(raw) for name, raw in members.items()}
        validate_minimal(ITEM, item)
        return item, summarize_item(item, strip_structural_links(item.get("links", ())))
    except (msgspec.DecodeError, InvalidStacError):
        raise make_damage_error(path) from None


def _strip_collection_links(path: str, collection: Json) -> Json:
    try:
        validate_minimal(COLLECTION, collection)
    except InvalidStacError:
        raise make_damage_error(path) from None
    links = strip_structural_links(collection.get("links", ()))
    return {**strip_mirror_asset(collection), "links": links}


def _parse_object(path: str, content: bytes) -> Json:
    try:
        document: Json = _decode_document(content)
    except msgspec.DecodeError:
        raise make_damage_error(path) from None
    return document


def make_damage_error(path: str) -> StorageError:
    """Return the error for a file that is missing or not as this program wrote it."""
    return StorageError(
        f"output: '{path}' is missing or was modified by another program; choose another folder, "
        "or recreate the export with 'mode' overwrite and a sync of everything"
    )
