"""Tests of the GeoParquet files, read by DuckDB, geopandas, pyarrow and stac-geoparquet."""

from __future__ import annotations

import json
import re
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any

import duckdb
import geopandas as gpd  # type: ignore[import-untyped]  # untyped
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import shapely
from stac_geoparquet.arrow import stac_table_to_items

from pixxel_sandbox import Workspace
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.stac import to_item
from target_stac.formats.geoparquet import GeoparquetWriter, file_writer, writer
from target_stac.formats.item_lines import ItemLines
from target_stac.state.item_reader import ItemReader
from target_stac.state.manifest import MANIFEST_FILE
from tests.target_stac.exports import (
    CATALOG_AND_NDJSON,
    FORMATS,
    Json,
    export,
    find_differences,
    find_item_files,
    make_collection,
    make_item,
    make_item_with_bbox,
    read_json,
    read_log,
    read_stamps,
    set_properties,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

    from target_stac.state.item_index import IndexRow


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
        {"nothing": None},
        {"none": []},
        {"": 1},
        {"a.b": {"c d": "e"}},
        {"mixed": [1, 2.5]},
        {"large": 2**60},
        {"case": 1, "CASE": 2},
        {"own": {"case": 1, "CASE": 2}},
        {"nul": "c\0d"},
    ],
    ids=str,
)
def test_geoparquet_accepts_unusual_properties(tmp_path: Path, properties: Json) -> None:
    items = [make_item("a"), set_properties(make_item("b"), **properties)]
    assert export(tmp_path, *items, formats=["geoparquet", "catalog"]) == ExitCode.OK
    file = tmp_path / "geoparquet/l2a.parquet"
    assert sorted(gpd.read_parquet(file)["id"]) == ["a", "b"]
    assert len(query_parquet(file, "SELECT * FROM {}")) == 2
    [_, own] = [item["properties"] for item in read_items(file)]
    assert {name: own[name] for name in properties} == properties


def test_geoparquet_accepts_items_without_assets(tmp_path: Path) -> None:
    items = [make_item("a", assets={}), make_item("b", assets={})]
    assert export(tmp_path, *items, formats=["geoparquet", "catalog"]) == ExitCode.OK
    assert query_parquet(tmp_path / "geoparquet/l2a.parquet", "SELECT count(*) FROM {}") == [(2,)]


def make_nested_list(depth: int) -> Any:
    return [make_nested_list(depth - 1)] if depth else 1


OMITTED: dict[str, Json] = {
    "odd": set_properties(make_item("bad"), odd="s3cret"),
    "title": set_properties(make_item("bad"), title=7),
    "n": set_properties(make_item("bad"), n=2**64),
    "empty": set_properties(make_item("bad"), empty={}),
    "deep" + "[]" * 32: set_properties(make_item("bad"), deep=make_nested_list(50)),
    "created": set_properties(make_item("bad"), created="yesterday"),
    "geometry": make_item("bad", geometry={"type": "Point", "coordinates": ["a", 2]}),
    "proj:geometry": set_properties(make_item("bad"), **{"proj:geometry": "POINT (1 2)"}),
    "assets.B001": make_item("bad", assets={"B001": "https://example.com/B001.tif"}),
    "assets": make_item("bad", assets=["https://example.com/B001.tif"]),
    "stac_extensions[]": make_item("bad", stac_extensions=[1]),
    "nul\0": set_properties(make_item("bad"), **{"nul\0": 1}),
    "properties.id": set_properties(make_item("bad"), id="other"),
    "foreign": set_properties(make_item("bad", foreign=1), foreign=2),
}
"""An item by the path of the value in it that GeoParquet cannot hold."""


