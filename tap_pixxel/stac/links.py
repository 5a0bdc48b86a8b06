"""Links: those of the API that stay, beside those that STAC wants."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac.hrefs import absolute, quoted
from tap_pixxel.stac.notes import CONVERTED, DROPPED, Note
from tap_pixxel.stac.values import Mended, text

if TYPE_CHECKING:
    from collections.abc import Sequence

STRUCTURAL: Final = frozenset(
    {"self", "root", "parent", "collection", "child", "item", "next", "prev"}
)
"""Relations to where a document stands, or to the next page: whoever writes it states them."""
JSON: Final = "application/json"
GEOJSON: Final = "application/geo+json"
_OF_DONE: Final = frozenset({"rel", "href", "type"})
Link = dict[str, Any]


def link(rel: str, href: str, media_type: str | None = None) -> Link:
    """Make a link."""
    if media_type:
        return {"rel": rel, "href": href, "type": media_type}
    return {"rel": rel, "href": href}


@lru_cache(256)
def collection_href(api_url: str, collection: str) -> str:
    """Give the address of an archive collection."""
    return f"{api_url}/v0/archives/collections/{quoted(collection)}"


def item_href(api_url: str, collection: str, item: str) -> str:
    """Give the address of an archive item."""
    return f"{collection_href(api_url, collection)}/items/{quoted(item)}"


def catalog_href(api_url: str, catalog: str) -> str:
    """Give the address of a catalog, an image that the workspace owns."""
    return f"{api_url}/v0/catalogs/{quoted(catalog)}"


def base_of(raw: object, api_url: str) -> str:
    """Give what relative links are resolved against: the self link, or the API."""
    return href_of(raw, "self", f"{api_url}/") or f"{api_url}/"


def href_of(raw: object, rel: str, base: str) -> str | None:
    """Give the first usable link of a relation, made absolute."""
    for each in raw if isinstance(raw, list) else ():
        if isinstance(each, dict) and each.get("rel") == rel and isinstance(each.get("href"), str):
            found = absolute(each["href"], base)
            if found:
                return found
    return None


def to_links(
    raw: object, made: Sequence[Link], base: str, notes: list[Note], path: str = "links"
) -> list[Link]:
    """Give the links of a STAC object.

    Args:
        raw: the API's list of links.
        made: those that the object gets in any case; they come first.
        base: what relative links are resolved against.
        notes: where to say what was done.
        path: of the list in the input.
    """
    links = list(made)
    seen = {(each["rel"], each["href"]) for each in made}
    if raw is None:
        return links
    if not isinstance(raw, list):
        notes.append(Note(path, DROPPED, "not a list of links"))
        return links
    for at, each in enumerate(raw):
        found = _link(each, base, notes, f"{path}.{at}", seen)
        if found is not None:
            seen.add((found["rel"], found["href"]))
            links.append(found)
    return links


def _link(
    raw: object, base: str, notes: list[Note], path: str, seen: set[tuple[str, str]]
) -> Link | None:
    if not isinstance(raw, dict):
        notes.append(Note(path, DROPPED, "not an object"))
        return None
    rel, href = _plain(text(raw.get("rel"))), raw.get("href")
    to = absolute(href, base) if isinstance(href, str) else None
    if type(rel) is not str or to is None:
        notes.append(Note(path, DROPPED, "no link with rel and href"))
        return None
    if (rel, to) in seen:
        if not _is_done(raw, rel, to):
            notes.append(Note(path, CONVERTED, "a link that is there already"))
        return None
    if rel in STRUCTURAL:
        notes.append(Note(path, DROPPED, "structural: whoever writes the document states it"))
        return None
    if to != href or rel != raw["rel"]:
        notes.append(Note(path, CONVERTED, "made absolute, without a signature, and escaped"))
    return _members(raw, link(rel, to), notes, path)


def _members(raw: dict[str, Any], found: Link, notes: list[Note], path: str) -> Link:
    for name, value in raw.items():
        if name in {"rel", "href"} or value is None:
            continue
        read = text(value) if name in {"type", "title"} else None
        if type(_plain(read)) is str:
            found[name] = _plain(read)
        if read != value:
            done = CONVERTED if name in found else DROPPED
            notes.append(Note(f"{path}.{name}", done, "not a text that links have"))
    return found


def _is_done(raw: dict[str, Any], rel: str, to: str) -> bool:
    """Tell whether nothing of a raw link is lost when it is left out for one just like it."""
    return (
        raw["rel"] == rel
        and raw["href"] == to
        and raw.keys() <= _OF_DONE
        and raw.get("type") in (None, JSON, GEOJSON)
    )


def _plain(read: object) -> Any:  # noqa: ANN401 - any reading
    return read.value if type(read) is Mended else read
