"""Convert a collection of the archive to a STAC Collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_pixxel.stac.assets.convert import AssetOptions, convert_asset, convert_assets
from tap_pixxel.stac.common_metadata import OTHER_LICENSE
from tap_pixxel.stac.extensions import PARSERS, schema_urls, used_extensions
from tap_pixxel.stac.geometry.extent import convert_extent
from tap_pixxel.stac.item import API_URL, ID_CONVERTED, STAC_VERSION, parse_id
from tap_pixxel.stac.links import (
    JSON,
    collection_href,
    convert_links,
    find_base_href,
    find_href,
    make_field_links,
    make_link,
)
from tap_pixxel.stac.object_builder import ObjectBuilder, prefixed_name
from tap_pixxel.stac.parsers import replace_lone_surrogates, sanitize_json
from tap_pixxel.stac.properties import set_license
from tap_pixxel.stac.result import (
    CONVERTED,
    DROPPED,
    REPAIRED,
    ConversionError,
    ConversionNote,
    ConversionResult,
)
from tap_pixxel.stac.summaries import convert_summaries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_pixxel.stac.links import Link

COLLECTION_MEMBERS = frozenset(
    {
        "type",
        "stac_version",
        "stac_extensions",
        "id",
        "license",
        "extent",
        "summaries",
        "item_assets",
        "assets",
        "links",
    }
)
"""Members that are not parsed as fields; the others are parsed by STAC's table of fields."""
LEADING_FIELDS = ("title", "description", "license")
COLLECTION_ALIASES = {"created_at": "created", "updated_at": "updated"}
MIN_ITEM_ASSET_FIELDS = 2
_COLLECTION_PARSERS = PARSERS["collection"]


def to_collection(
    raw: dict[str, Any],
    items: Iterable[dict[str, Any]] | None = None,
    *,
    api_url: str = API_URL,
) -> ConversionResult:
    """Convert a collection of the archive to a STAC 1.1 Collection.

    The input is not changed; the output is read-only, as for `to_item`. A converted collection is
    returned unchanged.

    Args:
        raw: a collection of GET /v0/archives/collections.
        items: its STAC Items, for an extent that the API does not state. They are read once, and
            only in that case.
        api_url: URL of the API, against which relative links are resolved.

    Raises:
        ConversionError: when the input is not an object or has no id.
    """
    if not isinstance(raw, dict):
        raise ConversionError("collection", None, "not an object")
    collection_id = parse_id(raw.get("id"))
    if collection_id is None:
        raise ConversionError("collection", None, "no id")
    api_url = api_url.rstrip("/")
    notes: list[ConversionNote] = []

    def add_note(field: str, action: str, reason: str) -> None:
        notes.append(ConversionNote(field, action, reason))

    if collection_id != raw["id"]:
        add_note("id", CONVERTED, ID_CONVERTED)
    for name, kinds in (("type", str), ("stac_version", str), ("stac_extensions", list | dict)):
        if raw.get(name) is not None and (
            not isinstance(raw[name], kinds) or (name == "type" and raw[name] != "Collection")
        ):
            add_note(name, DROPPED, "set by the conversion")
    base = find_base_href(raw.get("links"), api_url)
    fields = _convert_fields(raw, collection_id, notes)
    summaries, extensions = convert_summaries(raw.get("summaries"), notes)
    assets = convert_assets(raw.get("assets"), AssetOptions(), lambda: base, notes)
    item_assets, item_asset_extensions = _convert_item_assets(raw.get("item_assets"), notes)
    extensions |= assets.extensions | item_asset_extensions | used_extensions(fields)
    collection: dict[str, Any] = {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": schema_urls(extensions),
        "id": collection_id,
        **fields,
        "extent": convert_extent(raw.get("extent"), items, add_note),
    }
    parts = (("summaries", summaries), ("assets", assets.assets), ("item_assets", item_assets))
    collection |= {name: part for name, part in parts if part}
    links = _make_links(raw, collection_id, fields, api_url)
    collection["links"] = convert_links(raw.get("links"), links, base, notes)
    return ConversionResult(collection, notes)


def _convert_fields(
    raw: dict[str, Any], collection_id: str, notes: list[ConversionNote]
) -> dict[str, Any]:
    builder = ObjectBuilder("", notes)
    prefixed: list[str] = []
    for name, value in raw.items():
        if value is None or name in COLLECTION_MEMBERS or name in COLLECTION_ALIASES:
            continue
        parser = _COLLECTION_PARSERS.get(name)
        if parser is not None:
            builder.parse_field(name, name, value, parser)
        elif prefixed_name(name) == name:
            prefixed.append(name)
        else:
            builder.keep_as_extra(name, value)
    for name, target in COLLECTION_ALIASES.items():
        if raw.get(name) is not None:
            builder.parse_field(target, name, raw[name], _COLLECTION_PARSERS[target])
    if raw.get("license") is None:
        builder.add_note("license", REPAIRED, "missing")
    else:
        set_license(raw["license"], builder)
    builder.fields.setdefault("license", OTHER_LICENSE)
    for name in prefixed:
        builder.parse_field(replace_lone_surrogates(name), name, raw[name], sanitize_json)
    if builder.fields.get("description") is None:
        builder.fields["description"] = builder.fields.get("title") or collection_id
        builder.add_note("description", REPAIRED, "missing; set to the title or the id")
    fields = builder.build()
    ordered = {name: fields.get(name) for name in LEADING_FIELDS} | fields
    return {name: value for name, value in ordered.items() if value is not None}


def _convert_item_assets(
    raw: object, notes: list[ConversionNote]
) -> tuple[dict[str, Any], set[str]]:
    item_assets: dict[str, Any] = {}
    extensions: set[str] = set()
    if raw is not None and not isinstance(raw, dict):
        notes.append(ConversionNote("item_assets", DROPPED, "not an object of assets"))
    for key, each in raw.items() if isinstance(raw, dict) else ():
        path = f"item_assets.{key}"
        if not isinstance(each, dict) or key != replace_lone_surrogates(key):
            notes.append(ConversionNote(path, DROPPED, "not an asset"))
            continue
        if "href" in each:
            notes.append(ConversionNote(f"{path}.href", DROPPED, "item assets have no href"))
        asset = convert_asset(key, each, "", AssetOptions("item_assets."))
        if len(asset.fields) < MIN_ITEM_ASSET_FIELDS:
            notes.append(ConversionNote(path, DROPPED, "fewer than two members"))
            continue
        notes.extend(asset.notes)
        extensions |= asset.extensions
        item_assets[key] = asset.fields
    return item_assets, extensions


def _make_links(
    raw: dict[str, Any], collection_id: str, fields: dict[str, Any], api_url: str
) -> list[Link]:
    links = make_field_links(fields)
    if find_href(raw.get("links"), "canonical", f"{api_url}/") is None:
        links.append(make_link("canonical", collection_href(api_url, collection_id), JSON))
    return links
