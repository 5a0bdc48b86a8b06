"""The export that the last run has left: what a new run merges into."""

from __future__ import annotations

import posixpath
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from pixxel_singer.errors import InputError
from target_stac.facts import facts_of, from_link
from target_stac.index import LOCATED, NO_COLLECTION, UNLOCATED, Place
from target_stac.links import ROOT, bare
from target_stac.output import OutputError
from target_stac.records import COLLECTION, ITEM, NotStacError, check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_stac.index import Facts, Index
    from target_stac.output import Output
    from target_stac.records import Json

LAYOUT = 1
"""Of the tree; grows when a later version could not merge into an older one's."""
OURS = "target_stac"
"""Member of the root and of synthesised collections that tells them from other programs' files."""

LINES = {LOCATED: "items.ndjson", UNLOCATED: "unlocated.ndjson"}
COLLECTION_LINES = "collections.ndjson"


def read_root(output: Output) -> Json | None:
    """Read the root catalog of the last run, None when there is none.

    Raises:
        InputError: There is one that this program has not written.
    """
    content = output.read(ROOT)
    if content is None:
        return None
    root = _object(ROOT, content)
    match root.get(OURS):
        case {"layout": 1}:
            return root
        case _:
            raise InputError(
                "output: there is a catalog.json that target-stac has not written; choose another "
                "folder, or remove it"
            )


def is_begun(root: Json) -> bool:
    """Tell whether a root lists nothing yet, or no longer: what there is, other formats have."""
    return not any(_links(root, "child"))


class Tree:
    """The tree that the last run has left.

    Args:
        output: The place.
        root_href: That it was made with.
        in_doubt: Whether that run was killed, so that an item may be other than its link says.

    Attributes:
        catalogs: The content of its catalogs by path.
        collections: Its collections with bare links, by id.
    """

    def __init__(self, output: Output, root_href: str | None, *, in_doubt: bool) -> None:
        self._output = output
        self._root_href = root_href
        self._in_doubt = in_doubt
        self.catalogs: set[str] = set()
        self.collections: dict[str, Json] = {}

    def index(self, root: Json, index: Index) -> None:
        """Enter all that the tree holds.

        Raises:
            OutputError: A link of the tree does not resolve, or was not made by this program.
        """
        self.catalogs.add(ROOT)
        for link in _links(root, "child"):
            path = self._target(ROOT, link)
            document = self._read(path)
            collection = NO_COLLECTION
            if document.get("type") == "Collection":
                collection = str(document.get("id"))
                self.collections[collection] = _bared(path, document)
            index.keep_folder(collection, posixpath.dirname(path))
            self._index(path, document, collection, index)

    def _index(self, path: str, document: Json, collection: str, index: Index) -> None:
        self.catalogs.add(path)
        for link in _links(document, "child"):
            below = self._target(path, link)
            self._index(below, self._read(below), collection, index)
        for link in _links(document, "item"):
            try:
                identifier, facts, digest = from_link(link)
            except (KeyError, TypeError, IndexError):
                raise damaged(path) from None
            at = self._target(path, link)
            if self._in_doubt:
                facts, digest = self._look_at(at)
            index.find_linked(collection, identifier, facts, path=at, leaf=path, sha256=digest)

    def adopt(self, path: str, index: Index) -> None:
        """Enter an item that a run that was killed has put down, unless the tree has it."""
        content = self._output.read(path)
        if content is not None:
            item, facts = _item(path, content)
            collection, identifier = item.get("collection") or NO_COLLECTION, item["id"]
            if not index.has(collection, identifier):
                digest = sha256(content).hexdigest()
                index.keep_folder(collection, path.split("/", maxsplit=1)[0])
                index.find_linked(collection, identifier, facts, path=path, leaf="", sha256=digest)

    def _look_at(self, path: str) -> tuple[Facts, str]:
        content = self._output.read(path)
        if content is None:
            raise damaged(path)
        return _item(path, content)[1], sha256(content).hexdigest()

    def _read(self, path: str) -> Json:
        content = self._output.read(path)
        if content is None:
            raise damaged(path)
        return _object(path, content)

    def _target(self, start: str, link: Json) -> str:
        href = str(link.get("href"))
        prefix = f"{self._root_href}/"
        if href.startswith(prefix):
            path = posixpath.normpath(unquote(href.removeprefix(prefix)))
        else:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(start), unquote(href)))
        if path in self.catalogs or path.startswith(("../", "/")) or ":" in path:
            raise damaged(start)
        return path


def index_lines(files: dict[int, Path], index: Index) -> None:
    """Enter the items of the last run's ndjson.

    Args:
        files: Local paths by source.
        index: To enter them in.

    Raises:
        OutputError: A line is no item.
    """
    for source, file in files.items():
        offset = 0
        with file.open("rb") as lines:
            for line in lines:
                item, facts = _item(LINES[source], line)
                place = Place(source, offset, len(line.rstrip(b"\n")))
                collection = item.get("collection") or NO_COLLECTION
                index.find_lying(collection, item["id"], facts, place)
                offset += len(line)


def read_collections(output: Output) -> dict[str, Json]:
    """Read the last run's collections.ndjson, by id, with bare links."""
    found = {}
    for line in (output.read(COLLECTION_LINES) or b"").splitlines():
        document = _object(COLLECTION_LINES, line)
        found[str(document.get("id"))] = _bared(COLLECTION_LINES, document)
    return found


def collection_ids(output: Output) -> set[str]:
    """Name the collections of the last run's collections.ndjson, as far as it can be read."""
    try:
        return set(read_collections(output))
    except OutputError:
        return set()


def is_synthesised(collection: Json) -> bool:
    """Tell whether a collection was made from its items, and may be made again."""
    return OURS in collection and collection.get("type") == COLLECTION.capitalize()


_document = msgspec.json.Decoder(dict[str, Any]).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _links(document: Json, rel: str) -> Iterator[Json]:
    links = document.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == rel:
            yield link


def _item(path: str, content: bytes) -> tuple[Json, Facts]:
    """Read an item without its assets, which are most of it, and its facts."""
    try:
        members = _members(content)
        members.pop("assets", None)
        item = {name: msgspec.json.decode(raw) for name, raw in members.items()}
        check(ITEM, item)
        return item, facts_of(item, bare(item.get("links", ())))
    except (msgspec.DecodeError, NotStacError):
        raise damaged(path) from None


def _bared(path: str, collection: Json) -> Json:
    try:
        check(COLLECTION, collection)
    except NotStacError:
        raise damaged(path) from None
    return {**collection, "links": bare(collection.get("links", ()))}


def _object(path: str, content: bytes) -> Json:
    try:
        found: Json = _document(content)
    except msgspec.DecodeError:
        raise damaged(path) from None
    return found


def damaged(path: str) -> OutputError:
    """Word that a file of the export is not what this program has left."""
    return OutputError(
        f"output: '{path}' is not as target-stac has left it, or missing; choose another "
        "folder, or make the export anew with 'mode' overwrite and a sync of everything"
    )
