"""Item: a STAC Item out of an item of the archive, or of what a catalog record says of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tap_pixxel.stac.assets import Assets, Rules, to_assets
from tap_pixxel.stac.common import OTHER_LICENSE
from tap_pixxel.stac.draft import OWN, Draft, clear_name
from tap_pixxel.stac.extensions import schemas_with
from tap_pixxel.stac.geometry import footprint
from tap_pixxel.stac.hrefs import absolute, quoted
from tap_pixxel.stac.links import (
    GEOJSON,
    JSON,
    Link,
    base_of,
    collection_href,
    href_of,
    item_href,
    link,
    to_links,
)
from tap_pixxel.stac.notes import CONVERTED, DROPPED, Converted, NotAnItem, Note
from tap_pixxel.stac.properties import factors, keep_factors, named, read_properties, read_times
from tap_pixxel.stac.templates import in_text

if TYPE_CHECKING:
    from collections.abc import Callable

API_URL: Final = "https://api.pixxel.space"
STAC_VERSION: Final = "1.1.0"
MEMBERS: Final = frozenset(
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
CONSTANT: Final[dict[str, type]] = {"type": str, "stac_version": str, "stac_extensions": list}
"""Members whose value the conversion knows better, and the type that needs no note."""
RETOLD_ID: Final = "not a text, or not one of Unicode characters without blanks"
ORDERABLE: Final = "orderable"
SUCCEEDED: Final = "succeeded"
CATALOG_ID: Final = "pixxel:catalog_id"
"""Only an item that the workspace owns has it."""


class Owned(NamedTuple):
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
    leftovers: list[tuple[str, str, Any]]


class Origin(NamedTuple):
    """Where an item comes from: its ids, the API, whether it was bought, or is of the archive."""

    key: str
    collection: str | None
    api_url: str
    bought: bool
    archived: bool


def to_item(
    raw: dict[str, Any],
    *,
    api_url: str = API_URL,
    assume_cog: bool = False,
    archived: bool = True,
) -> Converted:
    """Convert an item of the archive to a STAC 1.1 Item.

    The input is not changed. The output may share objects with it (a geometry that is right as
    it is) and with other outputs (bands, roles of assets): treat both as read-only, or copy.
    A converted item, of the archive or owned, comes out as it went in.

    Args:
        raw: the item as POST /v0/archives/search gives it, in the form of any release; its assets
            may be the JSON text of them (`msgspec.Raw`), and then stay text where that is faster.
        api_url: the API's address, which relative links are resolved against.
        assume_cog: call GeoTIFFs cloud-optimised, which the API does not state.
        archived: whether it is of the archive, and so can be ordered and has an address there;
            what POST /v0/search gives may be of other providers.

    Raises:
        NotAnItem: it is no object, has no id, or no time whatever.
    """
    if not isinstance(raw, dict):
        raise NotAnItem("item", None, "not an object")
    return convert(raw, api_url=api_url, assume_cog=assume_cog, archived=archived)


def convert(
    raw: dict[str, Any],
    *,
    api_url: str,
    assume_cog: bool,
    archived: bool = True,
    owned: Owned | None = None,
    path: str = "",
) -> Converted:
    """Convert an item, as `to_item` and `catalog_to_item` say.

    Args:
        raw: the item.
        api_url: the API's address.
        assume_cog: call GeoTIFFs cloud-optimised.
        archived: whether it is of the archive.
        owned: the catalog record's part, for an item out of one.
        path: what fields' paths begin with, with the dot.

    Raises:
        NotAnItem: there is no id, or no time whatever.
    """
    api_url = api_url.rstrip("/")
    notes: list[Note] = []

    def say(field: str, done: str, why: str) -> None:
        notes.append(Note(path + field, done, why))

    key, properties, draft = _begun(raw, path, notes)
    if key != raw["id"]:
        say("id", CONVERTED, RETOLD_ID)
    if owned:
        draft.fields["title"] = owned.title
    bought = owned is not None or isinstance(properties.get(CATALOG_ID), str)
    status = SUCCEEDED if bought else ORDERABLE if archived else None
    read_properties(properties, draft, status, owned.fields if owned else {})
    geometry, box = footprint(raw.get("geometry"), raw.get("bbox"), say)

    base = ""

    def resolve() -> str:
        nonlocal base
        base = base or base_of(raw.get("links"), api_url)
        return base

    rules = Rules(f"{path}assets.", *factors(properties, draft), assume_cog)
    assets, used, took = _assets(raw.get("assets"), rules, resolve, notes, key)
    keep_factors(properties, draft, took)
    collection = _members(raw, draft, owned, path, say)
    fields = draft.finish()
    origin = Origin(key, collection, api_url, bought, archived)
    made = _made_links(raw, origin, owned, fields)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": schemas_with(fields, used),
        "id": owned.id if owned else key,
        "geometry": geometry,
    }
    if box is not None:
        item["bbox"] = box
    item["properties"] = fields
    item["links"] = to_links(_api_links(raw, owned), made, resolve(), notes, f"{path}links")
    item["assets"] = assets
    if collection is not None:
        item["collection"] = collection
    return Converted(item, notes)


def outline(raw: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
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
        raise NotAnItem("item", None, "not an object")
    _, properties, draft = _begun(raw, "", [])
    sources = named(names)
    wanted = {name: value for name, value in properties.items() if name in sources}
    read_properties(wanted, draft, None, {})
    geometry, box = footprint(raw.get("geometry"), raw.get("bbox"), lambda *_: None)
    item = {"geometry": geometry, "properties": draft.fields}
    return item if box is None else {**item, "bbox": box}


def _begun(raw: dict[str, Any], path: str, notes: list[Note]) -> tuple[str, dict[str, Any], Draft]:
    """Give an item's id, its raw properties, and a draft of its own with its times."""
    key = identifier(raw.get("id"))
    if key is None:
        raise NotAnItem("item", None, "no id")
    stated = raw.get("properties")
    properties = stated if isinstance(stated, dict) else {}
    draft = Draft(f"{path}properties.", notes)
    if not read_times(properties, draft):
        raise NotAnItem("item", key, "no datetime, start or end that can be read")
    return key, properties, draft


