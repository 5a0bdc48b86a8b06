"""A service between the target and a sandbox, which gives the answers that a sandbox cannot."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixxel_sandbox import Sandbox
    from tests.target_pixxel_store.target_runner import Json

DELIVERIES = "/v0/catalogs/deliveries"
STORES = "/v0/stores"
CATALOGS = "/v0/catalogs/search"


@dataclass
class Asked:
    """A request.

    Attributes:
        body: Its JSON, None where it has none.
    """

    method: str
    path: str
    query: str
    body: Any

    def is_a(self, method: str, path: str) -> bool:
        """Tell whether it is of this method and path, and not of a part of a list."""
        return (self.method, self.path, self.query) == (method, path, "")


@dataclass
class Answer:
    """An answer; its body is JSON."""

    status: int
    body: Any = None


class Between:
    """What stands between.

    Attributes:
        url: Where it listens.
        asked: The requests so far.
        otherwise: Answers a request; it is given what has the sandbox answer. None is no answer.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.otherwise: Callable[[Asked, Callable[[], Answer]], Answer | None] = (
            lambda _asked, pass_on: pass_on()
        )
        self._sandbox = sandbox

    def count(self, method: str, path: str) -> int:
        """Count the requests of a method and path."""
        return sum((each.method, each.path) == (method, path) for each in self.asked)

    def alter(self, method: str, path: str, change: Callable[[Json], None]) -> None:
        """Change the JSON of all answers of a method and path."""

        def otherwise(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
            answer = pass_on()
            if (asked.method, asked.path) == (method, path):
                change(answer.body)
            return answer

        self.otherwise = otherwise

    def answer(
        self, method: str, target: str, raw: bytes, headers: dict[str, str]
    ) -> Answer | None:
        """Answer a request."""
        parts = urlsplit(target)
        asked = Asked(method, parts.path, parts.query, json.loads(raw) if raw else None)
        self.asked.append(asked)

        def pass_on() -> Answer:
            url = self._sandbox.url + target
            answer = requests.request(method, url, data=raw, headers=headers, timeout=60)
            return Answer(answer.status_code, answer.json() if answer.content else None)

        try:
            return self.otherwise(asked, pass_on)
        except requests.ConnectionError:  # the sandbox drops it, and so does this
            return None

    @contextmanager
    def open(self) -> Iterator[Between]:
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


def _handler(between: Between) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            names = ("Authorization", "Content-Type", "User-Agent")
            kept = {name: self.headers[name] for name in names if name in self.headers}
            answer = between.answer(self.command, self.path, raw, kept)
            if answer is None:
                return
            content = b"" if answer.body is None else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("X-Pixxel-Sandbox", "between")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
