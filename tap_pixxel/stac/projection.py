"""Projection: readers of the coordinate system, the grid and the centre of a raster."""

from __future__ import annotations

import re
from typing import Any, Final

from tap_pixxel.stac.notes import CONVERTED, REPAIRED
from tap_pixxel.stac.values import (
    EMPTY,
    HIGHEST,
    Dropped,
    Mended,
    Unusable,
    as_it_was,
    numbers,
    plain,
)

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
_AFFINE: Final = (1, 2, 0, 4, 5, 3)
"""Where an affine's a, b, c, d, e, f stand in GDAL's geotransform."""
_NO_CODE: Final = Unusable("not a code of a coordinate system")
SQUARE: Final = frozenset({9})
SIX_OR_NINE: Final = frozenset({6, 9})
TWO: Final = frozenset({2})
MATRIX_END: Final = [0, 0, 1]


def code(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read ``EPSG:n`` out of an integer, digits, a URN or a link; other authorities stay."""
    if type(value) is int and 0 < value <= HIGHEST:
        return Mended(f"EPSG:{value}", CONVERTED, "not of the form AUTHORITY:CODE")
    if not isinstance(value, str):
        return _NO_CODE
    if not (text := value.strip()):
        return EMPTY
    match = _EPSG.fullmatch(text)
    read = f"EPSG:{match[1]}" if match else text
    if not _CODE.fullmatch(read):
        return _NO_CODE
    if read == value:
        return read
    return Mended(read, CONVERTED, "not of the form AUTHORITY:CODE")


def wkt2(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read WKT of ISO 19162; the older WKT has other axes and names, so it goes."""
    if not isinstance(value, str):
        return Unusable("not a text")
    text = value.strip()
    if not text:
        return EMPTY
    if _WKT1.match(text):
        return Dropped("WKT 1")
    if not _WKT2.match(text) or not text.isascii():
        return Unusable("not WKT 2")
    return value if text == value else Mended(text, CONVERTED, "blanks around the text")


def shape(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read rows and columns, two whole numbers above 0."""
    read = numbers(value, TWO)
    if (
        read is None
        or read != (size := [*map(int, read)])
        or not 1 <= min(size) <= max(size) <= HIGHEST
    ):
        return Unusable("not two whole numbers above 0")
    return as_it_was(value, size)


def transform(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read an affine, six numbers or nine; one in the order of GDAL's geotransform is turned round.

    An affine places pixels when neither pixel size is 0 and shears are smaller than they.
    """
    read = numbers(value, SIX_OR_NINE)
    if read is None:
        return Unusable("not six or nine numbers")
    if _places_pixels(read) and (len(read) not in SQUARE or read[6:] == MATRIX_END):
        return as_it_was(value, read)
    if len(read) not in SQUARE:
        turned = [read[place] for place in _AFFINE]
        if _places_pixels(turned):
            return Mended(turned, REPAIRED, "in the order of GDAL's geotransform")
    return Unusable("not an affine that places pixels")


def _places_pixels(affine: list[float]) -> bool:
    a, b, _, d, e, _ = affine[:6]
    return abs(a) > abs(b) and abs(e) > abs(d)


def centroid(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read the centre of a raster, ``{"lat": degrees, "lon": degrees}``."""
    if isinstance(value, dict):
        made = centre(value.get("lat"), value.get("lon"))
        if made is not None:
            return made if value == made else Mended(made, REPAIRED, "more than lat and lon")
    return Unusable("not a latitude and a longitude")


def centre(lat: object, lon: object) -> dict[str, float] | None:
    """Make a centroid of a latitude and a longitude in degrees; None unless both are good."""
    north, east = plain(lat), plain(lon)
    if north is None or east is None or not (abs(north) <= POLE and abs(east) <= EDGE):
        return None
    return {"lat": north, "lon": east}


def extent(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a bounding box in the raster's own units, four numbers or six."""
    read = numbers(value, frozenset({4, 6}))
    return Unusable("not four or six numbers") if read is None else as_it_was(value, read)
