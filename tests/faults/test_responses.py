"""Faults of a response, run through the whole tap: exit status, error line and records.

Faults of connections, retries and Retry-After are tested in tests/pixxel_api, endless lists there
and in test_failed_streams.py.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.forked_tap import TOKEN, sync_stream
from tests.pixxel_api.scripted import ScriptedServer, answer

if TYPE_CHECKING:
    from tests.pixxel_api.scripted import Script

HTML = b"<html><body>Bad Gateway " + TOKEN.encode() + b"</body></html>"
GOOD = b'{"stores": [{"id": "a"}, {"id": "b"}]}'
CLOSED = "closed the connection before the response was complete"
GZIP_HEADERS = ("Content-Encoding: gzip",)
MAX_DEPTH = 980  # of nested lists; a little deeper, Python 3.11 cannot decode the response


def orders_page(*ids: str, total: int | None = None) -> bytes:
    """Return a response with a page of orders."""
    rows = [{"id": key, "updated_at": "2025-01-01T00:00:00Z"} for key in ids]
    pagination = {} if total is None else {"pagination": {"total": total}}
    return answer(body=json.dumps({"orders": rows} | pagination).encode())


@dataclass(frozen=True)
class Fault:
    """A fault, and what the whole tap does about it.

    Attributes:
        scripts: Responses of the server; it repeats the last one.
        status: Expected exit status.
        error: Part of the only line of level error; empty if there must be none.
        record_ids: Ids of the emitted records.
        request_count: Number of requests; None if it may vary.
        warning: Part of a warning; empty if any may be logged.
        stream: Stream that is read, with two rows per page.
    """

    scripts: tuple[Script, ...]
    status: int = 1
    error: str = ""
    record_ids: tuple[str, ...] = ()
    request_count: int | None = None
    warning: str = ""
    stream: str = "stores"


FAULTS = {
    # Bodies
    "truncated JSON": Fault((answer(body=GOOD[:-9]),), status=3, error="not JSON"),
    "Content-Length too long": Fault((answer(body=GOOD, length=99),), error=CLOSED),
    "invalid gzip": Fault(
        (answer(body=b"\x1f\x8b" + GOOD, headers=GZIP_HEADERS),),
        error="as its Content-Encoding says",
    ),
    "truncated gzip": Fault(
        (answer(body=gzip.compress(GOOD * 9)[:40], headers=GZIP_HEADERS),),
        error="not JSON",
    ),
    "HTML with 200": Fault((answer(body=HTML),), error="an HTML page; check the setting"),
    # Statuses
    "HTML with 502": Fault((answer(502, HTML),), error="returned 502: server error"),
    "429 forever": Fault((answer(429, HTML),), error="'requests_per_second'"),
    "401 on the second page": Fault(
        (orders_page("a", "b", total=9), answer(401, HTML)),
        error="returned 401: invalid token",
        record_ids=("a", "b"),
        stream="orders",
    ),
    "403 on the second page": Fault(
        (orders_page("a", "b", total=9), answer(403, HTML)),
        status=3,
        error="orders: stream skipped: GET /v0/orders returned 403",
        record_ids=("a", "b"),
        stream="orders",
    ),
    # Errors with a success status
    "error object with 200": Fault(
        (answer(body=b'{"error": {"code": "internal", "message": "s3cret"}}'),),
        status=3,
        error="returned 200 (internal): the response contains an error",
        request_count=1,
    ),
    "error object beside a null list": Fault(
        (answer(body=b'{"stores": null, "error": {"code": "internal"}}'),),
        status=3,
        error="returned 200 (internal): the response contains an error",
        request_count=1,
    ),
    # Lists
    "total that drops to 0": Fault(
        (orders_page("a", "b", total=9), orders_page(total=0)),
        status=0,
        warning="the list ended early or kept changing",
        record_ids=("a", "b"),
        stream="orders",
    ),
    # JSON
    "NaN": Fault(
        (answer(body=GOOD.replace(b'"b"', b'"b", "x": NaN')),),
        status=3,
        error="contains NaN",
        request_count=1,
    ),
    "-Infinity": Fault(
        (answer(body=GOOD.replace(b'"b"', b'"b", "x": -Infinity')),),
        status=3,
        error="Infinity",
        request_count=1,
    ),
    "invalid UTF-8": Fault(
        (answer(body=GOOD.replace(b'"b"', b'"b", "x": "\xe9"')),),
        status=3,
        error="not UTF-8",
        request_count=1,
    ),
    "nesting too deep to decode": Fault(
        (answer(body=b'{"stores": ' + b"[" * 999_999 + b"]" * 999_999 + b"}"),),
        status=3,
        error="nested too deep",
        request_count=1,
    ),
    "duplicate key": Fault(
        (answer(body=GOOD.replace(b'"a"', b'"a", "id": "c"')),), 0, record_ids=("c", "b")
    ),
    "total beyond a float": Fault(
        (answer(body=b'{"orders": [{"id": "a"}], "pagination": {"total": 1e999}}'),),
        status=0,
        record_ids=("a",),
        stream="orders",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_tap_faulty_response_logs_one_error_or_emits_all_records(name: str) -> None:
    fault = FAULTS[name]
    with ScriptedServer(*fault.scripts) as server:
        tap = sync_stream(server.url, fault.stream, {"page_size": 2})
    assert tap.result.returncode == fault.status
    assert [record["id"] for record in tap.records] == list(fault.record_ids)
    logged = [line for line in tap.errors if not line.startswith("failed streams, ")]
    assert len(logged) == bool(fault.error)
    assert fault.error in "".join(logged)
    assert any(fault.warning in line for line in tap.warnings) or not fault.warning
    assert fault.request_count in {None, len(server.requests)}
    # After an incomplete read, ACTIVATE_VERSION would delete rows and a bookmark would skip some.
    complete = not fault.status and not fault.warning
    assert complete or "ACTIVATE_VERSION" not in tap.result.stdout
    assert complete or "replication_key_value" not in tap.result.stdout


@pytest.mark.parametrize(
    ("number", "expected"),
    [("1e400", "1e400"), ("1" + "0" * 400, 10**400), ("1" + "0" * 5000, "1" + "0" * 5000)],
    ids=["1e400", "10^400", "10^5000"],
)
def test_tap_number_beyond_float_is_kept_and_record_emitted(number: str, expected: Any) -> None:
    """The number is in a number column, in an object, and in a member without a column."""
    row = '{"id": "a", "total_amount": N, "order_items": [{"x": N}], "new": N, "user_id": "u"}'
    body = '{"orders": [ROW, {"id": "b"}]}'.replace("ROW", row).replace("N", number)
    with ScriptedServer(answer(body=body.encode())) as server:
        tap = sync_stream(server.url, "orders")
    assert (tap.result.returncode, tap.errors) == (0, [])
    first, second = tap.records
    assert first["extra"] == {"total_amount": expected, "new": expected}
    assert (first["total_amount"], first["order_items"]) == (None, [{"x": expected}])
    assert (first["user_id"], second["id"]) == ("u", "b")


def test_tap_lone_surrogate_is_replaced_and_logged() -> None:
    """UTF-8 cannot encode it; pairs and escaped backslashes before `u` are unchanged."""
    name = rb"\ud800 \ud83d\ude00 \\ud800 \udc00"
    body = GOOD.replace(b'"a"', b'"a", "name": "' + name + rb'", "\ud801": 1')
    with ScriptedServer(answer(body=body)) as server:
        tap = sync_stream(server.url, "stores")
    assert (tap.result.returncode, tap.errors) == (0, [])
    first, second = tap.records
    assert first["name"] == "\ufffd \U0001f600 \\ud800 \ufffd"
    assert first["extra"] == {"\ufffd": 1}
    assert second["id"] == "b"
    assert any("3 lone surrogates" in line for line in tap.warnings)


def test_tap_deeply_nested_records_are_emitted_or_counted_as_left_out() -> None:
    """The nesting limit decreases slightly with each step from the response to the message."""
    depths = range(900, MAX_DEPTH)
    rows = ",".join(f'{{"id": "{n}", "x": {"[" * n}{"]" * n}}}' for n in depths)
    with ScriptedServer(answer(body=f'{{"stores": [{rows}]}}'.encode())) as server:
        tap = sync_stream(server.url, "stores")
    assert (tap.result.returncode, tap.errors) == (0, [])
    left_out = len(depths) - len(re.findall('"type":"RECORD"', tap.result.stdout))
    logged = [line for line in tap.warnings if line.startswith("stores: ")]
    text = f" skipped {left_out} records that cannot be decoded"
    assert [line for line in logged if text in line] or not left_out
