"""Media types of assets, as stated or by the suffix of the href."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_pixxel.stac.parsers import Repaired, TableParser, parse_text
from tap_pixxel.stac.result import CONVERTED, REPAIRED

if TYPE_CHECKING:
    from tap_pixxel.stac.object_builder import ObjectBuilder

GEOTIFF = "image/tiff; application=geotiff"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_TIFF_TYPES = frozenset({"image/tiff", "image/tif", "image/geotiff", "image/vnd.stac.geotiff"})
MEDIA_TYPE_BY_SUFFIX = {
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
"""Media type by suffix of the files that a delivery may contain."""


def find_suffix(href: str) -> str:
    """Return the lower-case suffix of the file in an href; empty when it is not in the table."""
    path = href.partition("?")[0].partition("#")[0]
    suffix = path.rpartition(".")[2].lower()
    return suffix if suffix in MEDIA_TYPE_BY_SUFFIX else ""


def parse_media_type(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse a media type; Pixxel's TIFFs are GeoTIFFs, and none is declared cloud-optimized."""
    parsed = parse_text(value)
    media_type = parsed.value if type(parsed) is Repaired else parsed
    if type(media_type) is not str:
        return parsed
    base, _, params = media_type.partition(";")
    if base.strip().lower() not in _TIFF_TYPES or "application=geotiff" in params.replace(" ", ""):
        return parsed
    params = f"; {params.strip()}" if params.strip() else ""
    return Repaired(GEOTIFF + params, CONVERTED, "a TIFF not declared a GeoTIFF")


parse_asset_type = TableParser(
    {each: parse_media_type(each) for each in (*MEDIA_TYPE_BY_SUFFIX.values(), COG, *_TIFF_TYPES)},
    parse_media_type,
)
"""Parse the media type of an asset."""


def set_media_type(builder: ObjectBuilder, suffix: str, *, assume_cog: bool) -> None:
    """Set the media type of an asset by the suffix of its href, if given, and by `assume_cog`."""
    fields = builder.fields
    if suffix:
        fields["type"] = MEDIA_TYPE_BY_SUFFIX[suffix]
        builder.add_note("type", REPAIRED, "inferred from the suffix of the href")
    if assume_cog and fields.get("type") == GEOTIFF:
        fields["type"] = COG
