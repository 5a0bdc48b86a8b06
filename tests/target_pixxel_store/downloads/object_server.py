"""An object server that misbehaves: the next switch of its script makes the next reply."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from pixxel_sandbox.seed.rng import rng_for

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 40_000
PIECE_BYTES = 1 << 16
ENDLESS_BYTES = 1 << 27  # of a body that no client should read
Headers = Mapping[str, str | None]
"""Headers; those that are None are not sent."""


@cache
def make_zip(version: int) -> bytes:
    """Return a zip of `SIZE` bytes; each version has other bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        content_bytes = rng_for(version, "object").randbytes(SIZE - 116)
        archive.writestr(zipfile.ZipInfo("image.bin"), content_bytes)
    return content.getvalue()


def md5_base64(content: bytes) -> str:
    """Return the MD5 of bytes as `Content-MD5` states it."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


@dataclass
class Reply:
    """A reply; its connection is closed after all of the body, or after `cut` bytes of it."""

    status: int
    headers: Headers
    body: bytes
    cut: int | None = None
    is_chunked: bool = False

    def send(self, handler: BaseHTTPRequestHandler, sent: list[int]) -> None:
        """Send the reply, and append the bytes of each piece to `sent`."""
        handler.send_response_only(self.status)
        chunked = {"Transfer-Encoding": "chunked"} if self.is_chunked else {}
        for name, value in {**self.headers, **chunked, "Connection": "close"}.items():
            if value is not None:
                handler.send_header(name, value)
        handler.end_headers()
        body = self.body[: self.cut]
        if self.is_chunked:
            end = b"0\r\n\r\n" if self.cut is None else b""
            body = b"%x\r\n%b\r\n%b" % (len(body), body, end)
        for at in range(0, len(body), PIECE_BYTES):
            handler.wfile.write(body[at : at + PIECE_BYTES])
            sent.append(PIECE_BYTES)


Switch = Callable[["ObjectServer", Mapping[str, str]], Reply]
"""Makes the reply to a request with these headers; may change the server."""


@dataclass
class ObjectServer:
    """A server of one object.

    Attributes:
        script: The switches of the next requests; then the server behaves well.
        repeats: Whether the last switch is that of all further requests.
        version: The version of the object; each replacement has the same size.
        headers: Headers of every reply.
        ranges: The `Range` header of each request.
        sent: The bytes of each piece of a body that was sent.
    """

    script: list[Switch] = field(default_factory=list)
    repeats: bool = False
    version: int = 1
    headers: Headers = field(default_factory=dict)
    ranges: list[str | None] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    url: str = ""

    @property
    def content(self) -> bytes:
        """The bytes of the object."""
        return make_zip(self.version)

    def reply(self, request: Mapping[str, str], *, ignore_if_range: bool = False) -> Reply:
        """Return the reply of a server that behaves well, except for `If-Range` if so asked."""
        headers: dict[str, str | None] = {
            "Content-Length": str(SIZE),
            "ETag": f'"version-{self.version}"',
            "Last-Modified": formatdate(1e9 + 100 * self.version, usegmt=True),
            "Date": formatdate(usegmt=True),
            "Content-Type": "application/zip",
            **self.headers,
        }
        found = re.fullmatch(r"bytes=(\d+)-", request.get("Range") or "")
        validators = {headers["ETag"], headers["Last-Modified"], None}
        if not found or not (ignore_if_range or request.get("If-Range") in validators):
            return Reply(200, headers, self.content)
        if (start := int(found[1])) >= SIZE:
            return Reply(416, {"Content-Length": "0"}, b"")
        headers["Content-Range"] = f"bytes {start}-{SIZE - 1}/{SIZE}"
        headers["Content-Length"] = headers["Content-Length"] and str(SIZE - start)
        return Reply(206, headers, self.content[start:])

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request by the next switch."""
        request = dict(handler.headers)
        self.ranges.append(request.get("Range"))
        switch = self.script[0] if self.script else behave
        if self.script and not (self.repeats and len(self.script) == 1):
            del self.script[0]
        with suppress(OSError):  # the client has closed the connection
            switch(self, request).send(handler, self.sent)


@contextmanager
def serve(*objects: ObjectServer) -> Iterator[None]:
    """Serve each object at its `url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            objects[int(self.path.split("/")[1])].respond(self)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    for number, each in enumerate(objects):
        each.url = f"http://127.0.0.1:{server.server_port}/{number}/image.zip?signature=secret"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# Switches; all but `behave` ignore `If-Range`, unless they are told otherwise.


def behave(server: ObjectServer, request: Mapping[str, str]) -> Reply:
    """Behave well."""
    return server.reply(request)


def with_headers(headers: Headers, **more: Any) -> Switch:
    """State these headers, and change these fields of the reply."""

    def switch(server: ObjectServer, request: Mapping[str, str]) -> Reply:
        reply = server.reply(request, ignore_if_range=True)
        return replace(reply, headers={**reply.headers, **headers}, **more)

    return switch


def cut(at: int, headers: Headers | None = None, **more: Any) -> Switch:
    """Close the connection after some bytes of the body."""
    return with_headers(headers or {}, cut=at, **more)


def replaced(headers: Headers | None = None, *, honours_if_range: bool = False) -> Switch:
    """Replace the object by one of the same size."""

    def switch(server: ObjectServer, request: Mapping[str, str]) -> Reply:
        server.version += 1
        return (behave if honours_if_range else with_headers(headers or {}))(server, request)

    return switch


def ignore_range(server: ObjectServer, _request: Mapping[str, str]) -> Reply:
    """Send the whole object to a request of a range."""
    return server.reply({})


def with_body(
    change: Callable[[bytes], bytes], headers: Headers | None = None, *, chunked: bool = False
) -> Switch:
    """Change the body, with a `Content-Length` that fits it.

    Nobody could notice if the whole of a new version had other bytes.
    """

    def switch(server: ObjectServer, request: Mapping[str, str]) -> Reply:
        body = change(server.reply(request, ignore_if_range=True).body)
        length = {"Content-Length": None if chunked else str(len(body)), **(headers or {})}
        return with_headers(length, body=body, is_chunked=chunked)(server, request)

    return switch


def shifted_range(first: int, last: int, total: int = 0) -> Switch:
    """Move both ends of the range, and the total, by some bytes."""

    def switch(server: ObjectServer, request: Mapping[str, str]) -> Reply:
        start = SIZE - len(server.reply(request, ignore_if_range=True).body) + first
        stop = SIZE + last
        stated = {"Content-Range": f"bytes {start}-{stop - 1}/{SIZE + total}"}
        body = (server.content + bytes(100))[start:stop]
        return with_body(lambda _: body, stated)(server, request)

    return switch


def redirect(location: str, body: bytes = b"") -> Switch:
    """Redirect."""
    headers = {"Location": location, "Content-Length": str(len(body))}
    return lambda _server, _request: Reply(302, headers, body)


def status(code: int, retry_after: str | None = None) -> Switch:
    """Reply with a status and no body."""
    headers = {"Content-Length": "0", "Retry-After": retry_after}
    return lambda _server, _request: Reply(code, headers, b"")


gzipped = with_body(gzip.compress, {"Content-Encoding": "gzip"})
"""Send the body with a content coding, which nobody asked for."""
