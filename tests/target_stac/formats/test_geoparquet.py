"""Tests of the GeoParquet files, read by DuckDB and geopandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import geopandas as gpd  # type: ignore[import-untyped]  # untyped
import pytest

from pixxel_singer.exit_codes import ExitCode
from tests.target_stac.exports import (
    Json,
    export,
    make_item,
    read_log,
    set_properties,
)

if TYPE_CHECKING:
    from pathlib import Path


def query_parquet(file: Path, query: str) -> list[Any]:
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        return connection.execute(query.format(f"read_parquet('{file}')")).fetchall()


def test_geoparquet_has_columns_that_only_last_item_needs(tmp_path: Path) -> None:
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


def test_geoparquet_integers_and_floats_share_column(tmp_path: Path) -> None:
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
    "properties",
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
def test_geoparquet_accepts_unusual_properties(tmp_path: Path, properties: Json) -> None:
    items = [make_item("a"), set_properties(make_item("b"), **properties)]
    assert export(tmp_path, *items, formats=["geoparquet", "catalog"]) == ExitCode.OK
    frame = gpd.read_parquet(tmp_path / "geoparquet/l2a.parquet")
    assert sorted(frame["id"]) == ["a", "b"]


def test_geoparquet_accepts_items_without_assets(tmp_path: Path) -> None:
    items = [make_item("a", assets={}), make_item("b", assets={})]
    assert export(tmp_path, *items, formats=["geoparquet", "catalog"]) == ExitCode.OK
    assert query_parquet(tmp_path / "geoparquet/l2a.parquet", "SELECT count(*) FROM {}") == [(2,)]


def test_geoparquet_of_incompatible_types_is_not_written_and_logged(
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


def test_geoparquet_omits_items_without_geometry(example_export: Path) -> None:
    assert query_parquet(
        example_export / "geoparquet/l2a.parquet", "SELECT id FROM {} ORDER BY id"
    ) == [
        ("a",),
        ("child",),
    ]
    assert query_parquet(
        example_export / "geoparquet/no-collection.parquet", "SELECT id FROM {}"
    ) == [("alone",)]
