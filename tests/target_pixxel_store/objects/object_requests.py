"""Builders of requests for objects of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.target_pixxel_store.target_harness import record

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import Json

SATELLITE = "5a7e111e-0000-4000-8000-000000000001"
PROJECT = "0e000001-aaaa-4000-8000-000000000001"
SQUARE: list[list[list[float]]] = [[[10, 50], [10.5, 50], [10.5, 50.5], [10, 50.5], [10, 50]]]


def aoi_request(name: str = "D2", **fields: Any) -> Json:
    """Return a RECORD of `aoi_requests`."""
    geometry = {"type": "Polygon", "coordinates": SQUARE}
    values: Json = {"project_id": PROJECT, "satellite_id": SATELLITE, "geometry": geometry}
    return record("aoi_requests", **{"name": name, **values, **fields})


def index_request(name: str = "NDVI", satellite: str = SATELLITE, **fields: Any) -> Json:
    """Return a RECORD of `index_requests`."""
    values: Json = {
        "name": name,
        "satellite_id": satellite,
        "expression": "(B08-B04)/(B08+B04)",
        "expression_type": "index",
        "rescale": [0, 1],
        "colormap": "rplumbo",
    }
    return record("index_requests", **{**values, **fields})


def visualization_request(aoi: str = "aoi", index: str = "index", **fields: Any) -> Json:
    """Return a RECORD of `visualization_requests`."""
    return record("visualization_requests", aoi_id=aoi, index_id=index, **fields)
