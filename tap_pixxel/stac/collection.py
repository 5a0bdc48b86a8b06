"""Collection: a STAC Collection out of a collection of the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac.assets.convert import AssetOptions, convert_asset, convert_assets
from tap_pixxel.stac.common_metadata import OTHER_LICENSE
from tap_pixxel.stac.extensions import PARSERS, schema_urls, used_extensions
from tap_pixxel.stac.geometry.extent import convert_extent
from tap_pixxel.stac.hrefs import make_absolute
from tap_pixxel.stac.item import API_URL, ID_CONVERTED, STAC_VERSION, parse_id, quote_doi
from tap_pixxel.stac.links import (
    JSON,
    collection_href,
    convert_links,
    find_base_href,
    find_href,
    make_link,
)
from tap_pixxel.stac.object_builder import (
    PIXXEL_PREFIX,
    ObjectBuilder,
    prefixed_name,
    replace_lone_surrogates,
)
from tap_pixxel.stac.parsers import sanitize_json
from tap_pixxel.stac.properties import read_license
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

COLLECTION_MEMBERS: Final = frozenset(
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
"""What is not read as a field; other members of a raw collection go by STAC's fields."""
LEADING_FIELDS: Final = ("title", "description", "license")
COLLECTION_ALIASES: Final = {"created_at": "created", "updated_at": "updated"}
MIN_ITEM_ASSET_FIELDS: Final = 2
_COLLECTION_PARSERS: Final = PARSERS["collection"]


def to_collection(
    raw: dict[str, Any],
    items: Iterable[dict[str, Any]] | None = None,
    *,
    api_url: str = API_URL,
) -> ConversionResult:
    """Convert a collection of the archive to a STAC 1.1 Collection.

    The input is not changed; the output is read-only, as for `to_item`. A converted collection
    comes out as it went in.

    Args:
        raw: the collection as GET /v0/archives/collections gives it.
        items: its STAC Items, for an extent that the API does not state. They are gone through
            once, and only then.
        api_url: the API's address, which relative links are resolved against.

    Raises:
        NotAnItem: it is no object, or has no id.
    """
    if not isinstance(raw, dict):
        raise ConversionError("collection", None, "not an object")
    key = parse_id(raw.get("id"))
    if key is None:
        raise ConversionError("collection", None, "no id")
    api_url = api_url.rstrip("/")
    notes: list[ConversionNote] = []

    def say(field: str, done: str, why: str) -> None:
        notes.append(ConversionNote(field, done, why))

    if key != raw["id"]:
        say("id", CONVERTED, ID_CONVERTED)
    for name, kinds in (("type", str), ("stac_version", str), ("stac_extensions", list | dict)):
        if raw.get(name) is not None and (
            not isinstance(raw[name], kinds) or (name == "type" and raw[name] != "Collection")
        ):
            say(name, DROPPED, "stated by the conversion")
    base = find_base_href(raw.get("links"), api_url)
    fields = _convert_fields(raw, key, notes)
    summaries, used = convert_summaries(raw.get("summaries"), notes)
    assets = convert_assets(raw.get("assets"), AssetOptions(), lambda: base, notes)
    item_assets, of_items = _convert_item_assets(raw.get("item_assets"), notes)
    used |= assets.extensions | of_items | used_extensions(fields)
    made: dict[str, Any] = {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": schema_urls(used),
        "id": key,
        **fields,
        "extent": convert_extent(raw.get("extent"), items, say),
    }
    parts = (("summaries", summaries), ("assets", assets.assets), ("item_assets", item_assets))
    made |= {name: part for name, part in parts if part}
    made["links"] = convert_links(
        raw.get("links"), _make_links(raw, key, fields, api_url), base, notes
    )
    return ConversionResult(made, notes)


def _convert_fields(raw: dict[str, Any], key: str, notes: list[ConversionNote]) -> dict[str, Any]:
    draft = ObjectBuilder("", notes)
    own: list[str] = []
    for name, value in raw.items():
        if value is None or name in COLLECTION_MEMBERS or name in COLLECTION_ALIASES:
            continue
        reader = _COLLECTION_PARSERS.get(name)
        if reader is not None:
            draft.parse_field(name, name, value, reader)
        elif prefixed_name(name) == name:
            own.append(name)
        else:
            draft.keep_as_extra(name, value)
    for name, target in COLLECTION_ALIASES.items():
        if raw.get(name) is not None:
            draft.parse_field(target, name, raw[name], _COLLECTION_PARSERS[target])
    if raw.get("license") is None:
        draft.add_note("license", REPAIRED, "missing")
    else:
        read_license(raw["license"], draft)
    draft.fields.setdefault("license", OTHER_LICENSE)
    for name in own:
        draft.parse_field(replace_lone_surrogates(name), name, raw[name], sanitize_json)
    if draft.fields.get("description") is None:
        draft.fields["description"] = draft.fields.get("title") or key
        draft.add_note("description", REPAIRED, "missing: the title, or the id")
    made = draft.build()
    ordered = {name: made.get(name) for name in LEADING_FIELDS} | made
    return {name: value for name, value in ordered.items() if value is not None}


def _convert_item_assets(
    raw: object, notes: list[ConversionNote]
) -> tuple[dict[str, Any], set[str]]:
    made: dict[str, Any] = {}
    used: set[str] = set()
    if raw is not None and not isinstance(raw, dict):
        notes.append(ConversionNote("item_assets", DROPPED, "not an object of assets"))
    for key, each in raw.items() if isinstance(raw, dict) else ():
        path = f"item_assets.{key}"
        if not isinstance(each, dict) or key != replace_lone_surrogates(key):
            notes.append(ConversionNote(path, DROPPED, "not an asset"))
            continue
        rest = {name: value for name, value in each.items() if name != "href"}
        if len(rest) < len(each):
            notes.append(ConversionNote(f"{path}.href", DROPPED, "item assets have none"))
        asset = convert_asset(key, rest, "", AssetOptions("item_assets."))
        if len(asset.fields) < MIN_ITEM_ASSET_FIELDS:
            notes.append(ConversionNote(path, DROPPED, "fewer than two members"))
            continue
        notes.extend(asset.notes)
        used |= asset.extensions
        made[key] = asset.fields
    return made, used


def _make_links(raw: dict[str, Any], key: str, fields: dict[str, Any], api_url: str) -> list[Link]:
    made: list[Link] = []
    if "sci:doi" in fields:
        made.append(make_link("cite-as", f"https://doi.org/{quote_doi(fields['sci:doi'])}"))
    text = fields.get(f"{PIXXEL_PREFIX}license")
    if fields["license"] == OTHER_LICENSE and isinstance(text, str) and "://" in text:
        terms = make_absolute(text)
        if terms:
            made.append(make_link("license", terms))
    if find_href(raw.get("links"), "canonical", f"{api_url}/") is None:
        made.append(make_link("canonical", collection_href(api_url, key), JSON))
    return made
