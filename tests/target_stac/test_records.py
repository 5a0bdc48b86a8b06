"""What records bring: STAC itself or in a column; what is left out, counted and told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.exit_codes import ExitCode
from tests.target_stac.exports import (
    DATA,
    Json,
    assert_links_resolve,
    export,
    export_messages,
    find_item_files,
    make_collection,
    make_item,
    make_record_message,
    make_schema_message,
    read_command_log,
    read_json,
    read_log,
    read_ndjson,
    run_target,
    set_properties,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_records_that_are_items_and_collections_are_taken_without_the_taps_own_fields(
    tmp_path: Path,
) -> None:
    own = {"_sdc_extracted_at": "2025-01-01T00:00:00Z", "_sdc_sequence": 1}
    records = [
        make_record_message("s", **make_item("a"), **own),
        make_record_message("s", **make_collection("l2a"), **own),
    ]
    assert export_messages(tmp_path, [make_schema_message("s"), *records]) == ExitCode.OK
    assert set(find_item_files(tmp_path)) == {"l2a/a"}
    assert b"_sdc_" not in b"".join(snapshot(tmp_path).values())
    assert read_json(tmp_path / "l2a/collection.json")["title"] == "Title of l2a"


def test_an_item_may_come_as_text(tmp_path: Path) -> None:
    texts = [
        make_record_message("s", stac_item=json.dumps(make_item("a"))),
        make_record_message("s", stac_item="null"),
    ]
    assert export_messages(tmp_path, [make_schema_message("s"), *texts]) == ExitCode.OK
    assert set(find_item_files(tmp_path)) == {"l2a/a"}


def test_records_that_carry_nothing_are_counted_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [
        make_schema_message("orders"),
        make_record_message("orders", id=1, type="Feature"),  # GeoJSON, and not STAC
        make_record_message("orders", id=2),
        make_schema_message("items"),
        make_record_message("items", id=3, stac_item=None),
        make_record_message("items", stac_item=make_item("a")),
    ]
    caplog.set_level("INFO")
    assert export_messages(tmp_path, messages) == ExitCode.OK
    assert read_log(caplog) == ["items: ignored 1 records whose STAC column is empty"]
    assert "ignored records without STAC: orders (2)" in caplog.messages
    assert not (tmp_path / "rejected.ndjson").exists()


@pytest.mark.parametrize("column", ["datetime", "gsd", "platform"])
def test_a_tables_row_that_looks_like_an_item_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    """As tap-pixxel's are without STAC: flat columns beside the raw members of an item."""
    caplog.set_level("INFO")
    row = make_item("a") | {column: "x"}
    assert (
        export_messages(
            tmp_path, [make_schema_message("items"), make_record_message("items", **row)]
        )
        == ExitCode.OK
    )
    [*_, told_last] = read_log(caplog)
    assert told_last.startswith(
        "ignored records without STAC: items (1); check that the tap converts"
    )
    assert snapshot(tmp_path) == {}


def test_a_collection_of_no_version_of_stac_does_not_stand_for_one(tmp_path: Path) -> None:
    """As the API's own are, which tap-pixxel passes on without STAC."""
    assert (
        export_messages(
            tmp_path, [make_schema_message("c"), make_record_message("c", **make_collection("l2a"))]
        )
        == ExitCode.OK
    )
    before = snapshot(tmp_path)
    raw = {**make_collection("l2a"), "stac_version": "0.1.0", "title": "raw"}
    assert (
        export_messages(tmp_path, [make_schema_message("c"), make_record_message("c", **raw)])
        == ExitCode.OK
    )
    assert snapshot(tmp_path) == before


def test_a_stream_map_may_rename_and_drop(tmp_path: Path) -> None:
    maps: dict[str, Any] = {
        "items": {"__alias__": "scenes", "stac_item": "stac_item"},
        "orders": "__NULL__",
    }
    messages = [
        make_schema_message("orders"),
        make_record_message("orders", stac_item=make_item("b")),
        make_schema_message("items"),
        make_record_message("items", stac_item=make_item("a")),
        make_record_message("items", stac_item={"id": "bad"}),
    ]
    assert export_messages(tmp_path, messages, stream_maps=maps) == ExitCode.INCOMPLETE
    assert set(find_item_files(tmp_path)) == {"l2a/a"}
    [rejected] = read_ndjson(tmp_path / "rejected.ndjson")
    assert rejected["stream"] == "scenes"


def test_new_schemas_and_versions_on_the_way_change_nothing(tmp_path: Path) -> None:
    other = make_schema_message("items") | {"key_properties": ["id"]}
    version = {"type": "ACTIVATE_VERSION", "stream": "items", "version": 1}
    messages = [
        make_schema_message("items"),
        make_record_message("items", stac_item=make_item("a")),
        version,
        other,
    ]
    assert (
        export_messages(
            tmp_path, [*messages, make_record_message("items", stac_item=make_item("b"))]
        )
        == ExitCode.OK
    )
    assert set(find_item_files(tmp_path)) == {"l2a/a", "l2a/b"}


