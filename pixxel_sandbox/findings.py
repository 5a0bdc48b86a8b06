"""Findings: areas of interest, and what was made of their images."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import cos, radians
from random import Random
from typing import Final

from shapely.geometry.base import BaseGeometry

from pixxel_sandbox import times
from pixxel_sandbox.bookings import Places
from pixxel_sandbox.chance import identifier, seldom
from pixxel_sandbox.footprints import Footprint, Json, unrolled
from pixxel_sandbox.imagery import Scene
from pixxel_sandbox.rawjson import passed_on
from pixxel_sandbox.stamps import stamps

FEWEST_AREAS: Final = 6
ITEMS_PER_AREA: Final = 16
PERIOD_SECONDS: Final = 1.9 * 365 * 86400
METRES_PER_DEGREE: Final = 111_320
NAMES: Final = ("Rice belt", "Harbour, north", "Copper pit", "Forest edge", "Reservoir", 'Plot "7"')
STATUSES: Final = ("success", "success", "running", "success", "failed", "partial_success")
PROGRESS: Final = {"success": 100, "partial_success": 100, "failed": 0}
ASSETS: Final = (25, 3, 0, 12, 1, 5)
"""How many assets the areas have, in turns; some have none, and some more than a page."""
EO_BANDS: Final = 12
"""How many of its satellite's bands an area has at most."""
VISUALIZATIONS: Final = (12, 0, 3, 1)
INSIGHTS: Final = (3, 0, 1)
ASSET_TYPES: Final = ("stac_item", "mosaic", "visualization")
ASSET_STATUSES: Final = ("success", "success", "success", "creating", "failed")
VISUALIZATION_STATUSES: Final = ("success", "creating", "success", "failed", "partial_success")
INSIGHT_STATUSES: Final = ("completed", "running", "failed")
SELDOM: Final = {
    "favourite": (5, 0),
    "no description": (6, 1),
    "no centroid": (6, 2),
    "tags": (6, 3),
    "asset without description": (4, 0),
    "size_in_bytes": (6, 1),
    "model_card": (4, 1),
}
"""What only some rows have: one in so many, from which one on."""


@dataclass
class Findings:
    """The rows of all areas."""

    aois: list[Json] = field(default_factory=list)
    aoi_assets: list[Json] = field(default_factory=list)
    visualizations: list[Json] = field(default_factory=list)
    insights: list[Json] = field(default_factory=list)


def measured(shape: BaseGeometry) -> Json:
    """Returns how large an area is and where its middle lies, good enough for a small one."""
    centre = shape.centroid
    square = METRES_PER_DEGREE**2 * cos(radians(centre.y))
    return {
        "area_in_sq_m": round(shape.area * square, 2),
        "centroid": [round(centre.x, 6), round(centre.y, 6)],
    }