def _assets(
    raw: object, rules: Rules, resolve: Callable[[], str], notes: list[Note], key: str
) -> Assets:
    """Convert assets, as text where they are text and fit the pattern."""
    if isinstance(raw, msgspec.Raw):
        found = in_text(bytes(raw), rules, notes)
        if found is not None:
            return found
        try:
            raw = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            raise NotAnItem("item", key, "assets that cannot be read") from None
    return to_assets(raw, rules, resolve, notes)


def identifier(value: object) -> str | None:
    """Give an id as a text that is not empty; None when there is none."""
    if type(value) is int and abs(value) < 2**64:
        return str(value)
    if not isinstance(value, str):
        return None
    return clear_name(value).strip() or None


def _members(
    raw: dict[str, Any],
    draft: Draft,
    owned: Owned | None,
    path: str,
    say: Any,  # noqa: ANN401 - see geometry.Say
) -> str | None:
    """Give the item's collection, and keep the members that items do not have."""
    for name, value in raw.items():
        if name not in MEMBERS:
            draft.keep(name, value, path=path + name)
    if owned:
        for target, name, value in owned.leftovers:
            draft.keep(target, value, path=name)
    stated = raw.get("collection")
    collection = identifier(stated)
    if stated is not None and collection != stated:
        if collection is None:
            draft.keep("collection", stated, "not a text", path=f"{path}collection")
        else:
            say("collection", CONVERTED, "not a text, or not one without blanks")
    for name, kind in CONSTANT.items():
        stated = raw.get(name)
        if stated is not None and (
            not isinstance(stated, kind) or (name == "type" and stated != "Feature")
        ):
            say(name, DROPPED, "stated by the conversion")
    return owned.collection if owned else collection


def _made_links(
    raw: dict[str, Any], origin: Origin, owned: Owned | None, fields: dict[str, Any]
) -> list[Link]:
    key, collection, api_url, bought, archived = origin
    made: list[Link] = []
    if collection is not None:
        # The archive knows no collection of owned items: theirs is the one they were taken from.
        taken = fields.get("pixxel:collection") if bought else collection
        own = bought or not archived
        stated = href_of(raw.get("links"), "collection", f"{api_url}/") if own else None
        href = stated or collection_href(api_url, taken if isinstance(taken, str) else collection)
        made.append(link("collection", href, JSON))
    if "sci:doi" in fields:
        made.append(link("cite-as", f"https://doi.org/{quoted_doi(fields['sci:doi'])}"))
    text = fields.get(f"{OWN}license")
    if fields.get("license") == OTHER_LICENSE and isinstance(text, str) and "://" in text:
        terms = absolute(text)
        if terms:
            made.append(link("license", terms))
    if owned:
        made += owned.links
    elif archived and not bought and collection and not _has_canonical(raw, api_url):
        made.append(link("canonical", item_href(api_url, collection, key), GEOJSON))
    return made


def quoted_doi(doi: str) -> str:
    """Escape a DOI for its place in the resolver's address."""
    prefix, _, suffix = doi.partition("/")
    return f"{prefix}/{quoted(suffix).replace('%2F', '/')}"


def _has_canonical(raw: dict[str, Any], api_url: str) -> bool:
    return href_of(raw.get("links"), "canonical", f"{api_url}/") is not None


def _api_links(raw: dict[str, Any], owned: Owned | None) -> Any:  # noqa: ANN401 - any JSON
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
