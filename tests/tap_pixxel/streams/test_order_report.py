"""The order report: every row, with columns named by the header and typed by the cells."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixxel_sandbox import Sandbox
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.streams.order_report import CELL_TYPES, MORE_CELLS, InvalidReport, parse_report
from tap_pixxel.tap import TapPixxel
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import MessageCollector, make_catalog, make_config, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, items=60) as server:
        yield server


def detect_type(*cells: str, known: dict[str, str] | None = None) -> str:
    report = parse_report("\r\n".join(["a,b", *(f"x,{cell}" for cell in cells)]).encode())
    return report.detect_types(known or {})["b"]


def schema_properties(messages: list[dict[str, Any]]) -> dict[str, Any]:
    [schema] = [each["schema"] for each in messages if each["type"] == "SCHEMA"]
    properties: dict[str, Any] = schema["properties"]
    return properties


def serve_csv(*bodies: bytes) -> ScriptedServer:
    return ScriptedServer(
        *(answer(body=body, headers=("Content-Type: text/csv",)) for body in bodies)
    )


def test_report_rows_are_all_emitted_and_table_is_activated(sandbox: Sandbox) -> None:
    synced = sync(sandbox, "order_report")
    records = synced.records["order_report"]
    assert [each["row_number"] for each in records] == list(range(1, len(records) + 1))
    assert len(records) == len(sandbox.workspace.ids("order_items")) + 1 or len(records) > 20
    rows = [tuple(v for k, v in each.items() if k != "row_number") for each in records]
    assert len({str(each) for each in rows}) < len(rows), "the sandbox's report has twins"
    types = [each["type"] for each in synced.messages if each["type"] != "STATE"]
    assert types[0] == "SCHEMA"
    assert types[-1] == "ACTIVATE_VERSION"


def test_report_columns_are_named_and_typed_by_the_header_and_cells() -> None:
    body = (
        b"Order ID,Area (sq km),Bands,Paid At,Day,Rush,Note,Code\r\n"
        b'a,12.5,7,2025-01-31 12:00:00+00:00,31-01-2025,TRUE,"two\nlines, ""x""",007\r\n'
        b"b,3,,2025-02-01T00:00:00Z,2025-02-01,false,,12\r\n"
    )
    with serve_csv(body) as server:
        synced = sync(server, "order_report")
    assert synced.records["order_report"] == [
        {
            "row_number": 1,
            "order_id": "a",
            "area_sq_km": 12.5,
            "bands": 7,
            "paid_at": "2025-01-31T12:00:00.000000Z",
            "day": "2025-01-31",
            "rush": True,
            "note": 'two\nlines, "x"',
            "code": "007",
        },
        {
            "row_number": 2,
            "order_id": "b",
            "area_sq_km": 3.0,
            "bands": None,
            "paid_at": "2025-02-01T00:00:00.000000Z",
            "day": "2025-02-01",
            "rush": False,
            "note": None,
            "code": "12",
        },
    ]
    properties = schema_properties(synced.messages)
    assert properties["area_sq_km"]["type"] == ["number", "null"]
    assert properties["paid_at"]["format"] == "date-time"
    assert properties["code"] == {
        "type": ["string", "null"],
        "description": "The report's column 'Code'.",
    }
    assert b"tz=UTC" in server.requests[0]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-20"], "number"),
        (["1", "2.5"], "number"),
        (["1", "01"], "text"),
        (["1e400"], "text"),
        (["999999999999999"], "number"),
        (["9999999999999999"], "text"),
        (["NaN"], "text"),
        (["true", "False"], "boolean"),
        (["true", "1"], "text"),
        (["2025-01-31", "31-01-2025"], "date"),
        (["2025-01-31T00:00:00Z", "2025-01-31 12:00"], "timestamp"),
        (["2025-01-31T25:00:00Z"], "text"),
        (["2025-01-31", "2025-01-31T00:00:00Z"], "text"),
        (["2025-13-31"], "text"),
        (["", "  "], "text"),
        ([], "text"),
    ],
)
def test_detect_types_returns_narrowest_type_of_all_cells(cells: list[str], kind: str) -> None:
    assert detect_type(*cells) == kind


@pytest.mark.parametrize(
    ("known", "cells", "kind"),
    [
        ("number", ["1"], "number"),
        ("text", ["1"], "text"),
        ("number", ["2025-01-31"], "text"),
        ("number", [""], "number"),
        ("no such kind", ["1"], "number"),
    ],
)
def test_detect_types_known_type_only_widens(known: str, cells: list[str], kind: str) -> None:
    assert detect_type(*cells, known={"b": known}) == kind


def test_state_keeps_types_of_columns_missing_for_a_while() -> None:
    with serve_csv(b"A,B\r\nk,x\r\n", b"B\r\ny\r\n", b"A,B\r\n1,y\r\n") as server:
        first = sync(server, "order_report")
        second = sync(server, "order_report", state=first.state)
        third = sync(server, "order_report", state=second.state)
    assert schema_properties(third.messages)["a"]["type"] == ["string", "null"]


def test_iter_fields_whole_number_stays_an_integer() -> None:
    report = parse_report(b"A\r\n7\r\n-2.50\r\n")
    assert [str(fields["a"]) for fields in report.iter_fields({"a": "number"})] == ["7", "-2.5"]


