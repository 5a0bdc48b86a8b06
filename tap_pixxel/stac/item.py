"""Item: a STAC Item out of an item of the archive, or of what a catalog record says of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tap_pixxel.stac.assets.convert import AssetOptions, ConvertedAssets, convert_assets
from tap_pixxel.stac.assets.templates import convert_raw_assets
from tap_pixxel.stac.common_metadata import OTHER_LICENSE
from tap_pixxel.stac.extensions import schema_urls_with
from tap_pixxel.stac.geometry.footprint import normalize_footprint
from tap_pixxel.stac.hrefs import make_absolute, quote_segment
from tap_pixxel.stac.links import (
    GEOJSON,
    JSON,
    Link,
    collection_href,
    convert_links,
    find_base_href,
    find_href,
    item_href,
    make_link,
)
from tap_pixxel.stac.object_builder import PIXXEL_PREFIX, ObjectBuilder, replace_lone_surrogates
from tap_pixxel.stac.properties import (
    keep_unused_factors,
    read_properties,
    read_times,
    reflectance_factors,
    source_names,
)
from tap_pixxel.stac.result import (
    CONVERTED,
    DROPPED,
    ConversionError,
    ConversionNote,
    ConversionResult,
)

if TYPE_CHECKING:
    from collections.abc import Callable

API_URL: Final = "https://api.pixxel.space"
STAC_VERSION: Final = "1.1.0"
ITEM_MEMBERS: Final = frozenset(
    {
        "type",
        "stac_version",
        "stac_extensions",
        "id",
        "geometry",
        "bbox",
        "properties",
        "links",
        "assets",
        "collection",
    }
)
"""What a STAC Item consists of; other members of a raw item become properties."""
CONSTANT_MEMBERS: Final[dict[str, type]] = {
    "type": str,
    "stac_version": str,
    "stac_extensions": list,
}
"""Members whose value the conversion knows better, and the type that needs no note."""
ID_CONVERTED: Final = "not a text, or not one of Unicode characters without blanks"
ORDERABLE: Final = "orderable"
SUCCEEDED: Final = "succeeded"
CATALOG_ID: Final = "pixxel:catalog_id"
"""Only an item that the workspace owns has it."""


class CatalogInfo(NamedTuple):
    """What a catalog record adds to the item in its details.

    Attributes:
        id: of the STAC Item.
        collection: of the STAC Item; None when neither the record nor the caller names one.
        title: of the STAC Item.
        fields: properties under ``pixxel:`` that stand before the item's own.
        links: links that stand before the item's own.
        leftovers: members of the record that STAC has no place for: what to call each, its
            name in the record, its value.
    """

    id: str
    collection: str | None
    title: str
    fields: dict[str, Any]
    links: list[Link]
    extras: list[tuple[str, str, Any]]


class ItemSource(NamedTuple):
    """Where an item comes from: its ids, the API, whether it was bought, or is of the archive."""

    item_id: str
    collection: str | None
    api_url: str
    is_owned: bool
    in_archive: bool


def to_item(
    raw: dict[str, Any],
    *,
    api_url: str = API_URL,
    assume_cog: bool = False,
    in_archive: bool = True,
) -> ConversionResult:
    """Convert an item of the archive to a STAC 1.1 Item.

    The input is not changed. The output may share objects with it (a geometry that is right as
    it is) and with other outputs (bands, roles of assets): treat both as read-only, or copy.
    A converted item, of the archive or owned, comes out as it went in.

    Args:
        raw: the item as POST /v0/archives/search gives it, in the form of any release; its assets
            may be the JSON text of them (`msgspec.Raw`), and then stay text where that is faster.
        api_url: the API's address, which relative links are resolved against.
        assume_cog: call GeoTIFFs cloud-optimised, which the API does not state.
        in_archive: whether it is of the archive, and so can be ordered and has an address there;
            what POST /v0/search gives may be of other providers.

    Raises:
        NotAnItem: it is no object, has no id, or no time whatever.
    """
    if not isinstance(raw, dict):
        raise ConversionError("item", None, "not an object")
    return convert_item(raw, api_url=api_url, assume_cog=assume_cog, in_archive=in_archive)


def convert_item(
    raw: dict[str, Any],
    *,
    api_url: str,
    assume_cog: bool,
    in_archive: bool = True,
    catalog_info: CatalogInfo | None = None,
    path: str = "",
) -> ConversionResult:
    """Convert an item, as `to_item` and `catalog_to_item` say.

    Args:
        raw: the item.
        api_url: the API's address.
        assume_cog: call GeoTIFFs cloud-optimised.
        in_archive: whether it is of the archive.
        catalog_info: the catalog record's part, for an item out of one.
        path: what fields' paths begin with, with the dot.

    Raises:
        NotAnItem: there is no id, or no time whatever.
    """
    api_url = api_url.rstrip("/")
    notes: list[ConversionNote] = []

    def say(field: str, done: str, why: str) -> None:
        notes.append(ConversionNote(path + field, done, why))

    key, properties, draft = _start_properties(raw, path, notes)
    if key != raw["id"]:
        say("id", CONVERTED, ID_CONVERTED)
    if catalog_info:
        draft.fields["title"] = catalog_info.title
    bought = catalog_info is not None or isinstance(properties.get(CATALOG_ID), str)
    status = SUCCEEDED if bought else ORDERABLE if in_archive else None
    read_properties(properties, draft, status, catalog_info.fields if catalog_info else {})
    geometry, box = normalize_footprint(raw.get("geometry"), raw.get("bbox"), say)

    base = ""

    def resolve() -> str:
        nonlocal base
        base = base or find_base_href(raw.get("links"), api_url)
        return base

    rules = AssetOptions(f"{path}assets.", *reflectance_factors(properties, draft), assume_cog)
    assets, used, took = _convert_assets(raw.get("assets"), rules, resolve, notes, key)
    keep_unused_factors(properties, draft, took)
    collection = _convert_members(raw, draft, catalog_info, path, say)
    fields = draft.build()
    origin = ItemSource(key, collection, api_url, bought, in_archive)
    made = _make_links(raw, origin, catalog_info, fields)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": schema_urls_with(fields, used),
        "id": catalog_info.id if catalog_info else key,
        "geometry": geometry,
    }
    if box is not None:
        item["bbox"] = box
    item["properties"] = fields
    item["links"] = convert_links(
        _relabel_canonical(raw, catalog_info), made, resolve(), notes, f"{path}links"
    )
    item["assets"] = assets
    if collection is not None:
        item["collection"] = collection
    return ConversionResult(item, notes)


def to_partial_item(raw: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Give what a STAC Item says in a few of its properties, and where its image lies.

    This takes a fifth of the time of `to_item`.

    Args:
        raw: as for `to_item`.
        names: of the Item's properties.

    Returns:
        The Item's ``geometry``, its ``bbox`` where it has one, and its times and other
        ``properties`` of these names.

    Raises:
        NotAnItem: it is no object, has no id, or no time whatever.
    """
    if not isinstance(raw, dict):
        raise ConversionError("item", None, "not an object")
    _, properties, draft = _start_properties(raw, "", [])
    sources = source_names(names)
    wanted = {name: value for name, value in properties.items() if name in sources}
    read_properties(wanted, draft, None, {})
    geometry, box = normalize_footprint(raw.get("geometry"), raw.get("bbox"), lambda *_: None)
    item = {"geometry": geometry, "properties": draft.fields}
    return item if box is None else {**item, "bbox": box}


