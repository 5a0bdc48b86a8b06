"""Parse the coordinate reference system, grid and centre of a raster."""

from __future__ import annotations

import re
from typing import Any

from tap_pixxel.stac.geometry.longitude import MAX_LATITUDE, MAX_LONGITUDE
from tap_pixxel.stac.parsers import (
    EMPTY,
    MAX_UINT64,
    Dropped,
    Invalid,
    Repaired,
    mark_if_converted,
    number_or_none,
    parse_number_list,
)
from tap_pixxel.stac.result import CONVERTED, REPAIRED

_CODE = re.compile(r"[A-Z][A-Z0-9_-]*:[A-Za-z0-9_.-]+")
_EPSG = re.compile(
    r"(?:epsg:{1,2}|urn:ogc:def:crs:epsg:[^:]*:|https?://www\.opengis\.net/def/crs/epsg/[^/]*/)?"
    r"0*([1-9][0-9]{0,9})",
    re.IGNORECASE,
)
_WKT2 = re.compile(
    r"(?:GEOGCRS|GEOGRAPHICCRS|GEODCRS|GEODETICCRS|PROJCRS|PROJECTEDCRS|BOUNDCRS|COMPOUNDCRS|"
    r"VERTCRS|VERTICALCRS|ENGCRS|ENGINEERINGCRS|DERIVEDPROJCRS)\s*[\[(]",
    re.IGNORECASE,
)
_WKT1 = re.compile(r"(?:GEOGCS|PROJCS|GEOCCS|COMPD_CS|VERT_CS|LOCAL_CS)\s*[\[(]", re.IGNORECASE)
_AFFINE_IN_GEOTRANSFORM = (1, 2, 0, 4, 5, 3)
"""Positions of an affine's a, b, c, d, e, f in GDAL's geotransform."""
_NOT_A_CODE = Invalid("not a code of a coordinate reference system")
_NOT_A_SHAPE = Invalid("not two positive integers")
_NOT_AUTHORITY_CODE = "not of the form AUTHORITY:CODE"
MATRIX_LENGTH = 9
AFFINE_LENGTHS = frozenset({6, MATRIX_LENGTH})
SHAPE_LENGTHS = frozenset({2})
PROJECTED_BBOX_LENGTHS = frozenset({4, 6})
LAST_MATRIX_ROW = [0, 0, 1]


def parse_code(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse `EPSG:n` from an integer, digits, a URN or a URL; codes of other authorities stay."""
    if type(value) is int and 0 < value <= MAX_UINT64:
        return Repaired(f"EPSG:{value}", CONVERTED, _NOT_AUTHORITY_CODE)
    if not isinstance(value, str):
        return _NOT_A_CODE
    if not (text := value.strip()):
        return EMPTY
    match = _EPSG.fullmatch(text)
    code = f"EPSG:{match[1]}" if match else text
    if not _CODE.fullmatch(code):
        return _NOT_A_CODE
    if code == value:
        return code
    return Repaired(code, CONVERTED, _NOT_AUTHORITY_CODE)


def parse_wkt2(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse WKT of ISO 19162; WKT 1 has other axes and names and is dropped."""
    if not isinstance(value, str):
        return Invalid("not text")
    text = value.strip()
    if not text:
        return EMPTY
    if _WKT1.match(text):
        return Dropped("WKT 1")
    if not _WKT2.match(text) or not text.isascii():
        return Invalid("not WKT 2")
    return value if text == value else Repaired(text, CONVERTED, "whitespace around the text")


def parse_shape(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse rows and columns: two positive integers."""
    if type(value) is list and [*map(type, value)] == [int, int]:  # as below, for most rasters
        valid = 1 <= min(value) <= max(value) <= MAX_UINT64
        return value.copy() if valid else _NOT_A_SHAPE
    numbers = parse_number_list(value, SHAPE_LENGTHS)
    if (
        numbers is None
        or numbers != (integers := [*map(int, numbers)])
        or not 1 <= min(integers) <= max(integers) <= MAX_UINT64
    ):
        return _NOT_A_SHAPE
    return mark_if_converted(value, integers)


def parse_transform(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse an affine transform of six or nine numbers, and reorder one in GDAL's order.

    An affine is plausible when neither pixel size is 0 and the shears are smaller than the sizes.
    """
    numbers = parse_number_list(value, AFFINE_LENGTHS)
    if numbers is None:
        return Invalid("not six or nine numbers")
    is_matrix = len(numbers) == MATRIX_LENGTH
    if _is_plausible(numbers) and (not is_matrix or numbers[6:] == LAST_MATRIX_ROW):
        return mark_if_converted(value, numbers)
    if not is_matrix:
        affine = [numbers[index] for index in _AFFINE_IN_GEOTRANSFORM]
        if _is_plausible(affine):
            return Repaired(affine, REPAIRED, "in the order of GDAL's geotransform")
    return Invalid("not a plausible affine transform")


def _is_plausible(affine: list[float]) -> bool:
    return abs(affine[0]) > abs(affine[1]) and abs(affine[4]) > abs(affine[3])


def parse_centroid(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse the centre of a raster, `{"lat": degrees, "lon": degrees}`."""
    if isinstance(value, dict):
        centroid = make_centroid(value.get("lat"), value.get("lon"))
        if centroid is not None:
            if value == centroid:
                return centroid
            return Repaired(centroid, REPAIRED, "members other than lat and lon, or texts")
    return Invalid("not a latitude and a longitude")


def make_centroid(lat: object, lon: object) -> dict[str, float] | None:
    """Make a centroid of a latitude and a longitude in degrees; None unless both are valid."""
    latitude, longitude = number_or_none(lat), number_or_none(lon)
    if (
        latitude is None
        or longitude is None
        or not (abs(latitude) <= MAX_LATITUDE and abs(longitude) <= MAX_LONGITUDE)
    ):
        return None
    return {"lat": latitude, "lon": longitude}


def parse_projected_bbox(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse a bounding box in the raster's own units: four or six numbers."""
    numbers = parse_number_list(value, PROJECTED_BBOX_LENGTHS)
    return (
        Invalid("not four or six numbers") if numbers is None else mark_if_converted(value, numbers)
    )