def test_parse_report_titles_become_unique_names() -> None:
    header = "Order ID,order id,,2nd,Row number,Größe (m²),extra"
    report = parse_report(f"{header}\r\n".encode(), reserved_names=("row_number", "extra"))
    assert list(report.titles) == [
        "order_id",
        "order_id_2",
        "column_3",
        "column_2nd",
        "row_number_2",
        "gr_e_m",
        "extra_2",
    ]


def test_parse_report_long_titles_stay_unique_within_63_characters() -> None:
    titles = [f"{'Cost ' * 20}{end}" for end in "abc"]
    names = list(parse_report(f"{','.join(titles)}\r\n".encode()).titles)
    assert len({name[:63] for name in names}) == 3


def test_report_rows_of_other_lengths_lose_no_cell() -> None:
    with serve_csv(b"A,B\r\n1\r\n1,2,three,4\r\n\r\n") as server:
        records = sync(server, "order_report").records["order_report"]
    assert records == [
        {"row_number": 1, "a": 1},
        {"row_number": 2, "a": 1, "b": 2, MORE_CELLS: ["three", "4"]},
    ]


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=8))
def test_report_any_cells_keep_their_values(rows: list[list[str]]) -> None:
    """Unchanged, or as the value that they denote; blank ones as null."""
    file = io.StringIO()
    csv.writer(file).writerows([["a", "b"], *rows])
    report = parse_report(file.getvalue().encode())
    kinds = report.detect_types({})
    found = list(report.iter_fields(kinds))
    assert len(found) == len(rows)
    for row, fields in zip(rows, found, strict=True):
        for cell, (name, value) in zip(row, fields.items(), strict=True):
            assert value == (CELL_TYPES[kinds[name]].read(cell) if cell.strip() else None)
            if kinds[name] == "text" and cell.strip():
                assert value == cell


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b'{"error": {}}',
        b"<html>",
        b"\r\n",
        b"OK",
        b'A,B\r\n"1,2\r\n3,4\r\n',
        b'A,B\r\n"1"x,2\r\n',
    ],
)
def test_response_not_a_report_fails_the_stream(body: bytes) -> None:
    with serve_csv(body) as server:
        synced = sync(server, "order_report")
    assert synced.status is ExitCode.INCOMPLETE
    assert not any(each["type"] == "ACTIVATE_VERSION" for each in synced.messages)


def test_parse_report_byte_order_mark_is_ignored() -> None:
    assert parse_report(b"\xef\xbb\xbfA\r\n1\r\n").titles == {"a": "A"}


def test_parse_report_long_cell_is_kept() -> None:
    cell = "x" * 200_000
    assert parse_report(f"A\r\n{cell}\r\n".encode()).rows == [[cell]]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "is empty, without a header"),
        (b"\r\n\r\n", "is empty, without a header"),
        (b"\xff", "is not UTF-8 text"),
        (b' {\r\n "error": 1,\r\n "code": 2\r\n}', "is JSON instead of CSV"),
        (b'A,B\r\n"1"x,2\r\n', "is not valid CSV"),
        (b"OK", "is a line of text instead of CSV"),
    ],
)
def test_parse_report_invalid_content_raises_reason_without_quoting(text: bytes, why: str) -> None:
    with pytest.raises(InvalidReport) as caught:
        parse_report(text)
    assert str(caught.value) == why


def test_parse_report_one_column_or_header_only_is_valid() -> None:
    assert parse_report(b"A\r\n\r\n1\r\n").rows == [["1"]]
    assert parse_report(b"A,B").rows == []


def test_iter_fields_cells_have_type_of_their_column() -> None:
    report = parse_report(
        b"A,B,C,D,E\r\n TRUE , 1.5,31-01-2025,2025-01-31 12:00+01:00, x\r\nfalse,,,, "
    )
    kinds = report.detect_types({})
    assert list(kinds.values()) == ["boolean", "number", "date", "timestamp", "text"]
    assert list(report.iter_fields(kinds)) == [
        {"a": True, "b": 1.5, "c": "2025-01-31", "d": "2025-01-31T11:00:00.000000Z", "e": " x"},
        {"a": False, "b": None, "c": None, "d": None, "e": None},
    ]


def test_report_columns_missing_from_catalog_can_be_deselected(sandbox: Sandbox) -> None:
    config = make_config(sandbox)
    catalog = make_catalog(config, "order_report")
    [entry] = [each for each in catalog["streams"] if each["tap_stream_id"] == "order_report"]
    assert set(entry["schema"]["properties"]) == {"row_number", MORE_CELLS, "extra"}
    entry["metadata"].append(
        {"breadcrumb": ["properties", "status"], "metadata": {"selected": False}}
    )
    writer = MessageCollector()
    TapPixxel(config=config, catalog=catalog, message_writer=writer).run()
    assert "status" not in schema_properties(writer.messages)
    assert "type" in schema_properties(writer.messages)
    records = [each["record"] for each in writer.messages if each["type"] == "RECORD"]
    assert records
    assert not any("status" in each for each in records)


def test_stream_map_on_report_columns_is_applied(sandbox: Sandbox) -> None:
    maps = {"order_report": {"kind": "type", "type": "__NULL__"}}
    synced = sync(sandbox, "order_report", stream_maps=maps)
    properties = schema_properties(synced.messages)
    assert "kind" in properties
    assert "type" not in properties
    assert {each["kind"] for each in synced.records["order_report"]} >= {"ARCHIVE", "TASKING"}
