"""The order report: every row under fixed columns, and no row of an empty report."""

from __future__ import annotations

import csv
import io
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.streams.order_report import InvalidReport, make_row_key, parse_report
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import sync

if TYPE_CHECKING:
    from pixxel_sandbox import Sandbox

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def serve_csv(*bodies: bytes) -> ScriptedServer:
    return ScriptedServer(
        *(answer(body=body, headers=("Content-Type: text/csv",)) for body in bodies)
    )


def record_keys(records: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(each["row_key"], each["occurrence"]) for each in records]


def test_report_rows_are_all_emitted_and_table_is_activated(sandbox: Sandbox) -> None:
    synced = sync(sandbox, "order_report")
    records = synced.records["order_report"]
    assert len(records) == sandbox.counts()["order_report"]
    assert len({key for key, _ in record_keys(records)}) < len(records), "it has twins"
    assert len(set(record_keys(records))) == len(records)
    types = [each["type"] for each in synced.messages if each["type"] != "STATE"]
    assert types == ["SCHEMA", *["RECORD"] * len(records), "ACTIVATE_VERSION"]


def test_report_has_the_same_columns_whatever_its_header() -> None:
    body = (
        b"Order ID,Area (sq km),Paid At,Note\r\n"
        b'a,012.50,2025-01-31 12:00:00+00:00,"two\nlines, ""x"""\r\n'
    )
    with serve_csv(body, b"B,C\r\ny,z\r\n") as server:
        first = sync(server, "order_report")
        second = sync(server, "order_report", state=first.state)
    [schema], [other] = (
        [each for each in run.messages if each["type"] == "SCHEMA"] for run in (first, second)
    )
    assert schema == other
    assert list(schema["schema"]["properties"]) == ["row_key", "occurrence", "fields", "extra"]
    assert schema["key_properties"] == ["row_key", "occurrence"]
    [record] = first.records["order_report"]
    assert record["fields"] == {
        "Order ID": "a",
        "Area (sq km)": "012.50",
        "Paid At": "2025-01-31 12:00:00+00:00",
        "Note": 'two\nlines, "x"',
    }
    assert first.state == second.state == {"bookmarks": {"order_report": {}}}
    assert b"tz=UTC" in server.requests[0]


@pytest.mark.parametrize(
    "body",
    [b"", b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"A,B", b"A,B\r\n", b"OK", b"Sorry, no orders yet.\n"],
)
def test_empty_report_has_no_rows_and_is_logged(
    caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    """It is no failure; but the history cannot have shrunk, so nothing is removed."""
    with serve_csv(body) as server, caplog.at_level(logging.WARNING):
        synced = sync(server, "order_report")
    assert synced.status is ExitCode.OK
    assert {each["type"] for each in synced.messages} == {"SCHEMA", "STATE"}
    assert caplog.messages == [
        "order_report: the report has no rows; rows of earlier syncs are kept"
    ]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\xff\xfe", "is not UTF-8 text"),
        (b' {\r\n "error": 1,\r\n "code": 2\r\n}', "is JSON instead of CSV"),
        (b"[]", "is JSON instead of CSV"),
        (b"null\n", "is JSON instead of CSV"),
        (
            b"Closed for\nmaintenance.\n",
            "has a header of one column, so it is a text or has another separator",
        ),
        (
            b"sep=;\na;b\n1;2\n",
            "has a header of one column, so it is a text or has another separator",
        ),
        (b'A,B\r\n"1,2\r\n3,4\r\n', "is not valid CSV"),
        (b'A,B\r\n"1"x,2\r\n', "is not valid CSV"),
    ],
)
def test_parse_report_invalid_content_raises_reason_without_quoting(body: bytes, why: str) -> None:
    with pytest.raises(InvalidReport) as caught:
        parse_report(body)
    assert str(caught.value) == why


def test_response_not_a_report_fails_the_stream() -> None:
    with serve_csv(b'{"error": {}}') as server:
        synced = sync(server, "order_report")
    assert synced.status is ExitCode.INCOMPLETE
    assert not any(each["type"] == "ACTIVATE_VERSION" for each in synced.messages)


def test_parse_report_cells_without_own_title_are_numbered() -> None:
    [short, long] = parse_report(b"A,,A,column_2,column_5\r\n1\r\n\r\n1,2,3,4,5,6\r\n")
    assert short == {"A": "1"}
    assert list(long) == ["A", *(f"column_{number}" for number in range(2, 7))]
    assert list(long.values()) == list("123456")


def test_parse_report_long_cell_and_byte_order_mark() -> None:
    cell = "x" * 200_000
    assert parse_report(f"\ufeffA,B\r\n{cell}\r\n".encode()) == [{"A": cell}]


@given(st.lists(TEXTS, min_size=1, max_size=4), st.lists(st.lists(TEXTS, min_size=1), max_size=6))
def test_parse_report_keeps_every_cell(header: list[str], rows: list[list[str]]) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([["id", *header], *rows])
    written = [row for row in rows if row]
    assert [list(each.values()) for each in parse_report(file.getvalue().encode())] == written


def test_row_key_depends_on_titles_and_cells() -> None:
    rows = [{"a": "1", "b": "2"}, {"a": "2", "b": "1"}, {"a": "1"}, {"a": "1", "b": ""}]
    assert len({make_row_key(each) for each in rows}) == len(rows)
    assert make_row_key({"b": "2", "a": "1"}) == make_row_key(rows[0])
