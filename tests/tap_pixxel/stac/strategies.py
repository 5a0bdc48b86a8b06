"""Strategies for raw items of any release of the API, and for invalid ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 400),
    st.sampled_from([10**30, -(10**400), 2**63, 2**64]),
    st.floats(),
    st.sampled_from(["", "  ", "\x00", "x", " padded ", "12.5", "-1", "nan", "\ud800", "é", "a b"]),
    st.text(max_size=6),
)
GARBAGE = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
TIMES = st.sampled_from(
    [
        "2024-02-13T17:11:08.653013Z",
        "2022-11-14 12:55:49.125928+00:00",
        "20231101T173451.024Z",
        "2024-02-13T17:11:08.123456789+05:30",
        "2024-02-13T17:11:08",
        "2024-02-13",
        "2024-13-45T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "",
    ]
)
LONS: st.SearchStrategy[Any] = st.one_of(
    st.floats(-190, 190), st.sampled_from([-180, 180, 179.5, -179.5, 0, 185, "12.5"])
)
LATS: st.SearchStrategy[Any] = st.one_of(st.floats(-90, 90), st.sampled_from([-90, 90, 0, 12, 95]))


def to_list(values: tuple[Any, ...]) -> list[Any]:
    return list(values)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw mostly valid values, and sometimes any JSON."""
    return st.integers(0, 7).flatmap(lambda n: GARBAGE if n == 0 else good)


@st.composite
def rings(draw: st.DrawFn) -> list[Any]:
    if draw(st.booleans()):
        lon, lat = draw(st.floats(-200, 200)), draw(st.floats(-85, 80))
        ring = [[lon, lat], [lon + 1, lat], [lon + 1, lat + 1], [lon, lat + 1], [lon, lat]]
        return ring if draw(st.booleans()) else ring[::-1]
    ring = draw(st.lists(st.tuples(LONS, LATS).map(to_list), min_size=3, max_size=6))
    return [*ring, ring[0]] if draw(st.booleans()) else ring


