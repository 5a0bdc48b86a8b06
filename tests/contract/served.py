"""A server that gives one answer for each operation of the contract, over real HTTP."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from .operations import operation

if TYPE_CHECKING:
    from collections.abc import Iterator


class Service:
    """What is served.

    Attributes:
        url: Where it listens.
        answers: JSON, or the bytes of a report, by operation (`GET /v0/orders`).
        lists: What the paged list in an answer is called, by operation.
    """

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, Any] = {}
        self.lists: dict[str, str] = {}

    def answer(self, method: str, target: str, body: bytes) -> bytes | None:
        """Answer a request, with the rows from its offset on; None where nothing is known."""
        parts = urlsplit(target)
        asked = operation(method, parts.path)
        found = self.answers.get(str(asked))
        if isinstance(found, bytes) or found is None:
            return found
        name, offset = self.lists.get(str(asked), ""), _offset(parts.query, body)
        rows = found.get(name) if offset and isinstance(found, dict) else None
        if isinstance(rows, list):
            found = found | {name: rows[offset:]}
        elif isinstance(rows, dict):
            found = found | {name: dict(list(rows.items())[offset:])}
        return json.dumps(found).encode()

    @contextmanager
    def open(self) -> Iterator[Service]:
        """Listen until the block ends."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _offset(query: str, body: bytes) -> int:
    sent = {name: values[0] for name, values in parse_qs(query).items()}
    sent |= json.loads(body) if body else {}
    if "page_num" in sent:
        return (int(sent["page_num"]) - 1) * int(sent["page_size"])
    return int(sent.get("offset", sent.get("skip", 0)))


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            content = service.answer(self.command, self.path, body)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
