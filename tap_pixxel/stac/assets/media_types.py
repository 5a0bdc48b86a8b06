"""Media types: of assets, stated or told by the suffix of the link."""

from __future__ import annotations

from typing import Any, Final

from tap_pixxel.stac.parsers import Repaired, parse_text
from tap_pixxel.stac.result import CONVERTED

GEOTIFF: Final = "image/tiff; application=geotiff"
COG: Final = "image/tiff; application=geotiff; profile=cloud-optimized"
_TIFF_TYPES: Final = frozenset(
    {"image/tiff", "image/tif", "image/geotiff", "image/vnd.stac.geotiff"}
)
MEDIA_TYPE_BY_SUFFIX: Final = {
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


def find_suffix(href: str) -> str:
    """Give the suffix of the file that a link names, in lower case, if it is one of the table."""
    path = href.partition("?")[0].partition("#")[0]
    found = path.rpartition(".")[2].lower()
    return found if found in MEDIA_TYPE_BY_SUFFIX else ""


def parse_media_type(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a media type; a TIFF of Pixxel's is a GeoTIFF, and nothing says cloud-optimised."""
    read = parse_text(value)
    found = read.value if type(read) is Repaired else read
    if type(found) is not str:
        return read
    base, _, rest = found.partition(";")
    if base.strip().lower() not in _TIFF_TYPES or "application=geotiff" in rest.replace(" ", ""):
        return read
    if rest.strip():
        return Repaired(
            f"{GEOTIFF}; {rest.strip()}", CONVERTED, "a TIFF that says not it is GeoTIFF"
        )
    return (
        GEOTIFF
        if found in _TIFF_TYPES
        else Repaired(GEOTIFF, CONVERTED, "a media type in capitals")
    )
