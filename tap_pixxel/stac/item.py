"""Convert an item of the archive, or the item in a catalog record, to a STAC Item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_pixxel.stac.assets.convert import AssetOptions, ConvertedAssets, convert_assets
from tap_pixxel.stac.assets.struct_reader import convert_plain_assets
from tap_pixxel.stac.assets.templates import convert_raw_assets
from tap_pixxel.stac.extensions import schema_urls_with
from tap_pixxel.stac.geometry.footprint import normalize_footprint
from tap_pixxel.stac.links import (
    GEOJSON,
    JSON,
    Link,
    collection_href,
    convert_links,
    find_base_href,
    find_href,
    item_href,
    make_field_links,
    make_link,
)
from tap_pixxel.stac.object_builder import ObjectBuilder
from tap_pixxel.stac.parsers import replace_lone_surrogates
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

    from tap_pixxel.stac.result import AddNote

API_URL = "https://api.pixxel.space"
STAC_VERSION = "1.1.0"
ITEM_MEMBERS = frozenset(
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
"""Members of a STAC Item; other members of a raw item become properties."""
CONSTANT_MEMBERS: dict[str, type] = {"type": str, "stac_version": str, "stac_extensions": list}
"""Members that the conversion sets, and the raw type that is replaced without a note."""
ID_CONVERTED = "not text, or text with whitespace around it or lone surrogates"
ORDERABLE = "orderable"
SUCCEEDED = "succeeded"
CATALOG_ID = "pixxel:catalog_id"
"""A property that only items owned by the workspace have."""


class CatalogInfo(NamedTuple):
    """What a catalog record adds to the item in its details.

    Attributes:
        id: id of the STAC Item.
        collection: collection of the STAC Item; None when it is unknown.
        title: title of the STAC Item.
        fields: properties under `pixxel:` that come before the item's own.
        links: links that come before the item's own.
        extras: members of the record that STAC does not define: name in the output, name in the
            record, value.
    """

    id: str
    collection: str | None
    title: str
    fields: dict[str, Any]
    links: list[Link]
    extras: list[tuple[str, str, Any]]


class ItemSource(NamedTuple):
    """The source of an item, which determines its links."""

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

    The input is not changed. The output may share objects with it (a geometry that needs no
    repair) and with other outputs (bands and roles of assets): treat both as read-only, or copy.
    A converted item, owned or of the archive, is returned unchanged.

    Args:
        raw: an item of POST /v0/archives/search, in the form of any release; its assets may be
            JSON text (`msgspec.Raw`), and stay text when that is faster.
        api_url: URL of the API, against which relative links are resolved.
        assume_cog: declare GeoTIFFs cloud-optimized, which the API does not state.
        in_archive: whether the item is in the archive, so that it can be ordered and has a URL
            there; items of POST /v0/search may be of other providers.

    Raises:
        ConversionError: when the input is not an object, or has no id or no time.
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
    """Convert an item, as `to_item` and `catalog_to_item` describe.

    Args:
        raw: the item.
        api_url: URL of the API.
        assume_cog: declare GeoTIFFs cloud-optimized.
        in_archive: whether the item is in the archive.
        catalog_info: what the catalog record adds, for the item of a record.
        path: prefix of the fields' paths, ending in a dot.

    Raises:
        ConversionError: when the item has no id or no time.
    """
    api_url = api_url.rstrip("/")
    notes: list[ConversionNote] = []

    def add_note(field: str, action: str, reason: str) -> None:
        notes.append(ConversionNote(path + field, action, reason))

    item_id, properties, builder = _start_properties(raw, path, notes)
    if item_id != raw["id"]:
        add_note("id", CONVERTED, ID_CONVERTED)
    if catalog_info:
        builder.fields["title"] = catalog_info.title
    is_owned = catalog_info is not None or isinstance(properties.get(CATALOG_ID), str)
    order_status = SUCCEEDED if is_owned else ORDERABLE if in_archive else None
    read_properties(properties, builder, order_status, catalog_info.fields if catalog_info else {})
    geometry, bbox = normalize_footprint(raw.get("geometry"), raw.get("bbox"), add_note)

    base = ""

    def resolve_base() -> str:
        nonlocal base
        base = base or find_base_href(raw.get("links"), api_url)
        return base

    options = AssetOptions(f"{path}assets.", *reflectance_factors(properties, builder), assume_cog)
    assets = _convert_assets(raw.get("assets"), options, resolve_base, notes, item_id)
    keep_unused_factors(properties, builder, assets.used_factors)
    collection = _convert_members(raw, builder, catalog_info, path, add_note)
    fields = builder.build()
    source = ItemSource(item_id, collection, api_url, is_owned, in_archive)
    links = _make_links(raw, source, catalog_info, fields)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": schema_urls_with(fields, assets.extensions),
        "id": catalog_info.id if catalog_info else item_id,
        "geometry": geometry,
    }
    if bbox is not None:
        item["bbox"] = bbox
    item["properties"] = fields
    raw_links = _relabel_canonical(raw, catalog_info)
    item["links"] = convert_links(raw_links, links, resolve_base(), notes, f"{path}links")
    item["assets"] = assets.assets
    if collection is not None:
        item["collection"] = collection
    return ConversionResult(item, notes)


def to_partial_item(raw: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the geometry, bbox, times and named properties of an item's STAC Item.

    This takes a fifth of the time of `to_item`.

    Args:
        raw: as for `to_item`.
        names: names of the Item's properties.

    Returns:
        The Item's `geometry`, its `bbox` when it has one, and its times and the named ones among
        its `properties`.

    Raises:
        ConversionError: when the input is not an object, or has no id or no time.
    """
    if not isinstance(raw, dict):
        raise ConversionError("item", None, "not an object")
    _, properties, builder = _start_properties(raw, "", [])
    sources = source_names(names)
    wanted = {name: value for name, value in properties.items() if name in sources}
    read_properties(wanted, builder, None, {})
    geometry, bbox = normalize_footprint(raw.get("geometry"), raw.get("bbox"), lambda *_: None)
    item = {"geometry": geometry, "properties": builder.fields}
    return item if bbox is None else {**item, "bbox": bbox}


