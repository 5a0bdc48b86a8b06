"""Areas of interest: as records specify them, as the API lists them, and their differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_pixxel_store.errors import RecordError
from target_pixxel_store.geometry.polygon import equal_polygons, read_polygon, to_geojson
from target_pixxel_store.journal.journal_state import AoiKey
from target_pixxel_store.records import optional_text, read_text_list, required_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_pixxel_store.geometry.polygon import Rings

DEFAULT_PROVIDER = "pixxel"
"""The provider of images of Pixxel's own satellites."""
GEOMETRY = "geometry"
SATELLITE_ID = "satellite_id"
AOI_FIELDS = frozenset(
    {"name", "project_id", SATELLITE_ID, "provider", "description", GEOMETRY, "item_ids"}
)
"""Fields of a request."""
_ALLOWED_WHITESPACE = "\n\r\t"  # allowed in a description beside printable characters


@dataclass(frozen=True, slots=True)
class AoiSpec:
    """An area of interest as a record specifies it.

    Attributes:
        project_id: Id of the project that it belongs to.
        satellite_id: Id of the satellite.
        rings: Its polygon.
        item_ids: Ids of the images to include.
    """

    name: str
    project_id: str
    satellite_id: str
    provider: str
    description: str
    rings: Rings
    item_ids: tuple[str, ...]

    @property
    def key(self) -> AoiKey:
        """The key that identifies it."""
        return aoi_key(self.project_id, self.name)

    def to_request_body(self) -> dict[str, Any]:
        """Return the body of the request that creates it."""
        return {
            "name": self.name,
            "description": self.description,
            SATELLITE_ID: self.satellite_id,
            "provider": self.provider,
            "project_id": self.project_id,
            GEOMETRY: to_geojson(self.rings),
            "item_ids": self.item_ids,
        }


@dataclass(frozen=True, slots=True)
class Aoi:
    """An area of interest as the API lists it.

    Attributes:
        id: Empty in a dry run that would create it.
        satellite_id: Empty where the API returns none.
        rings: Its polygon; None where the API returns none that can be parsed.
    """

    id: str
    key: AoiKey
    satellite_id: str
    rings: Rings | None

    def find_differences(self, spec: AoiSpec) -> list[str]:
        """Return the names of the fields that differ from a spec."""
        differs = []
        if self.satellite_id and self.satellite_id.lower() != spec.satellite_id.lower():
            differs.append(SATELLITE_ID)
        if self.rings is not None and not equal_polygons(self.rings, spec.rings):
            differs.append(GEOMETRY)
        return differs


def aoi_key(project_id: str, name: str) -> AoiKey:
    """Return the key of an area of interest; ids are case-insensitive, names are not."""
    return AoiKey(project_id.strip().lower(), name.strip())


def read_aoi_request(record: Mapping[str, Any]) -> AoiSpec:
    """Read a record of the stream `aoi_requests`.

    Raises:
        RecordError: A field is missing or invalid.
    """
    return AoiSpec(
        name=required_text(record, "name"),
        project_id=required_text(record, "project_id"),
        satellite_id=required_text(record, SATELLITE_ID),
        provider=optional_text(record, "provider") or DEFAULT_PROVIDER,
        description=_read_description(record.get("description")),
        rings=read_polygon(record.get(GEOMETRY), GEOMETRY),
        item_ids=read_text_list(record, "item_ids"),
    )


def parse_aoi(row: Mapping[str, Any]) -> Aoi | None:
    """Parse a listed area of interest; None where it has no id, project or name."""
    key, project, name = row.get("aoi_id"), row.get("project_id"), row.get("name")
    if not (isinstance(key, str) and isinstance(project, str) and isinstance(name, str)):
        return None
    try:
        rings = read_polygon(row.get(GEOMETRY), GEOMETRY)
    except RecordError:
        rings = None
    return Aoi(key, aoi_key(project, name), str(row.get(SATELLITE_ID) or ""), rings)


def _read_description(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RecordError("'description' must be a string")
    if not all(each.isprintable() or each in _ALLOWED_WHITESPACE for each in value):
        raise RecordError("'description' must be printable")
    return value
