"""Links: those that tie an export together are its own, all others are kept as they come."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_stac.records import Json

ROOT = "catalog.json"
JSON_TYPE = "application/json"
ITEM_TYPE = "application/geo+json"
CANONICAL = "canonical"
"""Member of a link that leads into the export: the href it came with, to restore it from."""

_STRUCTURAL = frozenset({"self", "root", "parent", "child", "item", "items"})
_DOWN = frozenset({"child", "item"})
_ITEM_URL = re.compile(r".*/collections/([^/?#]+)/items/([^/?#]+)/?")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

_members: Callable[[bytes], dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
).decode
encode = msgspec.json.Encoder().encode


def relative(start: str, target: str) -> str:
    """Give the href that leads from one file of the export to another."""
    folder, _, _ = start.rpartition("/")
    there, _, name = target.rpartition("/")
    return f"./{name}" if folder == there else f"{_way(folder, there)}{name}"


@lru_cache(4096)
def _way(start: str, target: str) -> str:
    """Give the way from one folder to another, with a slash at its end."""
    path = posixpath.relpath(target or ".", start or ".")
    return f"{path}/" if path.startswith("..") else f"./{path}/"


def bare(links: Iterable[Json], root_href: str | None = None) -> list[Json]:
    """Leave out the links that an export makes itself; restore those that it had redirected.

    The link to the collection, if one is left, comes first.

    Args:
        links: Of an item or a collection.
        root_href: Where the export is published, if it is.
    """
    homes: list[Json] = []
    kept: list[Json] = []
    for link in links:
        if link.get("rel") in _STRUCTURAL:
            continue
        restored = _restored(link)
        if link.get("rel") != "collection":
            kept.append(restored)
        elif _leads_out(restored.get("href"), root_href):
            homes.append(restored)
    return homes[:1] + kept


def origin(links: Iterable[Json]) -> tuple[str, str] | None:
    """Find collection and id of the item that an item is derived from.

    They are read off the first link derived_from whose URL has the form that STAC API gives items,
    `.../collections/{collection}/items/{id}`.
    """
    for link in links:
        if link.get("rel") == "derived_from" and isinstance(link.get("href"), str):
            found = _ITEM_URL.fullmatch(link["href"])
            if found:
                return unquote(found[1]), unquote(found[2])
    return None


class Linker:
    """Writes the links of an export's files.

    Args:
        root_href: Where the export is published; None for relative links.
        path_of: Says where the file of a collection's item belongs, None when there is none.
    """

    def __init__(self, root_href: str | None, path_of: Callable[[str, str], str | None]) -> None:
        self._root_href = root_href
        self._path_of = path_of

    def href(self, start: str, target: str) -> str:
        """Give the href from one file of the export to another."""
        return f"{self._root_href}/{target}" if self._root_href else relative(start, target)

    def up(self, path: str, parent: str | None) -> list[Json]:
        """Give the links that every file of the tree has: root, parent and self."""
        links = [_link("root", self.href(path, ROOT))]
        if parent:
            links.append(_link("parent", self.href(path, parent)))
        if self._root_href:
            links.append(_link("self", self.href(path, path)))
        return links

    def child(self, start: str, target: str, title: str) -> Json:
        """Give the link to a catalog or collection."""
        return _link("child", self.href(start, target)) | {"title": title}

    def item(
        self, body: bytes, path: str, leaf: str, collection: str | None, *, redirect: bool = True
    ) -> bytes:
        """Write an item as a file of the tree.

        Args:
            body: Its JSON with bare links.
            path: Of its file.
            leaf: Path of the catalog that lists it.
            collection: Path of its collection.
            redirect: Whether to link to the file of what it is derived from.
        """
        members, links = _opened(body)
        mine = self.up(path, leaf)
        kept = [link for link in links if link.get("rel") != "collection"]
        if collection:
            mine.append(_collection_link(self.href(path, collection), links))
        target = origin(links) if redirect else None
        home = self._path_of(*target) if target else None
        if home:
            kept = [self._redirected(link, target, path, home) for link in kept]
        return _closed(members, [*mine, *kept])

    def line(self, body: bytes, path: str, leaf: str, collection: str | None) -> bytes:
        """Write an item as a line of ndjson: no relative link but, for want of any, collection's.

        A published item has the links of its file.
        """
        if self._root_href:
            return self.item(body, path, leaf, collection)
        members, links = _opened(body)
        links = [link for link in links if _is_absolute(link.get("href"))]
        if collection and not any(link.get("rel") == "collection" for link in links):
            links.insert(0, _link("collection", f"./{collection}"))
        return _closed(members, links)

    def _redirected(self, link: Json, target: tuple[str, str] | None, path: str, home: str) -> Json:
        if link.get("rel") != "derived_from" or origin([link]) != target:
            return link
        return {**link, "href": self.href(path, home), CANONICAL: link["href"]}


def bared(stac: Json, root_href: str | None) -> bytes:
    """Write a STAC object with bare links."""
    return encode({**stac, "links": bare(stac.get("links", ()), root_href)})


def untied(content: bytes) -> bytes:
    """Leave out a file's links to what is below it or beside it, so that that can go first."""
    members, links = _opened(content)
    return _closed(members, [_restored(link) for link in links if link.get("rel") not in _DOWN])


def _restored(link: Json) -> Json:
    if not isinstance(link.get(CANONICAL), str):
        return link
    return {k: v for k, v in link.items() if k != CANONICAL} | {"href": link[CANONICAL]}


def _opened(body: bytes) -> tuple[dict[str, msgspec.Raw], list[Json]]:
    members = _members(body)
    links: list[Json] = msgspec.json.decode(members["links"])
    return members, links


def _closed(members: dict[str, msgspec.Raw], links: list[Json]) -> bytes:
    members["links"] = msgspec.Raw(encode(links))
    return encode(members)


def _link(rel: str, href: str) -> Json:
    return {"rel": rel, "href": href, "type": JSON_TYPE}


def _collection_link(href: str, links: Iterable[Json]) -> Json:
    for came in links:
        if came.get("rel") == "collection":
            return {**came, "href": href, CANONICAL: came["href"]}
    return _link("collection", href)


def _leads_out(href: Any, root_href: str | None) -> bool:  # noqa: ANN401 - any JSON
    return _is_absolute(href) and not (root_href and href.startswith(f"{root_href}/"))


def _is_absolute(href: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(href, str) and _ABSOLUTE.match(href) is not None