def findings(
    rng: Random,
    archive: Sequence[Scene],
    places: Places,
    satellites: list[Json],
    indices: list[Json],
) -> Findings:
    """Makes the areas of interest, their assets, visualizations and insights."""
    analyst = _Analyst(rng, archive, places, satellites, indices)
    for number in range(max(FEWEST_AREAS, len(archive) // ITEMS_PER_AREA)):
        analyst.survey(number)
    return analyst.findings


class _Analyst:
    """Makes one area after the other."""

    def __init__(
        self,
        rng: Random,
        archive: Sequence[Scene],
        places: Places,
        satellites: list[Json],
        indices: list[Json],
    ) -> None:
        self.findings = Findings()
        self._rng = rng
        self._archive = archive
        self._places = places
        self._satellites = satellites
        self._resolutions = {row["id"]: row["bands"][0]["spatial_resolution"] for row in satellites}
        self._indices = indices

    def survey(self, number: int) -> None:
        """Makes an area and all that belongs to it."""
        created = times.since(2024, self._rng.uniform(0, PERIOD_SECONDS))
        area = self._area(number, created)
        self.findings.aois.append(area)
        for turn in range(VISUALIZATIONS[number % len(VISUALIZATIONS)]):
            self._visualization(area, created + timedelta(hours=turn + 1))
        for turn in range(ASSETS[number % len(ASSETS)]):
            self._asset(area, created + timedelta(hours=turn))
        for turn in range(INSIGHTS[number % len(INSIGHTS)]):
            self._insight(area, created + timedelta(days=turn + 1))

    def _area(self, number: int, created: datetime) -> Json:
        rng, satellite = self._rng, self._satellites[number % len(self._satellites)]
        status = STATUSES[number % len(STATUSES)]
        place = Footprint(
            lon=round(rng.uniform(-178, 178), 6),
            lat=round(rng.uniform(-60, 60), 6),
            half_width=round(rng.uniform(0.01, 0.1), 6),
            half_height=round(rng.uniform(0.01, 0.1), 6),
            tilt=round(rng.uniform(-0.3, 0.3), 6),
        )
        geometry = place.geometry()
        row: Json = {
            "aoi_id": identifier(rng),
            "name": f"{NAMES[number % len(NAMES)]} {number + 1}",
            "description": f"area of interest {number + 1}",
            "satellite_id": satellite["id"],
            "project_id": rng.choice(self._places.projects),
            "images": self._images(satellite, number % 3 + 1),
            "eo_bands": [band["name"] for band in satellite["bands"][:EO_BANDS]],
            "geometry": geometry,
            "progress": PROGRESS.get(status, 40),
            "status": status,
            "is_favourite": seldom(SELDOM["favourite"], number),
            "user_id": rng.choice(self._places.users),
            **stamps(rng, number, created),
            **measured(unrolled(geometry or {})),
        }
        if seldom(SELDOM["no description"], number):
            row["description"] = None
        if seldom(SELDOM["no centroid"], number):
            del row["centroid"]
        if seldom(SELDOM["tags"], number):
            row["tags"] = ["monsoon", "irrigated"]
        return row

    def _images(self, satellite: Json, count: int) -> Json:
        """Names images of a satellite; the archive has none of an external one."""
        collections = {collection["id"] for collection in satellite["collections"]}
        known = [scene for scene in self._archive if scene.collection in collections]
        return {
            scene.id: {"collection_id": scene.collection, "cloud_cover": scene.cloud_cover}
            for scene in self._rng.sample(known, min(count, len(known)))
        }

    def _visualization(self, area: Json, created: datetime) -> None:
        rng, number = self._rng, len(self.findings.visualizations)
        choice = [row for row in self._indices if row["satellite_id"] == area["satellite_id"]]
        status = VISUALIZATION_STATUSES[number % len(VISUALIZATION_STATUSES)]
        row: Json = {
            "id": identifier(rng),
            "aoi_id": area["aoi_id"],
            "index_id": choice[number % len(choice)]["id"],
            "tenant_id": self._places.org_id,
            "user_id": rng.choice(self._places.users),
            "progress": PROGRESS.get(status, 60),
            "status": status,
            **stamps(rng, number, created, form=2),
        }
        if status == "failed":
            row["failure_reason"] = "no image without clouds"
        self.findings.visualizations.append(row)

    def _asset(self, area: Json, created: datetime) -> None:
        rng, number = self._rng, len(self.findings.aoi_assets)
        kind, status = ASSET_TYPES[number % 3], ASSET_STATUSES[number % len(ASSET_STATUSES)]
        shown = [row for row in self.findings.visualizations if row["aoi_id"] == area["aoi_id"]]
        key = identifier(rng)
        row: Json = {
            "id": key,
            "aoi_id": area["aoi_id"],
            "name": f"{kind} {number + 1}",
            "description": f"{kind} of {area['name']}",
            "asset_type": kind,
            "band_list": area["eo_bands"][: number % 4 + 1],
            "date": f"{created:%Y-%m-%d}",
            "path": f"https://data.invalid/aois/{area['aoi_id']}/{key}.tif",
            "progress": PROGRESS.get(status, 60),
            "resolution": self._resolutions[area["satellite_id"]],
            "status": status,
            "visualization_id": rng.choice(shown)["id"]
            if kind == "visualization" and shown
            else None,
            "geometry": area["geometry"],
            "area_in_sq_m": area["area_in_sq_m"],
            **stamps(rng, number, created, form=2),
        }
        if seldom(SELDOM["asset without description"], number):
            row["description"] = None
        row["centroid"] = area["centroid"]
        if seldom(SELDOM["size_in_bytes"], number):
            row["size_in_bytes"] = rng.randint(10**6, 10**9)
        self.findings.aoi_assets.append(row)

    def _insight(self, area: Json, created: datetime) -> None:
        rng, number = self._rng, len(self.findings.insights)
        status = INSIGHT_STATUSES[number % len(INSIGHT_STATUSES)]
        done = status == "completed"
        row: Json = {
            "id": identifier(rng),
            "aoi_id": area["aoi_id"],
            "name": f"insight {number + 1} of {area['name']}",
            "status": status,
            "created_at": times.FORMS[number % len(times.FORMS)](created),
            "created_by": rng.choice(self._places.users),
            "deleted_at": None,
            "err_msg": "out of memory" if status == "failed" else "",
            "estimated_time_in_min": rng.randint(2, 90),
            "input": passed_on(number, {"aoi_id": area["aoi_id"], "threshold": number / 10}),
            "output": passed_on(number, {"share": round(rng.random(), 3)} if done else None),
            "metadata": {"block": "land-cover", "version": "2.0.0"},
            "cost": rng.randint(1, 50),
            "progress": 100.0 if done else round(rng.uniform(0, 90), 1),
        }
        if seldom(SELDOM["model_card"], number):
            row["model_card"] = "https://data.invalid/cards/land-cover"
        self.findings.insights.append(row)