@pytest.mark.parametrize("path", OMITTED)
def test_value_that_geoparquet_cannot_hold_is_null_and_named_until_corrected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    others = [set_properties(make_item(str(n)), odd=n) for n in range(3)]
    for _ in range(2):
        caplog.clear()
        assert export(tmp_path, *others, OMITTED[path], formats=FORMATS) == ExitCode.INCOMPLETE
        [warning] = [each for each in read_log(caplog) if each.startswith("GeoParquet")]
        assert warning == (
            "GeoParquet of collection 'l2a': null where its column cannot hold the value: "
            f"'{path}' of item 'bad'"
        )
        assert "s3cret" not in caplog.text
    assert export(tmp_path, make_item("bad"), formats=FORMATS) == ExitCode.OK
    assert not (tmp_path / "omissions.json").exists()
    ids = query_parquet(tmp_path / "geoparquet/l2a.parquet", "SELECT id FROM {} ORDER BY id")
    assert ids == [("0",), ("1",), ("2",), ("bad",)]
    assert set(find_item_files(tmp_path)) == {"l2a/0", "l2a/1", "l2a/2", "l2a/bad"}
    assert len((tmp_path / "items.ndjson").read_bytes().splitlines()) == 4


def test_omission_of_items_without_collection_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = set_properties(make_item("bad", collection=None), title=5)
    assert export(tmp_path, bad, formats=FORMATS) == ExitCode.INCOMPLETE
    [warning] = read_log(caplog, "WARNING")
    assert warning.startswith("GeoParquet of items without a collection: ")


def test_omission_is_logged_until_item_or_format_is_gone(tmp_path: Path) -> None:
    bad, other = set_properties(make_item("bad"), title=5), make_item("x", collection="l1c")
    assert export(tmp_path, bad, formats=FORMATS) == ExitCode.INCOMPLETE
    assert export(tmp_path, other, formats=FORMATS) == ExitCode.INCOMPLETE
    assert export(tmp_path, formats=FORMATS) == ExitCode.INCOMPLETE
    (tmp_path / MANIFEST_FILE).unlink()
    assert export(tmp_path, other, formats=FORMATS) == ExitCode.INCOMPLETE
    assert export(tmp_path, other, formats=CATALOG_AND_NDJSON) == ExitCode.OK
    assert export(tmp_path, other, formats=FORMATS) == ExitCode.INCOMPLETE
    assert export(tmp_path, other, formats=FORMATS, mode="overwrite") == ExitCode.OK


def test_many_omissions_are_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assets = {f"B{n:03}": {"href": f"https://example.com/{n}", "title": n} for n in range(150)}
    items = [make_item("a", assets=assets), make_item("b", assets=assets)]
    assert export(tmp_path, *items, formats=FORMATS) == ExitCode.INCOMPLETE
    [warning] = read_log(caplog, "WARNING")
    assert "'assets.B000.title' of 2 items, first 'a'; " in warning
    assert warning.endswith("; 140 more columns")
    assert len(warning) < 1_000


@pytest.mark.parametrize("winner", ["number", "text"])
def test_type_of_most_values_decides_whenever_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, winner: str
) -> None:
    monkeypatch.setattr(writer, "_BLOCK_ITEMS", 2)
    monkeypatch.setattr(writer, "_SAMPLE_ITEMS", 1)
    numbers, texts = (9, 5) if winner == "number" else (5, 9)
    items = [set_properties(make_item(f"{n:02}"), odd=n) for n in range(numbers)]
    items += [set_properties(make_item(f"{n:02}"), odd=f"x{n}") for n in range(20, 20 + texts)]
    assert export(tmp_path, *items, formats=FORMATS) == ExitCode.INCOMPLETE
    values = query_parquet(tmp_path / "geoparquet/l2a.parquet", "SELECT odd FROM {} ORDER BY id")
    expected: list[Any] = [(n if winner == "number" else None,) for n in range(numbers)]
    expected += [(f"x{n}" if winner == "text" else None,) for n in range(20, 20 + texts)]
    assert values == expected


def test_members_and_fractions_that_late_items_bring_reach_early_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_BLOCK_ITEMS", 2)
    monkeypatch.setattr(writer, "_SAMPLE_ITEMS", 1)
    values: list[Json] = [{"own": {"x": n, "list": [{"y": n}]}} for n in range(6)]
    values += [{"own": None}, {"own": {"x": 0.5, "z": "a", "list": [None, {"y": 0.5, "w": 1}]}}]
    items = [set_properties(make_item(str(n)), **value) for n, value in enumerate(values)]
    assert export(tmp_path, *items, formats=FORMATS) == ExitCode.OK
    rows = query_parquet(tmp_path / "geoparquet/l2a.parquet", "SELECT own FROM {} ORDER BY id")
    assert rows[5] == ({"x": 5.0, "list": [{"y": 5.0, "w": None}], "z": None},)
    assert rows[6:] == [
        (None,),
        ({"x": 0.5, "list": [None, {"y": 0.5, "w": 1}], "z": "a"},),
    ]


