"""Catalog: a STAC Item out of a catalog record, an image that the workspace owns."""

from __future__ import annotations

import re
from typing import Any, Final

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

RENAMED_MEMBERS: Final = {"area": "pixxel:area_km2"}
"""Property by member of the record; others, such as ``task_id``, keep their names."""
PERSONAL_MEMBERS: Final = frozenset({"created_by", "updated_by", "org_id"})
"""Members that say who, and stay out of STAC."""
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHORT_ID_CHARACTERS: Final = 8


def catalog_to_item(
    record: dict[str, Any],
    *,
    api_url: str = API_URL,
    collection: str | None = None,
    assume_cog: bool = False,
) -> ConversionResult:
    """Convert a catalog record to the STAC Item of the image that it stands for.

    The id is that of the archive's item and the first eight characters of the catalog's, for
    an image may be bought twice. Sharing and read-only parts are as for `to_item`, which takes
    the output unchanged.

    Args:
        record: the record as POST /v0/catalogs/search gives it.
        api_url: the API's address.
        collection: the items' collection; ``<collection>-owned`` when there is none.
        assume_cog: call GeoTIFFs cloud-optimised, which the API does not state.

    Raises:
        NotAnItem: it is no object, has no id or no details, or they have no id or no time.
    """
    key, details, image = _read_record(record)
    api = api_url.rstrip("/")
    origin = parse_id(details.get("collection"))
    owned = CatalogInfo(
        id=f"{image}-{key[:_SHORT_ID_CHARACTERS] if _UUID.fullmatch(key) else key}",
        collection=collection or (f"{origin}-owned" if origin else None),
        title=image,
        fields=_make_fields(key, image, origin),
        links=[
            *(
                [make_link("derived_from", item_href(api, origin, image), GEOJSON)]
                if origin
                else []
            ),
            make_link("via", catalog_href(api, key), JSON),
        ],
        extras=_list_extras(record),
    )
    try:
        made = convert_item(
            details, api_url=api, assume_cog=assume_cog, catalog_info=owned, path="details."
        )
    except ConversionError as error:
        raise ConversionError("catalog", key, f"in its details: {error}") from None
    if key != record["id"]:
        made.notes.append(ConversionNote("id", CONVERTED, ID_CONVERTED))
    return made


def catalog_to_partial_item(record: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Give what the STAC Item of a catalog record says in a few of its properties, and where.

    Args:
        record: as for `catalog_to_item`.
        names: as for `outline`.

    Raises:
        NotAnItem: as for `catalog_to_item`.
    """
    key, details, _ = _read_record(record)
    try:
        return to_partial_item(details, names)
    except ConversionError as error:
        raise ConversionError("catalog", key, f"in its details: {error}") from None


def _read_record(record: object) -> tuple[str, dict[str, Any], str]:
    """Give the id of a record, its details, and the id of the image in them."""
    if not isinstance(record, dict):
        raise ConversionError("catalog", None, "not an object")
    key = parse_id(record.get("id"))
    if key is None:
        raise ConversionError("catalog", None, "no id")
    details = record.get("details")
    if not isinstance(details, dict):
        raise ConversionError("catalog", key, "no details")
    image = parse_id(details.get("id"))
    if image is None:
        raise ConversionError("catalog", key, "no id in its details")
    return key, details, image


def _make_fields(key: str, image: str, origin: str | None) -> dict[str, Any]:
    made = {"pixxel:catalog_id": key, "pixxel:item_id": image}
    return made | ({"pixxel:collection": origin} if origin else {})


def _list_extras(record: dict[str, Any]) -> list[tuple[str, str, Any]]:
    return [
        (RENAMED_MEMBERS.get(name, name), name, value)
        for name, value in record.items()
        if name not in PERSONAL_MEMBERS and name not in {"id", "details"}
    ]
