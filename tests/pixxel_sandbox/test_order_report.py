"""The order report is CSV in the requested time zone."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import MISSING, Sandbox
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .api_client import send_request

if TYPE_CHECKING:
    from .conftest import StartSandbox

HEADER = (
    "Order ID,Order Item ID,Type,Status,Area (sq km),Amount,Bands,Created At,Paid At,Priority,Note"
)


def get_report(sandbox: Sandbox, **params: str) -> list[dict[str, str]]:
    response = send_request(sandbox, "GET", "/v0/reports", params=params)
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.content.decode(), newline="")))


def test_report_has_row_for_each_order_item_and_one_twice(shared_sandbox: Sandbox) -> None:
    rows = get_report(shared_sandbox)
    assert {row["Order Item ID"] for row in rows} == set(
        shared_sandbox.workspace.ids("order_items")
    )
    assert sorted(Counter(tuple(row.values()) for row in rows).values())[-2:] == [1, 2]
    assert len(rows) == shared_sandbox.counts()["order_report"]


def test_report_is_csv_with_quoted_cells_and_crlf(shared_sandbox: Sandbox) -> None:
    response = send_request(shared_sandbox, "GET", "/v0/reports")
    assert response.headers["Content-Type"].startswith("text/csv")
    head, *lines = response.content.decode().split("\r\n")
    assert head == HEADER
    assert lines[-1] == ""
    assert any('"deliver to ""Quay 4"", north side"' in line for line in lines)
    assert any("only\nthe rest" in line for line in lines), "a cell has two lines"


def test_report_cells_have_several_types_and_some_are_empty(shared_sandbox: Sandbox) -> None:
    rows = get_report(shared_sandbox)
    assert all(row["Area (sq km)"].isdecimal() for row in rows)
    assert any("." in row["Amount"] for row in rows)
    assert {row["Priority"] for row in rows} == {"true", "false"}
    for name in ("Bands", "Paid At", "Note"):
        assert 0 < sum(not row[name] for row in rows) < len(rows), name


def test_report_with_time_zone_has_local_times(shared_sandbox: Sandbox) -> None:
    here, there = get_report(shared_sandbox), get_report(shared_sandbox, tz="Asia/Kolkata")
    assert all(row["Created At"].endswith("+00:00") for row in here)
    assert all(row["Created At"].endswith("+05:30") for row in there)
    for name in ("Created At", "Paid At"):
        assert [parse_timestamp(row[name]) for row in here] == [
            parse_timestamp(row[name]) for row in there
        ]


@pytest.mark.parametrize("zone", ["Europe", "Middle/Earth", "../UTC", "", "/etc/passwd"])
def test_report_with_unknown_time_zone_returns_400(shared_sandbox: Sandbox, zone: str) -> None:
    response = send_request(shared_sandbox, "GET", "/v0/reports", params={"tz": zone})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")


def test_report_shows_current_order_item(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    key, gone = sandbox.workspace.ids("order_items")[:2]
    sandbox.workspace.update("order_items", key, status="CANCELLED", area=7, final_amount=MISSING)
    sandbox.workspace.delete("order_items", gone)
    rows = {row["Order Item ID"]: row for row in get_report(sandbox)}
    assert [rows[key][name] for name in ("Status", "Area (sq km)", "Amount")] == [
        "CANCELLED", "7", "",
    ]  # fmt: skip
    assert rows[gone]["Status"] == ""


def test_forbidden_report_returns_403(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(forbid={"order_report"})
    response = send_request(sandbox, "GET", "/v0/reports")
    assert (response.status_code, response.json()["error"]["code"]) == (403, "permission_denied")
