"""Tests of the dataset of all shards: its columns, its rows, and merges that are killed."""

from __future__ import annotations

import json
import re
from itertools import chain, count, repeat
from typing import TYPE_CHECKING, Any

import duckdb
import geopandas as gpd  # type: ignore[import-untyped]  # without stubs
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pixxel_backfill.merge.dataset import DATASET_FILE, DATASET_FOLDER
from pixxel_backfill.merge.run import merge_shards
from pixxel_backfill.merge.sources import make_catch_up
from pixxel_backfill.outputs.geoparquet import PARQUET
from pixxel_backfill.plan import Plan, Shard
from pixxel_singer.errors import InputError
from target_stac.formats.geoparquet import columns
from tests.pixxel_backfill.shards import (
    COLLECTION,
    ItemBackfill,
    Killed,
    assert_equal_to_target_stac,
    encode_message,
    encode_record,
    make_archive_item,
    make_month_plan,
    read_table,
    record_changes,
)
from tests.target_stac.exports import (
    assert_links_resolve,
    find_item_files,
    make_collection,
    read_log,
    set_properties,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixxel_backfill.merge.dataset import MergeResult
    from pixxel_backfill.merge.run import MergeReport
    from tests.target_stac.exports import Json

MONTHS = ("2025-01", "2025-02", "2025-03")
COLLECTIONS = {COLLECTION: make_collection(COLLECTION)}


def make_backfill(path: Path, *months: list[Json]) -> ItemBackfill:
    """Make a backfill in which each month has these items."""
    backfill = ItemBackfill(path, make_month_plan(*MONTHS, collections=COLLECTIONS))
    for month, items in zip(MONTHS, months, strict=True):
        backfill.write_month(month, *items)
    return backfill


def read_dataset(report: MergeReport) -> MergeResult:
    assert report.dataset is not None
    return report.dataset


def count_files(report: MergeReport) -> tuple[int, int]:
    """Return how many files were copied, and how many rewritten."""
    return read_dataset(report).copied, read_dataset(report).rewritten


def read_ids(backfill: ItemBackfill) -> list[str]:
    ids: list[str] = read_table(backfill.folder)["id"].to_pylist()
    return ids


CONFLICTS: dict[str, list[list[dict[str, Any]]]] = {
    "one month only": [[{}], [{"odd": {"a": 1}}], [{}]],
    "members of objects": [[{"odd": {"a": 1}}], [{"odd": {"b": ["x"]}}], [{"odd": {"b": []}}]],
    "integer and float": [[{"odd": 1}], [{"odd": 2.5}], [{"odd": 2**60}]],
    "text and number": [[{"odd": "x"}], [{"odd": 2}, {"odd": 3}], [{"odd": 2.5}, {"odd": "y"}]],
    "within a month": [[{"odd": "x"}, {"odd": 1}], [{"odd": 2}, {"odd": 3}], [{"odd": "z"}]],
    "list and text": [[{"odd": ["x"]}], [{"odd": "x"}, {"odd": "y"}], [{"more": 1}]],
    "too large": [[{"odd": 2**70}], [{"odd": 2.5}], [{"odd": 1}]],
    "deep": [[{"odd": [{"a": 1}]}], [{"odd": [{"a": "x"}, {"a": "y"}]}], [{"odd": [{"b": 1}]}]],
}


@pytest.mark.parametrize("label", CONFLICTS)
def test_merge_gives_column_one_type_as_target_stac_does(tmp_path: Path, label: str) -> None:
    items = [
        [
            make_archive_item(f"{month}-{number}", f"{month}-0{number + 1}", **properties)
            for number, properties in enumerate(each)
        ]
        for month, each in zip(MONTHS, CONFLICTS[label], strict=True)
    ]
    backfill = make_backfill(tmp_path / "bf", *items)
    backfill.merge()
    assert_equal_to_target_stac(backfill.folder, tmp_path / "stac", backfill.plan, chain(*items))


@pytest.mark.parametrize("odd", [1, "x"], ids=["stated columns", "disputed columns"])
def test_merge_adds_heights_to_all_files(tmp_path: Path, odd: object) -> None:
    high = make_archive_item("b", "2025-02-01", odd=odd) | {"bbox": [1, 2, 3, 4, 5, 6]}
    flat = make_archive_item("c", "2025-02-02", odd=2)
    items = [[make_archive_item("a", "2025-01-01")], [high, flat], []]
    backfill = make_backfill(tmp_path / "bf", *items)
    backfill.merge()
    assert_equal_to_target_stac(backfill.folder, tmp_path / "stac", backfill.plan, chain(*items))


def test_merge_reports_values_beyond_the_limit_of_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each shard is below the limit, all of them are not: no value is lost without a report."""
    names = [[f"{month}-{number}" for number in range(30)] for month in MONTHS]
    items = [
        [set_properties(make_archive_item(month, f"{month}-01"), **dict.fromkeys(own, 1))]
        for month, own in zip(MONTHS, names, strict=True)
    ]
    monkeypatch.setattr(columns, "MAX_COLUMNS", 100)
    backfill = make_backfill(tmp_path, *items)
    report = backfill.merge()
    found = set(read_table(backfill.folder).schema.names)
    lost = {name for own in names for name in own} - found
    reported = {
        each.path for file in read_dataset(report).index.files.values() for each in file.omissions
    }
    assert lost
    assert lost == reported
    assert not report.is_whole
    assert "null where its column cannot hold the value" in read_log(caplog)[-1]


def test_merge_copies_files_that_have_all_columns(tmp_path: Path) -> None:
    backfill = make_backfill(
        tmp_path,
        [make_archive_item("a", "2025-01-01")],
        [make_archive_item("b", "2025-02-01", odd=1)],
        [make_archive_item("c", "2025-03-01", odd=2)],
    )
    report = backfill.merge()
    assert count_files(report) == (2, 1)
    assert report.is_whole
    assert [*backfill.find_files()] == [
        f"collection=l2a/year=2025/month={month[-2:]}/{month}.parquet" for month in MONTHS
    ]


def test_merge_keeps_newest_row_of_item_that_moved(tmp_path: Path) -> None:
    """Its file is written anew without the older row, or not at all if that was the only one."""
    old = make_archive_item("moved", "2025-01-05", updated="2025-05-01")
    old |= {"bbox": [0, 0, 1, 1]}
    new = make_archive_item("moved", "2025-02-05", updated="2025-05-02")
    away = make_archive_item("away", "2025-03-05", updated="2025-05-01")
    there = make_archive_item("away", "2025-02-06", updated="2025-05-03")
    stays = make_archive_item("stays", "2025-01-06")
    backfill = make_backfill(tmp_path, [old, stays], [new, there], [away])
    report = backfill.merge()
    table = read_table(backfill.folder)
    assert table["id"].to_pylist() == ["away", "moved", "stays"]
    assert [time.day for time in table["datetime"].to_pylist()] == [6, 5, 6]
    assert read_dataset(report).index.rows == 3
    [file, _] = backfill.find_files().values()
    metadata = json.loads(pq.read_metadata(file).metadata[b"geo"])
    assert metadata["columns"]["geometry"]["bbox"] == stays["bbox"]


def test_catch_up_rewrites_only_files_with_changed_items(tmp_path: Path) -> None:
    items = [
        [make_archive_item(f"{month}-{n}", f"{month}-0{n}", updated="2025-05-01") for n in (1, 2)]
        for month in MONTHS
    ]
    backfill = make_backfill(tmp_path, *items)
    backfill.merge()
    stamps = backfill.read_stamps()
    changed = make_archive_item("2025-02-1", "2025-02-01", updated="2025-06-01")
    backfill.write_catch_up(1, changed, items[2][0])  # the second one is at the boundary
    report = backfill.merge()
    assert count_files(report) == (1, 1)
    after = backfill.read_stamps()
    assert {name for name in after if after[name] != stamps.get(name)} == {
        "collection=l2a/year=2025/month=02/2025-02.parquet",
        "collection=l2a/year=2025/month=02/catch-up-0001.parquet",
    }
    assert read_ids(backfill) == [item["id"] for each in items for item in each]
    backfill.write_catch_up(2, changed | {"id": "2025-02-2"})
    backfill.merge()
    assert count_files(backfill.merge()) == (0, 0)
    assert read_ids(backfill) == [item["id"] for each in items for item in each]


def test_merge_with_open_shards_names_them(tmp_path: Path) -> None:
    backfill = ItemBackfill(tmp_path, make_month_plan(*MONTHS))
    backfill.write_month("2025-02", make_archive_item("a", "2025-02-01"))
    with pytest.raises(InputError, match="2 of 3 shards are not done: l2a/2025-01, l2a/2025-03"):
        backfill.merge()
    assert not backfill.find_files()
    backfill.merge(is_partial=True)
    assert read_ids(backfill) == ["a"]


def test_merge_names_damaged_file(tmp_path: Path) -> None:
    backfill = make_backfill(
        tmp_path,
        [make_archive_item("a", "2025-01-01")],
        [make_archive_item("b", "2025-02-01", odd=1)],
        [],
    )
    [file] = (tmp_path / "shards").rglob(f"2025-01{PARQUET}")
    file.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"/2025-01\.parquet: is damaged: .*; restore it"):
        backfill.merge()
    file.unlink()
    with pytest.raises(InputError, match=r"/2025-01\.parquet: is missing .*; restore it"):
        backfill.merge()


def test_merge_ends_when_later_one_begins(tmp_path: Path) -> None:
    """At any of its steps: it must not undo what the later one makes of a further catch-up."""
    for number in count():
        backfill = make_backfill(
            tmp_path / str(number),
            [make_archive_item("a", "2025-01-01", updated="2025-05-01")],
            [make_archive_item("b", "2025-02-01", updated="2025-05-01", odd=1)],
            [],
        )
        later = merge_after_steps(backfill, number)
        try:
            merge_shards(backfill.folder, backfill.plan, check=later.__next__)
        except InputError as error:
            assert str(error).endswith("wait for the other one, or merge again")  # noqa: PT017
        else:
            break
        assert read_ids(backfill) == ["a", "b", "c"]
        index = json.loads((backfill.path / DATASET_FILE).read_bytes())
        assert index["is_complete"]
        assert len(index["files"]) == len(backfill.find_files())
    assert number > 2


def merge_after_steps(backfill: ItemBackfill, steps: int) -> Iterator[None]:
    """Yield for each step, and after some of them add a catch-up and merge it."""
    yield from repeat(None, steps)
    new = make_archive_item("c", "2025-01-03", updated="2025-06-01")
    changed = make_archive_item("a", "2025-01-02", updated="2025-06-01")
    backfill.write_catch_up(1, new, changed)
    backfill.merge()
    yield from repeat(None)


def test_merge_makes_file_again_that_is_missing(tmp_path: Path) -> None:
    items = [[make_archive_item(m, f"{m}-01")] for m in MONTHS]
    backfill = make_backfill(tmp_path, *items)
    backfill.merge()
    file, *_ = backfill.find_files().values()
    file.unlink()
    assert count_files(backfill.merge()) == (1, 0)
    assert read_ids(backfill) == [*MONTHS]


def test_merge_reports_rejected_records_that_no_shard_accepts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backfill = ItemBackfill(tmp_path, make_month_plan("2025-01", "2025-02"))
    rejected = [
        {"id": name, "collection": COLLECTION, "stac_item": None, "stac_error": "no time"}
        for name in ("mended", "untimed")
    ]
    backfill.write_shard(backfill.plan.shards[0], map(encode_message, rejected))
    backfill.write_month("2025-02")
    assert not backfill.merge().is_whole
    lines = (tmp_path / "rejected.ndjson").read_bytes().splitlines()
    assert [json.loads(line)["record"]["id"] for line in lines] == ["mended", "untimed"]
    backfill.write_catch_up(1, make_archive_item("mended", "2025-01-01"))
    backfill.merge()
    line = read_log(caplog, "ERROR")[-1]
    assert re.search(r"^1 records are no STAC items.*rejected.ndjson: untimed$", line)
    # Once more, after it was accepted: the dataset has an outdated row.
    backfill.write_shard(make_catch_up(2), map(encode_message, rejected[:1]))
    backfill.merge()
    assert read_log(caplog, "ERROR")[-1].endswith(": mended, untimed")
    assert read_ids(backfill) == ["mended"]


def test_merge_writes_catalog_of_newest_items(tmp_path: Path) -> None:
    moved = [
        make_archive_item("moved", "2025-01-05", updated="2025-05-02", odd={"deep": [1, "x"]}),
        make_archive_item("moved", "2025-02-05", updated="2025-05-01"),
    ]
    backfill = make_backfill(
        tmp_path / "bf", moved[:1], moved[1:], [make_archive_item("c", "2025-03-01")]
    )
    catalog = tmp_path / "stac"
    backfill.merge(catalog=str(catalog))
    assert_links_resolve(catalog)
    files = find_item_files(catalog)
    assert sorted(files) == ["l2a/c", "l2a/moved"]
    item = json.loads(files["l2a/moved"].read_bytes())
    assert item["properties"] == moved[0]["properties"]
    collection = json.loads((catalog / "l2a/collection.json").read_bytes())
    assert collection["title"] == COLLECTIONS[COLLECTION]["title"]


@pytest.mark.parametrize("collection", ["l2a", "a b/ü%=c"])
def test_dataset_is_read_as_hive(tmp_path: Path, collection: str) -> None:
    shards = [Shard(f"{collection}/all", collection, None, None)]
    backfill = ItemBackfill(tmp_path, Plan("p", "2026-01-01T00:00:00.000000Z", {}, shards, {}))
    items = [
        make_archive_item(day, day) | {"collection": collection}
        for day in ("2024-12-31", "2025-01-01")
    ]
    backfill.write_shard(shards[0], map(encode_record, items))
    backfill.merge()
    root = tmp_path / DATASET_FOLDER
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        files = f"read_parquet('{root}/**/*.parquet', hive_partitioning = true)"
        query = "SELECT id, collection, year, month::INT FROM {} ORDER BY id"
        assert connection.execute(query.format(files)).fetchall() == [
            ("2024-12-31", collection, 2024, 12),
            ("2025-01-01", collection, 2025, 1),
        ]
    partitioning = ds.partitioning(
        pa.schema([("collection", pa.string()), ("year", pa.int32()), ("month", pa.int32())]),
        flavor="hive",
    )
    dataset = ds.dataset(root, format="parquet", partitioning=partitioning)
    table = dataset.to_table(filter=ds.field("year") == 2025)
    assert table.select(["id", "collection", "month"]).to_pylist() == [
        {"id": "2025-01-01", "collection": collection, "month": 1}
    ]
    frame = gpd.read_parquet(root, partitioning=None)
    assert sorted(frame["id"]) == ["2024-12-31", "2025-01-01"]


def test_merge_killed_at_any_change_ends_with_same_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of the folder finds each item at any time, too."""
    items = [[make_archive_item(m, f"{m}-01", updated="2025-05-01")] for m in MONTHS]
    items[0].append(make_archive_item("stays", "2025-01-02"))
    items[2].append(make_archive_item("more", "2025-03-03", column=1))
    backfill = make_backfill(tmp_path, *items)
    backfill.merge()
    ids = {*MONTHS, "stays", "more"}
    # A catch-up that changes all columns, takes an item from a file, and the only one from another.
    moved = [make_archive_item(m, "2025-03-02", updated="2025-06-01", odd=1) for m in MONTHS[:2]]
    backfill.write_catch_up(1, *moved)
    before = {name: path.read_bytes() for name, path in backfill.find_files().items()}
    index = (tmp_path / DATASET_FILE).read_bytes()
    backfill.merge()
    expected = {name: path.read_bytes() for name, path in backfill.find_files().items()}
    final_index = (tmp_path / DATASET_FILE).read_bytes()
    assert before.keys() - expected.keys()
    for number in count():
        for path in backfill.find_files().values():
            path.unlink()
        for name, content in before.items():
            path = tmp_path / DATASET_FOLDER / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (tmp_path / DATASET_FILE).write_bytes(index)
        with monkeypatch.context() as patch:
            record_changes(patch, kill_before=number)
            try:
                backfill.merge()
            except Killed:
                pass
            else:
                break
        assert {
            name
            for path in backfill.find_files().values()
            for name in pq.ParquetFile(path).read(["id"])["id"].to_pylist()
        } == ids
        backfill.merge()
        found = {name: path.read_bytes() for name, path in backfill.find_files().items()}
        assert found == expected, number
        assert (tmp_path / DATASET_FILE).read_bytes() == final_index
    assert number > 6
