"""Convert the API's links, and make those that STAC requires."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tap_pixxel.stac.common_metadata import OTHER_LICENSE
from tap_pixxel.stac.hrefs import make_absolute, quote_segment
from tap_pixxel.stac.parsers import parse_text, unwrap_repaired
from tap_pixxel.stac.result import CONVERTED, DROPPED, ConversionNote

if TYPE_CHECKING:
    from collections.abc import Sequence

STRUCTURAL_RELATIONS = frozenset(
    {"self", "root", "parent", "collection", "child", "item", "next", "prev"}
)
"""Relations that depend on where a document is stored, or on paging; its writer adds them."""
JSON = "application/json"
GEOJSON = "application/geo+json"
_CANONICAL_LINK_FIELDS = frozenset({"rel", "href", "type"})
Link = dict[str, Any]


def make_link(rel: str, href: str, media_type: str | None = None) -> Link:
    """Make a link."""
    if media_type:
        return {"rel": rel, "href": href, "type": media_type}
    return {"rel": rel, "href": href}


@lru_cache(256)
def collection_href(api_url: str, collection: str) -> str:
    """Return the URL of an archive collection."""
    return f"{api_url}/v0/archives/collections/{quote_segment(collection)}"


def item_href(api_url: str, collection: str, item: str) -> str:
    """Return the URL of an archive item."""
    return f"{collection_href(api_url, collection)}/items/{quote_segment(item)}"


def catalog_href(api_url: str, catalog: str) -> str:
    """Return the URL of a catalog record, an image that the workspace owns."""
    return f"{api_url}/v0/catalogs/{quote_segment(catalog)}"


def find_base_href(raw: object, api_url: str) -> str:
    """Return the base of relative hrefs: the self link, or the API."""
    return find_href(raw, "self", f"{api_url}/") or f"{api_url}/"


def find_href(raw: object, rel: str, base: str) -> str | None:
    """Return the first valid href with a relation, made absolute."""
    for each in raw if isinstance(raw, list) else ():
        if isinstance(each, dict) and each.get("rel") == rel and isinstance(each.get("href"), str):
            href = make_absolute(each["href"], base)
            if href:
                return href
    return None


def make_field_links(fields: dict[str, Any]) -> list[Link]:
    """Make the links that fields require: to a DOI's resolver, and to the text of a license."""
    links: list[Link] = []
    if "sci:doi" in fields:
        links.append(make_link("cite-as", f"https://doi.org/{_quote_doi(fields['sci:doi'])}"))
    license_text = fields.get("pixxel:license")
    if (
        fields.get("license") == OTHER_LICENSE
        and isinstance(license_text, str)
        and "://" in license_text
    ):
        license_url = make_absolute(license_text)
        if license_url:
            links.append(make_link("license", license_url))
    return links


def _quote_doi(doi: str) -> str:
    """Escape a DOI for use in the resolver's URL."""
    prefix, _, suffix = doi.partition("/")
    return f"{prefix}/{quote_segment(suffix).replace('%2F', '/')}"


def convert_links(
    raw: object, made: Sequence[Link], base: str, notes: list[ConversionNote], path: str = "links"
) -> list[Link]:
    """Convert the links of a STAC object.

    Args:
        raw: the API's list of links.
        made: links that the conversion makes; they come first.
        base: URL to resolve relative hrefs against.
        notes: list to which notes are added.
        path: path of the list in the input.
    """
    links = list(made)
    seen = {(each["rel"], each["href"]) for each in made}
    if raw is None:
        return links
    if not isinstance(raw, list):
        notes.append(ConversionNote(path, DROPPED, "not a list of links"))
        return links
    for index, each in enumerate(raw):
        link = _convert_link(each, base, notes, f"{path}.{index}", seen)
        if link is not None:
            seen.add((link["rel"], link["href"]))
            links.append(link)
    return links


def _convert_link(
    raw: object, base: str, notes: list[ConversionNote], path: str, seen: set[tuple[str, str]]
) -> Link | None:
    if not isinstance(raw, dict):
        notes.append(ConversionNote(path, DROPPED, "not an object"))
        return None
    rel, raw_href = unwrap_repaired(parse_text(raw.get("rel"))), raw.get("href")
    href = make_absolute(raw_href, base) if isinstance(raw_href, str) else None
    if type(rel) is not str or href is None:
        notes.append(ConversionNote(path, DROPPED, "not a link with rel and href"))
        return None
    if (rel, href) in seen:
        if not _is_redundant(raw, rel, href):
            notes.append(ConversionNote(path, CONVERTED, "a duplicate of another link"))
        return None
    if rel in STRUCTURAL_RELATIONS:
        notes.append(
            ConversionNote(path, DROPPED, "structural: the writer of the document adds such links")
        )
        return None
    if href != raw_href or rel != raw["rel"]:
        notes.append(
            ConversionNote(path, CONVERTED, "made absolute, without a signature, and escaped")
        )
    return _copy_members(raw, make_link(rel, href), notes, path)


def _copy_members(raw: dict[str, Any], link: Link, notes: list[ConversionNote], path: str) -> Link:
    for name, value in raw.items():
        if name in {"rel", "href"} or value is None:
            continue
        text = unwrap_repaired(parse_text(value)) if name in {"type", "title"} else None
        if type(text) is str:
            link[name] = text
        if text != value:
            action = CONVERTED if name in link else DROPPED
            notes.append(ConversionNote(f"{path}.{name}", action, "not a text member of links"))
    return link


def _is_redundant(raw: dict[str, Any], rel: str, href: str) -> bool:
    """Return whether leaving out a raw link loses nothing, given a link with that rel and href."""
    return (
        raw["rel"] == rel
        and raw["href"] == href
        and raw.keys() <= _CANONICAL_LINK_FIELDS
        and raw.get("type") in (None, JSON, GEOJSON)
    )