def _start_properties(
    raw: dict[str, Any], path: str, notes: list[ConversionNote]
) -> tuple[str, dict[str, Any], ObjectBuilder]:
    """Return an item's id, its raw properties, and the builder of its properties with the times."""
    item_id = parse_id(raw.get("id"))
    if item_id is None:
        raise ConversionError("item", None, "no id")
    raw_properties = raw.get("properties")
    properties = raw_properties if isinstance(raw_properties, dict) else {}
    builder = ObjectBuilder(f"{path}properties.", notes)
    if not read_times(properties, builder):
        raise ConversionError("item", item_id, "no datetime, start or end that can be read")
    return item_id, properties, builder


def _convert_assets(
    raw: object,
    options: AssetOptions,
    resolve_base: Callable[[], str],
    notes: list[ConversionNote],
    item_id: str,
) -> ConvertedAssets:
    """Convert assets, as text when they are text and fit a template."""
    if isinstance(raw, msgspec.Raw):
        text = bytes(raw)
        converted = convert_raw_assets(text, options, notes) or convert_plain_assets(
            text, options, resolve_base, notes
        )
        if converted is not None:
            return converted
        try:
            raw = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            raise ConversionError("item", item_id, "assets that cannot be read") from None
    return convert_assets(raw, options, resolve_base, notes)


def parse_id(value: object) -> str | None:
    """Parse an id as a text that is not empty; None when the value is not an id."""
    if type(value) is int and abs(value) < 2**64:
        return str(value)
    if not isinstance(value, str):
        return None
    return replace_lone_surrogates(value).strip() or None


def _convert_members(
    raw: dict[str, Any],
    builder: ObjectBuilder,
    catalog_info: CatalogInfo | None,
    path: str,
    add_note: AddNote,
) -> str | None:
    """Return the item's collection, and keep the members that STAC Items do not have."""
    for name, value in raw.items():
        if name not in ITEM_MEMBERS:
            builder.keep_as_extra(name, value, path=path + name)
    if catalog_info:
        for target, name, value in catalog_info.extras:
            builder.keep_as_extra(target, value, path=name)
    raw_collection = raw.get("collection")
    collection = parse_id(raw_collection)
    if raw_collection is not None and collection != raw_collection:
        if collection is None:
            builder.keep_as_extra(
                "collection", raw_collection, "not text", path=f"{path}collection"
            )
        else:
            add_note("collection", CONVERTED, ID_CONVERTED)
    for name, kind in CONSTANT_MEMBERS.items():
        value = raw.get(name)
        if value is not None and (
            not isinstance(value, kind) or (name == "type" and value != "Feature")
        ):
            add_note(name, DROPPED, "set by the conversion")
    return catalog_info.collection if catalog_info else collection


def _make_links(
    raw: dict[str, Any],
    source: ItemSource,
    catalog_info: CatalogInfo | None,
    fields: dict[str, Any],
) -> list[Link]:
    item_id, collection, api_url, is_owned, in_archive = source
    links: list[Link] = []
    if collection is not None:
        # The API has no collection of owned items: link to the one they were ordered from.
        archive = fields.get("pixxel:collection") if is_owned else collection
        has_own_link = is_owned or not in_archive
        stated = find_href(raw.get("links"), "collection", f"{api_url}/") if has_own_link else None
        href = stated or collection_href(
            api_url, archive if isinstance(archive, str) else collection
        )
        links.append(make_link("collection", href, JSON))
    links += make_field_links(fields)
    if catalog_info:
        links += catalog_info.links
    elif in_archive and not is_owned and collection and not _has_canonical_link(raw, api_url):
        links.append(make_link("canonical", item_href(api_url, collection, item_id), GEOJSON))
    return links


def _has_canonical_link(raw: dict[str, Any], api_url: str) -> bool:
    return find_href(raw.get("links"), "canonical", f"{api_url}/") is not None


def _relabel_canonical(raw: dict[str, Any], catalog_info: CatalogInfo | None) -> Any:  # noqa: ANN401 - any JSON
    """Return an item's raw links; canonical links in a catalog record become self links."""
    links = raw.get("links")
    if catalog_info is None or not isinstance(links, list):
        return links
    # The canonical URL is that of the archive's item, not that of the owned item.
    return [
        {**each, "rel": "self"}
        if isinstance(each, dict) and each.get("rel") == "canonical"
        else each
        for each in links
    ]
