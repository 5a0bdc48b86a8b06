"""Areas of interest: as records want them, as the API lists them, and where the two differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_pixxel_store.memory import AreaIdentity
from target_pixxel_store.polygons import as_geojson, read_polygon, same_outline
from target_pixxel_store.records import Rejected, optional_text, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_pixxel_store.polygons import Rings

PIXXEL = "pixxel"
"""The provider of the images of Pixxel's own satellites."""
GEOMETRY = "geometry"
SATELLITE = "satellite_id"
AREA_FIELDS = frozenset(
    {"name", "project_id", SATELLITE, "provider", "description", GEOMETRY, "item_ids"}
)
"""What a record of an area has."""
_LINES = "\n\r\t"  # what a description may hold beside what is printable


@dataclass(frozen=True, slots=True)
class AreaWish:
    """An area as a record wants it.

    Attributes:
        project: Id of the project that it belongs to.
        satellite: Id of the satellite (`satellite_id`).
        items: Ids of the images to include.
    """

    name: str
    project: str
    satellite: str
    provider: str
    description: str
    rings: Rings
    items: tuple[str, ...]

    @property
    def identity(self) -> AreaIdentity:
        """What the area is known by."""
        return identity_of(self.project, self.name)

    def body(self) -> dict[str, Any]:
        """Give what the API is asked with."""
        return {
            "name": self.name,
            "description": self.description,
            SATELLITE: self.satellite,
            "provider": self.provider,
            "project_id": self.project,
            GEOMETRY: as_geojson(self.rings),
            "item_ids": self.items,
        }


@dataclass(frozen=True, slots=True)
class Area:
    """An area as the API lists it.

    Attributes:
        id: Empty where it is only planned.
        satellite: Empty where the API says nothing.
        rings: None where the API says nothing that can be read.
    """

    id: str
    identity: AreaIdentity
    satellite: str
    rings: Rings | None

    def differences(self, wish: AreaWish) -> list[str]:
        """Name the fields in which it is not as a record wants it."""
        differs = []
        if self.satellite and self.satellite.lower() != wish.satellite.lower():
            differs.append(SATELLITE)
        if self.rings is not None and not same_outline(self.rings, wish.rings):
            differs.append(GEOMETRY)
        return differs


def identity_of(project: str, name: str) -> AreaIdentity:
    """Give what an area is known by: ids have no case, names do."""
    return AreaIdentity(project.strip().lower(), name.strip())


def read_area(record: Mapping[str, Any]) -> AreaWish:
    """Read a record of the stream `aoi_requests`.

    Raises:
        Rejected: A field is missing, or is not what it should be.
    """
    return AreaWish(
        name=text_of(record, "name"),
        project=text_of(record, "project_id"),
        satellite=text_of(record, SATELLITE),
        provider=optional_text(record, "provider") or PIXXEL,
        description=_description(record.get("description")),
        rings=read_polygon(record.get(GEOMETRY), GEOMETRY),
        items=_items(record.get("item_ids")),
    )


def read_listed(row: Mapping[str, Any]) -> Area | None:
    """Read an area as the API lists it; None where it lacks what it would be known by."""
    key, project, name = row.get("aoi_id"), row.get("project_id"), row.get("name")
    if not (isinstance(key, str) and isinstance(project, str) and isinstance(name, str)):
        return None
    try:
        rings = read_polygon(row.get(GEOMETRY), GEOMETRY)
    except Rejected:
        rings = None
    return Area(key, identity_of(project, name), str(row.get(SATELLITE) or ""), rings)


def _description(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Rejected("'description' is not a text")
    if not all(each.isprintable() or each in _LINES for each in value):
        raise Rejected("'description' is not printable")
    return value


def _items(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Rejected("'item_ids' is not a list of texts")
    return tuple(text_of({"item_ids": each}, "item_ids") for each in value)