def _start_properties(
    raw: dict[str, Any], path: str, notes: list[ConversionNote]
) -> tuple[str, dict[str, Any], ObjectBuilder]:
    """Give an item's id, its raw properties, and a draft of its own with its times."""
    key = parse_id(raw.get("id"))
    if key is None:
        raise ConversionError("item", None, "no id")
    stated = raw.get("properties")
    properties = stated if isinstance(stated, dict) else {}
    draft = ObjectBuilder(f"{path}properties.", notes)
    if not read_times(properties, draft):
        raise ConversionError("item", key, "no datetime, start or end that can be read")
    return key, properties, draft


def _convert_assets(
    raw: object,
    rules: AssetOptions,
    resolve: Callable[[], str],
    notes: list[ConversionNote],
    key: str,
) -> ConvertedAssets:
    """Convert assets, as text where they are text and fit the pattern."""
    if isinstance(raw, msgspec.Raw):
        found = convert_raw_assets(bytes(raw), rules, notes)
        if found is not None:
            return found
        try:
            raw = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            raise ConversionError("item", key, "assets that cannot be read") from None
    return convert_assets(raw, rules, resolve, notes)


def parse_id(value: object) -> str | None:
    """Give an id as a text that is not empty; None when there is none."""
    if type(value) is int and abs(value) < 2**64:
        return str(value)
    if not isinstance(value, str):
        return None
    return replace_lone_surrogates(value).strip() or None