BOXES = st.tuples(LONS, LATS, LONS, LATS).map(to_list)
POLYGONS = st.fixed_dictionaries(
    {"type": st.just("Polygon"), "coordinates": st.lists(rings(), min_size=1, max_size=2)}
)
GEOMETRIES = st.one_of(
    POLYGONS,
    POLYGONS,
    POLYGONS.map(lambda polygon: polygon | {"coordinates": repr(polygon["coordinates"])}),
    st.fixed_dictionaries(
        {
            "type": st.just("MultiPolygon"),
            "coordinates": st.lists(st.lists(rings(), min_size=1, max_size=1), max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("GeometryCollection"), "geometries": st.lists(POLYGONS, max_size=3)}
    ),
    st.fixed_dictionaries(
        {"type": st.just("Point"), "coordinates": st.tuples(LONS, LATS).map(to_list)}
    ),
    st.none(),
)
NUMBERS = st.one_of(st.integers(-10, 400), st.floats(-400, 400), st.sampled_from([0, "30", 30.0]))
WORDS: dict[str, list[Any]] = {
                "platform": ["TD1", " TD1 ", ""],
                "license": ["CC-BY-4.0", "proprietary", "see https://pixxel.space/eula", "a b"],
                "instruments": [["VNIR"], "VNIR", [None, "VNIR"], []],
                "proj:code": ["EPSG:32643", "32643", "epsg:4326", "OGC:CRS84"],
                "proj:wkt2": ['GEOGCRS["WGS 84"]', 'GEOGCS["WGS 84"]', "?"],
                "proj:shape": [[10, 10], ["10", 10.0], [0, 1], [1]],
                "proj:transform": [
                    [0.1, 0, 1, 0, -0.1, 2], [1, 0.1, 0, 2, 0, -0.1], [0, 10, 5e5, 0, -10, 1e6],
                    [1, 0, 0, 0, 1, 0, 0, 0, 1],
                ],
                "sat:orbit_state": ["ASCENDING", "descending", "sideways"],
                "sci:doi": ["10.1234/abc", "https://doi.org/10.1234/a<b>", "doi"],
                "rd:product_level": ["L2A", "Level-2A", "LV1C", "raw"],
                "processing:level": ["L2A"],
                "order:status": ["pending", "succeeded"],
                "pixxel:license": ["mine", "a b"],
                "pixxel:catalog_id": ["c"],
                "bands": [[{"name": "B1"}]],
                "processing_note": ["a"],
                "file:size": [5],
            }  # fmt: skip
PROPERTIES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"datetime": mostly(st.one_of(TIMES, st.none()))},
    optional={
        **{
            name: mostly(TIMES)
            for name in (
                "startdatetime", "enddatetime", "start_datetime", "end_datetime", "created",
                "updated",
            )
        },
        **{
            name: mostly(NUMBERS)
            for name in (
                "gsd", "eo:cloud_cover", "view:off_nadir", "view:sun_azimuth",
                "view:sun_elevation", "view:scene_center_lat", "view:scene_center_lon",
                "altitude", "view:altitude", "view:satellite_look_angle", "sat:relative_orbit",
                "proj:reflectance_scaling_factor", "proj:reflectance_addition_factor", "proj:epsg",
            )
        },
        **{
            name: mostly(st.sampled_from(words))
            for name, words in WORDS.items()
        },
        **dict.fromkeys(
            ("rd:type", "eo:unknown", "proj:projjson", "title", "statistics", "providers"), GARBAGE
        ),
    },
)  # fmt: skip
BANDS = st.lists(
    mostly(
        st.fixed_dictionaries(
            {},
            optional={
                "name": mostly(st.sampled_from(["B1", "B2"])),
                "center_wavelength": mostly(st.sampled_from([493, 0.493, 0, -1, 50, "493", 1e9])),
                "fwhm": mostly(st.sampled_from([0, 0.005, 5, 600, "5"])),
                "common_name": mostly(st.sampled_from(["blue", "BLUE", "infra"])),
                "solar_irradiance": mostly(NUMBERS),
                "scale": mostly(NUMBERS),
                "nodata": mostly(st.sampled_from([0, "NaN", "nan", "-Infinity", "x"])),
                "data_type": mostly(st.sampled_from(["UInt16", "float32", "half"])),
                "statistics": mostly(st.sampled_from([{}, {"mean": 1}, {"mean": "1", "x": None}])),
                "description": mostly(st.sampled_from(["", "d"])),
                "raster:scale": mostly(NUMBERS),
                "eo:center_wavelength": mostly(st.sampled_from([493, 0.493])),
                "odd": GARBAGE,
            },
        )
    ),
    max_size=2,
)
HREFS = st.sampled_from(
    [
        "https://data.invalid/a.tif",
        "./b.tif",
        "/v0/c.json",
        "s3://bucket/key.tif",
        "https://data.invalid/a b.tif?X-Amz-Signature=secret&band=1",
        "https://user:secret@data.invalid/a?sig=secret&sv=1#x",
        "https://[bad/",
        "  ",
        "data.invalid:80000/é",
    ]
)
ASSETS = st.fixed_dictionaries(
    {"href": mostly(HREFS)},
    optional={
        "type": mostly(st.sampled_from(["image/tiff", "image/TIFF", "image/jpeg", ""])),
        "roles": mostly(st.sampled_from([["data"], ["overview"], [None, "thumbnail"], "data"])),
        "title": mostly(st.just("B1")),
        "gsd": mostly(st.sampled_from([0, 5, 30.0])),
        "eo:bands": mostly(BANDS),
        "raster:bands": mostly(BANDS),
        "bands": mostly(BANDS),
        "proj:shape": mostly(st.just([5, 5])),
        "sat:orbit_state": mostly(st.just("ascending")),
        "eo:center_wavelength": mostly(st.sampled_from([493, 0.5])),
        "odd": GARBAGE,
    },
)
LINKS = st.lists(
    mostly(
        st.fixed_dictionaries(
            {
                "rel": mostly(st.sampled_from(["self", "collection", "via", "canonical", " x "])),
                "href": mostly(HREFS),
            },
            optional={"type": mostly(st.just("text/html")), "headers": GARBAGE},
        )
    ),
    max_size=3,
)
ITEMS = st.fixed_dictionaries(
    {"id": mostly(st.sampled_from(["a", "TD1_1", " a/b ", 5])), "properties": mostly(PROPERTIES)},
    optional={
        "type": mostly(st.just("Feature")),
        "stac_version": mostly(st.sampled_from(["0.1.0", "1.0.0"])),
        "stac_extensions": mostly(st.just(["eo"])),
        "collection": mostly(st.sampled_from(["td1", "a b", ""])),
        "geometry": mostly(GEOMETRIES),
        "bbox": mostly(
            st.one_of(
                BOXES,
                st.just(["1", "2", "3", "4"]),
                st.just([1, 2, 0, 3, 4, 9]),
            )
        ),
        "assets": mostly(
            st.dictionaries(st.sampled_from(["a", "B1", "B2", "thumbnail"]), mostly(ASSETS))
        ),
        "links": mostly(LINKS),
        "processing_note": GARBAGE,
        "license": GARBAGE,
    },
)
RECORDS = st.fixed_dictionaries(
    {
        "id": mostly(st.sampled_from(["b8e12380-00b5-4d38-8436-5e198b2f7190", "short"])),
        "details": mostly(ITEMS),
    },
    optional={
        "area": mostly(NUMBERS),
        "bandset_id": mostly(st.just("set")),
        "task_id": mostly(st.just("task")),
        "delivery_status": mostly(st.just("SUCCESS")),
        "created_at": mostly(TIMES),
        "odd": GARBAGE,
    },
)
PROVIDERS = st.fixed_dictionaries(
    {"name": mostly(st.just("Pixxel"))},
    optional={
        "roles": mostly(st.sampled_from([["producer", None], ["boss"]])),
        "url": mostly(HREFS),
        "odd": GARBAGE,
    },
)
INTERVALS = st.lists(st.one_of(TIMES, st.sampled_from(["..", "", None])), min_size=2, max_size=2)
EXTENTS = st.fixed_dictionaries(
    {
        "spatial": mostly(st.fixed_dictionaries({"bbox": mostly(st.lists(BOXES, max_size=3))})),
        "temporal": mostly(
            st.fixed_dictionaries({"interval": mostly(st.lists(INTERVALS, max_size=2))})
        ),
    }
)
COLLECTIONS = st.fixed_dictionaries(
    {"id": mostly(st.sampled_from(["td1-l1c", 7]))},
    optional={
        "stac_version": mostly(st.just("0.1.0")),
        "type": mostly(st.just("Collection")),
        "title": mostly(st.just("T")),
        "description": mostly(st.sampled_from(["", "D"])),
        "license": mostly(st.sampled_from(["proprietary", "MIT"])),
        "sci:doi": mostly(st.just("10.1234/x")),
        "eo:cloud_cover": mostly(NUMBERS),
        "created_at": mostly(TIMES),
        "keywords": mostly(st.sampled_from([["a"], "a", []])),
        "providers": mostly(st.lists(mostly(PROVIDERS), max_size=2)),
        "extent": mostly(EXTENTS),
        "summaries": mostly(
            st.dictionaries(
                st.sampled_from(["gsd", "platform", "eo:cloud_cover", "view:off_nadir", "odd",
                                 "eo:bands", "raster:odd", "instruments", "proj:epsg"]),
                mostly(st.sampled_from([5, [5, 6], {"minimum": 1, "maximum": 2},
                                       {"min": 1, "max": 2}, ["TD1"], {"type": 5}, []])),
            )
        ),
        "item_assets": mostly(st.dictionaries(st.sampled_from(["a", "B1"]), mostly(ASSETS))),
        "assets": mostly(st.dictionaries(st.sampled_from(["a", "B1"]), mostly(ASSETS))),
        "links": mostly(LINKS),
        "odd": GARBAGE,
    },
)  # fmt: skip
