"""Externals: images of the satellite that others fly, as those others describe them."""

from random import Random
from typing import Final

from pixxel_sandbox import times
from pixxel_sandbox.footprints import Footprint, Json
from pixxel_sandbox.sensors import SENTINEL, SENTINEL_BANDS

FEWEST_IMAGES: Final = 6
ITEMS_PER_IMAGE: Final = 16
PERIOD_SECONDS: Final = 3 * 365 * 86400
EXTENSIONS: Final = [
    f"https://stac-extensions.github.io/{name}/v1.1.0/schema.json" for name in ("eo", "projection")
]


def externals(rng: Random, items: int) -> list[Json]:
    """Makes the images, fewer than the archive has; none of them says when it was updated."""
    return [_image(rng, number) for number in range(max(FEWEST_IMAGES, items // ITEMS_PER_IMAGE))]


def _image(rng: Random, number: int) -> Json:
    taken = times.since(2023, rng.uniform(0, PERIOD_SECONDS))
    square = f"T{number % 60 + 1:02d}{rng.choice('CDEFGHJKLMN')}{rng.choice('ABC')}{number:03d}"
    satellite = rng.choice("AB")
    key = f"S2{satellite}_{square}_{taken:%Y%m%dT%H%M%S}_L2A"
    place = Footprint(
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
        "bbox": place.bbox(),
        "geometry": place.geometry(),
        "properties": {
            "datetime": times.with_z(taken),
            "created": times.with_z(taken),
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
            **{name: _asset(key, name) for name in SENTINEL_BANDS},
            "thumbnail": {
                "href": f"https://data.invalid/{key}/thumbnail.jpg",
                "type": "image/jpeg",
                "roles": ["thumbnail"],
            },
        },
        "links": [{"rel": "collection", "href": f"https://data.invalid/{SENTINEL}"}],
    }


def _asset(key: str, band: str) -> Json:
    micrometres = round(SENTINEL_BANDS[band] / 1000, 4)
    return {
        "href": f"https://data.invalid/{key}/{band}.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data", "reflectance"],
        "title": band,
        "eo:bands": [{"name": band, "center_wavelength": micrometres}],
        "raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1, "spatial_resolution": 10}],
    }
