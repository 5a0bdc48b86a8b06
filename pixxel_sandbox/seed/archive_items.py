"""Generate archive items: a small row for each, of which the full JSON is rendered when served."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.archive_collections import COLLECTIONS, COLLECTIONS_BY_ID
from pixxel_sandbox.seed.bands import ItemStyle, encode_assets
from pixxel_sandbox.seed.footprints import FootprintForm, RectangleFootprint, build_shape
from pixxel_sandbox.seed.rng import rng_for

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

    from shapely.geometry.base import BaseGeometry

    from pixxel_sandbox.json_types import Json

MISSING = object()
"""A field's new value that removes the field, unlike null."""

ITEM_MEMBERS = frozenset(
    {
        "type",
        "id",
        "collection",
        "stac_version",
        "stac_extensions",
        "bbox",
        "geometry",
        "assets",
        "links",
    }
)
EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/v1.0.0/schema.json"
    for name in ("eo", "projection", "view")
]
PERIOD_SECONDS = 3 * 365 * 86400
WKT2 = 'GEOGCRS["WGS 84",DATUM["World Geodetic System 1984"],CS[ellipsoidal,2]]'


class Irregularity(NamedTuple):
    """The irregularities of one item in each cycle of items."""

    form: FootprintForm = "polygon"
    crosses_antimeridian: bool = False
    interval_only: bool = False
    old_projection: bool = False
    has_updated: bool = True
    has_processing_note: bool = False


REGULAR = Irregularity()
IRREGULARITY_CYCLE = 40
IRREGULARITIES = {
    3: Irregularity(form="none"),
    5: Irregularity(form="point"),
    7: Irregularity(crosses_antimeridian=True),
    11: Irregularity(form="polygon_3d"),
    13: Irregularity(interval_only=True),
    17: Irregularity(old_projection=True),
    19: Irregularity(has_updated=False),
    23: Irregularity(has_processing_note=True),
    27: Irregularity(crosses_antimeridian=True, form="polygon_3d", old_projection=True),
}
"""By an item's number modulo `IRREGULARITY_CYCLE`, so that a small archive has all of them."""


@dataclass(slots=True)
class ItemRow:
    """An archive item's filterable fields, from which its JSON is rendered.

    Attributes:
        number: Its number in the archive; decides its irregularity.
        noise: 32 random bits for the other values.
        datetime: `properties.datetime`; None if the item has only a start and an end.
        updated: `properties.updated`; None if the item does not have it.
        property_changes: Properties that replace the rendered ones.
        member_changes: Item members that replace the rendered ones.
    """

    number: int
    id: str
    collection: str
    noise: int
    bands: int
    datetime: str | None
    start: str
    end: str
    created: str
    updated: str | None
    cloud_cover: float
    footprint: RectangleFootprint
    property_changes: Json = field(default_factory=dict)
    member_changes: Json = field(default_factory=dict)
    _shape: BaseGeometry | None = field(default=None, repr=False, compare=False)

    def geometry(self) -> Json | None:
        """Return the GeoJSON geometry, None for some items."""
        geometry: Json | None = self.member_changes.get("geometry", MISSING)
        return self.footprint.geometry() if geometry is MISSING else geometry

    def shape(self) -> BaseGeometry | None:
        """Return the geometry as a shape for spatial filters."""
        if self._shape is None and (geometry := self.geometry()):
            self._shape = build_shape(geometry)
        return self._shape

    def get_property(self, name: str) -> object:
        """Return a property, None if the item does not have it."""
        if name in self.property_changes:
            changed = self.property_changes[name]
            return None if changed is MISSING else changed
        if (attribute := INDEXED_PROPERTIES.get(name)) is not None:
            return getattr(self, attribute)
        return render_properties(self, "archive").get(name)

    def merge(self, item: Json) -> None:
        """Merge `properties` into the item, and replace its other members by the given ones."""
        own = dict(item)
        self.property_changes.update(own.pop("properties", {}))
        self.id = own.pop("id", self.id)
        self.collection = own.pop("collection", self.collection)
        self.member_changes.update(own)
        self._shape = None

    def copy(self) -> ItemRow:
        """Return an independent copy."""
        return replace(
            self,
            property_changes=dict(self.property_changes),
            member_changes=dict(self.member_changes),
        )


INDEXED_PROPERTIES = {
    "datetime": "datetime",
    "updated": "updated",
    "created": "created",
    "eo:cloud_cover": "cloud_cover",
}


def generate_items(seed: int, count: int) -> list[ItemRow]:
    """Generate the archive's rows."""
    rng = rng_for(seed, "scenes")
    collections = list(chain.from_iterable(repeat(spec.id, spec.weight) for spec in COLLECTIONS))
    return [
        generate_item(rng, number, collections[rng.randrange(len(collections))])
        for number in range(count)
    ]


