"""Every fault once, over the whole tap: its status and its one line, or all of its records.

What the client does with each by itself, such as asking again, is in tests/pixxel_api.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.running import TOKEN, run
from tests.pixxel_api.scripted import ScriptedServer, answer

if TYPE_CHECKING:
    from tests.pixxel_api.scripted import Script

HTML = b"<html><body>Bad Gateway " + TOKEN.encode() + b"</body></html>"
GOOD = b'{"stores": [{"id": "a"}, {"id": "b"}]}'
ZIPPED = ("Content-Encoding: gzip",)
QUICK = 15  # seconds, for a run that waits at most half of one; the machine may be busy
EDGE = 980  # lists in lists; with a few more, Python 3.11 cannot read the answer at all


def orders(*ids: str, total: int | None = None) -> bytes:
    """Write a page of orders."""
    rows = [{"id": key, "updated_at": "2025-01-01T00:00:00Z"} for key in ids]
    pagination = {} if total is None else {"pagination": {"total": total}}
    return answer(body=json.dumps({"orders": rows} | pagination).encode())


def storm(*headers: str) -> tuple[Script, ...]:
    """Be asked too much three times, then answer."""
    return (*(answer(429, HTML, headers=headers) for _ in range(3)), answer(body=GOOD))


def date(hours: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)


@dataclass(frozen=True)
class Fault:
    """A fault that the whole tap meets.

    Attributes:
        scripts: What the server answers; the last for ever.
        status: The exit status.
        says: What the one line of level error holds; there is none without this.
        gives: The ids of the records.
        asked: How often the server was asked, where that is a matter of course.
        tells: What a warning holds.
        stream: What is read, two rows a page.
        server: How the server behaves.
    """

    scripts: tuple[Script, ...]
    status: int = 1
    says: str = ""
    gives: tuple[str, ...] = ()
    asked: int | None = None
    tells: str = ""
    stream: str = "stores"
    server: dict[str, Any] = field(default_factory=dict)


BREAKS = "connection failed or interrupted"
FAULTS = {
    # Connections
    "no answer": Fault((None,), says=BREAKS),
    "reset in the body": Fault(
        (answer(body=GOOD, length=99),), says=BREAKS, server={"reset": True}
    ),
    "slow drip": Fault((answer(body=b" " * 999 + GOOD),), says="timed out", server={"drip": 0.01}),
    "no HTTP": Fault((b"220 mail.invalid ESMTP\r\n\r\n",), says=BREAKS),
    # Bodies
    "JSON cut off": Fault((answer(body=GOOD[:-9]),), says="not JSON"),
    "Content-Length too long": Fault((answer(body=GOOD, length=99),), says=BREAKS),
    "Content-Length too short": Fault((answer(body=GOOD, length=9),), says="not JSON"),
    "gzip garbage": Fault((answer(body=b"\x1f\x8b" + GOOD, headers=ZIPPED),), says=BREAKS),
    "gzip cut off": Fault(
        (answer(body=gzip.compress(GOOD * 9)[:40], headers=ZIPPED),), says="not JSON"
    ),
    "HTML with 200": Fault((answer(body=HTML),), says="an HTML page; check the setting"),
    # Statuses
    "HTML with 502": Fault((answer(502, HTML),), says="returned 502: server error"),
    "429 for ever": Fault((answer(429, HTML),), says="'requests_per_second'"),
    "429 without Retry-After": Fault(storm(), 0, gives=("a", "b"), asked=4),
    "429, seconds": Fault(storm("Retry-After: 1"), 0, gives=("a", "b"), asked=4),
    "429, a date": Fault(storm(f"Retry-After: {date(1)}"), 0, gives=("a", "b"), asked=4),
    "429, a date gone by": Fault(storm(f"Retry-After: {date(-1)}"), 0, gives=("a", "b"), asked=4),
    "429, nonsense": Fault(storm("Retry-After: soon"), 0, gives=("a", "b"), asked=4),
    "429, negative": Fault(storm("Retry-After: -5"), 0, gives=("a", "b"), asked=4),
    "429, huge": Fault(storm("Retry-After: " + "9" * 999), 0, gives=("a", "b"), asked=4),
    "401 halfway": Fault(
        (orders("a", "b", total=9), answer(401, HTML)),
        says="returned 401: invalid token",
        gives=("a", "b"),
        stream="orders",
    ),
    "403 halfway": Fault(
        (orders("a", "b", total=9), answer(403, HTML)),
        status=3,
        says="orders: stream skipped: GET /v0/orders answered 403",
        gives=("a", "b"),
        stream="orders",
    ),
    # An error that says it is none
    "an envelope with 200": Fault(
        (answer(body=b'{"error": {"code": "internal", "message": "s3cret"}}'),),
        says="returned 200 (internal): the response contains an error",
        asked=1,
    ),
    "an envelope beside an empty list": Fault(
        (answer(body=b'{"stores": null, "error": {"code": "internal"}}'),),
        says="returned 200 (internal): the response contains an error",
        asked=1,
    ),
    # Lists
    "a page that repeats for ever": Fault(
        (orders("a", "b"),), says="endless list", gives=("a", "b"), stream="orders"
    ),
    "a page without ids that repeats for ever": Fault(
        (answer(body=b'{"orders": [{"status": "PAID"}, {"status": "UNPAID"}]}'),),
        says="endless list",
        stream="orders",
    ),
    "a total that shrinks to 0": Fault(
        (orders("a", "b", total=9), orders(total=0)),
        status=0,
        tells="the list ended early or kept changing",
        gives=("a", "b"),
        stream="orders",
    ),
    # JSON
    "NaN": Fault(
        (answer(body=GOOD.replace(b'"b"', b'"b", "x": NaN')),), says="contains NaN", asked=1
    ),
    "-Infinity": Fault(
        (answer(body=GOOD.replace(b'"b"', b'"b", "x": -Infinity')),), says="Infinity", asked=1
    ),
    "no UTF-8": Fault(
        (answer(body=GOOD.replace(b'"b"', b'"b", "x": "\xe9"')),), says="not UTF-8", asked=1
    ),
    "nesting that no reader can follow": Fault(
        (answer(body=b'{"stores": ' + b"[" * 99_999 + b"]" * 99_999 + b"}"),),
        says="nested too deep",
        asked=1,
    ),
    "a key twice": Fault(
        (answer(body=GOOD.replace(b'"a"', b'"a", "id": "c"')),), 0, gives=("c", "b")
    ),
    "a total that no number holds": Fault(
        (answer(body=b'{"orders": [{"id": "a"}], "pagination": {"total": 1e999}}'),),
        status=0,
        gives=("a",),
        stream="orders",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_ends_in_its_line_or_in_all_records(what: str) -> None:
    fault = FAULTS[what]
    with ScriptedServer(*fault.scripts, **fault.server) as server:
        ended = run(server.url, fault.stream, {"page_size": 2})
    assert ended.seconds < QUICK
    assert ended.result.returncode == fault.status
    assert [record["id"] for record in ended.records] == list(fault.gives)
    told = [line for line in ended.errors if not line.startswith("skipped streams that")]
    assert len(told) == bool(fault.says)
    assert fault.says in "".join(told)
    assert any(fault.tells in line for line in ended.warnings) or not fault.tells
    assert fault.asked in {None, len(server.requests)}
    # A full table that is not whole would be emptied, and a bookmark would pass what was missed.
    whole = not fault.status and not fault.tells
    assert whole or "ACTIVATE_VERSION" not in ended.result.stdout
    assert whole or "replication_key_value" not in ended.result.stdout


def test_a_refused_connection_ends_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ended = run(f"http://127.0.0.1:{port}", "stores")
    assert ended.result.returncode == 1
    [line] = ended.errors
    assert BREAKS in line


def test_a_redirect_to_another_host_does_not_take_the_token_there() -> None:
    with ScriptedServer(answer(body=GOOD)) as other:
        there = other.url.replace("127.0.0.1", "localhost")
        with ScriptedServer(answer(307, headers=(f"Location: {there}/v0/stores",))) as server:
            ended = run(server.url, "stores")
    assert other.requests == []
    assert ended.result.returncode == 1
    [line] = ended.errors
    assert "the server redirects to another URL" in line


@pytest.mark.parametrize(
    ("name", "column", "kept"),
    [
        ("1e400", "extra", "1e400"),
        ("-1e400", "extra", "-1e400"),
        ("1" + "0" * 400, "extra", 10**400),
        ("1" + "0" * 5000, "extra", "1" + "0" * 5000),
    ],
    ids=["1e400", "-1e400", "10^400", "10^5000"],
)
def test_a_number_that_no_float_holds_is_kept_and_its_record_flows(
    name: str, column: str, kept: Any
) -> None:
    """In a column of numbers, in an object, and where no column is."""
    row = '{"id": "a", "total_amount": N, "order_items": [{"x": N}], "new": N, "user_id": "u"}'
    body = '{"orders": [ROW, {"id": "b"}]}'.replace("ROW", row).replace("N", name)
    with ScriptedServer(answer(body=body.encode())) as server:
        ended = run(server.url, "orders")
    assert (ended.result.returncode, ended.errors) == (0, [])
    first, second = ended.records
    assert first[column] == {"total_amount": kept, "new": kept}
    assert (first["total_amount"], first["order_items"]) == (None, [{"x": kept}])
    assert (first["user_id"], second["id"]) == ("u", "b")


def test_half_of_a_surrogate_pair_is_replaced_and_told() -> None:
    """No UTF-8 can hold it; what is a pair, or only looks like a half, stays as it is."""
    name = rb"\ud800 \ud83d\ude00 \\ud800 \udc00"
    body = GOOD.replace(b'"a"', b'"a", "name": "' + name + rb'", "\ud801": 1')
    with ScriptedServer(answer(body=body)) as server:
        ended = run(server.url, "stores")
    assert (ended.result.returncode, ended.errors) == (0, [])
    first, second = ended.records
    assert first["name"] == "\ufffd \U0001f600 \\ud800 \ufffd"
    assert first["extra"] == {"\ufffd": 1}
    assert second["id"] == "b"
    assert any("3 lone surrogates" in line for line in ended.warnings)


def test_records_nested_to_the_edge_flow_or_are_left_out_and_counted() -> None:
    """Each step from the wire to the line has a bit less room for them than the one before."""
    depths = range(900, EDGE)
    rows = ",".join(f'{{"id": "{n}", "x": {"[" * n}{"]" * n}}}' for n in depths)
    with ScriptedServer(answer(body=f'{{"stores": [{rows}]}}'.encode())) as server:
        ended = run(server.url, "stores")
    assert (ended.result.returncode, ended.errors) == (0, [])
    out = len(depths) - len(re.findall('"type":"RECORD"', ended.result.stdout))
    told = [line for line in ended.warnings if line.startswith("stores: ")]
    assert [line for line in told if f" {out} records that cannot be read" in line] or not out
