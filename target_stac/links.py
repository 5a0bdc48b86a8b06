"""Build the structural links of an export's files; all other links are kept unchanged."""

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

ROOT_FILE = "catalog.json"
JSON_MEDIA_TYPE = "application/json"
ITEM_MEDIA_TYPE = "application/geo+json"
ORIGINAL_HREF = "canonical"
"""Member of a link that was redirected into the export: its original href, to restore it from."""

MIRROR_ASSET = "collection-mirror"
"""Key and role of a collection's asset that holds all its items (stac-geoparquet 1.1)."""
_GEOPARQUET_MEDIA_TYPE = "application/vnd.apache.parquet"

_STRUCTURAL_RELS = ("self", "root", "parent", "child", "item", "items")
"""A tuple, for a rel that is invalid may have no hash."""
_API_ITEM_URL = re.compile(r".*/collections/([^/?#]+)/items/([^/?#]+)/?")
_URL_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

_decode_members: Callable[[bytes], dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
).decode
encode_json = msgspec.json.Encoder().encode


def make_relative_href(start: str, target: str) -> str:
    """Return the relative href from one file of the export to another."""
    start_folder, _, _ = start.rpartition("/")
    target_folder, _, name = target.rpartition("/")
    if start_folder == target_folder:
        return f"./{name}"
    return f"{_relative_folder(start_folder, target_folder)}{name}"


@lru_cache(4096)
def _relative_folder(start: str, target: str) -> str:
    """Return the relative path from one folder to another, ending with a slash."""
    path = posixpath.relpath(target or ".", start or ".")
    return f"{path}/" if path.startswith("..") else f"./{path}/"


def strip_structural_links(links: Iterable[Json], root_href: str | None = None) -> list[Json]:
    """Return links without those that an export makes itself, and with their original hrefs.

    The external link to the collection, if there is one, comes first.

    Args:
        links: The links of an item or a collection.
        root_href: URL that the export is published under, if any.
    """
    collection_links: list[Json] = []
    other_links: list[Json] = []
    for link in links:
        if link.get("rel") in _STRUCTURAL_RELS:
            continue
        restored = _restore_href(link)
        if link.get("rel") != "collection":
            other_links.append(restored)
        elif _is_external(restored.get("href"), root_href):
            collection_links.append(restored)
    return collection_links[:1] + other_links


def find_links(document: Json) -> list[Json]:
    """Return the links of a file that another program may have changed."""
    links = document.get("links")
    return [link for link in links if isinstance(link, dict)] if isinstance(links, list) else []


def find_origin(links: Iterable[Json]) -> tuple[str, str] | None:
    """Return the collection and id of the item that an item is derived from.

    They are parsed from the first link with rel derived_from whose URL has the form of an item's
    URL in STAC API, `.../collections/{collection}/items/{id}`.
    """
    for link in links:
        if link.get("rel") == "derived_from" and isinstance(link.get("href"), str):
            match = _API_ITEM_URL.fullmatch(link["href"])
            if match:
                return unquote(match[1]), unquote(match[2])
    return None


def add_mirror_asset(collection: Json, href: str) -> Json:
    """Return a collection with an asset that is the GeoParquet of its items."""
    assets = collection.get("assets", {})
    if not isinstance(assets, dict):
        return collection
    mirror = {
        "href": href,
        "type": _GEOPARQUET_MEDIA_TYPE,
        "title": "All items as GeoParquet",
        "roles": [MIRROR_ASSET],
    }
    return {**collection, "assets": {**assets, MIRROR_ASSET: mirror}}


def strip_mirror_asset(collection: Json) -> Json:
    """Return a collection without the asset that `add_mirror_asset` added."""
    assets = collection.get("assets")
    if not isinstance(assets, dict) or MIRROR_ASSET not in assets:
        return collection
    others = {name: asset for name, asset in assets.items() if name != MIRROR_ASSET}
    without = {name: member for name, member in collection.items() if name != "assets"}
    return {**without, "assets": others} if others else without


def strip_relative_links(stac: Json) -> Json:
    """Return a STAC object without relative links, which lead nowhere outside of the catalog."""
    links = [link for link in stac.get("links", ()) if _is_absolute_url(link.get("href"))]
    return {**stac, "links": links}


