"""Footprints as well-known text."""

from __future__ import annotations

from typing import Any


def format_wkt(geometry: dict[str, Any]) -> str:
    """Write a GeoJSON geometry of two dimensions as WKT.

    A polygon, as nearly all footprints are, is written here, each number in the shortest form
    that reads as the same one; shapely, which cuts off behind sixteen decimals, takes far longer.
    """
    if geometry["type"] == "Polygon":
        written = f"POLYGON ({', '.join(map(_format_ring, geometry['coordinates']))})"
        if "e" not in written:  # a number in scientific notation, which others write otherwise
            return written
    return _format_with_shapely(geometry)


def _format_ring(ring: list[list[float]]) -> str:
    return f"({', '.join([f'{_format_number(lon)} {_format_number(lat)}' for lon, lat in ring])})"


def _format_number(value: float) -> str:
    return str(value + 0).removesuffix(".0")  # the sum makes 0 of -0.0


def _format_with_shapely(geometry: dict[str, Any]) -> str:
    import shapely  # noqa: PLC0415 - takes long to import
    from shapely.geometry import shape  # noqa: PLC0415

    return str(shapely.to_wkt(shape(geometry), rounding_precision=-1))
