"""Check semantic rules, which schemas do not state and validators do not check."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shapely.geometry import shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shapely.geometry.base import BaseGeometry

SCHEMA_BY_PREFIX = {
    "eo": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "view": "https://stac-extensions.github.io/view/v1.1.0/schema.json",
    "sat": "https://stac-extensions.github.io/sat/v1.2.0/schema.json",
    "sci": "https://stac-extensions.github.io/scientific/v1.0.0/schema.json",
    "processing": "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "order": "https://stac-extensions.github.io/order/v1.1.0/schema.json",
}
STRUCTURAL = {"self", "root", "parent", "child", "item", "next", "prev"}


def find_problems(item: dict[str, Any]) -> list[str]:
    """Return the semantic errors of an item."""
    found: list[str] = []
    for check in (
        _check_wavelengths,
        _check_order,
        _check_raster,
        _check_bounds,
        _check_times,
        _check_links,
        _check_extensions,
        _check_hrefs,
        _check_prefixes,
    ):
        found += [f"{check.__name__}: {problem}" for problem in check(item)]
    return found


def iterate_bands(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, asset in item["assets"].items():
        for band in asset.get("bands", []):
            yield key, band


def _check_wavelengths(item: dict[str, Any]) -> Iterator[str]:
    for key, band in iterate_bands(item):
        centre = band.get("eo:center_wavelength")
        width = band.get("eo:full_width_half_max")
        if centre is not None and not 0 < centre < 20:
            yield f"{key}: wavelength {centre} is not in micrometres"
        if width is not None and not 0.0003 <= width <= 1:
            yield f"{key}: width {width} is not in micrometres"
        if centre is not None and width is not None and width > 2 * centre:
            yield f"{key}: width {width} is more than twice the wavelength {centre}"


def _check_order(item: dict[str, Any]) -> Iterator[str]:
    stage, last = 0, 0.0
    for key, asset in item["assets"].items():
        roles = asset.get("roles", [])
        front = "overview" in roles or "thumbnail" in roles or key in {"overview", "thumbnail"}
        centres = [
            band["eo:center_wavelength"]
            for band in asset.get("bands", [])
            if "eo:center_wavelength" in band
        ]
        now = 0 if front else 1 if centres or "eo:center_wavelength" in asset else 2
        if now < stage:
            yield f"{key} is out of order"
        if now == 1 and centres:
            if centres[0] < last:
                yield f"{key} is not in order of wavelength"
            last = centres[0]
        stage = now


def _check_raster(item: dict[str, Any]) -> Iterator[str]:
    fields = item["properties"]
    transform, size = fields.get("proj:transform"), fields.get("proj:shape")
    if not (transform and size and fields.get("proj:code") == "EPSG:4326"):
        return
    if item["geometry"] is None or "Polygon" not in item["geometry"]["type"]:
        return
    a, b, c, d, e, f = transform[:6]
    rows, columns = size
    corners = [(x, y) for x in (0, columns) for y in (0, rows)]
    lons = [a * x + b * y + c for x, y in corners]
    lats = [d * x + e * y + f for x, y in corners]
    west, south, east, north = item["bbox"]
    span = (east - west) % 360 or 360
    offset = (min(lons) - west + 180) % 360 - 180
    slack = 0.02 * max(span, north - south)
    if offset < -slack or offset + max(lons) - min(lons) > span + slack:
        yield f"the raster lies at {min(lons)}..{max(lons)} east, the item at {west}..{east}"
    if min(lats) < south - slack or max(lats) > north + slack:
        yield f"the raster lies at {min(lats)}..{max(lats)} north, the item at {south}..{north}"


def _check_bounds(item: dict[str, Any]) -> Iterator[str]:
    geometry, box = item["geometry"], item.get("bbox")
    if (geometry is None) != (box is None):
        yield "geometry and bbox: both or neither"
    if geometry is None or box is None:
        return
    result = shape(geometry)
    if not result.is_valid:
        yield "the geometry is not valid"
    if result.has_z or len(box) != 4:
        yield "the geometry is not flat"
    for polygon in getattr(result, "geoms", [result]):
        if polygon.geom_type == "Polygon" and not polygon.exterior.is_ccw:
            yield "an exterior ring is clockwise"
        if polygon.bounds[0] < -180 or polygon.bounds[2] > 180:
            yield "past the antimeridian"
    yield from _check_bbox(result, box)


def _check_bbox(result: BaseGeometry, box: list[float]) -> Iterator[str]:
    west, south, east, north = box
    parts = list(getattr(result, "geoms", [result]))
    edges = {part.bounds[0] for part in parts}, {part.bounds[2] for part in parts}
    if (south, north) != (result.bounds[1], result.bounds[3]) or not (
        west in edges[0] and east in edges[1]
    ):
        yield f"bbox {box} is not that of the geometry, {result.bounds}"
    touches = result.bounds[0] == -180 and result.bounds[2] == 180
    if west > east and not touches:
        yield "west is greater than east, and nothing crosses the antimeridian"
    halves = [(west, east)] if west <= east else [(west, 180), (-180, east)]
    for part in parts:
        if not any(w <= part.bounds[0] and part.bounds[2] <= e for w, e in halves):
            yield f"the bbox {box} does not hold {part.bounds}"


def _check_times(item: dict[str, Any]) -> Iterator[str]:
    fields = item["properties"]
    start, end = fields.get("start_datetime"), fields.get("end_datetime")
    if (start is None) != (end is None):
        yield "a start or an end alone"
    if fields.get("datetime") is None and start is None:
        yield "no time"
    names = ("datetime", "start_datetime", "end_datetime", "created", "updated")
    for name in names:
        if fields.get(name) is not None and not fields[name].endswith("Z"):
            yield f"{name} is not UTC with a Z"
    if start and end and datetime.fromisoformat(start) > datetime.fromisoformat(end):
        yield "the start is after the end"


def _check_links(item: dict[str, Any]) -> Iterator[str]:
    rels = [link["rel"] for link in item["links"]]
    if rels.count("collection") != ("collection" in item):
        yield "a collection without its link, or a link without a collection"
    if set(rels) & STRUCTURAL:
        yield "structural links"
    pairs = [(link["rel"], link["href"]) for link in item["links"]]
    if len(pairs) != len(set(pairs)):
        yield "a link twice"
    owned = isinstance(item["properties"].get("pixxel:catalog_id"), str)
    if owned == (item["properties"]["order:status"] == "orderable"):
        yield "order:status does not match the item's source"
    if ("sci:doi" in item["properties"]) != any(
        link["rel"] == "cite-as" and "doi.org" in link["href"] for link in item["links"]
    ) and "sci:doi" in item["properties"]:
        yield "a DOI without its link"


def find_prefixes(item: dict[str, Any]) -> set[str]:
    holders = [item["properties"], *item["assets"].values(), *(b for _, b in iterate_bands(item))]
    return {name.partition(":")[0] for holder in holders for name in holder if ":" in name}


def _check_extensions(item: dict[str, Any]) -> Iterator[str]:
    used = {SCHEMA_BY_PREFIX[each] for each in find_prefixes(item) & SCHEMA_BY_PREFIX.keys()}
    if set(item["stac_extensions"]) != used:
        yield f"stated and used differ: {used ^ set(item['stac_extensions'])}"
    if item["stac_extensions"] != sorted(item["stac_extensions"]):
        yield "not sorted"


def _check_hrefs(item: dict[str, Any]) -> Iterator[str]:
    for holder in [*item["assets"].values(), *item["links"]]:
        if not urlsplit(holder["href"]).scheme:
            yield f"relative: {holder['href']}"
        if "x-amz-" in holder["href"].lower() or "x-goog-" in holder["href"].lower():
            yield "signed"


def _check_prefixes(item: dict[str, Any]) -> Iterator[str]:
    # Fields that no schema defines must have a prefix.
    plain = {
        "title", "description", "keywords", "roles", "created", "updated", "datetime", "platform",
        "start_datetime", "end_datetime", "instruments", "constellation", "mission", "gsd",
        "license", "providers", "data_type", "nodata", "statistics", "unit",
    }  # fmt: skip
    for name in item["properties"]:
        if ":" not in name and name not in plain:
            yield f"unknown field {name}"
