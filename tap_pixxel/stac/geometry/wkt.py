"""Format footprints as well-known text (WKT)."""

from __future__ import annotations

from typing import Any


def format_wkt(geometry: dict[str, Any]) -> str:
    """Format a two-dimensional GeoJSON geometry as WKT.

    Polygons, which nearly all footprints are, are formatted here, each number in the shortest form
    that reads as the same number. shapely, which cuts off after 16 decimals, takes far longer.
    """
    if geometry["type"] == "Polygon":
        text = f"POLYGON ({', '.join(map(_format_ring, geometry['coordinates']))})"
        if "e" not in text:  # shapely writes numbers in scientific notation in another form
            return text
    return _format_with_shapely(geometry)


def _format_ring(ring: list[list[float]]) -> str:
    return f"({', '.join([f'{_format_number(lon)} {_format_number(lat)}' for lon, lat in ring])})"


def _format_number(value: float) -> str:
    return str(value + 0).removesuffix(".0")  # the sum turns -0.0 into 0.0


def _format_with_shapely(geometry: dict[str, Any]) -> str:
    import shapely  # noqa: PLC0415 - takes long to import
    from shapely.geometry import shape  # noqa: PLC0415

    return str(shapely.to_wkt(shape(geometry), rounding_precision=-1))
