"""What others read of an export: pystac, stac-valid, GDAL, DuckDB and geopandas, all offline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd  # type: ignore[import-untyped]  # it has none
import numpy as np
import pyogrio  # type: ignore[import-untyped]  # it has none
import pystac
import pytest
import rasterio  # type: ignore[import-untyped]  # it has none
import yaml
from pystac.validation.local_validator import get_local_schema_cache

from pixxel_singer.exit_codes import ExitCode
from tests.target_stac.exports import (
    Json,
    export,
    make_collection,
    make_derived_item,
    make_item,
    make_item_with_bbox,
    read_documents,
    read_json,
    read_log,
    read_ndjson,
    set_properties,
)

ALL = ["catalog", "ndjson", "geoparquet", "itemcollection"]
PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
STAC_VALID = str(Path(sys.executable).with_name("stac-valid"))
ITEMS = [
    make_item_with_bbox("a", [77.0, 12.0, 77.5, 12.5]),
    make_item("b/c", "2024-12-01", collection="l1c"),
    make_item_with_bbox("unlocated", None),
    make_item("origin", collection="archive"),
    make_derived_item("child", "origin"),
    make_item("alone", collection=None),
]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    export(tmp_path / "out", *ITEMS, make_collection("l2a"), formats=ALL)
    return tmp_path / "out"


def test_pystac_walks_the_tree_and_back(out: Path) -> None:
    catalog = pystac.Catalog.from_file(str(out / "catalog.json"))
    found = list(catalog.get_items(recursive=True))
    assert sorted(each.id for each in found) == sorted(each["id"] for each in ITEMS)
    assert all(each.get_root() is catalog for each in found)
    parents = {each.id: each.get_collection() for each in found}
    assert {k: v.id if v else None for k, v in parents.items()} == {
        each["id"]: each.get("collection") for each in ITEMS
    }
    catalog.validate_all()


def test_stac_valid_finds_no_fault_in_any_file(out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    paths = {}
    for number, (url, schema) in enumerate(get_local_schema_cache().items()):
        paths[url] = f"{number}.json"
        (folder / f"{number}.json").write_text(json.dumps(schema))
    config = tmp_path / "schemas.yaml"
    config.write_text(yaml.safe_dump({"schemas": {k: str(folder / v) for k, v in paths.items()}}))
    result = subprocess.run(
        [STAC_VALID, "validate", str(out / "catalog.json"), "-r", "--schema-config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert result.stdout.count('"valid_stac": true') == len(list(read_documents(out)))


def test_ogr_reads_the_ndjson(out: Path) -> None:
    frame = pyogrio.read_dataframe(out / "items.ndjson", layer="items")
    assert sorted(frame["id"]) == sorted(each["id"] for each in ITEMS if each["geometry"])
    assert frame.crs == "EPSG:4326"
    assert pyogrio.read_info(out / "items.ndjson")["driver"] == "GeoJSONSeq"


# --- GeoParquet ---------------------------------------------------------------------------------


def query_parquet(file: Path, query: str) -> list[Any]:
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        return connection.execute(query.format(f"read_parquet('{file}')")).fetchall()


def test_what_only_the_last_of_many_items_has_is_in_the_geoparquet(tmp_path: Path) -> None:
    many = [make_item(f"{n:03}", "2025-01-01") for n in range(450)]
    last = set_properties(
        make_item("last", "2025-12-31"), **{"own:depth": 7, "own:deep": {"x": [1.5]}}
    )
    last["assets"]["B999"] = {"href": "https://example.com/B999.tif", "own:gain": 2}
    assert export(tmp_path, *many, last, formats=["geoparquet", "catalog"]) == ExitCode.OK
    file = tmp_path / "geoparquet/l2a.parquet"
    frame = gpd.read_parquet(file)
    assert len(frame) == 451
    [row] = frame[frame["id"] == "last"].to_dict("records")
    assert row["assets"]["B999"]["href"].endswith("B999.tif")
    assert row["assets"]["B999"]["own:gain"] == 2
    assert row["own:depth"] == 7
    assert row["own:deep"]["x"].tolist() == [1.5]
    assert frame.crs == "OGC:CRS84"
    query = """SELECT count(*), count(assets.B999.href), count("own:depth") FROM {}"""
    assert query_parquet(file, query) == [(451, 1, 1)]


def test_whole_and_broken_numbers_share_a_column(tmp_path: Path) -> None:
    values = [1, 2.5, None, 3]
    items = [set_properties(make_item(str(n)), gsd=v) for n, v in enumerate(values)]
    assert export(tmp_path, *items, formats=["geoparquet", "catalog"]) == ExitCode.OK
    file = tmp_path / "geoparquet/l2a.parquet"
    assert query_parquet(file, "SELECT gsd FROM {} ORDER BY id") == [
        (1.0,),
        (2.5,),
        (None,),
        (3.0,),
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"empty": {}},
        {"hollow": {"list": [{"empty": {}}]}},
        {"nothing": None},
        {"none": []},
        {"": 1},
        {"a.b": {"c d": "e"}},
        {"mixed": [1, 2.5]},
        {"large": 2**60},
    ],
    ids=str,
)
def test_odd_properties_fit_into_the_geoparquet(tmp_path: Path, odd: Json) -> None:
    items = [make_item("a"), set_properties(make_item("b"), **odd)]
    assert export(tmp_path, *items, formats=["geoparquet", "catalog"]) == ExitCode.OK
    frame = gpd.read_parquet(tmp_path / "geoparquet/l2a.parquet")
    assert sorted(frame["id"]) == ["a", "b"]


def test_items_without_any_asset_fit_into_the_geoparquet(tmp_path: Path) -> None:
    items = [make_item("a", assets={}), make_item("b", assets={})]
    assert export(tmp_path, *items, formats=["geoparquet", "catalog"]) == ExitCode.OK
    assert query_parquet(tmp_path / "geoparquet/l2a.parquet", "SELECT count(*) FROM {}") == [(2,)]


def test_a_collection_that_is_no_table_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = [set_properties(make_item("a"), odd=1), set_properties(make_item("b"), odd="s3cret")]
    formats = ["geoparquet", "catalog"]
    for _ in range(2):
        assert export(tmp_path, *items, make_item("c", collection="l1c"), formats=formats) == 3
        [error] = read_log(caplog, "ERROR")
        assert error.startswith(
            "no GeoParquet file written for collection 'l2a': the items do not fit one"
        )
        assert "s3cret" not in caplog.text
        caplog.clear()
    assert [path.name for path in tmp_path.glob("geoparquet/*")] == ["l1c.parquet"]
    assert export(tmp_path, items[0], set_properties(make_item("b"), odd=2), formats=formats) == 0
    assert len(list(tmp_path.glob("geoparquet/*"))) == 2


def test_items_without_a_geometry_are_not_in_the_geoparquet(out: Path) -> None:
    assert query_parquet(out / "geoparquet/l2a.parquet", "SELECT id FROM {} ORDER BY id") == [
        ("a",),
        ("child",),
    ]
    assert query_parquet(out / "geoparquet/no-collection.parquet", "SELECT id FROM {}") == [
        ("alone",)
    ]


# --- GDAL ---------------------------------------------------------------------------------------


def test_gdal_opens_an_item_collection_as_one_image(tmp_path: Path) -> None:
    items = []
    for number in range(3):
        file = tmp_path / f"{number}.tif"
        transform = rasterio.Affine(10, 0, 500_000 + number * 40, 0, -10, 1_400_000)
        profile: dict[str, Any] = {"width": 4, "height": 4, "count": 1, "dtype": "uint16"}
        with rasterio.open(
            file, "w", driver="GTiff", crs="EPSG:32643", transform=transform, **profile
        ) as image:
            image.write(np.full((1, 4, 4), number + 1, dtype="uint16"))
        asset = {
            "href": str(file),
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "proj:code": "EPSG:32643",
            "proj:transform": list(transform)[:6],
            "proj:shape": [4, 4],
        }
        items.append(make_item(str(number), assets={"B001": asset}, stac_extensions=[PROJECTION]))
    export(tmp_path / "out", *items, formats=["itemcollection", "catalog"])
    file = tmp_path / "out/itemcollection.json"
    assert len(read_json(file)["features"]) == 3
    with rasterio.open(f'STACIT:"{file}":asset=B001') as mosaic:
        assert (mosaic.width, mosaic.height) == (12, 4)
        assert mosaic.read(1)[0].tolist() == [1] * 4 + [2] * 4 + [3] * 4


def test_lines_for_pgstac_have_what_it_asks_for(out: Path) -> None:
    """A geometry, a collection that collections.ndjson has, and no second item of that id."""
    collections = {each["id"] for each in read_ndjson(out / "collections.ndjson")}
    lines = [each for each in read_ndjson(out / "items.ndjson") if "collection" in each]
    assert all(each["geometry"] and each["collection"] in collections for each in lines)
    assert len({(each["collection"], each["id"]) for each in lines}) == len(lines)
