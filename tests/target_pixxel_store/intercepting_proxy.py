"""A proxy between the target and a sandbox that gives responses which a sandbox cannot."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixxel_sandbox import Sandbox
    from tests.target_pixxel_store.target_harness import Json

DELIVERIES_PATH = "/v0/catalogs/deliveries"
STORES_PATH = "/v0/stores"
CATALOG_SEARCH_PATH = "/v0/catalogs/search"


@dataclass
class ProxiedRequest:
    """A request to the proxy.

    Attributes:
        body: The decoded JSON; None if the request has no body.
    """

    method: str
    path: str
    query: str
    body: Any

    def matches(self, method: str, path: str) -> bool:
        """Return whether the request has this method and path, and no query."""
        return (self.method, self.path, self.query) == (method, path, "")


@dataclass
class ProxiedResponse:
    """A response of the proxy.

    Attributes:
        body: Encoded as JSON.
        drip: Seconds between two bytes of the body.
    """

    status: int
    body: Any = None
    drip: float = 0.0


class InterceptingProxy:
    """A proxy whose `intercept` decides on the response to each request.

    Attributes:
        url: The URL of the proxy.
        requests: The requests so far.
        intercept: Returns the response to a request, and receives a function that forwards the
            request to the sandbox. None closes the connection without a response.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = ""
        self.requests: list[ProxiedRequest] = []
        self.intercept: Callable[
            [ProxiedRequest, Callable[[], ProxiedResponse]], ProxiedResponse | None
        ] = lambda _request, forward: forward()
        self._sandbox = sandbox

    def count_requests(self, method: str, path: str) -> int:
        """Return the number of requests with a method and path."""
        return sum((each.method, each.path) == (method, path) for each in self.requests)

    def modify_responses(self, method: str, path: str, modify: Callable[[Json], None]) -> None:
        """Modify the JSON of all responses to a method and path."""

        def intercept(
            request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
        ) -> ProxiedResponse:
            response = forward()
            if (request.method, request.path) == (method, path):
                modify(response.body)
            return response

        self.intercept = intercept

    def respond(
        self, method: str, target: str, raw: bytes, headers: dict[str, str]
    ) -> ProxiedResponse | None:
        """Record a request and return the response to it."""
        parts = urlsplit(target)
        request = ProxiedRequest(method, parts.path, parts.query, json.loads(raw) if raw else None)
        self.requests.append(request)

        def forward() -> ProxiedResponse:
            url = self._sandbox.url + target
            response = requests.request(method, url, data=raw, headers=headers, timeout=60)
            return ProxiedResponse(
                response.status_code, response.json() if response.content else None
            )

        try:
            return self.intercept(request, forward)
        except requests.ConnectionError:  # the sandbox closed the connection
            return None

    @contextmanager
    def serve(self) -> Iterator[InterceptingProxy]:
        """Serve until the block ends."""
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


def _make_handler(proxy: InterceptingProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            forwarded = ("Authorization", "Content-Type", "User-Agent")
            headers = {name: self.headers[name] for name in forwarded if name in self.headers}
            response = proxy.respond(self.command, self.path, raw, headers)
            if response is None:
                return
            content = b"" if response.body is None else json.dumps(response.body).encode()
            self.send_response(response.status)
            self.send_header("X-Pixxel-Sandbox", "between")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            size = 1 if response.drip else len(content) or 1
            with suppress(ConnectionError):  # the target has closed the connection
                for at in range(0, len(content), size):
                    self.wfile.write(content[at : at + size])
                    time.sleep(response.drip)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
