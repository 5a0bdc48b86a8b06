"""The order report is CSV as a spreadsheet writes it, in the time zone that is asked for."""

import csv
import io
from collections import Counter

import pytest

from pixxel_sandbox import MISSING, Sandbox
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .client import send
from .conftest import Start

HEADER = (
    "Order ID,Order Item ID,Type,Status,Area (sq km),Amount,Bands,Created At,Paid At,Priority,Note"
)


def report(sandbox: Sandbox, **params: str) -> list[dict[str, str]]:
    answer = send(sandbox, "GET", "/v0/reports", params=params)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def test_the_report_has_a_line_for_each_order_item_and_one_twice(shared: Sandbox) -> None:
    rows = report(shared)
    assert {row["Order Item ID"] for row in rows} == set(shared.workspace.ids("order_items"))
    assert sorted(Counter(tuple(row.values()) for row in rows).values())[-2:] == [1, 2]
    assert len(rows) == shared.counts()["order_report"]


def test_it_is_text_with_quoted_cells_and_crlf(shared: Sandbox) -> None:
    answer = send(shared, "GET", "/v0/reports")
    assert answer.headers["Content-Type"].startswith("text/csv")
    head, *lines = answer.content.decode().split("\r\n")
    assert head == HEADER
    assert lines[-1] == ""
    assert any('"deliver to ""Quay 4"", north side"' in line for line in lines)
    assert any("only\nthe rest" in line for line in lines), "a cell has two lines"


def test_cells_are_of_several_kinds_and_some_are_empty(shared: Sandbox) -> None:
    rows = report(shared)
    assert all(row["Area (sq km)"].isdecimal() for row in rows)
    assert any("." in row["Amount"] for row in rows)
    assert {row["Priority"] for row in rows} == {"true", "false"}
    for name in ("Bands", "Paid At", "Note"):
        assert 0 < sum(not row[name] for row in rows) < len(rows), name


def test_times_are_those_of_the_zone(shared: Sandbox) -> None:
    here, there = report(shared), report(shared, tz="Asia/Kolkata")
    assert all(row["Created At"].endswith("+00:00") for row in here)
    assert all(row["Created At"].endswith("+05:30") for row in there)
    for name in ("Created At", "Paid At"):
        assert [parse_timestamp(row[name]) for row in here] == [
            parse_timestamp(row[name]) for row in there
        ]


@pytest.mark.parametrize("zone", ["Europe", "Middle/Earth", "../UTC", "", "/etc/passwd"])
def test_an_unknown_zone_answers_400_in_the_envelope(shared: Sandbox, zone: str) -> None:
    answer = send(shared, "GET", "/v0/reports", params={"tz": zone})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


def test_the_report_shows_the_order_item_as_it_is_now(start: Start) -> None:
    sandbox = start()
    key, gone = sandbox.workspace.ids("order_items")[:2]
    sandbox.workspace.update("order_items", key, status="CANCELLED", area=7, final_amount=MISSING)
    sandbox.workspace.delete("order_items", gone)
    rows = {row["Order Item ID"]: row for row in report(sandbox)}
    assert [rows[key][name] for name in ("Status", "Area (sq km)", "Amount")] == [
        "CANCELLED", "7", "",
    ]  # fmt: skip
    assert rows[gone]["Status"] == ""


def test_the_report_can_be_forbidden(start: Start) -> None:
    sandbox = start(forbid={"order_report"})
    answer = send(sandbox, "GET", "/v0/reports")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
