"""Imagery: one small row per archive item, and its full JSON, rendered when it is served."""

import math
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain, repeat
from random import Random
from typing import Any, Final, NamedTuple

from shapely.geometry.base import BaseGeometry

from pixxel_sandbox import times
from pixxel_sandbox.bands import Style, assets
from pixxel_sandbox.chance import stream
from pixxel_sandbox.footprints import Footprint, Form, Json, unrolled
from pixxel_sandbox.series import BY_ID, SERIES

MISSING: Final = object()
"""As a field's new value: the field is left out, which is not the same as null."""

MEMBERS: Final = frozenset(
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
EXTENSIONS: Final = [
    f"https://stac-extensions.github.io/{name}/v1.0.0/schema.json"
    for name in ("eo", "projection", "view")
]
PERIOD_SECONDS: Final = 3 * 365 * 86400
WKT2: Final = 'GEOGCRS["WGS 84",DATUM["World Geodetic System 1984"],CS[ellipsoidal,2]]'


class Quirk(NamedTuple):
    """What is odd about the items of one place in every cycle of items."""

    form: Form = "polygon"
    crosses: bool = False
    spans: bool = False
    old_projection: bool = False
    dated: bool = True
    note: bool = False


REGULAR: Final = Quirk()
CYCLE: Final = 40
QUIRKS: Final = {
    3: Quirk(form="none"),
    5: Quirk(form="point"),
    7: Quirk(crosses=True),
    11: Quirk(form="polygon_3d"),
    13: Quirk(spans=True),
    17: Quirk(old_projection=True),
    19: Quirk(dated=False),
    23: Quirk(note=True),
    27: Quirk(crosses=True, form="polygon_3d", old_projection=True),
}
"""By an item's number modulo CYCLE, so that a small archive shows every irregularity too."""


@dataclass(slots=True)
class Scene:
    """The index row of an image: what filters look at, and what rendering starts from.

    Attributes:
        number: its place in the archive; decides its quirk.
        noise: 32 random bits for the values nobody filters on.
        acquired: ``properties.datetime``; None where only start and end are stated.
        updated: ``properties.updated``; None where the item has none.
        changes: properties written over the rendered ones.
        members: item members written over the rendered ones.
    """

    number: int
    id: str
    collection: str
    noise: int
    bands: int
    acquired: str | None
    start: str
    end: str
    created: str
    updated: str | None
    cloud_cover: float
    footprint: Footprint
    changes: Json = field(default_factory=dict)
    members: Json = field(default_factory=dict)
    _shape: BaseGeometry | None = field(default=None, repr=False, compare=False)

    def geometry(self) -> Json | None:
        """Returns the item's GeoJSON geometry, null for some."""
        geometry: Json | None = self.members.get("geometry", MISSING)
        return self.footprint.geometry() if geometry is MISSING else geometry

    def shape(self) -> BaseGeometry | None:
        """Returns the geometry as a shape to test against."""
        if self._shape is None and (geometry := self.geometry()):
            self._shape = unrolled(geometry)
        return self._shape

    def value(self, name: str) -> object:
        """Returns one of the item's properties, None when it has not got it."""
        if name in self.changes:
            changed = self.changes[name]
            return None if changed is MISSING else changed
        if (attribute := INDEXED.get(name)) is not None:
            return getattr(self, attribute)
        return properties(self, "archive").get(name)

    def merge(self, item: Json) -> None:
        """Writes item members over this image; ``properties`` is merged, the rest replaced."""
        own = dict(item)
        self.changes.update(own.pop("properties", {}))
        self.id = own.pop("id", self.id)
        self.collection = own.pop("collection", self.collection)
        self.members.update(own)
        self._shape = None

    def copy(self) -> "Scene":
        """Returns an image that can be changed without this one."""
        return replace(self, changes=dict(self.changes), members=dict(self.members))


INDEXED: Final = {
    "datetime": "acquired",
    "updated": "updated",
    "created": "created",
    "eo:cloud_cover": "cloud_cover",
}


def scenes(seed: int, count: int) -> list[Scene]:
    """Makes the archive's rows, the same ones for the same seed."""
    rng = stream(seed, "scenes")
    deck = list(chain.from_iterable(repeat(series.id, series.weight) for series in SERIES))
    return [scene(rng, number, deck[rng.randrange(len(deck))]) for number in range(count)]


def scene(rng: Random, number: int, collection: str) -> Scene:
    """Makes one row of the archive."""
    series = BY_ID[collection]
    quirk = QUIRKS.get(number % CYCLE, REGULAR)
    taken = times.since(2023, rng.uniform(0, PERIOD_SECONDS))
    made = taken + timedelta(hours=rng.uniform(2, 500))
    updated = made + timedelta(hours=rng.expovariate(1 / 400))
    bands = rng.choice(series.band_counts)
    footprint = Footprint(
        lon=round(rng.uniform(179.9, 180.1) if quirk.crosses else rng.uniform(-178, 178), 6),
        lat=round(rng.uniform(-75, 75), 6),
        half_width=round(rng.uniform(0.15, 0.4), 6),
        half_height=round(rng.uniform(0.15, 0.6), 6),
        tilt=round(rng.uniform(-0.3, 0.3), 6),
        form=quirk.form,
    )
    write = times.FORMS[number % len(times.FORMS)]
    return Scene(
        number=number,
        id=(
            f"{rng.choice(series.satellites)}_{number + 1000:06d}_{taken:%Y%m%d}"
            f"_{series.level}_{made:%Y%m%d}_{series.resolution:03d}01{bands:03d}"
        ),
        collection=collection,
        noise=rng.getrandbits(32),
        bands=bands,
        acquired=None if quirk.spans else write(taken),
        start=times.with_z(taken - timedelta(seconds=9)),
        end=times.with_z(taken + timedelta(seconds=9)),
        created=write(made),
        updated=write(updated) if quirk.dated else None,
        cloud_cover=round(rng.uniform(0, 100), 2),
        footprint=footprint,
    )


def _projection(scene: Scene, style: Style) -> Json:
    """States the coordinate system in today's words, or in the older ones."""
    old = style == "catalog" or QUIRKS.get(scene.number % CYCLE, REGULAR).old_projection
    return {"proj:epsg": 4326, "proj:wkt2": WKT2} if old else {"proj:code": "EPSG:4326"}


def properties(scene: Scene, style: Style) -> Json:
    """Renders the properties of an image, in the archive's or in a catalog's form."""
    series = BY_ID.get(scene.collection, SERIES[0])
    place, noise = scene.footprint, scene.noise
    rows, columns = 1024 + noise % 512, 1024 + noise % 777
    across, along = place.reach()
    made: Json = {
        "datetime": scene.acquired,
        "startdatetime": scene.start,
        "enddatetime": scene.end,
        "created": scene.created,
        "updated": scene.updated,
        "platform": scene.id.partition("_")[0],
        "constellation": "Firefly" if series.satellites[0].startswith("FF") else "Demonstrators",
        "instruments": ["VNIR"],
        "gsd": series.resolution,
        "eo:cloud_cover": scene.cloud_cover,
        "view:off_nadir": noise % 300 / 10,
        "view:sun_azimuth": noise % 3600 / 10,
        "view:sun_elevation": 20 + noise % 700 / 10,
        "proj:shape": [rows, columns],
        "proj:transform": [2 * across / columns, 0, place.lon - across,
                           0, -2 * along / rows, place.lat + along],
        **_projection(scene, style),
        **(_catalog_only(noise) if style == "catalog" else _archive_only(scene)),
    }  # fmt: skip
    if scene.updated is None:
        del made["updated"]
    return written_over(made, scene.changes)


def _catalog_only(noise: int) -> Json:
    return {
        "sat:orbit_state": "descending" if noise % 3 else "ascending",
        "sat:relative_orbit": noise % 233,
        "view:satellite_look_angle": noise % 290 / 10,
    }


def _archive_only(scene: Scene) -> Json:
    series, place = BY_ID.get(scene.collection, SERIES[0]), scene.footprint
    return {
        "title": scene.id,
        "license": "proprietary",
        "altitude": 530000 + scene.noise % 20000,
        "view:scene_center_lat": place.lat,
        "view:scene_center_lon": place.lon,
        "rd:product_level": series.level,
        "rd:type": series.kind,
        "rd:sat_id": scene.id.partition("_")[0],
        "rd:anomalous_pixels": scene.noise % 100 / 10000,
        "rd:earth_sun_distance": round(1 + math.sin(scene.noise) / 60, 6),
    }


def item(scene: Scene, style: Style) -> Json:
    """Renders the whole item; its assets are encoded already, so encode it with msgspec."""
    series = BY_ID.get(scene.collection, SERIES[0])
    bbox: list[Any] | None = scene.footprint.bbox()
    if bbox and style == "archive":
        bbox = [str(edge) for edge in bbox]
    made: Json = {
        "id": scene.id,
        "type": "Feature",
        "collection": scene.collection,
        "stac_version": series.stac_version,
        "stac_extensions": EXTENSIONS,
        "bbox": bbox,
        "geometry": scene.geometry(),
        "properties": properties(scene, style),
        "assets": assets(scene.id, scene.bands, series.unit, series.resolution, style),
        "links": [
            {"rel": "collection", "href": f"/v0/archives/collections/{scene.collection}"},
        ],
    }
    if bbox is None:
        del made["bbox"]
    if QUIRKS.get(scene.number % CYCLE, REGULAR).note:
        made["processing_note"] = "reprocessed after calibration"
    return written_over(made, scene.members)


def written_over(row: Json, changes: Json) -> Json:
    """Returns a row with changes made to it, and without what is MISSING after them."""
    if not changes:
        return row
    return {name: value for name, value in {**row, **changes}.items() if value is not MISSING}