class LinkBuilder:
    """Builder of the links in an export's files.

    Args:
        root_href: URL that the export is published under; None for relative links.
        find_item_path: Returns the path of an item's file by collection and id; None if the
            export has no such item.
    """

    def __init__(
        self, root_href: str | None, find_item_path: Callable[[str, str], str | None]
    ) -> None:
        self._root_href = root_href
        self._find_item_path = find_item_path

    def href(self, start: str, target: str) -> str:
        """Return the href from one file of the export to another."""
        if self._root_href:
            return f"{self._root_href}/{target}"
        return make_relative_href(start, target)

    def structural_links(self, path: str, parent: str | None) -> list[Json]:
        """Return the links that every file of the catalog has: root, parent and self."""
        links = [make_link("root", self.href(path, ROOT_FILE))]
        if parent:
            links.append(make_link("parent", self.href(path, parent)))
        if self._root_href:
            links.append(make_link("self", self.href(path, path)))
        return links

    def child_link(self, start: str, target: str, title: str) -> Json:
        """Return the link to a catalog or collection."""
        return make_link("child", self.href(start, target)) | {"title": title}

    def encode_item(self, body: bytes, path: str, catalog: str, collection: str | None) -> bytes:
        """Return the content of an item's file in the catalog.

        Args:
            body: The item's JSON without structural links.
            path: Path of the item's file.
            catalog: Path of the catalog that lists it.
            collection: Path of its collection.
        """
        members, links = _split_links(body)
        structural = self.structural_links(path, catalog)
        others = [link for link in links if link.get("rel") != "collection"]
        if collection:
            structural.append(_make_collection_link(self.href(path, collection), links))
        origin = find_origin(links)
        origin_path = self._find_item_path(*origin) if origin else None
        if origin_path:
            others = [self._redirect(link, origin, path, origin_path) for link in others]
        return _join_links(members, [*structural, *others])

    def encode_ndjson_item(
        self, body: bytes, path: str, catalog: str, collection: str | None
    ) -> bytes:
        """Return an item as a line of ndjson.

        The line has no relative link, except one to the collection if there is no absolute one.
        With a root href, it has the links of the item's file.
        """
        if self._root_href:
            return self.encode_item(body, path, catalog, collection)
        members, links = _split_links(body)
        links = [link for link in links if _is_absolute_url(link.get("href"))]
        if collection and not any(link.get("rel") == "collection" for link in links):
            links.insert(0, make_link("collection", f"./{collection}"))
        return _join_links(members, links)

    def _redirect(
        self, link: Json, origin: tuple[str, str] | None, path: str, origin_path: str
    ) -> Json:
        if link.get("rel") != "derived_from" or find_origin([link]) != origin:
            return link
        return {**link, "href": self.href(path, origin_path), ORIGINAL_HREF: link["href"]}


def encode_without_structural_links(stac: Json, root_href: str | None) -> bytes:
    """Return a STAC object as JSON without structural links."""
    return encode_json({**stac, "links": strip_structural_links(stac.get("links", ()), root_href)})


def _restore_href(link: Json) -> Json:
    if not isinstance(link.get(ORIGINAL_HREF), str):
        return link
    return {k: v for k, v in link.items() if k != ORIGINAL_HREF} | {"href": link[ORIGINAL_HREF]}


def _split_links(body: bytes) -> tuple[dict[str, msgspec.Raw], list[Json]]:
    members = _decode_members(body)
    links: list[Json] = msgspec.json.decode(members["links"])
    return members, links


def _join_links(members: dict[str, msgspec.Raw], links: list[Json]) -> bytes:
    members["links"] = msgspec.Raw(encode_json(links))
    return encode_json(members)


def make_link(rel: str, href: str) -> Json:
    """Return a link to a JSON file."""
    return {"rel": rel, "href": href, "type": JSON_MEDIA_TYPE}


def _make_collection_link(href: str, links: Iterable[Json]) -> Json:
    for link in links:
        if link.get("rel") == "collection":
            return {**link, "href": href, ORIGINAL_HREF: link["href"]}
    return make_link("collection", href)


def _is_external(href: Any, root_href: str | None) -> bool:  # noqa: ANN401 - any JSON
    return _is_absolute_url(href) and not (root_href and href.startswith(f"{root_href}/"))


def _is_absolute_url(href: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(href, str) and _URL_SCHEME.match(href) is not None
