"""Generate areas of interest (AOIs), their assets, visualizations and insights."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import cos, radians
from typing import TYPE_CHECKING

from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.audit_fields import make_audit_fields
from pixxel_sandbox.seed.footprints import RectangleFootprint, build_shape
from pixxel_sandbox.seed.raw_json import as_bytes_or_json
from pixxel_sandbox.seed.rng import draw_uuid, every_nth

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from shapely.geometry.base import BaseGeometry

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.seed.archive_items import ItemRow
    from pixxel_sandbox.seed.workspace_resources import WorkspaceIds

MIN_AOIS = 6
ITEMS_PER_AOI = 16
PERIOD_SECONDS = 1.9 * 365 * 86400
METRES_PER_DEGREE = 111_320
NAMES = ("Rice belt", "Harbour, north", "Copper pit", "Forest edge", "Reservoir", 'Plot "7"')
STATUSES = ("success", "success", "running", "success", "failed", "partial_success")
PROGRESS = {"success": 100, "partial_success": 100, "failed": 0}
ASSET_COUNTS = (25, 3, 0, 12, 1, 5)
"""The number of assets of the AOIs, in turns; some have none, and some more than a page."""
MAX_EO_BANDS = 12
"""The highest number of an AOI's bands."""
VISUALIZATION_COUNTS = (12, 0, 3, 1)
INSIGHT_COUNTS = (3, 0, 1)
ASSET_TYPES = ("stac_item", "mosaic", "visualization")
ASSET_STATUSES = ("success", "success", "success", "creating", "failed")
VISUALIZATION_STATUSES = ("success", "creating", "success", "failed", "partial_success")
INSIGHT_STATUSES = ("completed", "running", "failed")
RARE = {
    "favourite": (5, 0),
    "no description": (6, 1),
    "no centroid": (6, 2),
    "tags": (6, 3),
    "asset without description": (4, 0),
    "size_in_bytes": (6, 1),
    "model_card": (4, 1),
}
"""The rules of what only some rows have, see `every_nth`."""


@dataclass
class AoiData:
    """The rows of AOIs and of everything that belongs to them."""

    aois: list[Json] = field(default_factory=list)
    aoi_assets: list[Json] = field(default_factory=list)
    visualizations: list[Json] = field(default_factory=list)
    insights: list[Json] = field(default_factory=list)


def measure_area(shape: BaseGeometry) -> Json:
    """Return an AOI's area and centroid, as accurate as a small AOI needs."""
    centre = shape.centroid
    square = METRES_PER_DEGREE**2 * cos(radians(centre.y))
    return {
        "area_in_sq_m": round(shape.area * square, 2),
        "centroid": [round(centre.x, 6), round(centre.y, 6)],
    }


