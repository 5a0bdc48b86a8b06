"""Generate images of the external satellite (Sentinel-2) as its provider describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.footprints import RectangleFootprint
from pixxel_sandbox.seed.satellites import SENTINEL, SENTINEL_BANDS

if TYPE_CHECKING:
    from random import Random

    from pixxel_sandbox.json_types import Json

MIN_ITEMS = 6
ARCHIVE_ITEMS_PER_ITEM = 16
PERIOD_SECONDS = 3 * 365 * 86400
EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/v1.1.0/schema.json" for name in ("eo", "projection")
]


def generate_external_items(rng: Random, items: int) -> list[Json]:
    """Generate the images, fewer than the archive has; none has an update time."""
    return [
        _make_item(rng, number) for number in range(max(MIN_ITEMS, items // ARCHIVE_ITEMS_PER_ITEM))
    ]


def _make_item(rng: Random, number: int) -> Json:
    acquired = timestamp_formats.time_in_year(2023, rng.uniform(0, PERIOD_SECONDS))
    square = f"T{number % 60 + 1:02d}{rng.choice('CDEFGHJKLMN')}{rng.choice('ABC')}{number:03d}"
    satellite = rng.choice("AB")
    key = f"S2{satellite}_{square}_{acquired:%Y%m%dT%H%M%S}_L2A"
    footprint = RectangleFootprint(
        lon=round(rng.uniform(-178, 178), 6),
        lat=round(rng.uniform(-60, 75), 6),
        half_width=0.5,
        half_height=0.5,
        tilt=round(rng.uniform(-0.1, 0.1), 6),
    )
    return {
        "id": key,
        "type": "Feature",
        "collection": SENTINEL,
        "stac_version": "1.0.0",
        "stac_extensions": EXTENSIONS,
        "bbox": footprint.bbox(),
        "geometry": footprint.geometry(),
        "properties": {
            "datetime": timestamp_formats.format_with_z(acquired),
            "created": timestamp_formats.format_with_z(acquired),
            "platform": f"sentinel-2{satellite.lower()}",
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "gsd": 10,
            "eo:cloud_cover": round(rng.uniform(0, 100), 6),
            "proj:epsg": 32601 + number % 60,
            "view:sun_elevation": round(rng.uniform(20, 70), 4),
            "s2:processing_baseline": "05.11",
        },
        "assets": {
            **{name: _make_asset(key, name) for name in SENTINEL_BANDS},
            "thumbnail": {
                "href": f"https://data.invalid/{key}/thumbnail.jpg",
                "type": "image/jpeg",
                "roles": ["thumbnail"],
            },
        },
        "links": [{"rel": "collection", "href": f"https://data.invalid/{SENTINEL}"}],
    }


def _make_asset(key: str, band: str) -> Json:
    micrometres = round(SENTINEL_BANDS[band] / 1000, 4)
    return {
        "href": f"https://data.invalid/{key}/{band}.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data", "reflectance"],
        "title": band,
        "eo:bands": [{"name": band, "center_wavelength": micrometres}],
        "raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1, "spatial_resolution": 10}],
    }
