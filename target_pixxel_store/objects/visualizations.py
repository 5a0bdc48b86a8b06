"""Visualizations: identified by their area of interest and their index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from target_pixxel_store.errors import RecordError
from target_pixxel_store.objects.models import ObjectKind
from target_pixxel_store.records import read_number, read_text_list, read_value, required_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_pixxel_store.journal.journal_state import ObjectKey

AOI_ID, INDEX_ID, ASSET_IDS, RESOLUTION = "aoi_id", "index_id", "src_asset_ids", "resolution"
VISUALIZATION = ObjectKind(
    name="visualization",
    noun="visualization",
    path="/v0/aois/{aoi_id}/visualizations",
    rows_name="visualization",  # in the singular
    id_field="id",
    identity_fields=(AOI_ID, INDEX_ID),
    outcome_field="visualization_id",
    request_fields=frozenset({AOI_ID, INDEX_ID, ASSET_IDS, RESOLUTION}),
    compared_fields=frozenset(),  # lists have nothing of what a request says
    conflict="a visualization conflicts with it, but the API lists none of the index on the area",
    unknown_parent="no area of interest has the id in 'aoi_id'",
    unknown_reference=(
        "no index has the id in 'index_id', or the area has no asset with an id in 'src_asset_ids'"
    ),
    failed_status="failed",
)


@dataclass(frozen=True, slots=True)
class VisualizationSpec:
    """A visualization as a record requests it.

    Attributes:
        aoi_id: Id of the area of interest.
        index_id: Id of the index that is drawn on it.
        src_asset_ids: Ids of the assets of the area that it is made from; empty for all.
        resolution: The size of a pixel in metres; None for that of the satellite.
    """

    kind: ClassVar[ObjectKind] = VISUALIZATION
    aoi_id: str
    index_id: str
    src_asset_ids: tuple[str, ...]
    resolution: float | None

    @property
    def key(self) -> ObjectKey:
        """The key that identifies it."""
        return VISUALIZATION.make_key(self.aoi_id, self.index_id)

    @property
    def path(self) -> str:
        """The path of the list that it is in, and of the request that creates it."""
        return VISUALIZATION.make_path((self.aoi_id,))

    def to_request_body(self) -> dict[str, Any]:
        """Return the body of the request that creates it; the path has its area."""
        body: dict[str, Any] = {INDEX_ID: self.index_id}
        if self.src_asset_ids:
            body[ASSET_IDS] = self.src_asset_ids
        if self.resolution is not None:
            body[RESOLUTION] = self.resolution
        return body

    def find_differences(self, fields: Mapping[str, Any]) -> list[str]:
        """Return nothing, as lists have neither its assets nor its resolution."""
        del fields
        return []


def read_visualization_request(record: Mapping[str, Any]) -> VisualizationSpec:
    """Read a record of the stream `visualization_requests`.

    Raises:
        RecordError: A field is missing or invalid.
    """
    return VisualizationSpec(
        aoi_id=required_text(record, AOI_ID),
        index_id=required_text(record, INDEX_ID),
        src_asset_ids=read_text_list(record, ASSET_IDS),
        resolution=_read_resolution(record),
    )


def _read_resolution(record: Mapping[str, Any]) -> float | None:
    value = read_value(record, RESOLUTION)
    found = read_number(value)
    if value is not None and (found is None or found <= 0):
        raise RecordError(f"'{RESOLUTION}' must be a number of metres above 0")
    return found