def test_items_without_geometry_have_null_in_geoparquet(example_export: Path) -> None:
    query = "SELECT id, geometry IS NULL, bbox IS NULL FROM {} ORDER BY id"
    assert query_parquet(example_export / "geoparquet/l2a.parquet", query) == [
        ("a", False, False),
        ("child", False, False),
        ("unlocated", True, True),
    ]
    frame = gpd.read_parquet(example_export / "geoparquet/l2a.parquet")
    assert frame.geometry.isna().sum() == 1


def test_projected_geometry_of_some_items_is_nullable_wkb(tmp_path: Path) -> None:
    point = {"type": "Point", "coordinates": [500_000.0, 1_400_000.0]}
    asset = {"href": "https://example.com/B001.tif", "proj:geometry": point}
    items = [
        set_properties(make_item("a"), **{"proj:geometry": point}),
        make_item("b", assets={"B001": asset}),
        make_item("c"),
    ]
    assert export(tmp_path, *items, formats=FORMATS) == ExitCode.OK
    table = pq.read_table(tmp_path / "geoparquet/l2a.parquet").sort_by("id")
    wkb = shapely.Point(500_000, 1_400_000).wkb
    assert table["proj:geometry"].to_pylist() == [wkb, None, None]
    in_assets = [row["B001"].get("proj:geometry") for row in table["assets"].to_pylist()]
    assert in_assets == [None, wkb, None]
    frame = gpd.read_parquet(tmp_path / "geoparquet/l2a.parquet")
    assert frame["proj:geometry"].crs is None


def test_times_are_microseconds_and_each_item_has_its_stac_version(tmp_path: Path) -> None:
    item = make_item("a", stac_version="1.0.0")
    item["properties"]["datetime"] = "2025-03-07T12:00:00.123456Z"
    assert export(tmp_path, item, make_item("b"), formats=FORMATS) == ExitCode.OK
    file = tmp_path / "geoparquet/l2a.parquet"
    assert pq.read_schema(file).field("datetime").type == pa.timestamp("us", "UTC")
    query = "SELECT stac_version, epoch_us(datetime) % 1000000 FROM {} ORDER BY id"
    assert query_parquet(file, query) == [("1.0.0", 123456), ("1.1.0", 0)]


def test_metadata_is_that_of_geoparquet_and_stac_geoparquet(tmp_path: Path) -> None:
    items = [
        make_item_with_bbox("a", [77.0, 12.0, 78.0, 13.0]),
        make_item_with_bbox("b", [-10.0, -20.0, -9.0, -19.0]),
        make_item("c", geometry={"type": "Point", "coordinates": [1, 2, 3]}),
        make_item_with_bbox("d", None),
    ]
    collection = make_collection("l2a")
    assert export(tmp_path, *items, collection, formats=FORMATS) == ExitCode.OK
    metadata = read_metadata(tmp_path / "geoparquet/l2a.parquet")
    assert metadata["geo"] == {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB",
                "geometry_types": ["Point", "Point Z"],
                "bbox": [-10.0, -20.0, 78.0, 13.0],
                "covering": {
                    "bbox": {edge: ["bbox", edge] for edge in ("xmin", "ymin", "xmax", "ymax")}
                },
            }
        },
    }
    assert metadata["stac-geoparquet"] == {"version": "1.1.0", "collections": {"l2a": collection}}


