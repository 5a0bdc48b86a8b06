"""What records bring: STAC itself or in a column; what is left out, counted and told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.exit_codes import ExitCode
from tests.stac_target.exports import (
    DATA,
    Json,
    collection,
    export,
    item,
    item_files,
    lines_of,
    links_resolve,
    logged,
    read,
    record,
    run_target,
    schema,
    send,
    snapshot,
    told,
    with_properties,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_records_that_are_items_and_collections_are_taken_without_the_taps_own_fields(
    tmp_path: Path,
) -> None:
    own = {"_sdc_extracted_at": "2025-01-01T00:00:00Z", "_sdc_sequence": 1}
    records = [record("s", **item("a"), **own), record("s", **collection("l2a"), **own)]
    assert send(tmp_path, [schema("s"), *records]) == ExitCode.OK
    assert set(item_files(tmp_path)) == {"l2a/a"}
    assert b"_sdc_" not in b"".join(snapshot(tmp_path).values())
    assert read(tmp_path / "l2a/collection.json")["title"] == "Title of l2a"


def test_an_item_may_come_as_text(tmp_path: Path) -> None:
    texts = [record("s", stac_item=json.dumps(item("a"))), record("s", stac_item="null")]
    assert send(tmp_path, [schema("s"), *texts]) == ExitCode.OK
    assert set(item_files(tmp_path)) == {"l2a/a"}


def test_records_that_carry_nothing_are_counted_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [
        schema("orders"),
        record("orders", id=1, type="Feature"),  # GeoJSON, and not STAC
        record("orders", id=2),
        schema("items"),
        record("items", id=3, stac_item=None),
        record("items", stac_item=item("a")),
    ]
    caplog.set_level("INFO")
    assert send(tmp_path, messages) == ExitCode.OK
    assert told(caplog) == ["items: 1 records have no STAC Item to export"]
    assert "ignored, as their records carry no STAC: orders (2)" in caplog.messages
    assert not (tmp_path / "rejected.ndjson").exists()


@pytest.mark.parametrize("column", ["datetime", "gsd", "platform"])
def test_a_tables_row_that_looks_like_an_item_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    """As tap-pixxel's are without STAC: flat columns beside the raw members of an item."""
    caplog.set_level("INFO")
    row = item("a") | {column: "x"}
    assert send(tmp_path, [schema("items"), record("items", **row)]) == ExitCode.OK
    [*_, told_last] = told(caplog)
    assert told_last.startswith(
        "ignored, as their records carry no STAC: items (1); is the conversion"
    )
    assert snapshot(tmp_path) == {}


def test_a_collection_of_no_version_of_stac_does_not_stand_for_one(tmp_path: Path) -> None:
    """As the API's own are, which tap-pixxel passes on without STAC."""
    assert send(tmp_path, [schema("c"), record("c", **collection("l2a"))]) == ExitCode.OK
    before = snapshot(tmp_path)
    raw = {**collection("l2a"), "stac_version": "0.1.0", "title": "raw"}
    assert send(tmp_path, [schema("c"), record("c", **raw)]) == ExitCode.OK
    assert snapshot(tmp_path) == before


def test_a_stream_map_may_rename_and_drop(tmp_path: Path) -> None:
    maps: dict[str, Any] = {
        "items": {"__alias__": "scenes", "stac_item": "stac_item"},
        "orders": "__NULL__",
    }
    messages = [
        schema("orders"),
        record("orders", stac_item=item("b")),
        schema("items"),
        record("items", stac_item=item("a")),
        record("items", stac_item={"id": "bad"}),
    ]
    assert send(tmp_path, messages, stream_maps=maps) == ExitCode.INCOMPLETE
    assert set(item_files(tmp_path)) == {"l2a/a"}
    [rejected] = lines_of(tmp_path / "rejected.ndjson")
    assert rejected["stream"] == "scenes"


def test_new_schemas_and_versions_on_the_way_change_nothing(tmp_path: Path) -> None:
    other = schema("items") | {"key_properties": ["id"]}
    version = {"type": "ACTIVATE_VERSION", "stream": "items", "version": 1}
    messages = [schema("items"), record("items", stac_item=item("a")), version, other]
    assert send(tmp_path, [*messages, record("items", stac_item=item("b"))]) == ExitCode.OK
    assert set(item_files(tmp_path)) == {"l2a/a", "l2a/b"}