def generate_item(
    rng: Random, number: int, collection: str, acquired: datetime | None = None
) -> ItemRow:
    """Generate one row of the archive, at a random time unless it is given."""
    spec = COLLECTIONS_BY_ID[collection]
    irregularity = IRREGULARITIES.get(number % IRREGULARITY_CYCLE, REGULAR)
    if acquired is None:
        acquired = timestamp_formats.time_in_year(2023, rng.uniform(0, PERIOD_SECONDS))
    created = acquired + timedelta(hours=rng.uniform(2, 500))
    updated = created + timedelta(hours=rng.expovariate(1 / 400))
    bands = rng.choice(spec.band_counts)
    footprint = RectangleFootprint(
        lon=round(
            rng.uniform(179.9, 180.1)
            if irregularity.crosses_antimeridian
            else rng.uniform(-178, 178),
            6,
        ),
        lat=round(rng.uniform(-75, 75), 6),
        half_width=round(rng.uniform(0.15, 0.4), 6),
        half_height=round(rng.uniform(0.15, 0.6), 6),
        tilt=round(rng.uniform(-0.3, 0.3), 6),
        form=irregularity.form,
    )
    write = timestamp_formats.FORMATTERS[number % len(timestamp_formats.FORMATTERS)]
    return ItemRow(
        number=number,
        id=(
            f"{rng.choice(spec.satellites)}_{number + 1000:06d}_{acquired:%Y%m%d}"
            f"_{spec.level}_{created:%Y%m%d}_{spec.resolution:03d}01{bands:03d}"
        ),
        collection=collection,
        noise=rng.getrandbits(32),
        bands=bands,
        datetime=None if irregularity.interval_only else write(acquired),
        start=timestamp_formats.format_with_z(acquired - timedelta(seconds=9)),
        end=timestamp_formats.format_with_z(acquired + timedelta(seconds=9)),
        created=write(created),
        updated=write(updated) if irregularity.has_updated else None,
        cloud_cover=round(rng.uniform(0, 100), 2),
        footprint=footprint,
    )


def _projection_properties(item: ItemRow, style: ItemStyle) -> Json:
    """Render the coordinate system with the current property names, or with the older ones."""
    old = (
        style == "catalog"
        or IRREGULARITIES.get(item.number % IRREGULARITY_CYCLE, REGULAR).old_projection
    )
    return {"proj:epsg": 4326, "proj:wkt2": WKT2} if old else {"proj:code": "EPSG:4326"}


def render_properties(item: ItemRow, style: ItemStyle) -> Json:
    """Render the properties of an item, as the archive or a catalog has them."""
    spec = COLLECTIONS_BY_ID.get(item.collection, COLLECTIONS[0])
    footprint, noise = item.footprint, item.noise
    rows, columns = 1024 + noise % 512, 1024 + noise % 777
    across, along = footprint.half_extent()
    row: Json = {
        "datetime": item.datetime,
        "startdatetime": item.start,
        "enddatetime": item.end,
        "created": item.created,
        "updated": item.updated,
        "platform": item.id.partition("_")[0],
        "constellation": "Firefly" if spec.satellites[0].startswith("FF") else "Demonstrators",
        "instruments": ["VNIR"],
        "gsd": spec.resolution,
        "eo:cloud_cover": item.cloud_cover,
        "view:off_nadir": noise % 300 / 10,
        "view:sun_azimuth": noise % 3600 / 10,
        "view:sun_elevation": 20 + noise % 700 / 10,
        "proj:shape": [rows, columns],
        "proj:transform": [2 * across / columns, 0, footprint.lon - across,
                           0, -2 * along / rows, footprint.lat + along],
        **_projection_properties(item, style),
        **(_catalog_properties(noise) if style == "catalog" else _archive_properties(item)),
    }  # fmt: skip
    if item.updated is None:
        del row["updated"]
    return apply_changes(row, item.property_changes)


def _catalog_properties(noise: int) -> Json:
    return {
        "sat:orbit_state": "descending" if noise % 3 else "ascending",
        "sat:relative_orbit": noise % 233,
        "view:satellite_look_angle": noise % 290 / 10,
    }


def _archive_properties(item: ItemRow) -> Json:
    spec, footprint = COLLECTIONS_BY_ID.get(item.collection, COLLECTIONS[0]), item.footprint
    return {
        "title": item.id,
        "license": "proprietary",
        "altitude": 530000 + item.noise % 20000,
        "view:scene_center_lat": footprint.lat,
        "view:scene_center_lon": footprint.lon,
        "rd:product_level": spec.level,
        "rd:type": spec.product_type,
        "rd:sat_id": item.id.partition("_")[0],
        "rd:anomalous_pixels": item.noise % 100 / 10000,
        "rd:earth_sun_distance": round(1 + math.sin(item.noise) / 60, 6),
    }


def render_item(item: ItemRow, style: ItemStyle) -> Json:
    """Render a whole item for msgspec; its assets are encoded already."""
    spec = COLLECTIONS_BY_ID.get(item.collection, COLLECTIONS[0])
    bbox: list[Any] | None = item.footprint.bbox()
    if bbox and style == "archive":
        bbox = [str(edge) for edge in bbox]
    row: Json = {
        "id": item.id,
        "type": "Feature",
        "collection": item.collection,
        "stac_version": spec.stac_version,
        "stac_extensions": EXTENSIONS,
        "bbox": bbox,
        "geometry": item.geometry(),
        "properties": render_properties(item, style),
        "assets": encode_assets(item.id, item.bands, spec.unit, spec.resolution, style),
        "links": [
            {"rel": "collection", "href": f"/v0/archives/collections/{item.collection}"},
        ],
    }
    if bbox is None:
        del row["bbox"]
    if IRREGULARITIES.get(item.number % IRREGULARITY_CYCLE, REGULAR).has_processing_note:
        row["processing_note"] = "reprocessed after calibration"
    return apply_changes(row, item.member_changes)


def apply_changes(row: Json, changes: Json) -> Json:
    """Return a row with changed fields, without those set to `MISSING`."""
    if not changes:
        return row
    return {name: value for name, value in {**row, **changes}.items() if value is not MISSING}
