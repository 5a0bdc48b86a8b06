"""What has no end, or hardly one: memory stays flat, and a signal ends it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.faults.running import run, running
from tests.pixxel_api.scripted import ScriptedServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")

MIB = 1 << 20
FIRST, LATER = 15 * MIB, 55 * MIB  # of output, when memory is looked at
LETTERS = "x" * 10_000


class Orders(BaseHTTPRequestHandler):
    """A list of orders that grows faster than it is read."""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        offset, limit = (int(asked[name][0]) for name in ("offset", "limit"))
        rows = [
            {"id": f"o-{n}", "updated_at": "2025-01-01T00:00:00Z", "user_id": LETTERS}
            for n in range(offset, offset + limit)
        ]
        total = {"total": offset + 1000 * limit}
        body = json.dumps({"orders": rows, "pagination": total}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def endless() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Orders) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_new_rows_for_ever_take_no_more_memory_and_a_signal_ends_them(endless: str) -> None:
    """A sync of them has no other end: nothing tells them from a long list."""
    peaks = []
    with running(endless, "orders", {"page_size": 100}) as tap:
        for size in (FIRST, LATER):
            while tap.out.stat().st_size < size:
                time.sleep(0.02)
            peaks.append(tap.peak())
        os.kill(tap.pid, signal.SIGTERM)
        ended = tap.end()
    assert peaks[1] - peaks[0] < 20, "MiB, of 40 that came"
    assert ended.result.returncode == 143
    keys = [record["id"] for record in ended.records]
    assert len(keys) == len(set(keys))
    assert ended.messages[-1]["type"] == "STATE"
    assert "replication_key_value" not in json.dumps(ended.messages[-1])


def test_a_record_of_100_mib_flows() -> None:
    body = b'{"stores": [{"id": "a", "name": "' + b"x" * (100 * MIB) + b'"}, {"id": "b"}]}'
    with ScriptedServer(answer(body=body)) as server:
        ended = run(server.url, "stores", deadline=60)
    assert (ended.result.returncode, ended.errors) == (0, [])
    assert [len(record.get("name", "")) for record in ended.records] == [100 * MIB, 0]
    assert ended.peak < 600


def test_a_body_that_unpacks_to_a_gibibyte_is_refused_before_it_has() -> None:
    bomb = gzip.compress(b" " * (16 * MIB)) * 64
    with ScriptedServer(answer(body=bomb, headers=("Content-Encoding: gzip",))) as server:
        ended = run(server.url, "stores", MAX_BODY_BYTES=32 * MIB, deadline=60)
    assert len(server.requests) == 1
    assert ended.result.returncode == 1
    [line] = ended.errors
    assert "too large; lower the setting 'page_size'" in line
    assert ended.peak < 250
