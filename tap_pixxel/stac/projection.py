"""Projection: readers of the coordinate system, the grid and the centre of a raster."""

from __future__ import annotations

import re
from typing import Any, Final

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

POLE: Final = 90
EDGE: Final = 180
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_-]*:[A-Za-z0-9_.-]+")
_EPSG: Final = re.compile(
    r"(?:epsg:{1,2}|urn:ogc:def:crs:epsg:[^:]*:|https?://www\.opengis\.net/def/crs/epsg/[^/]*/)?"
    r"0*([1-9][0-9]{0,9})",
    re.IGNORECASE,
)
_WKT2: Final = re.compile(
    r"(?:GEOGCRS|GEOGRAPHICCRS|GEODCRS|GEODETICCRS|PROJCRS|PROJECTEDCRS|BOUNDCRS|COMPOUNDCRS|"
    r"VERTCRS|VERTICALCRS|ENGCRS|ENGINEERINGCRS|DERIVEDPROJCRS)\s*[\[(]",
    re.IGNORECASE,
)
_WKT1: Final = re.compile(
    r"(?:GEOGCS|PROJCS|GEOCCS|COMPD_CS|VERT_CS|LOCAL_CS)\s*[\[(]", re.IGNORECASE
)
_AFFINE_IN_GEOTRANSFORM: Final = (1, 2, 0, 4, 5, 3)
"""Where an affine's a, b, c, d, e, f stand in GDAL's geotransform."""
_NOT_A_CODE: Final = Invalid("not a code of a coordinate system")
SQUARE: Final = frozenset({9})
AFFINE_LENGTHS: Final = frozenset({6, 9})
SHAPE_LENGTHS: Final = frozenset({2})
LAST_MATRIX_ROW: Final = [0, 0, 1]


def parse_code(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read ``EPSG:n`` out of an integer, digits, a URN or a link; other authorities stay."""
    if type(value) is int and 0 < value <= MAX_UINT64:
        return Repaired(f"EPSG:{value}", CONVERTED, "not of the form AUTHORITY:CODE")
    if not isinstance(value, str):
        return _NOT_A_CODE
    if not (text := value.strip()):
        return EMPTY
    match = _EPSG.fullmatch(text)
    read = f"EPSG:{match[1]}" if match else text
    if not _CODE.fullmatch(read):
        return _NOT_A_CODE
    if read == value:
        return read
    return Repaired(read, CONVERTED, "not of the form AUTHORITY:CODE")


def parse_wkt2(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read WKT of ISO 19162; the older WKT has other axes and names, so it goes."""
    if not isinstance(value, str):
        return Invalid("not a text")
    text = value.strip()
    if not text:
        return EMPTY
    if _WKT1.match(text):
        return Dropped("WKT 1")
    if not _WKT2.match(text) or not text.isascii():
        return Invalid("not WKT 2")
    return value if text == value else Repaired(text, CONVERTED, "blanks around the text")


def parse_shape(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read rows and columns, two whole numbers above 0."""
    read = parse_number_list(value, SHAPE_LENGTHS)
    if (
        read is None
        or read != (size := [*map(int, read)])
        or not 1 <= min(size) <= max(size) <= MAX_UINT64
    ):
        return Invalid("not two whole numbers above 0")
    return mark_if_converted(value, size)


def parse_transform(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read an affine, six numbers or nine; one in the order of GDAL's geotransform is turned round.

    An affine places pixels when neither pixel size is 0 and shears are smaller than they.
    """
    read = parse_number_list(value, AFFINE_LENGTHS)
    if read is None:
        return Invalid("not six or nine numbers")
    if _places_pixels(read) and (len(read) not in SQUARE or read[6:] == LAST_MATRIX_ROW):
        return mark_if_converted(value, read)
    if len(read) not in SQUARE:
        turned = [read[place] for place in _AFFINE_IN_GEOTRANSFORM]
        if _places_pixels(turned):
            return Repaired(turned, REPAIRED, "in the order of GDAL's geotransform")
    return Invalid("not an affine that places pixels")


def _places_pixels(affine: list[float]) -> bool:
    a, b, _, d, e, _ = affine[:6]
    return abs(a) > abs(b) and abs(e) > abs(d)


def parse_centroid(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read the centre of a raster, ``{"lat": degrees, "lon": degrees}``."""
    if isinstance(value, dict):
        made = make_centroid(value.get("lat"), value.get("lon"))
        if made is not None:
            return made if value == made else Repaired(made, REPAIRED, "more than lat and lon")
    return Invalid("not a latitude and a longitude")


def make_centroid(lat: object, lon: object) -> dict[str, float] | None:
    """Make a centroid of a latitude and a longitude in degrees; None unless both are good."""
    north, east = number_or_none(lat), number_or_none(lon)
    if north is None or east is None or not (abs(north) <= POLE and abs(east) <= EDGE):
        return None
    return {"lat": north, "lon": east}


def parse_projected_bbox(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a bounding box in the raster's own units, four numbers or six."""
    read = parse_number_list(value, frozenset({4, 6}))
    return Invalid("not four or six numbers") if read is None else mark_if_converted(value, read)