def make_item_without(*names: str, **more: Any) -> Json:
    return {k: v for k, v in (make_item("bad") | more).items() if k not in names}


INVALID_RECORDS: list[tuple[str, dict[str, Any], str]] = [
    ("no id", {"stac_item": make_item_without("id")}, "item has no id"),
    ("id of a number", {"stac_item": make_item("x") | {"id": 7}}, "item has no id"),
    ("no type", {"stac_item": make_item_without("type")}, "item must have the type Feature"),
    ("no time", {"stac_item": make_item("x", properties={})}, "item has neither datetime nor"),
    (
        "start without end",
        {"stac_item": make_item("x", properties={"start_datetime": "2025-01-01T00:00:00Z"})},
        "item has neither datetime nor start_datetime and end_datetime",
    ),
    *(
        (
            f"time {time!r}",
            {"stac_item": set_properties(make_item("x"), datetime=time)},
            "item has a datetime that is not an RFC 3339 timestamp",
        )
        for time in ("soon", 7, "2025-03-01T00:00:00", "0001-01-01T00:00:00+14:00", "2025-02-30")
    ),
    ("no properties", {"stac_item": make_item_without("properties")}, "item has no properties"),
    ("geometry of text", {"stac_item": make_item("x", geometry="s3cret")}, "is not GeoJSON"),
    (
        "type of geometry",
        {"stac_item": make_item("x", geometry={"type": "Circle"})},
        "is not GeoJSON",
    ),
    (
        "list of types",
        {"stac_item": make_item("x", geometry={"type": ["Point"]})},
        "is not GeoJSON",
    ),
    ("bare geometry", {"stac_item": make_item("x", geometry={"type": "Point"})}, "is not GeoJSON"),
    ("no bbox", {"stac_item": make_item_without("bbox")}, "item has a geometry but no bbox"),
    (
        "bbox of text",
        {"stac_item": make_item("x", bbox=["s3cret", 0, 0, 0])},
        "no bbox of four or six",
    ),
    ("huge bbox", {"stac_item": make_item("x", bbox=[10**400, 0, 0, 0])}, "no bbox of four or six"),
    (
        "collection of a number",
        {"stac_item": make_item("x") | {"collection": 7}},
        "item has a collect",
    ),
    (
        "links of text",
        {"stac_item": make_item("x", links=["s3cret"])},
        "item has links that are not",
    ),
    ("item of text", {"stac_item": "s3cret"}, "'stac_item' is not valid JSON"),
    ("item of a number", {"stac_item": 7}, "'stac_item' is not an object"),
    ("nameless collection", {"stac_collection": {"type": "Collection"}}, "collection has no id"),
    ("untyped collection", {"stac_collection": {"id": "l2a"}}, "collection must have the type"),
]


@pytest.mark.parametrize(
    ("bad", "reason"), [b[1:] for b in INVALID_RECORDS], ids=[b[0] for b in INVALID_RECORDS]
)
def test_what_cannot_be_exported_is_kept_with_its_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: dict[str, Any], reason: str
) -> None:
    messages = [
        make_schema_message("s"),
        make_record_message("s", **bad),
        make_record_message("s", stac_item=make_item("good")),
    ]
    assert export_messages(tmp_path, messages) == ExitCode.INCOMPLETE
    assert set(find_item_files(tmp_path)) == {"l2a/good"}
    assert_links_resolve(tmp_path)
    [kept] = read_ndjson(tmp_path / "rejected.ndjson")
    assert kept["stream"] == "s"
    assert reason in kept["reason"]
    assert kept["record"] in (bad, *bad.values())
    assert read_log(caplog, "ERROR") == ["s: rejected 1 records; see rejected.ndjson"]
    assert "s3cret" not in caplog.text + kept["reason"]


def test_rejects_are_those_of_the_last_run(tmp_path: Path) -> None:
    bad = make_item_without("id")
    assert (
        export_messages(
            tmp_path, [make_schema_message("s"), make_record_message("s", stac_item=bad)]
        )
        == ExitCode.INCOMPLETE
    )
    assert (tmp_path / "rejected.ndjson").exists()
    assert export(tmp_path, make_item("a")) == ExitCode.OK
    assert not (tmp_path / "rejected.ndjson").exists()


def test_the_command_ends_with_3_when_something_was_left_out(tmp_path: Path) -> None:
    lines = (DATA / "rejected.singer").read_bytes()
    result = run_target(lines, tmp_path / "out")
    assert result.returncode == 3
    assert read_command_log(result, "error") == ["items: rejected 2 records; see rejected.ndjson"]
    assert json.loads(result.stdout), "the STATE is that of a run that is done"


def test_deeply_nested_properties_do_not_end_the_run(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(300):
        deep = {"x": [deep]}
    made = set_properties(make_item("a"), deep=deep)
    status = export(tmp_path, made, make_item("b"), formats=["catalog", "ndjson", "geoparquet"])
    assert status in {ExitCode.OK, ExitCode.INCOMPLETE}
    assert set(find_item_files(tmp_path)) == {"l2a/a", "l2a/b"}