def test_collection_links_to_its_geoparquet_which_holds_its_changes(tmp_path: Path) -> None:
    item, collection = make_item("a"), make_collection("l2a", assets={"own": {"href": "x"}})
    file, own = tmp_path / "l2a/collection.json", {"own": {"href": "x"}}
    assert export(tmp_path, item, collection, formats=FORMATS) == ExitCode.OK
    for title in ("Title of l2a", "New"):
        assets = read_json(file)["assets"]
        mirror = assets.pop("collection-mirror")
        assert assets == own
        assert mirror["roles"] == ["collection-mirror"]
        assert mirror["type"] == "application/vnd.apache.parquet"
        parquet = file.parent / mirror["href"]
        [held] = read_metadata(parquet)["stac-geoparquet"]["collections"].values()
        assert (held["title"], held["assets"]) == (title, own)
        assert export(tmp_path, collection | {"title": "New"}, formats=FORMATS) == ExitCode.OK
    assert export(tmp_path, make_item("b"), formats=CATALOG_AND_NDJSON) == ExitCode.OK
    assert read_json(file)["assets"] == own


def test_collection_links_to_its_geoparquet_by_url(tmp_path: Path) -> None:
    url = "https://example.com/stac"
    assert export(tmp_path, make_item("a"), formats=FORMATS, root_href=url) == ExitCode.OK
    collections = [
        read_json(tmp_path / "l2a/collection.json"),
        json.loads((tmp_path / "collections.ndjson").read_bytes()),
    ]
    for collection in collections:
        href = collection["assets"]["collection-mirror"]["href"]
        assert href == f"{url}/geoparquet/l2a.parquet"


def test_same_items_make_same_bytes_in_any_order_and_number_of_runs(tmp_path: Path) -> None:
    bboxes = [[x * 1.0, y * 1.0, x + 0.5, y + 0.5] for x in range(10) for y in range(10)]
    items = [make_item_with_bbox(f"{n:02}", bbox) for n, bbox in enumerate(bboxes)]
    shapes = ("MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon")
    for number, shape in enumerate(shapes):
        items[number]["geometry"] = {"type": shape, "coordinates": []}
    items[70] = set_properties(items[70], own={"late": 1.5})
    items[3] = set_properties(items[3], own={"early": "x"})
    assert export(tmp_path / "one", *items, formats=FORMATS) == ExitCode.OK
    assert export(tmp_path / "two", *reversed(items), formats=FORMATS) == ExitCode.OK
    assert export(tmp_path / "three", *items[50:], formats=FORMATS) == ExitCode.OK
    assert export(tmp_path / "three", *items[:50], formats=FORMATS) == ExitCode.OK
    files = [snapshot(tmp_path / name / "geoparquet") for name in ("one", "two", "three")]
    assert files[0] == files[1] == files[2]


def make_world(folder: Path, count: int) -> ItemLines:
    """Write items all over the world in the order of their times; return their lines."""
    path = folder / "world.ndjson"
    lines = ItemLines({0: path})
    rng = Random(1)  # noqa: S311 - the same places in each run
    with path.open("wb") as file:
        offset = 0
        for number in range(count):
            west, south = rng.uniform(-180, 179), rng.uniform(-90, 89)
            bbox = (west, south, west + 0.5, south + 0.5)
            item = make_item_with_bbox(f"{number}", list(bbox), assets={})
            length = file.write(json.dumps(item).encode() + b"\n")
            lines.append(0, offset, length, bbox)
            offset += length
    return lines


def write_file(folder: Path, lines: ItemLines) -> pq.ParquetFile:
    path = folder / "items.parquet"
    GeoparquetWriter({path: lines}, collection=None, scratch=folder, check=lambda: None).write()
    return pq.ParquetFile(path)


def test_query_by_bbox_reads_at_most_a_fifth_of_row_groups(tmp_path: Path) -> None:
    file = write_file(tmp_path, make_world(tmp_path, 50_000))
    [fragment] = ds.dataset(tmp_path / "items.parquet").get_fragments()
    west, south, east, north = 70.0, 5.0, 90.0, 25.0
    condition = (
        (pc.field("bbox", "xmax") >= west)
        & (pc.field("bbox", "xmin") <= east)
        & (pc.field("bbox", "ymax") >= south)
        & (pc.field("bbox", "ymin") <= north)
    )
    groups = fragment.split_by_row_group(condition)
    assert 0 < len(groups) <= file.num_row_groups / 5
    assert sum(group.count_rows(condition) for group in groups) == sum(
        lon + 0.5 >= west and lon <= east and lat + 0.5 >= south and lat <= north
        for lon, lat in read_corners(tmp_path / "world.ndjson")
    )