def _convert_members(
    raw: dict[str, Any],
    draft: ObjectBuilder,
    owned: CatalogInfo | None,
    path: str,
    say: Any,  # noqa: ANN401 - see geometry.Say
) -> str | None:
    """Give the item's collection, and keep the members that items do not have."""
    for name, value in raw.items():
        if name not in ITEM_MEMBERS:
            draft.keep_as_extra(name, value, path=path + name)
    if owned:
        for target, name, value in owned.extras:
            draft.keep_as_extra(target, value, path=name)
    stated = raw.get("collection")
    collection = parse_id(stated)
    if stated is not None and collection != stated:
        if collection is None:
            draft.keep_as_extra("collection", stated, "not a text", path=f"{path}collection")
        else:
            say("collection", CONVERTED, "not a text, or not one without blanks")
    for name, kind in CONSTANT_MEMBERS.items():
        stated = raw.get(name)
        if stated is not None and (
            not isinstance(stated, kind) or (name == "type" and stated != "Feature")
        ):
            say(name, DROPPED, "stated by the conversion")
    return owned.collection if owned else collection


def _make_links(
    raw: dict[str, Any], origin: ItemSource, owned: CatalogInfo | None, fields: dict[str, Any]
) -> list[Link]:
    key, collection, api_url, bought, archived = origin
    made: list[Link] = []
    if collection is not None:
        # The archive knows no collection of owned items: theirs is the one they were taken from.
        taken = fields.get("pixxel:collection") if bought else collection
        own = bought or not archived
        stated = find_href(raw.get("links"), "collection", f"{api_url}/") if own else None
        href = stated or collection_href(api_url, taken if isinstance(taken, str) else collection)
        made.append(make_link("collection", href, JSON))
    if "sci:doi" in fields:
        made.append(make_link("cite-as", f"https://doi.org/{quote_doi(fields['sci:doi'])}"))
    text = fields.get(f"{PIXXEL_PREFIX}license")
    if fields.get("license") == OTHER_LICENSE and isinstance(text, str) and "://" in text:
        terms = make_absolute(text)
        if terms:
            made.append(make_link("license", terms))
    if owned:
        made += owned.links
    elif archived and not bought and collection and not _has_canonical_link(raw, api_url):
        made.append(make_link("canonical", item_href(api_url, collection, key), GEOJSON))
    return made


def quote_doi(doi: str) -> str:
    """Escape a DOI for its place in the resolver's address."""
    prefix, _, suffix = doi.partition("/")
    return f"{prefix}/{quote_segment(suffix).replace('%2F', '/')}"


def _has_canonical_link(raw: dict[str, Any], api_url: str) -> bool:
    return find_href(raw.get("links"), "canonical", f"{api_url}/") is not None


def _relabel_canonical(raw: dict[str, Any], owned: CatalogInfo | None) -> Any:  # noqa: ANN401 - any JSON
    links = raw.get("links")
    if owned is None or not isinstance(links, list):
        return links
    # An owned item is not the archive's; what the archive calls the item's own address is not.
    return [
        {**each, "rel": "self"}
        if isinstance(each, dict) and each.get("rel") == "canonical"
        else each
        for each in links
    ]
