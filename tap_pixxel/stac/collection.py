"""Collection: a STAC Collection out of a collection of the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac.assets import Rules, converted, to_assets
from tap_pixxel.stac.common import OTHER_LICENSE
from tap_pixxel.stac.draft import OWN, Draft, clear_name, own_name
from tap_pixxel.stac.extensions import READERS, prefixes, schemas
from tap_pixxel.stac.extent import to_extent
from tap_pixxel.stac.hrefs import absolute
from tap_pixxel.stac.item import API_URL, RETOLD_ID, STAC_VERSION, identifier, quoted_doi
from tap_pixxel.stac.links import JSON, base_of, collection_href, href_of, link, to_links
from tap_pixxel.stac.notes import CONVERTED, DROPPED, REPAIRED, Converted, NotAnItem, Note
from tap_pixxel.stac.properties import read_license
from tap_pixxel.stac.summaries import to_summaries
from tap_pixxel.stac.values import anything

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_pixxel.stac.links import Link

MEMBERS: Final = frozenset(
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
FIRST: Final = ("title", "description", "license")
ALIASES: Final = {"created_at": "created", "updated_at": "updated"}
LEAST_OF_ITEM_ASSET: Final = 2
_READERS: Final = READERS["collection"]


def to_collection(
    raw: dict[str, Any],
    items: Iterable[dict[str, Any]] | None = None,
    *,
    api_url: str = API_URL,
) -> Converted:
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
        raise NotAnItem("collection", None, "not an object")
    key = identifier(raw.get("id"))
    if key is None:
        raise NotAnItem("collection", None, "no id")
    api_url = api_url.rstrip("/")
    notes: list[Note] = []

    def say(field: str, done: str, why: str) -> None:
        notes.append(Note(field, done, why))

    if key != raw["id"]:
        say("id", CONVERTED, RETOLD_ID)
    for name, kinds in (("type", str), ("stac_version", str), ("stac_extensions", list | dict)):
        if raw.get(name) is not None and (
            not isinstance(raw[name], kinds) or (name == "type" and raw[name] != "Collection")
        ):
            say(name, DROPPED, "stated by the conversion")
    base = base_of(raw.get("links"), api_url)
    fields = _fields(raw, key, notes)
    summaries, used = to_summaries(raw.get("summaries"), notes)
    assets = to_assets(raw.get("assets"), Rules(), lambda: base, notes)
    item_assets, of_items = _item_assets(raw.get("item_assets"), notes)
    used |= assets.extensions | of_items | prefixes(fields)
    made: dict[str, Any] = {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": schemas(used),
        "id": key,
        **fields,
        "extent": to_extent(raw.get("extent"), items, say),
    }
    parts = (("summaries", summaries), ("assets", assets.assets), ("item_assets", item_assets))
    made |= {name: part for name, part in parts if part}
    made["links"] = to_links(raw.get("links"), _made_links(raw, key, fields, api_url), base, notes)
    return Converted(made, notes)


def _fields(raw: dict[str, Any], key: str, notes: list[Note]) -> dict[str, Any]:
    draft = Draft("", notes)
    own: list[str] = []
    for name, value in raw.items():
        if value is None or name in MEMBERS or name in ALIASES:
            continue
        reader = _READERS.get(name)
        if reader is not None:
            draft.read(name, name, value, reader)
        elif own_name(name) == name:
            own.append(name)
        else:
            draft.keep(name, value)
    for name, target in ALIASES.items():
        if raw.get(name) is not None:
            draft.read(target, name, raw[name], _READERS[target])
    if raw.get("license") is None:
        draft.note("license", REPAIRED, "missing")
    else:
        read_license(raw["license"], draft)
    draft.fields.setdefault("license", OTHER_LICENSE)
    for name in own:
        draft.read(clear_name(name), name, raw[name], anything)
    if draft.fields.get("description") is None:
        draft.fields["description"] = draft.fields.get("title") or key
        draft.note("description", REPAIRED, "missing: the title, or the id")
    made = draft.finish()
    ordered = {name: made.get(name) for name in FIRST} | made
    return {name: value for name, value in ordered.items() if value is not None}


def _item_assets(raw: object, notes: list[Note]) -> tuple[dict[str, Any], set[str]]:
    made: dict[str, Any] = {}
    used: set[str] = set()
    if raw is not None and not isinstance(raw, dict):
        notes.append(Note("item_assets", DROPPED, "not an object of assets"))
    for key, each in raw.items() if isinstance(raw, dict) else ():
        path = f"item_assets.{key}"
        if not isinstance(each, dict) or key != clear_name(key):
            notes.append(Note(path, DROPPED, "not an asset"))
            continue
        rest = {name: value for name, value in each.items() if name != "href"}
        if len(rest) < len(each):
            notes.append(Note(f"{path}.href", DROPPED, "item assets have none"))
        asset = converted(key, rest, "", Rules("item_assets."))
        if len(asset.fields) < LEAST_OF_ITEM_ASSET:
            notes.append(Note(path, DROPPED, "fewer than two members"))
            continue
        notes.extend(asset.notes)
        used |= asset.extensions
        made[key] = asset.fields
    return made, used


def _made_links(raw: dict[str, Any], key: str, fields: dict[str, Any], api_url: str) -> list[Link]:
    made: list[Link] = []
    if "sci:doi" in fields:
        made.append(link("cite-as", f"https://doi.org/{quoted_doi(fields['sci:doi'])}"))
    text = fields.get(f"{OWN}license")
    if fields["license"] == OTHER_LICENSE and isinstance(text, str) and "://" in text:
        terms = absolute(text)
        if terms:
            made.append(link("license", terms))
    if href_of(raw.get("links"), "canonical", f"{api_url}/") is None:
        made.append(link("canonical", collection_href(api_url, key), JSON))
    return made