def read_corners(path: Path) -> list[tuple[float, float]]:
    items = [json.loads(line)["bbox"] for line in path.read_bytes().splitlines()]
    return [(bbox[0], bbox[1]) for bbox in items]


def test_row_groups_are_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_BLOCK_BYTES", 10_000)
    monkeypatch.setattr(file_writer, "ROW_GROUP_BYTES", 50_000)
    lines = make_world(tmp_path, 1_000)
    file = write_file(tmp_path, lines)
    rows = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert sum(rows) == 1_000
    assert max(rows) <= 50_000 / min(lines.lengths)
    assert len(rows) <= 2 * sum(lines.lengths) / 50_000


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_items_of_archive_read_back_equal(tmp_path: Path) -> None:
    workspace = Workspace(seed=1, items=40)
    items = [
        to_item(workspace.get("archive_items", name)).stac
        for name in workspace.ids("archive_items")
    ]
    expected = {item["id"]: item for item in items if item["geometry"]}
    assert export(tmp_path, *expected.values(), formats=FORMATS) == ExitCode.OK
    files = sorted(tmp_path.glob("geoparquet/*.parquet"))
    lines = (tmp_path / "items.ndjson").read_bytes().splitlines()
    written = {item["id"]: item for item in map(json.loads, lines)}
    found = {item["id"]: item for file in files for item in read_items(file)}
    assert found.keys() == expected.keys()
    for name, item in found.items():
        item["type"] = "Feature"
        assert normalize(item) == normalize(written[name]), name
    paths = str(tmp_path / "geoparquet/*.parquet")
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        query = f"SELECT id, assets FROM read_parquet('{paths}', union_by_name = true)"  # noqa: S608 - a path
        rows = dict(connection.execute(query).fetchall())
    assert {name: normalize(assets) for name, assets in rows.items()} == {
        name: normalize(item["assets"]) for name, item in written.items()
    }
    frames = [gpd.read_parquet(file) for file in files]
    geometries = {row.id: row.geometry for frame in frames for row in frame.itertuples()}
    for name, geometry in geometries.items():
        assert shapely.equals_exact(
            geometry, shapely.from_geojson(json.dumps(written[name]["geometry"]))
        )


