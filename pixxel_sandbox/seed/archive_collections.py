"""The archive's collections: their table, and their JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.seed.bands import WavelengthUnit

CREATED = "2022-11-14T12:55:49.125928Z"
UPDATED = "2025-12-31 23:10:00.500000+00:00"


@dataclass(frozen=True)
class CollectionSpec:
    """A collection: the properties of its items, and the members that it does not have.

    Attributes:
        weight: Its share of the archive's items; 0 for an empty collection.
        unit: The unit of its items' wavelengths.
        resolution: The ground sample distance, in metres.
        band_counts: The numbers of bands that its items may have.
        missing_members: Required members of a STAC Collection that it does not have.
    """

    id: str
    title: str
    satellites: tuple[str, ...]
    level: str
    product_type: str
    unit: WavelengthUnit
    resolution: int
    band_counts: tuple[int, ...]
    weight: int
    stac_version: str = "1.0.0"
    missing_members: tuple[str, ...] = ()


COLLECTIONS = (
    CollectionSpec(
        "td1-l1c", "Demonstrator TD1, L1C", ("TD1",), "L1C", "Reflectance", "nm", 30,
        (60, 67, 72), 4, stac_version="0.1.0", missing_members=("extent",),
    ),
    CollectionSpec(
        "td2-l2a", "Demonstrator TD2, L2A", ("TD2",), "L2A", "Reflectance", "um", 30,
        (60, 67, 80), 3, stac_version="0.1.0", missing_members=("links", "license"),
    ),
    CollectionSpec(
        "firefly-l1c", "Firefly, L1C", ("FF01", "FF02"), "L1C", "Reflectance", "nm", 5,
        (100, 135), 2,
    ),
    CollectionSpec(
        "firefly-l2a", "Firefly, L2A", ("FF01", "FF02", "FF03"), "L2A", "Reflectance", "um", 5,
        (135, 250), 1,
    ),
    CollectionSpec(
        "firefly-l1b", "Firefly, L1B", ("FF03",), "L1B", "Radiance", "um", 5,
        (135,), 0, missing_members=("extent", "links", "license", "summaries", "stac_extensions"),
    ),
)  # fmt: skip

COLLECTIONS_BY_ID = {spec.id: spec for spec in COLLECTIONS}


def render_collection(spec: CollectionSpec) -> Json:
    """Render a collection's JSON without its missing members."""
    collection: Json = {
        "id": spec.id,
        "type": "Collection",
        "stac_version": spec.stac_version,
        "stac_extensions": ["eo", "projection"] if spec.weight > 1 else {},
        "title": spec.title,
        "description": f"Hyperspectral images of {', '.join(spec.satellites)}.",
        "license": "proprietary",
        "extent": {
            "spatial": {"bbox": [[-180.0, -85.0, 180.0, 85.0]]},
            "temporal": {"interval": [["2023-01-01T00:00:00Z", "2025-12-31T23:59:59Z"]]},
        },
        "providers": [
            {"name": "Pixxel", "roles": ["producer"], "url": "https://pixxel.space"},
        ],
        "summaries": {"platform": list(spec.satellites), "gsd": [spec.resolution]},
        "links": [{"rel": "self", "href": f"/v0/archives/collections/{spec.id}"}],
        "created_at": CREATED,
        "updated_at": UPDATED,
    }
    return {name: value for name, value in collection.items() if name not in spec.missing_members}
