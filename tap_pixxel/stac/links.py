"""Links: those of the API that stay, beside those that STAC wants."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac.hrefs import make_absolute, quote_segment
from tap_pixxel.stac.parsers import Repaired, parse_text
from tap_pixxel.stac.result import CONVERTED, DROPPED, ConversionNote

if TYPE_CHECKING:
    from collections.abc import Sequence

STRUCTURAL_RELATIONS: Final = frozenset(
    {"self", "root", "parent", "collection", "child", "item", "next", "prev"}
)
"""Relations to where a document stands, or to the next page: whoever writes it states them."""
JSON: Final = "application/json"
GEOJSON: Final = "application/geo+json"
_CANONICAL_LINK_FIELDS: Final = frozenset({"rel", "href", "type"})
Link = dict[str, Any]


def make_link(rel: str, href: str, media_type: str | None = None) -> Link:
    """Make a link."""
    if media_type:
        return {"rel": rel, "href": href, "type": media_type}
    return {"rel": rel, "href": href}


@lru_cache(256)
def collection_href(api_url: str, collection: str) -> str:
    """Give the address of an archive collection."""
    return f"{api_url}/v0/archives/collections/{quote_segment(collection)}"


def item_href(api_url: str, collection: str, item: str) -> str:
    """Give the address of an archive item."""
    return f"{collection_href(api_url, collection)}/items/{quote_segment(item)}"


def catalog_href(api_url: str, catalog: str) -> str:
    """Give the address of a catalog, an image that the workspace owns."""
    return f"{api_url}/v0/catalogs/{quote_segment(catalog)}"


def find_base_href(raw: object, api_url: str) -> str:
    """Give what relative links are resolved against: the self link, or the API."""
    return find_href(raw, "self", f"{api_url}/") or f"{api_url}/"


def find_href(raw: object, rel: str, base: str) -> str | None:
    """Give the first usable link of a relation, made absolute."""
    for each in raw if isinstance(raw, list) else ():
        if isinstance(each, dict) and each.get("rel") == rel and isinstance(each.get("href"), str):
            found = make_absolute(each["href"], base)
            if found:
                return found
    return None


def convert_links(
    raw: object, made: Sequence[Link], base: str, notes: list[ConversionNote], path: str = "links"
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
        notes.append(ConversionNote(path, DROPPED, "not a list of links"))
        return links
    for at, each in enumerate(raw):
        found = _convert_link(each, base, notes, f"{path}.{at}", seen)
        if found is not None:
            seen.add((found["rel"], found["href"]))
            links.append(found)
    return links


def _convert_link(
    raw: object, base: str, notes: list[ConversionNote], path: str, seen: set[tuple[str, str]]
) -> Link | None:
    if not isinstance(raw, dict):
        notes.append(ConversionNote(path, DROPPED, "not an object"))
        return None
    rel, href = _plain(parse_text(raw.get("rel"))), raw.get("href")
    to = make_absolute(href, base) if isinstance(href, str) else None
    if type(rel) is not str or to is None:
        notes.append(ConversionNote(path, DROPPED, "no link with rel and href"))
        return None
    if (rel, to) in seen:
        if not _is_redundant(raw, rel, to):
            notes.append(ConversionNote(path, CONVERTED, "a link that is there already"))
        return None
    if rel in STRUCTURAL_RELATIONS:
        notes.append(
            ConversionNote(path, DROPPED, "structural: whoever writes the document states it")
        )
        return None
    if to != href or rel != raw["rel"]:
        notes.append(
            ConversionNote(path, CONVERTED, "made absolute, without a signature, and escaped")
        )
    return _copy_members(raw, make_link(rel, to), notes, path)


def _copy_members(raw: dict[str, Any], found: Link, notes: list[ConversionNote], path: str) -> Link:
    for name, value in raw.items():
        if name in {"rel", "href"} or value is None:
            continue
        read = parse_text(value) if name in {"type", "title"} else None
        if type(_plain(read)) is str:
            found[name] = _plain(read)
        if read != value:
            done = CONVERTED if name in found else DROPPED
            notes.append(ConversionNote(f"{path}.{name}", done, "not a text that links have"))
    return found


def _is_redundant(raw: dict[str, Any], rel: str, to: str) -> bool:
    """Tell whether nothing of a raw link is lost when it is left out for one just like it."""
    return (
        raw["rel"] == rel
        and raw["href"] == to
        and raw.keys() <= _CANONICAL_LINK_FIELDS
        and raw.get("type") in (None, JSON, GEOJSON)
    )


def _plain(read: object) -> Any:  # noqa: ANN401 - any reading
    return read.value if type(read) is Repaired else read