def normalize(value: Any) -> Any:
    """Return a value without nulls, and with its timestamps in one form."""
    if isinstance(value, dict):
        return {name: normalize(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [normalize(element) for element in value]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value):
        return datetime.fromisoformat(value).isoformat()
    return value


def read_items(file: Path) -> list[Json]:
    """Read items with stac-geoparquet, in the order of their ids."""
    return list(stac_table_to_items(pq.read_table(file).sort_by("id")))


def read_metadata(file: Path) -> Json:
    return {
        name.decode(): json.loads(value) for name, value in pq.read_metadata(file).metadata.items()
    }


def read_dataset(folder: Path, query: str) -> list[Any]:
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        files = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
        return connection.execute(query.format(files)).fetchall()


PARTITIONS = {
    "none": ["l2a.parquet"],
    "year": ["l2a/year=2024/items.parquet", "l2a/year=2025/items.parquet"],
    "month": [
        "l2a/year=2024/month=12/items.parquet",
        "l2a/year=2025/month=01/items.parquet",
        "l2a/year=2025/month=11/items.parquet",
    ],
}
DATED_ITEMS = [
    set_properties(make_item("a", "2024-12-31"), odd=1),
    set_properties(make_item("b", "2025-01-01"), odd=2.5),
    set_properties(make_item("c", "2025-11-30"), odd=None, late="x"),
    make_item_with_bbox("d", None, day="2025-11-29"),
]


@pytest.mark.parametrize("partition", PARTITIONS)
def test_partitions_are_hive_dataset_with_same_columns(tmp_path: Path, partition: str) -> None:
    assert export(tmp_path, *DATED_ITEMS, formats=FORMATS, partition=partition) == ExitCode.OK
    folder = tmp_path / "geoparquet"
    assert list(snapshot(folder)) == PARTITIONS[partition]
    schemas = [pq.read_schema(folder / path).remove_metadata() for path in PARTITIONS[partition]]
    assert all(schema == schemas[0] for schema in schemas)
    assert schemas[0].field("odd").type == pa.float64()
    asset = read_json(tmp_path / "l2a/collection.json")["assets"]["collection-mirror"]
    assert asset["href"] == f"../geoparquet/l2a{'.parquet' if partition == 'none' else '/'}"
    assert read_dataset(folder, "SELECT id FROM {} ORDER BY id") == [("a",), ("b",), ("c",), ("d",)]
    if partition == "month":
        query = "SELECT id FROM {} WHERE year = 2025 AND month = '11' ORDER BY id"
        assert read_dataset(folder, query) == [("c",), ("d",)]


def test_partitions_follow_setting_and_items_that_move(tmp_path: Path) -> None:
    folder = tmp_path / "geoparquet"
    for partition, paths in [*PARTITIONS.items(), *reversed(PARTITIONS.items())]:
        assert export(tmp_path, *DATED_ITEMS, formats=FORMATS, partition=partition) == ExitCode.OK
        assert list(snapshot(folder)) == paths
    moved = make_item("a", "2025-01-31")
    (folder / "notes.parquet").write_bytes(b"mine")
    for partition in ("month", "year"):
        assert export(tmp_path, moved, formats=FORMATS, partition=partition) == ExitCode.OK
        expected = [*PARTITIONS[partition][1:], "notes.parquet"]
        assert list(snapshot(folder)) == expected
    assert export(tmp_path, moved, formats=CATALOG_AND_NDJSON) == ExitCode.OK
    assert list(snapshot(folder)) == ["notes.parquet"]


def test_update_of_partition_makes_same_bytes_as_first_export(tmp_path: Path) -> None:
    settings = {"formats": FORMATS, "partition": "month"}
    assert export(tmp_path / "one", *DATED_ITEMS, **settings) == ExitCode.OK
    assert export(tmp_path / "two", *DATED_ITEMS[2:], **settings) == ExitCode.OK
    assert export(tmp_path / "two", *DATED_ITEMS[:2], **settings) == ExitCode.OK
    one, two = (snapshot(tmp_path / name / "geoparquet") for name in ("one", "two"))
    assert one == two


def find_written(before: dict[str, tuple[int, int]], folder: Path) -> list[str]:
    """Return the GeoParquet files that differ from those of earlier stamps."""
    changed = find_differences(read_stamps(folder), before)
    prefix = "geoparquet/"
    return [name.removeprefix(prefix) for name in changed if name.startswith(prefix)]


MONTHLY: dict[str, Any] = {"formats": FORMATS, "partition": "month"}
JANUARY = "l2a/year=2025/month=01/items.parquet"
UPDATES: dict[str, tuple[Json, list[str]]] = {
    "of a value": (set_properties(DATED_ITEMS[1], odd=7.5), [JANUARY]),
    "with a new field": (set_properties(DATED_ITEMS[1], new=1), PARTITIONS["month"]),
    "with another type": (set_properties(DATED_ITEMS[1], odd="x"), PARTITIONS["month"]),
    "with heights": (
        make_item("b", "2025-01-01", bbox=[77.5, 12.9, 1, 77.5, 12.9, 2]),
        PARTITIONS["month"],
    ),
    "of a new month": (make_item("z", "2025-02-01"), ["l2a/year=2025/month=02/items.parquet"]),
    "that moves an item": (
        set_properties(make_item("b", "2025-11-03"), odd=2.5),
        [JANUARY, PARTITIONS["month"][2]],
    ),
}


@pytest.mark.parametrize("update", UPDATES)
def test_update_writes_partitions_that_changed_or_all_if_columns_do(
    tmp_path: Path, update: str
) -> None:
    item, written = UPDATES[update]
    out = tmp_path / "out"
    export(out, *DATED_ITEMS, **MONTHLY)
    before = read_stamps(out)
    export(out, item, **MONTHLY)
    assert find_written(before, out) == sorted(written)
    paths = list((out / "geoparquet").rglob("*.parquet"))
    schemas = [pq.read_schema(path).remove_metadata() for path in paths]
    assert all(schema == schemas[0] for schema in schemas)
    items = {each["id"]: each for each in [*DATED_ITEMS, item]}
    export(tmp_path / "fresh", *items.values(), **MONTHLY)
    assert snapshot(out / "geoparquet") == snapshot(tmp_path / "fresh/geoparquet")


def test_update_of_partition_reads_other_items_only_if_they_need_other_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"formats": ["ndjson", "geoparquet"], "partition": "month"}
    export(tmp_path, *DATED_ITEMS, **settings)
    read_ids: list[str] = []
    read_line = ItemReader.read_line

    def read_noted_line(reader: ItemReader, row: IndexRow) -> bytes:
        read_ids.append(row.id)
        return read_line(reader, row)

    monkeypatch.setattr(ItemReader, "read_line", read_noted_line)
    export(tmp_path, UPDATES["of a value"][0], **settings)
    assert read_ids == []
    export(tmp_path, UPDATES["with a new field"][0], **settings)
    assert sorted(read_ids) == ["a", "c", "d"]


