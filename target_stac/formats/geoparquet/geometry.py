"""Encode GeoJSON as WKB, and describe the geometries of a file as GeoParquet wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import shapely

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_BBOX_EDGES = ("xmin", "ymin", "xmax", "ymax")
_BBOX_EDGES_3D = ("xmin", "ymin", "zmin", "xmax", "ymax", "zmax")
BBOX_TYPE = pa.struct([(name, pa.float64()) for name in _BBOX_EDGES])
BBOX_TYPE_3D = pa.struct([(name, pa.float64()) for name in _BBOX_EDGES_3D])
_POSITIONS = [_BBOX_EDGES_3D.index(name) for name in _BBOX_EDGES]
_GEOMETRY_TYPES = (  # by shapely's type id; a LinearRing is no GeoJSON
    *("Point", "LineString", "LinearRing", "Polygon"),
    *("MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"),
)
COVERING = {"bbox": {name: ["bbox", name] for name in _BBOX_EDGES}}
"""Column with the bboxes of geometries (GeoParquet 1.1, covering)."""


def encode_geometry(geometry: Any) -> bytes | None:  # noqa: ANN401 - any JSON
    """Return a GeoJSON geometry as ISO WKB, None if it is none."""
    if not isinstance(geometry, dict):
        return None
    [parsed] = parse_geometries([msgspec.json.encode(geometry).decode()])
    return None if parsed is None else shapely.to_wkb(parsed, flavor="iso")


def parse_geometries(texts: Sequence[str]) -> NDArray[np.object_]:
    """Parse GeoJSON geometries; one that is invalid, too large for a float or null becomes None."""
    with np.errstate(over="ignore"):
        geometries: NDArray[np.object_] = shapely.from_geojson(
            np.array(texts, dtype=object), on_invalid="ignore"
        )
    coordinates, owners = shapely.get_coordinates(geometries, include_z=True, return_index=True)
    geometries[owners[np.isinf(coordinates).any(axis=1)]] = None
    return geometries


def encode_geometries(geometries: NDArray[np.object_]) -> pa.Array:
    """Return geometries as ISO WKB, null where there is none."""
    contents = shapely.to_wkb(geometries, flavor="iso").tolist()
    lengths = [0 if content is None else len(content) for content in contents]
    offsets = np.zeros(len(contents) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    validity = _make_validity(~shapely.is_missing(geometries))
    data = pa.py_buffer(b"".join(content for content in contents if content is not None))
    # Not pa.array, which imports pandas where it is installed, and that takes a second.
    return pa.Array.from_buffers(
        pa.binary(), len(contents), [validity, pa.py_buffer(offsets), data]
    )


def encode_bboxes(bboxes: Sequence[Sequence[float] | None], type_: pa.StructType) -> pa.Array:
    """Return bboxes of four or six numbers as structs; heights are null where there are none."""
    edges = np.full((len(bboxes), len(_BBOX_EDGES_3D)), np.nan)
    for row, bbox in zip(edges, bboxes, strict=True):
        if bbox is not None:
            row[_POSITIONS if len(bbox) == len(_BBOX_EDGES) else slice(None)] = bbox
    columns = {
        name: np.ascontiguousarray(edges[:, number]) for number, name in enumerate(_BBOX_EDGES_3D)
    }
    members = [
        pa.Array.from_buffers(
            pa.float64(),
            len(bboxes),
            [_make_validity(~np.isnan(columns[field.name])), pa.py_buffer(columns[field.name])],
        )
        for field in type_
    ]
    validity = _make_validity(~np.isnan(columns["xmin"]))
    return pa.Array.from_buffers(type_, len(bboxes), [validity], children=members)


def _make_validity(is_valid: NDArray[np.bool_]) -> pa.Buffer | None:
    """Return the bitmap of an Arrow array's values that are not null; None if none is."""
    if is_valid.all():
        return None
    return pa.py_buffer(np.packbits(is_valid, bitorder="little"))


@dataclass(frozen=True)
class GeometrySummary:
    """What GeoParquet's metadata says of geometries.

    Attributes:
        types: Names of their types, with " Z" behind those with heights.
        bbox: West, south, east, north of all in degrees; None without a geometry.
        has_heights: Whether some bbox has six numbers.
    """

    types: frozenset[str]
    bbox: tuple[float, float, float, float] | None
    has_heights: bool = False

    @classmethod
    def of(
        cls, geometries: NDArray[np.object_], bboxes: Sequence[Sequence[float] | None]
    ) -> GeometrySummary:
        """Summarize geometries that have bboxes of four or six numbers."""
        codes = 2 * shapely.get_type_id(geometries) + shapely.has_z(geometries)
        types = {
            _GEOMETRY_TYPES[code // 2] + (" Z" if code % 2 else "")
            for code in np.unique(codes).tolist()
            if code >= 0
        }
        located = [
            bbox
            for bbox, geometry in zip(bboxes, geometries, strict=True)
            if bbox is not None and geometry is not None
        ]
        has_heights = any(bbox is not None and len(bbox) > len(_BBOX_EDGES) for bbox in bboxes)
        flat = [(x[0], x[1], x[len(x) // 2], x[len(x) // 2 + 1]) for x in located]
        return cls(frozenset(types), _unite_bboxes(flat), has_heights)

    @classmethod
    def of_batch(cls, batch: pa.RecordBatch) -> GeometrySummary:
        """Summarize the columns `geometry` and `bbox` of a batch."""
        contents = np.array([*batch.column("geometry").to_pylist(), None], dtype=object)[:-1]
        bboxes = [bbox and [*bbox.values()] for bbox in batch.column("bbox").to_pylist()]
        return cls.of(shapely.from_wkb(contents), bboxes)

    @classmethod
    def union(cls, summaries: Sequence[GeometrySummary]) -> GeometrySummary:
        """Return the summary of all geometries of summaries."""
        return cls(
            frozenset().union(*(summary.types for summary in summaries)),
            _unite_bboxes([x.bbox for x in summaries if x.bbox is not None]),
            any(summary.has_heights for summary in summaries),
        )

    def describe(self) -> dict[str, Any]:
        """Return the metadata of a geometry column (GeoParquet 1.1, column metadata)."""
        column: dict[str, Any] = {
            "encoding": "WKB",
            "geometry_types": sorted(self.types),
            "covering": COVERING,
        }
        if self.bbox is not None:
            column["bbox"] = self.bbox
        return column


def _unite_bboxes(
    bboxes: Sequence[tuple[float, float, float, float]],
) -> tuple[float, float, float, float] | None:
    """Return the bbox around bboxes; all longitudes if one of them crosses the antimeridian."""
    if not bboxes:
        return None
    west, south, east, north = zip(*bboxes, strict=True)
    crosses = any(w > e for w, e in zip(west, east, strict=True))
    return (
        -180.0 if crosses else min(west),
        min(south),
        180.0 if crosses else max(east),
        max(north),
    )
