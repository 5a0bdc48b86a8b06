"""Areas of interest: identified by their project and their name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from target_pixxel_store.errors import RecordError
from target_pixxel_store.geometry.polygon import equal_polygons, read_polygon, to_geojson
from target_pixxel_store.objects.models import ObjectKind
from target_pixxel_store.records import (
    optional_text,
    read_description,
    read_text_list,
    required_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_pixxel_store.geometry.polygon import Rings
    from target_pixxel_store.journal.journal_state import ObjectKey

DEFAULT_PROVIDER = "pixxel"
"""The provider of images of Pixxel's own satellites."""
GEOMETRY = "geometry"
SATELLITE_ID = "satellite_id"
AOI = ObjectKind(
    name="aoi",
    noun="area of interest",
    path="/v0/aois",
    rows_name="aois",
    id_field="aoi_id",
    identity_fields=("project_id", "name"),
    outcome_field="aoi_id",
    request_fields=frozenset(
        {"name", "project_id", SATELLITE_ID, "provider", "description", GEOMETRY, "item_ids"}
    ),
    compared_fields=frozenset({SATELLITE_ID, GEOMETRY}),
    conflict="the name is taken, but the API lists no area of interest with it in the project",
)


@dataclass(frozen=True, slots=True)
class AoiSpec:
    """An area of interest as a record requests it.

    Attributes:
        project_id: Id of the project that it belongs to.
        satellite_id: Id of the satellite.
        rings: Its polygon.
        item_ids: Ids of the images to include.
    """

    kind: ClassVar[ObjectKind] = AOI
    name: str
    project_id: str
    satellite_id: str
    provider: str
    description: str
    rings: Rings
    item_ids: tuple[str, ...]

    @property
    def key(self) -> ObjectKey:
        """The key that identifies it."""
        return AOI.make_key(self.project_id, self.name)

    @property
    def path(self) -> str:
        """The path of the list that it is in, and of the request that creates it."""
        return AOI.path

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

    def find_differences(self, fields: Mapping[str, Any]) -> list[str]:
        """Return which of its satellite and its polygon an existing area has otherwise."""
        differs = []
        satellite = str(fields.get(SATELLITE_ID) or "").lower()
        if satellite and satellite != self.satellite_id.lower():
            differs.append(SATELLITE_ID)
        try:
            if not equal_polygons(read_polygon(fields.get(GEOMETRY), GEOMETRY), self.rings):
                differs.append(GEOMETRY)
        except RecordError:  # the API returns none that can be parsed
            pass
        return differs


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
        description=read_description(record),
        rings=read_polygon(record.get(GEOMETRY), GEOMETRY),
        item_ids=read_text_list(record, "item_ids"),
    )