def test_column_stays_while_its_partition_alone_loses_its_values(tmp_path: Path) -> None:
    """The other files, which have the column, are not written again; nor do types change."""
    export(tmp_path, *DATED_ITEMS, **MONTHLY)
    before = [pq.read_schema(tmp_path / "geoparquet" / path) for path in PARTITIONS["month"]]
    export(tmp_path, make_item("b", "2025-01-01"), make_item("c", "2025-11-30"), **MONTHLY)
    after = [pq.read_schema(tmp_path / "geoparquet" / path) for path in PARTITIONS["month"]]
    assert [x.remove_metadata() for x in after] == [x.remove_metadata() for x in before]


def test_omission_of_partition_is_logged_until_that_is_corrected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [set_properties(item, title=5) for item in DATED_ITEMS[:2]]
    assert export(tmp_path, *bad, *DATED_ITEMS[2:], **MONTHLY) == ExitCode.INCOMPLETE
    assert export(tmp_path, make_item("c", "2025-11-30"), **MONTHLY) == ExitCode.INCOMPLETE
    assert "'title' of 2 items, first 'a'" in read_log(caplog)[-1]
    assert export(tmp_path, DATED_ITEMS[0], **MONTHLY) == ExitCode.INCOMPLETE
    assert read_log(caplog)[-1].endswith("'title' of item 'b'")
    assert export(tmp_path, DATED_ITEMS[1], **MONTHLY) == ExitCode.OK


def test_type_of_most_values_in_all_partitions_decides_after_update(tmp_path: Path) -> None:
    items = [set_properties(make_item(f"{n}", "2025-01-01"), odd=n) for n in range(3)]
    others = [set_properties(make_item(f"{n}", "2025-02-01"), odd="x") for n in range(3, 5)]
    assert export(tmp_path, *items, *others, **MONTHLY) == ExitCode.INCOMPLETE
    more = [set_properties(make_item(f"{n}", "2025-02-01"), odd="x") for n in range(5, 9)]
    assert export(tmp_path, *more, **MONTHLY) == ExitCode.INCOMPLETE
    for path in (tmp_path / "geoparquet").rglob("*.parquet"):
        assert pq.read_schema(path).field("odd").type == pa.string()


def test_change_of_collection_reaches_all_partitions_but_its_derived_extent_none(
    tmp_path: Path,
) -> None:
    export(tmp_path, *DATED_ITEMS, **MONTHLY)
    before = read_stamps(tmp_path)
    export(tmp_path, make_item("z", "2030-01-01"), **MONTHLY)
    assert find_written(before, tmp_path) == ["l2a/year=2030/month=01/items.parquet"]
    export(tmp_path, make_collection("l2a", title="Stated"), **MONTHLY)
    for path in (tmp_path / "geoparquet").rglob("*.parquet"):
        collections = read_metadata(path)["stac-geoparquet"]["collections"]
        assert collections["l2a"]["title"] == "Stated"
