"""Generate satellites, their bands, and indices of those bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.archive_collections import COLLECTIONS
from pixxel_sandbox.seed.audit_fields import make_audit_fields
from pixxel_sandbox.seed.bands import band_wavelength
from pixxel_sandbox.seed.rng import draw_uuid

if TYPE_CHECKING:
    from random import Random

    from pixxel_sandbox.json_types import Json

SENTINEL = "sentinel-2-l2a"
SENTINEL_BANDS = {
    "B01": 443, "B02": 490, "B03": 560, "B04": 665, "B05": 705, "B06": 740, "B07": 783,
    "B08": 842, "B8A": 865, "B09": 945, "B11": 1610, "B12": 2190,
}  # fmt: skip
"""The bands of the external satellite and their wavelengths, in nanometres."""
COLOUR_WAVELENGTHS = {"blue": 490.0, "green": 560.0, "red": 665.0, "nir": 842.0}
QUERYABLES = ("eo:cloud_cover", "view:off_nadir", "gsd")


@dataclass(frozen=True)
class SatelliteSpec:
    """A satellite as the analytics endpoints show it.

    Attributes:
        platforms: Its names in the archive's collections; none for an external satellite.
        bands: The number of its evenly spaced bands; 0 for the external satellite's bands.
        resolution: The size of a pixel, in metres.
        composite: Whether it has the bands of a true-colour image.
    """

    name: str
    platforms: tuple[str, ...]
    provider: str
    bands: int
    resolution: int
    composite: bool = True

    def collections(self) -> dict[str, str]:
        """Return the titles of the satellite's collections by their ids."""
        own = {
            spec.id: spec.title
            for spec in COLLECTIONS
            if not set(spec.satellites).isdisjoint(self.platforms)
        }
        return own or {SENTINEL: "Sentinel-2, surface reflectance"}

    def wavelengths(self) -> dict[str, float]:
        """Return the bands' wavelengths, in nanometres, by their names."""
        spaced = {
            f"B{number + 1:03d}": round(band_wavelength(number, self.bands), 1)
            for number in range(self.bands)
        }
        return spaced or {name: float(middle) for name, middle in SENTINEL_BANDS.items()}

    def nearest_band(self, colour: str) -> str:
        """Return the name of the band with the wavelength nearest to a colour's."""
        bands, target = self.wavelengths(), COLOUR_WAVELENGTHS[colour]
        return min(bands, key=lambda name: abs(bands[name] - target))


SATELLITES = (
    SatelliteSpec("Pixxel-TD1", ("TD1",), "pixxel", 72, 30),
    SatelliteSpec("Pixxel-TD2", ("TD2",), "pixxel", 80, 30),
    SatelliteSpec("Pixxel-Firefly", ("FF01", "FF02", "FF03"), "pixxel", 135, 5, composite=False),
    SatelliteSpec("Sentinel-2", (), "planetary", 0, 10),
)
PROVIDERS = tuple(dict.fromkeys(spec.provider for spec in SATELLITES))
FORMULAS = (
    ("preset", "Vegetation", "(nir - red) / (nir + red)", "index", "RdYlGn"),
    ("preset", "Open water", "(green - nir) / (green + nir)", "index", "Blues"),
    ("preset", "True colour", "red, green, blue", "composite", None),
    ("preset", "Near infrared", "nir", "grayscale", "Greys"),
    ("custom", "Iron oxide", "red / blue", "index", "OrRd"),
)
"""Type, name, expression in colours, type of the expression, and colour map."""
CUSTOM_INDEX_SATELLITES = ("Pixxel-TD2", "Sentinel-2")


def generate_satellites(rng: Random) -> list[Json]:
    """Generate the satellites, some of which have fields that others do not have."""
    return [_make_satellite(rng, spec) for spec in SATELLITES]


def _make_satellite(rng: Random, spec: SatelliteSpec) -> Json:
    row: Json = {
        "id": draw_uuid(rng),
        "name": spec.name,
        "bands": [
            {
                "name": name,
                "wavelength": middle,
                "scale": 0.00002,
                "offset": 0,
                "spatial_resolution": spec.resolution,
            }
            for name, middle in spec.wavelengths().items()
        ],
        "collections": [
            {
                "id": key,
                "name": title,
                "provider": spec.provider,
                "queryables": list(QUERYABLES),
                "rescale": [0, 50000],
            }
            for key, title in spec.collections().items()
        ],
        "rgb_composite": {colour: spec.nearest_band(colour) for colour in ("red", "green", "blue")},
    }
    if spec.provider != "pixxel":
        row["revisit_days"] = 5
    if not spec.composite:
        del row["rgb_composite"]
    return row


def generate_indices(rng: Random, satellites: list[Json]) -> list[Json]:
    """Generate the indices: the presets of every satellite, and some custom ones."""
    formulas = [
        (spec, row["id"], formula)
        for formula in FORMULAS
        for spec, row in zip(SATELLITES, satellites, strict=True)
        if formula[0] == "preset" or spec.name in CUSTOM_INDEX_SATELLITES
    ]
    return [_make_index(rng, number, *each) for number, each in enumerate(formulas)]


def _make_index(
    rng: Random,
    number: int,
    spec: SatelliteSpec,
    satellite_id: str,
    formula: tuple[str, str, str, str, str | None],
) -> Json:
    kind, name, expression, expression_type, colours = formula
    bands = {
        colour: spec.nearest_band(colour) for colour in COLOUR_WAVELENGTHS if colour in expression
    }
    for colour, band in bands.items():
        expression = expression.replace(colour, band)
    row: Json = {
        "id": draw_uuid(rng),
        "name": name,
        "description": f"{name} with {spec.name}" if kind == "preset" else None,
        "satellite_id": satellite_id,
        "type": kind,
        "expression": expression,
        "expression_type": expression_type,
        "bands": list(bands.values()),
        "rescale": [-1, 1] if expression_type == "index" else [0, 50000],
        "colormap": colours,
        **make_audit_fields(
            rng,
            number,
            timestamp_formats.time_in_year(2024, rng.uniform(0, 9e6)),
            format_offset=1,
        ),
    }
    if colours is None:
        del row["colormap"]
    if kind == "custom":
        row["shared_with"] = ["everyone"]
    return row