def generate_aois(
    rng: Random,
    archive: Sequence[ItemRow],
    ids: WorkspaceIds,
    satellites: list[Json],
    indices: list[Json],
) -> AoiData:
    """Generate AOIs, their assets, visualizations and insights."""
    generator = _AoiGenerator(rng, archive, ids, satellites, indices)
    for number in range(max(MIN_AOIS, len(archive) // ITEMS_PER_AOI)):
        generator.add_aoi(number)
    return generator.data


class _AoiGenerator:
    """A generator of AOIs, which adds one after the other to `data`."""

    def __init__(
        self,
        rng: Random,
        archive: Sequence[ItemRow],
        ids: WorkspaceIds,
        satellites: list[Json],
        indices: list[Json],
    ) -> None:
        self.data = AoiData()
        self._rng = rng
        self._archive = archive
        self._ids = ids
        self._satellites = satellites
        self._resolutions = {row["id"]: row["bands"][0]["spatial_resolution"] for row in satellites}
        self._indices = indices

    def add_aoi(self, number: int) -> None:
        """Add an AOI and everything that belongs to it."""
        created = timestamp_formats.time_in_year(2024, self._rng.uniform(0, PERIOD_SECONDS))
        aoi = self._make_aoi(number, created)
        self.data.aois.append(aoi)
        for turn in range(VISUALIZATION_COUNTS[number % len(VISUALIZATION_COUNTS)]):
            self._add_visualization(aoi, created + timedelta(hours=turn + 1))
        for turn in range(ASSET_COUNTS[number % len(ASSET_COUNTS)]):
            self._add_asset(aoi, created + timedelta(hours=turn))
        for turn in range(INSIGHT_COUNTS[number % len(INSIGHT_COUNTS)]):
            self._add_insight(aoi, created + timedelta(days=turn + 1))

    def _make_aoi(self, number: int, created: datetime) -> Json:
        rng, satellite = self._rng, self._satellites[number % len(self._satellites)]
        status = STATUSES[number % len(STATUSES)]
        footprint = RectangleFootprint(
            lon=round(rng.uniform(-178, 178), 6),
            lat=round(rng.uniform(-60, 60), 6),
            half_width=round(rng.uniform(0.01, 0.1), 6),
            half_height=round(rng.uniform(0.01, 0.1), 6),
            tilt=round(rng.uniform(-0.3, 0.3), 6),
        )
        geometry = footprint.geometry()
        row: Json = {
            "aoi_id": draw_uuid(rng),
            "name": f"{NAMES[number % len(NAMES)]} {number + 1}",
            "description": f"area of interest {number + 1}",
            "satellite_id": satellite["id"],
            "project_id": rng.choice(self._ids.projects),
            "images": self._pick_images(satellite, number % 3 + 1),
            "eo_bands": [band["name"] for band in satellite["bands"][:MAX_EO_BANDS]],
            "geometry": geometry,
            "progress": PROGRESS.get(status, 40),
            "status": status,
            "is_favourite": every_nth(RARE["favourite"], number),
            "user_id": rng.choice(self._ids.users),
            **make_audit_fields(rng, number, created),
            **measure_area(build_shape(geometry or {})),
        }
        if every_nth(RARE["no description"], number):
            row["description"] = None
        if every_nth(RARE["no centroid"], number):
            del row["centroid"]
        if every_nth(RARE["tags"], number):
            row["tags"] = ["monsoon", "irrigated"]
        return row

    def _pick_images(self, satellite: Json, count: int) -> Json:
        """Pick archive items of a satellite; an external satellite has none."""
        collections = {collection["id"] for collection in satellite["collections"]}
        items = [item for item in self._archive if item.collection in collections]
        return {
            item.id: {"collection_id": item.collection, "cloud_cover": item.cloud_cover}
            for item in self._rng.sample(items, min(count, len(items)))
        }

    def _add_visualization(self, aoi: Json, created: datetime) -> None:
        rng, number = self._rng, len(self.data.visualizations)
        indices = [row for row in self._indices if row["satellite_id"] == aoi["satellite_id"]]
        status = VISUALIZATION_STATUSES[number % len(VISUALIZATION_STATUSES)]
        row: Json = {
            "id": draw_uuid(rng),
            "aoi_id": aoi["aoi_id"],
            "index_id": indices[number % len(indices)]["id"],
            "tenant_id": self._ids.org_id,
            "user_id": rng.choice(self._ids.users),
            "progress": PROGRESS.get(status, 60),
            "status": status,
            **make_audit_fields(rng, number, created, format_offset=2),
        }
        if status == "failed":
            row["failure_reason"] = "no image without clouds"
        self.data.visualizations.append(row)

    def _add_asset(self, aoi: Json, created: datetime) -> None:
        rng, number = self._rng, len(self.data.aoi_assets)
        kind, status = ASSET_TYPES[number % 3], ASSET_STATUSES[number % len(ASSET_STATUSES)]
        visualizations = [row for row in self.data.visualizations if row["aoi_id"] == aoi["aoi_id"]]
        key = draw_uuid(rng)
        row: Json = {
            "id": key,
            "aoi_id": aoi["aoi_id"],
            "name": f"{kind} {number + 1}",
            "description": f"{kind} of {aoi['name']}",
            "asset_type": kind,
            "band_list": aoi["eo_bands"][: number % 4 + 1],
            "date": f"{created:%Y-%m-%d}",
            "path": f"https://data.invalid/aois/{aoi['aoi_id']}/{key}.tif",
            "progress": PROGRESS.get(status, 60),
            "resolution": self._resolutions[aoi["satellite_id"]],
            "status": status,
            "visualization_id": rng.choice(visualizations)["id"]
            if kind == "visualization" and visualizations
            else None,
            "geometry": aoi["geometry"],
            "area_in_sq_m": aoi["area_in_sq_m"],
            **make_audit_fields(rng, number, created, format_offset=2),
        }
        if every_nth(RARE["asset without description"], number):
            row["description"] = None
        row["centroid"] = aoi["centroid"]
        if every_nth(RARE["size_in_bytes"], number):
            row["size_in_bytes"] = rng.randint(10**6, 10**9)
        self.data.aoi_assets.append(row)

    def _add_insight(self, aoi: Json, created: datetime) -> None:
        rng, number = self._rng, len(self.data.insights)
        status = INSIGHT_STATUSES[number % len(INSIGHT_STATUSES)]
        done = status == "completed"
        row: Json = {
            "id": draw_uuid(rng),
            "aoi_id": aoi["aoi_id"],
            "name": f"insight {number + 1} of {aoi['name']}",
            "status": status,
            "created_at": timestamp_formats.FORMATTERS[number % len(timestamp_formats.FORMATTERS)](
                created
            ),
            "created_by": rng.choice(self._ids.users),
            "deleted_at": None,
            "err_msg": "out of memory" if status == "failed" else "",
            "estimated_time_in_min": rng.randint(2, 90),
            "input": as_bytes_or_json(number, {"aoi_id": aoi["aoi_id"], "threshold": number / 10}),
            "output": as_bytes_or_json(number, {"share": round(rng.random(), 3)} if done else None),
            "metadata": {"block": "land-cover", "version": "2.0.0"},
            "cost": rng.randint(1, 50),
            "progress": 100.0 if done else round(rng.uniform(0, 90), 1),
        }
        if every_nth(RARE["model_card"], number):
            row["model_card"] = "https://data.invalid/cards/land-cover"
        self.data.insights.append(row)
