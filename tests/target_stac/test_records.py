"""Tests of the STAC objects of records, and of the records that are rejected."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.exit_codes import ExitCode
from target_stac.links import encode_json
from tests.target_stac.exports import (
    FORMATS,
    Json,
    assert_links_resolve,
    encode_messages,
    export_messages,
    find_item_files,
    make_collection,
    make_item,
    make_record_message,
    make_schema_message,
    make_target,
    read_json,
    read_log,
    read_ndjson,
    set_properties,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_record_that_is_stac_is_exported_without_sdc_fields(
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


@pytest.mark.parametrize("column", [None, "stac_item"])
def test_null_member_of_item_is_absent_except_geometry(tmp_path: Path, column: str | None) -> None:
    """A tap may write null for a member that an item lacks; geometry null is no location."""
    nulls = {"collection": None, "links": None, "assets": None, "stac_extensions": None}
    item = {**make_item("a"), **nulls, "geometry": None, "bbox": None}
    fields = item if column is None else {column: item}
    messages = [make_schema_message("s"), make_record_message("s", **fields)]
    assert export_messages(tmp_path, messages) == ExitCode.OK
    [path] = find_item_files(tmp_path).values()
    written = read_json(path)
    assert written["geometry"] is None
    assert None not in [written[name] for name in written if name != "geometry"]
    assert "bbox" not in written


def test_item_as_json_string_is_exported(tmp_path: Path) -> None:
    texts = [
        make_record_message("s", stac_item=json.dumps(make_item("a"))),
        make_record_message("s", stac_item="null"),
    ]
    assert export_messages(tmp_path, [make_schema_message("s"), *texts]) == ExitCode.OK
    assert set(find_item_files(tmp_path)) == {"l2a/a"}


def test_collection_without_stac_1_version_is_ignored(tmp_path: Path) -> None:
    """The API's own collections are such; tap-pixxel emits them with its setting `stac` off."""
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
def test_invalid_record_is_rejected_with_reason(
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
    [rejected] = read_ndjson(tmp_path / "rejected.ndjson")
    assert rejected["stream"] == "s"
    assert reason in rejected["reason"]
    assert rejected["record"] in (bad, *bad.values())
    assert read_log(caplog, "ERROR") == ["s: rejected 1 records; see rejected.ndjson"]
    assert "s3cret" not in caplog.text + rejected["reason"]


@pytest.mark.parametrize("column", ["object", "text"])
def test_item_nested_too_deeply_is_rejected_and_others_are_exported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    """Python ends at about 1,000 levels, a reader of the export maybe earlier."""

    def export_nested(depth: int) -> ExitCode:
        nested = b'{"x":' * depth + b"1" + b"}" * depth
        deep = encode_json(set_properties(make_item("a"), deep="DEEP")).replace(b'"DEEP"', nested)
        items = [deep, encode_json(make_item("b")), encode_json(make_item("c"))]
        if column == "text":
            items = [encode_json(item.decode()) for item in items]
        lines = [b'{"type":"RECORD","stream":"s","record":{"stac_item":%s}}' % x for x in items]
        schema = encode_messages([make_schema_message("s")])
        source = io.TextIOWrapper(io.BytesIO(schema + b"\n".join(lines)))
        return make_target(tmp_path, formats=FORMATS).run(source)

    for _ in range(2):
        caplog.clear()
        assert export_nested(10_000) == ExitCode.INCOMPLETE
        assert set(find_item_files(tmp_path)) == {"l2a/b", "l2a/c"}
        [rejected] = read_ndjson(tmp_path / "rejected.ndjson")
        assert rejected["reason"].endswith("is nested more than 500 levels deep")
        assert read_log(caplog, "ERROR") == ["s: rejected 1 records; see rejected.ndjson"]
    assert export_nested(490) == ExitCode.INCOMPLETE, "GeoParquet"
    assert set(find_item_files(tmp_path)) == {"l2a/a", "l2a/b", "l2a/c"}
    assert not (tmp_path / "rejected.ndjson").exists()
    assert export_nested(10) == ExitCode.OK
