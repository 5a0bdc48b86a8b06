"""Media types: of assets, stated or told by the suffix of the link."""

from __future__ import annotations

from typing import Any, Final

from tap_pixxel.stac.notes import CONVERTED
from tap_pixxel.stac.values import Mended, text

GEOTIFF: Final = "image/tiff; application=geotiff"
COG: Final = "image/tiff; application=geotiff; profile=cloud-optimized"
_TIFFS: Final = frozenset({"image/tiff", "image/tif", "image/geotiff", "image/vnd.stac.geotiff"})
BY_SUFFIX: Final = {
    "tif": GEOTIFF,
    "tiff": GEOTIFF,
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "json": "application/json",
    "geojson": "application/geo+json",
    "xml": "application/xml",
    "hdr": "text/plain",
    "txt": "text/plain",
    "html": "text/html",
    "pdf": "application/pdf",
    "zip": "application/zip",
}
"""Media type by the suffix of a file that a delivery may hold."""


def suffix(href: str) -> str:
    """Give the suffix of the file that a link names, in lower case, if it is one of the table."""
    path = href.partition("?")[0].partition("#")[0]
    found = path.rpartition(".")[2].lower()
    return found if found in BY_SUFFIX else ""


def media_type(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a media type; a TIFF of Pixxel's is a GeoTIFF, and nothing says cloud-optimised."""
    read = text(value)
    found = read.value if type(read) is Mended else read
    if type(found) is not str:
        return read
    base, _, rest = found.partition(";")
    if base.strip().lower() not in _TIFFS or "application=geotiff" in rest.replace(" ", ""):
        return read
    if rest.strip():
        return Mended(f"{GEOTIFF}; {rest.strip()}", CONVERTED, "a TIFF that says not it is GeoTIFF")
    return GEOTIFF if found in _TIFFS else Mended(GEOTIFF, CONVERTED, "a media type in capitals")
