"""Endless or huge responses: memory stays bounded, and a signal ends the run."""

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

from tests.faults.forked_tap import fork_tap, sync_stream
from tests.pixxel_api.scripted import ScriptedServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

MIB = 1 << 20
FIRST_OUTPUT, LATER_OUTPUT = 15 * MIB, 55 * MIB  # output sizes at which memory is measured
LONG_TEXT = "x" * 10_000


class EndlessOrdersHandler(BaseHTTPRequestHandler):
    """Handler of a list of orders that grows faster than the tap reads it."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        offset, limit = (int(query[name][0]) for name in ("offset", "limit"))
        rows = [
            {"id": f"o-{n}", "updated_at": "2025-01-01T00:00:00Z", "user_id": LONG_TEXT}
            for n in range(offset, offset + limit)
        ]
        total = {"total": offset + 1000 * limit}
        body = json.dumps({"orders": rows, "pagination": total}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def endless_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), EndlessOrdersHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_tap_endless_list_uses_bounded_memory_until_signal(endless_url: str) -> None:
    """Only a signal ends the sync: an endless list looks like a long one."""
    peaks = []
    with fork_tap(endless_url, "orders", {"page_size": 100}) as tap:
        for size in (FIRST_OUTPUT, LATER_OUTPUT):
            while tap.output.stat().st_size < size:
                time.sleep(0.02)
            peaks.append(tap.peak_mib())
        os.kill(tap.pid, signal.SIGTERM)
        completed = tap.wait()
    assert peaks[1] - peaks[0] < 20, "MiB, while the output grew by 40"
    assert completed.result.returncode == 143
    keys = [record["id"] for record in completed.records]
    assert len(keys) == len(set(keys))
    assert completed.messages[-1]["type"] == "STATE"
    assert "replication_key_value" not in json.dumps(completed.messages[-1])


def test_tap_record_of_100_mib_is_emitted() -> None:
    body = b'{"stores": [{"id": "a", "name": "' + b"x" * (100 * MIB) + b'"}, {"id": "b"}]}'
    with ScriptedServer(answer(body=body)) as server:
        completed = sync_stream(server.url, "stores", deadline=60)
    assert (completed.result.returncode, completed.errors) == (0, [])
    assert [len(record["name"] or "") for record in completed.records] == [100 * MIB, 0]
    assert completed.peak_mib < 600


def test_tap_gzip_bomb_of_1_gib_is_rejected_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b" " * (16 * MIB)) * 64
    with ScriptedServer(answer(body=bomb, headers=("Content-Encoding: gzip",))) as server:
        completed = sync_stream(server.url, "stores", MAX_BODY_BYTES=32 * MIB, deadline=60)
    assert len(server.requests) == 1
    assert completed.result.returncode == 3
    [line, _] = completed.errors
    assert "too large; lower the setting 'page_size'" in line
    assert completed.peak_mib < 250