def without(*names: str, **more: Any) -> Json:
    return {k: v for k, v in (item("bad") | more).items() if k not in names}


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("no id", {"stac_item": without("id")}, "item has no id"),
    ("id of a number", {"stac_item": item("x") | {"id": 7}}, "item has no id"),
    ("no type", {"stac_item": without("type")}, "item has a type other than Feature"),
    ("no time", {"stac_item": item("x", properties={})}, "item has no datetime"),
    (
        "start without end",
        {"stac_item": item("x", properties={"start_datetime": "2025-01-01T00:00:00Z"})},
        "item has no datetime, and no start_datetime with an end_datetime",
    ),
    *(
        (
            f"time {time!r}",
            {"stac_item": with_properties(item("x"), datetime=time)},
            "item has a datetime that is no RFC 3339 timestamp",
        )
        for time in ("soon", 7, "2025-03-01T00:00:00", "0001-01-01T00:00:00+14:00", "2025-02-30")
    ),
    ("no properties", {"stac_item": without("properties")}, "item has no properties"),
    ("geometry of text", {"stac_item": item("x", geometry="s3cret")}, "is not GeoJSON"),
    ("type of geometry", {"stac_item": item("x", geometry={"type": "Circle"})}, "is not GeoJSON"),
    ("list of types", {"stac_item": item("x", geometry={"type": ["Point"]})}, "is not GeoJSON"),
    ("bare geometry", {"stac_item": item("x", geometry={"type": "Point"})}, "is not GeoJSON"),
    ("no bbox", {"stac_item": without("bbox")}, "item has a geometry and no bbox"),
    ("bbox of text", {"stac_item": item("x", bbox=["s3cret", 0, 0, 0])}, "no bbox of four or six"),
    ("huge bbox", {"stac_item": item("x", bbox=[10**400, 0, 0, 0])}, "no bbox of four or six"),
    ("collection of a number", {"stac_item": item("x") | {"collection": 7}}, "item has a collect"),
    ("links of text", {"stac_item": item("x", links=["s3cret"])}, "item has links that are no"),
    ("item of text", {"stac_item": "s3cret"}, "'stac_item' is a text that is not JSON"),
    ("item of a number", {"stac_item": 7}, "'stac_item' is no object"),
    ("nameless collection", {"stac_collection": {"type": "Collection"}}, "collection has no id"),
    ("untyped collection", {"stac_collection": {"id": "l2a"}}, "collection has a type other than"),
]


@pytest.mark.parametrize(("bad", "reason"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_what_cannot_be_exported_is_kept_with_its_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: dict[str, Any], reason: str
) -> None:
    messages = [schema("s"), record("s", **bad), record("s", stac_item=item("good"))]
    assert send(tmp_path, messages) == ExitCode.INCOMPLETE
    assert set(item_files(tmp_path)) == {"l2a/good"}
    links_resolve(tmp_path)
    [kept] = lines_of(tmp_path / "rejected.ndjson")
    assert kept["stream"] == "s"
    assert reason in kept["reason"]
    assert kept["record"] in (bad, *bad.values())
    assert told(caplog, "ERROR") == ["s: 1 were left out; see rejected.ndjson"]
    assert "s3cret" not in caplog.text + kept["reason"]


def test_rejects_are_those_of_the_last_run(tmp_path: Path) -> None:
    bad = without("id")
    assert send(tmp_path, [schema("s"), record("s", stac_item=bad)]) == ExitCode.INCOMPLETE
    assert (tmp_path / "rejected.ndjson").exists()
    assert export(tmp_path, item("a")) == ExitCode.OK
    assert not (tmp_path / "rejected.ndjson").exists()


def test_the_command_ends_with_3_when_something_was_left_out(tmp_path: Path) -> None:
    lines = (DATA / "rejected.singer").read_bytes()
    result = run_target(lines, tmp_path / "out")
    assert result.returncode == 3
    assert logged(result, "error") == ["items: 2 were left out; see rejected.ndjson"]
    assert json.loads(result.stdout), "the STATE is that of a run that is done"


def test_deeply_nested_properties_do_not_end_the_run(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(300):
        deep = {"x": [deep]}
    made = with_properties(item("a"), deep=deep)
    status = export(tmp_path, made, item("b"), formats=["catalog", "ndjson", "geoparquet"])
    assert status in {ExitCode.OK, ExitCode.INCOMPLETE}
    assert set(item_files(tmp_path)) == {"l2a/a", "l2a/b"}
