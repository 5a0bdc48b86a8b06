"""Convert a catalog record, an image that the workspace owns, to a STAC Item."""

from __future__ import annotations

import re
from typing import Any

from tap_pixxel.stac.item import (
    API_URL,
    ID_CONVERTED,
    CatalogInfo,
    convert_item,
    parse_id,
    to_partial_item,
)
from tap_pixxel.stac.links import GEOJSON, JSON, catalog_href, item_href, make_link
from tap_pixxel.stac.result import CONVERTED, ConversionError, ConversionNote, ConversionResult

RENAMED_MEMBERS = {"area": "pixxel:area_km2"}
"""Property by member of the record; other members, such as `task_id`, keep their names."""
PERSONAL_MEMBERS = frozenset({"created_by", "updated_by", "org_id"})
"""Members that identify a person or an organization; they are left out of STAC."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHORT_ID_CHARACTERS = 8


def catalog_to_item(
    record: dict[str, Any],
    *,
    api_url: str = API_URL,
    collection: str | None = None,
    assume_cog: bool = False,
) -> ConversionResult:
    """Convert a catalog record to the STAC Item of its image.

    The Item's id is the archive item's id and the first eight characters of the catalog's id,
    because an image may be bought twice. The rules on shared and read-only objects are those of
    `to_item`, which returns the Item unchanged.

    Args:
        record: a record of POST /v0/catalogs/search.
        api_url: URL of the API.
        collection: the Item's collection; `<collection>-owned` by default.
        assume_cog: declare GeoTIFFs cloud-optimized, which the API does not state.

    Raises:
        ConversionError: when the record is not an object, has no id or no details, or the details
            have no id or no time.
    """
    catalog_id, details, item_id = _read_record(record)
    api_url = api_url.rstrip("/")
    archive = parse_id(details.get("collection"))
    derived_from = (
        [make_link("derived_from", item_href(api_url, archive, item_id), GEOJSON)]
        if archive
        else []
    )
    short_id = catalog_id[:_SHORT_ID_CHARACTERS] if _UUID.fullmatch(catalog_id) else catalog_id
    catalog_info = CatalogInfo(
        id=f"{item_id}-{short_id}",
        collection=collection or (f"{archive}-owned" if archive else None),
        title=item_id,
        fields=_make_fields(catalog_id, item_id, archive),
        links=[*derived_from, make_link("via", catalog_href(api_url, catalog_id), JSON)],
        extras=_list_extras(record),
    )
    try:
        result = convert_item(
            details,
            api_url=api_url,
            assume_cog=assume_cog,
            catalog_info=catalog_info,
            path="details.",
        )
    except ConversionError as error:
        raise ConversionError("catalog", catalog_id, f"in its details: {error}") from None
    if catalog_id != record["id"]:
        result.notes.append(ConversionNote("id", CONVERTED, ID_CONVERTED))
    return result


def catalog_to_partial_item(record: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the geometry, bbox, times and named properties of a catalog record's STAC Item.

    Args:
        record: as for `catalog_to_item`.
        names: as for `to_partial_item`.

    Raises:
        ConversionError: as for `catalog_to_item`.
    """
    catalog_id, details, _ = _read_record(record)
    try:
        return to_partial_item(details, names)
    except ConversionError as error:
        raise ConversionError("catalog", catalog_id, f"in its details: {error}") from None


def _read_record(record: object) -> tuple[str, dict[str, Any], str]:
    """Return the id of a record, its details, and the item id in the details."""
    if not isinstance(record, dict):
        raise ConversionError("catalog", None, "not an object")
    catalog_id = parse_id(record.get("id"))
    if catalog_id is None:
        raise ConversionError("catalog", None, "no id")
    details = record.get("details")
    if not isinstance(details, dict):
        raise ConversionError("catalog", catalog_id, "no details")
    item_id = parse_id(details.get("id"))
    if item_id is None:
        raise ConversionError("catalog", catalog_id, "no id in its details")
    return catalog_id, details, item_id


def _make_fields(catalog_id: str, item_id: str, archive: str | None) -> dict[str, Any]:
    fields = {"pixxel:catalog_id": catalog_id, "pixxel:item_id": item_id}
    return fields | ({"pixxel:collection": archive} if archive else {})


def _list_extras(record: dict[str, Any]) -> list[tuple[str, str, Any]]:
    return [
        (RENAMED_MEMBERS.get(name, name), name, value)
        for name, value in record.items()
        if name not in PERSONAL_MEMBERS and name not in {"id", "details"}
    ]
