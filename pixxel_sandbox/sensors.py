"""Sensors: the satellites one can search and analyse, their bands, and indices made of bands."""

from dataclasses import dataclass
from random import Random
from typing import Final

from pixxel_sandbox import times
from pixxel_sandbox.bands import wavelength
from pixxel_sandbox.chance import identifier
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.series import SERIES
from pixxel_sandbox.stamps import stamps

SENTINEL: Final = "sentinel-2-l2a"
SENTINEL_BANDS: Final = {
    "B01": 443, "B02": 490, "B03": 560, "B04": 665, "B05": 705, "B06": 740, "B07": 783,
    "B08": 842, "B8A": 865, "B09": 945, "B11": 1610, "B12": 2190,
}  # fmt: skip
"""The bands of the external satellite, and their wavelengths in nanometres."""
COLOURS: Final = {"blue": 490.0, "green": 560.0, "red": 665.0, "nir": 842.0}
QUERYABLES: Final = ("eo:cloud_cover", "view:off_nadir", "gsd")


@dataclass(frozen=True)
class Sensor:
    """A satellite, as those who analyse know it.

    Attributes:
        platforms: how the archive's series call it; none of them an external one.
        bands: how many evenly spaced bands it has; 0 are the external satellite's own.
        resolution: of a pixel, in metres.
        composite: whether it says which bands make a picture in true colour.
    """

    name: str
    platforms: tuple[str, ...]
    provider: str
    bands: int
    resolution: int
    composite: bool = True

    def collections(self) -> dict[str, str]:
        """Returns the titles of the collections that hold its images, by id."""
        own = {
            series.id: series.title
            for series in SERIES
            if not set(series.satellites).isdisjoint(self.platforms)
        }
        return own or {SENTINEL: "Sentinel-2, surface reflectance"}

    def wavelengths(self) -> dict[str, float]:
        """Returns its bands' wavelengths in nanometres, by name."""
        spaced = {
            f"B{number + 1:03d}": round(wavelength(number, self.bands), 1)
            for number in range(self.bands)
        }
        return spaced or {name: float(middle) for name, middle in SENTINEL_BANDS.items()}

    def band(self, colour: str) -> str:
        """Returns the name of the band that is nearest to a colour."""
        bands, wanted = self.wavelengths(), COLOURS[colour]
        return min(bands, key=lambda name: abs(bands[name] - wanted))


SENSORS: Final = (
    Sensor("Pixxel-TD1", ("TD1",), "pixxel", 72, 30),
    Sensor("Pixxel-TD2", ("TD2",), "pixxel", 80, 30),
    Sensor("Pixxel-Firefly", ("FF01", "FF02", "FF03"), "pixxel", 135, 5, composite=False),
    Sensor("Sentinel-2", (), "planetary", 0, 10),
)
PROVIDERS: Final = tuple(dict.fromkeys(sensor.provider for sensor in SENSORS))
FORMULAS: Final = (
    ("preset", "Vegetation", "(nir - red) / (nir + red)", "index", "RdYlGn"),
    ("preset", "Open water", "(green - nir) / (green + nir)", "index", "Blues"),
    ("preset", "True colour", "red, green, blue", "composite", None),
    ("preset", "Near infrared", "nir", "grayscale", "Greys"),
    ("custom", "Iron oxide", "red / blue", "index", "OrRd"),
)
"""Type, name, expression in colours, type of the expression, and colours to draw it with."""
CUSTOM_SENSORS: Final = ("Pixxel-TD2", "Sentinel-2")


def satellites(rng: Random) -> list[Json]:
    """Makes the satellites, of which not all say the same about themselves."""
    return [_satellite(rng, sensor) for sensor in SENSORS]


def _satellite(rng: Random, sensor: Sensor) -> Json:
    row: Json = {
        "id": identifier(rng),
        "name": sensor.name,
        "bands": [
            {
                "name": name,
                "wavelength": middle,
                "scale": 0.00002,
                "offset": 0,
                "spatial_resolution": sensor.resolution,
            }
            for name, middle in sensor.wavelengths().items()
        ],
        "collections": [
            {
                "id": key,
                "name": title,
                "provider": sensor.provider,
                "queryables": list(QUERYABLES),
                "rescale": [0, 50000],
            }
            for key, title in sensor.collections().items()
        ],
        "rgb_composite": {colour: sensor.band(colour) for colour in ("red", "green", "blue")},
    }
    if sensor.provider != "pixxel":
        row["revisit_days"] = 5
    if not sensor.composite:
        del row["rgb_composite"]
    return row


def indices(rng: Random, satellites: list[Json]) -> list[Json]:
    """Makes the indices: the presets of every satellite, and some of the workspace's own."""
    formulas = [
        (sensor, row["id"], formula)
        for formula in FORMULAS
        for sensor, row in zip(SENSORS, satellites, strict=True)
        if formula[0] == "preset" or sensor.name in CUSTOM_SENSORS
    ]
    return [_index(rng, number, *each) for number, each in enumerate(formulas)]


def _index(
    rng: Random,
    number: int,
    sensor: Sensor,
    satellite_id: str,
    formula: tuple[str, str, str, str, str | None],
) -> Json:
    kind, name, expression, expression_type, colours = formula
    bands = {colour: sensor.band(colour) for colour in COLOURS if colour in expression}
    for colour, band in bands.items():
        expression = expression.replace(colour, band)
    row: Json = {
        "id": identifier(rng),
        "name": name,
        "description": f"{name} with {sensor.name}" if kind == "preset" else None,
        "satellite_id": satellite_id,
        "type": kind,
        "expression": expression,
        "expression_type": expression_type,
        "bands": list(bands.values()),
        "rescale": [-1, 1] if expression_type == "index" else [0, 50000],
        "colormap": colours,
        **stamps(rng, number, times.since(2024, rng.uniform(0, 9e6)), form=1),
    }
    if colours is None:
        del row["colormap"]
    if kind == "custom":
        row["shared_with"] = ["everyone"]
    return row
