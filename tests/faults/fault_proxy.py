"""HTTP proxy in front of a sandbox that replaces the responses of one endpoint."""

from __future__ import annotations

import http.client
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType

    from tap_pixxel.stream_types.base import PixxelStream

_COPIED_HEADERS = ("authorization", "content-type")


@dataclass(frozen=True)
class Replacement:
    """A response instead of the sandbox's.

    Attributes:
        path: Pattern of the paths whose responses are replaced.
        status: HTTP status.
        body: Body.
        in_request: Text that the body of a replaced request has.
    """

    path: str
    status: int = 200
    body: bytes = b"{}"
    in_request: bytes = b""

    def applies_to(self, path: str, body: bytes) -> bool:
        """Return whether to replace the response to a request."""
        return bool(re.fullmatch(self.path, path)) and self.in_request in body


def match_path(stream: type[PixxelStream]) -> str:
    """Return the pattern of a stream's paths."""
    return re.sub(r"\{\w+\}", "[^/]+", stream.path)


class FaultProxy:
    """The proxy, within a `with` block.

    Args:
        url: URL of the sandbox.

    Attributes:
        replacement: The response to replace; may be changed at any time.
        replaced: Paths of the requests whose responses were replaced.
    """

    def __init__(self, url: str, replacement: Replacement | None = None) -> None:
        self._origin = urlsplit(url).netloc
        self.replacement = replacement
        self.replaced: list[str] = []
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Start the proxy."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the proxy."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def respond(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes, str]:
        """Return the status, body and type of the response to a request."""
        path = urlsplit(target).path
        if self.replacement and self.replacement.applies_to(path, body):
            self.replaced.append(path)
            return self.replacement.status, self.replacement.body, "application/json"
        connection = http.client.HTTPConnection(self._origin)
        try:
            connection.request(method, target, body or None, headers)
            response = connection.getresponse()
            kind = response.headers.get("Content-Type", "application/json")
            return response.status, response.read(), kind
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    proxy: ClassVar[FaultProxy]
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: self.headers[name] for name in _COPIED_HEADERS if name in self.headers}
        status, content, kind = self.proxy.respond(self.command, self.path, body, headers)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
