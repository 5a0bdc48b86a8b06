"""HTTP server that returns one given response for each operation of the contract."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from .operations import find_operation

if TYPE_CHECKING:
    from collections.abc import Iterator


class StubServer:
    """HTTP server of given responses.

    Attributes:
        url: Base URL, set while the server listens.
        responses: JSON, or the bytes of a report, by operation (`GET /v0/orders`).
        list_keys: Name of the paged list in a response, by operation.
    """

    def __init__(self) -> None:
        self.url = ""
        self.responses: dict[str, Any] = {}
        self.list_keys: dict[str, str] = {}

    def respond(self, method: str, target: str, body: bytes) -> bytes | None:
        """Return the response with the rows from the requested offset; None if there is none."""
        parts = urlsplit(target)
        operation = str(find_operation(method, parts.path))
        response = self.responses.get(operation)
        if isinstance(response, bytes) or response is None:
            return response
        name, offset = self.list_keys.get(operation, ""), _parse_offset(parts.query, body)
        rows = response.get(name) if offset and isinstance(response, dict) else None
        if isinstance(rows, list):
            response = response | {name: rows[offset:]}
        elif isinstance(rows, dict):
            response = response | {name: dict(list(rows.items())[offset:])}
        return json.dumps(response).encode()

    @contextmanager
    def open(self) -> Iterator[StubServer]:
        """Listen until the block ends."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
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


def _parse_offset(query: str, body: bytes) -> int:
    parameters = {name: values[0] for name, values in parse_qs(query).items()}
    parameters |= json.loads(body) if body else {}
    if "page_num" in parameters:
        return (int(parameters["page_num"]) - 1) * int(parameters["page_size"])
    return int(parameters.get("offset", parameters.get("skip", 0)))


def _make_handler(server: StubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            content = server.respond(self.command, self.path, body)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        do_GET = do_POST = _handle  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
