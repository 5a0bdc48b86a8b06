"""Series: the imagery collections the sandbox offers, as one table, and their JSON."""

from dataclasses import dataclass
from typing import Final

from pixxel_sandbox.bands import Unit
from pixxel_sandbox.footprints import Json

CREATED: Final = "2022-11-14T12:55:49.125928Z"
UPDATED: Final = "2025-12-31 23:10:00.500000+00:00"


@dataclass(frozen=True)
class Series:
    """One collection: what its images are like, and which of its own fields it lacks.

    Attributes:
        weight: its share of the archive's items; 0 leaves the collection empty.
        unit: of the wavelengths its items state.
        resolution: ground sample distance in metres.
        band_counts: how many bands its images may have.
        lacks: members a STAC collection should have and this one has not.
    """

    id: str
    title: str
    satellites: tuple[str, ...]
    level: str
    kind: str
    unit: Unit
    resolution: int
    band_counts: tuple[int, ...]
    weight: int
    stac_version: str = "1.0.0"
    lacks: tuple[str, ...] = ()


SERIES: Final = (
    Series(
        "td1-l1c", "Demonstrator TD1, L1C", ("TD1",), "L1C", "Reflectance", "nm", 30,
        (60, 67, 72), 4, stac_version="0.1.0", lacks=("extent",),
    ),
    Series(
        "td2-l2a", "Demonstrator TD2, L2A", ("TD2",), "L2A", "Reflectance", "um", 30,
        (60, 67, 80), 3, stac_version="0.1.0", lacks=("links", "license"),
    ),
    Series(
        "firefly-l1c", "Firefly, L1C", ("FF01", "FF02"), "L1C", "Reflectance", "nm", 5,
        (100, 135), 2,
    ),
    Series(
        "firefly-l2a", "Firefly, L2A", ("FF01", "FF02", "FF03"), "L2A", "Reflectance", "um", 5,
        (135, 250), 1,
    ),
    Series(
        "firefly-l1b", "Firefly, L1B", ("FF03",), "L1B", "Radiance", "um", 5,
        (135,), 0, lacks=("extent", "links", "license", "summaries", "stac_extensions"),
    ),
)  # fmt: skip

BY_ID: Final = {series.id: series for series in SERIES}


def document(series: Series) -> Json:
    """Returns the collection's JSON, without the members that the series lacks."""
    whole: Json = {
        "id": series.id,
        "type": "Collection",
        "stac_version": series.stac_version,
        "stac_extensions": ["eo", "projection"] if series.weight > 1 else {},
        "title": series.title,
        "description": f"Hyperspectral images of {', '.join(series.satellites)}.",
        "license": "proprietary",
        "extent": {
            "spatial": {"bbox": [[-180.0, -85.0, 180.0, 85.0]]},
            "temporal": {"interval": [["2023-01-01T00:00:00Z", "2025-12-31T23:59:59Z"]]},
        },
        "providers": [
            {"name": "Pixxel", "roles": ["producer"], "url": "https://pixxel.space"},
        ],
        "summaries": {"platform": list(series.satellites), "gsd": [series.resolution]},
        "links": [{"rel": "self", "href": f"/v0/archives/collections/{series.id}"}],
        "created_at": CREATED,
        "updated_at": UPDATED,
    }
    return {name: value for name, value in whole.items() if name not in series.lacks}
