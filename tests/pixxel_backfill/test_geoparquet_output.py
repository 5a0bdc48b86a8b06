"""Tests of the files that an attempt at a shard writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixxel_backfill.outputs.geoparquet import (
    LINES,
    PARQUET,
    REJECTED_FILE,
    ROWS,
    parse_microseconds,
    read_known_columns,
)
from tests.pixxel_backfill.shards import (
    COLLECTION,
    ItemBackfill,
    encode_message,
    encode_record,
    make_archive_item,
    make_month_plan,
)
from tests.target_stac.exports import (
    export,
    make_api_link,
    make_collection,
    make_item_with_bbox,
    set_properties,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_stac.exports import Json

EDGES = [[-170.0, -60.0, -169.0, -59.0], [100.0, 60.0, 101.0, 61.0], [-169.0, -60.0, -168.0, -59.0]]
ITEMS = [
    set_properties(
        make_item_with_bbox(f"{number}", edges, day="2025-03-07", collection=COLLECTION),
        updated=f"2025-05-0{number + 1}T00:00:00Z",
    )
    for number, edges in enumerate(EDGES)
]
ITEMS += [
    make_item_with_bbox("unlocated", None, day="2025-04-01", collection=COLLECTION),
    make_archive_item("é", "2025-04-02", updated="2025-05-01", cloud=1),
    make_archive_item("6", "2025-04-03", cloud=2.5) | {"bbox": [77.5, 12.9, 1.0, 77.5, 12.9, 2.0]},
]


@pytest.fixture
def backfill(tmp_path: Path) -> ItemBackfill:
    collections = {COLLECTION: make_collection(COLLECTION)}
    return ItemBackfill(tmp_path / "bf", make_month_plan("2025-03", collections=collections))


def read_lines(path: Path) -> list[Json]:
    content = pa.input_stream(str(path), compression="zstd").read()
    return [json.loads(line) for line in content.splitlines()]


def test_shard_has_same_tables_as_target_stac(backfill: ItemBackfill, tmp_path: Path) -> None:
    """An item's own links, its collection in the metadata, and the order of rows, too."""
    links = [make_api_link("self", COLLECTION, "0"), make_api_link("collection", COLLECTION)]
    items = [item | {"links": links} for item in ITEMS]
    attempt = backfill.write_month("2025-03", *items)
    collection = backfill.plan.collections[COLLECTION]
    formats = ["catalog", "geoparquet"]
    export(tmp_path / "stac", collection, *items, formats=formats, partition="month")
    for month in ("2025-03", "2025-04"):
        own = pq.read_table(backfill.path / attempt.folder / COLLECTION / f"{month}{PARQUET}")
        year, number = month.split("-")
        other = tmp_path / f"stac/geoparquet/l2a/year={year}/month={number}/items.parquet"
        # Not through pandas, which hides differences of types.
        assert own.sort_by("id").equals(
            pq.ParquetFile(other).read().sort_by("id"), check_metadata=True
        )


def test_lines_and_rows_have_order_of_geoparquet(backfill: ItemBackfill) -> None:
    attempt = backfill.write_month("2025-03", *ITEMS)
    done = backfill.folder.read_done(backfill.plan.shards[0])
    assert done is not None
    by_id = {item["id"]: item for item in ITEMS}
    assert [file.partition for file in done.files] == ["2025-03", "2025-04"]
    for file in done.files:
        stem = backfill.path / attempt.folder / file.path.removesuffix(PARQUET)
        ids = pq.ParquetFile(f"{stem}{PARQUET}").read(["id"])["id"].to_pylist()
        assert read_lines(stem.with_name(stem.name + LINES)) == [by_id[name] for name in ids]
        rows = pq.read_table(f"{stem}{ROWS}")
        assert rows["id"].to_pylist() == ids
        assert file.rows == len(ids)
        days = [by_id[name]["properties"].get("updated") for name in ids]
        assert rows["updated"].to_pylist() == [
            parse_microseconds(day and day.replace("Z", ".000000Z")) for day in days
        ]
    assert ids[-1] == "unlocated"


def test_record_without_valid_item_is_rejected_with_reason(backfill: ItemBackfill) -> None:
    [item] = ITEMS[:1]
    untimed = item | {"id": "untimed", "properties": {"datetime": None}}
    records: list[Json] = [
        {"id": "failed", "collection": COLLECTION, "stac_item": None, "stac_error": "no time"},
        {"id": "text", "collection": COLLECTION, "stac_item": "x"},
    ]
    lines = [
        b'{"type":"SCHEMA","stream":"archive_items","schema":{},"key_properties":[]}\n',
        *map(encode_message, records),
        encode_record(untimed),
        encode_record(item),
        b'{"type":"STATE","value":{}}\n',
    ]
    shard = backfill.plan.shards[0]
    attempt = backfill.write_shard(shard, lines)
    done = backfill.folder.read_done(shard)
    assert done is not None
    assert [(file.path, file.rows) for file in done.files] == [
        ("l2a/2025-03.parquet", 1),
        (REJECTED_FILE, 3),
    ]
    rejected = read_lines(backfill.path / attempt.folder / REJECTED_FILE)
    assert {each["record"]["id"]: each["reason"] for each in rejected} == {
        "failed": "no time",
        "text": "has a STAC item that is not an object, or a time that is no text",
        "untimed": "item has neither datetime nor start_datetime and end_datetime",
    }


def test_shard_starts_with_columns_of_neighbour(tmp_path: Path) -> None:
    backfill = ItemBackfill(tmp_path, make_month_plan("2025-03", "2025-04", "2025-05"))
    first, middle, last = backfill.plan.shards
    assert read_known_columns(backfill.folder, backfill.plan, last) == {}
    backfill.write_month("2025-03", make_archive_item("a", "2025-03-01", only_march=1))
    known = read_known_columns(backfill.folder, backfill.plan, last)
    item = make_archive_item("c", "2025-05-01")
    attempt = backfill.write_shard(last, [encode_record(item)], known)
    schema = pq.read_schema(backfill.path / attempt.folder / COLLECTION / f"2025-05{PARQUET}")
    assert schema.field("only_march").type == pa.int64()
    assert read_known_columns(backfill.folder, backfill.plan, middle).keys() == {COLLECTION}
    assert first.id == "l2a/2025-03"
