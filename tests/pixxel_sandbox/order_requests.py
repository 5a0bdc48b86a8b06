"""Requests for orders: geometries, bodies, and the order items that were placed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixxel_sandbox.seed.archive_items import ItemRow

from .api_client import send_request

if TYPE_CHECKING:
    import requests

    from pixxel_sandbox import Sandbox
    from pixxel_sandbox.seed.footprints import FootprintForm

PATH = "/v0/orders"


def make_square(lon: float, lat: float, size: float = 0.05) -> Any:
    """Return a GeoJSON polygon: a square with its south-western corner, in degrees."""
    west, south, east, north = lon, lat, lon + size, lat + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def collect_features(*geometries: Any) -> Any:
    """Return a FeatureCollection of geometries."""
    features = [
        {"type": "Feature", "properties": {}, "geometry": geometry} for geometry in geometries
    ]
    return {"type": "FeatureCollection", "features": features}


def find_archive_item(sandbox: Sandbox, form: FootprintForm = "polygon") -> ItemRow:
    """Return the first archive item with a form of footprint."""
    return next(
        row
        for row in sandbox.workspace.image_rows("archive_items")
        if isinstance(row, ItemRow) and row.footprint.form == form
    )


def archive_order_item(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """Return an order item for a square in the middle of an archive item."""
    item = find_archive_item(sandbox)
    return {
        "project_id": sandbox.workspace.ids("projects")[0],
        "name": "field 7",
        "usecase": "agriculture",
        "geometry": collect_features(make_square(item.footprint.lon, item.footprint.lat)),
        "item_ids": [item.id],
        **changes,
    }


def tasking_order_item(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """Return an order item for a capture of a square at the equator."""
    return {
        "project_id": sandbox.workspace.ids("projects")[0],
        "name": "field 7",
        "usecase": "agriculture",
        "geometry": collect_features(make_square(77, 0, 0.1)),
        "recurrence": "ONCE",
        "start_date": "2026-01-01T00:00:00Z",
        "end_date": "2026-01-08T00:00:00Z",
        "bandset": {"bandset_id": sandbox.workspace.ids("bandsets")[0]},
        **changes,
    }


def request_order(sandbox: Sandbox, *items: Any, **body: Any) -> requests.Response:
    """Request an order, or its price with `dry_run`."""
    return send_request(sandbox, "POST", PATH, json={"order_items": [*items], **body})


def order(sandbox: Sandbox, *items: Any, **body: Any) -> Any:
    """Return the order in the response to a request; the status must be 201."""
    response = request_order(sandbox, *items, **body)
    assert response.status_code == 201, response.text
    return response.json()
