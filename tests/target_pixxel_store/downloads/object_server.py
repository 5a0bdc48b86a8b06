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
ENDLESS_BYTES = 1 << 27
"""Bytes of an endless body, which no client should read."""


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
    """A reply.

    Attributes:
        headers: Headers; those that are None are not sent.
        cut: Bytes of the body after which the connection is closed; None to send all.
        is_chunked: Whether the body is sent in chunks, which mark its end.
    """

    status: int
    headers: dict[str, str | None]
    body: bytes
    cut: int | None = None
    is_chunked: bool = False

    def send(self, handler: BaseHTTPRequestHandler, sent: list[int]) -> None:
        """Send the reply, and close the connection; append the bytes of each piece to `sent`."""
        handler.send_response_only(self.status)
        for name, value in {**self.headers, "Connection": "close"}.items():
            if value is not None:
                handler.send_header(name, value)
        if self.is_chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        body = self.body[: self.cut]
        if self.is_chunked:
            end = b"0\r\n\r\n" if self.cut is None else b""
            body = b"%x\r\n%b\r\n%b" % (len(body), body, end)
        for at in range(0, len(body), PIECE_BYTES):
            handler.wfile.write(body[at : at + PIECE_BYTES])
            sent.append(PIECE_BYTES)


Headers = Mapping[str, str | None]
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
    content: bytes = make_zip(1)
    headers: Headers = field(default_factory=dict)
    ranges: list[str | None] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    url: str = ""

    def reply(self, request: Mapping[str, str], *, ignore_if_range: bool = False) -> Reply:
        """Return the reply of a server that behaves well, except for `If-Range` if so asked."""
        headers: dict[str, str | None] = {
            "Content-Length": str(len(self.content)),
            "ETag": f'"version-{self.version}"',
            "Last-Modified": formatdate(1e9 + 100 * self.version, usegmt=True),
            "Date": formatdate(usegmt=True),
            "Content-Type": "application/zip",
            **self.headers,
        }
        status, body = 200, self.content
        found = re.fullmatch(r"bytes=(\d+)-", request.get("Range") or "")
        validators = {headers["ETag"], headers["Last-Modified"], None}
        if found and (ignore_if_range or request.get("If-Range") in validators):
            start = int(found[1])
            if start >= len(body):
                return Reply(416, {"Content-Length": "0"}, b"")
            status, body = 206, body[start:]
            headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
            headers["Content-Length"] = headers["Content-Length"] and str(len(body))
        return Reply(status, headers, body)

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
def serve(*objects: ObjectServer) -> Iterator[ObjectServer]:
    """Serve each object at its `url`; yield the first one."""

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
        yield objects[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# Switches


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
    """Replace the object by one of the same size; ignore `If-Range` unless it is honoured."""

    def switch(server: ObjectServer, request: Mapping[str, str]) -> Reply:
        server.version += 1
        server.content = make_zip(server.version)
        return (behave if honours_if_range else with_headers(headers or {}))(server, request)

    return switch


def ignore_range(server: ObjectServer, _request: Mapping[str, str]) -> Reply:
    """Send the whole object to a request of a range."""
    return server.reply({})


def with_body(change: Callable[[bytes], bytes], *, chunked: bool = False) -> Switch:
    """Change the body, with a `Content-Length` that fits it; ignore `If-Range`.

    Nobody could notice if the whole of a new version had other bytes.
    """

    def switch(server: ObjectServer, request: Mapping[str, str]) -> Reply:
        reply = server.reply(request, ignore_if_range=True)
        body = change(reply.body)
        length = {"Content-Length": None if chunked else str(len(body))}
        return replace(reply, body=body, headers=reply.headers | length, is_chunked=chunked)

    return switch


def shifted_range(first: int, last: int, total: int = 0, **fields: Any) -> Switch:
    """Move both ends of the range, and the total, by some bytes; ignore `If-Range`."""

    def switch(server: ObjectServer, request: Mapping[str, str]) -> Reply:
        reply = server.reply(request, ignore_if_range=True)
        size = len(server.content)
        start, stop = size - len(reply.body) + first, size + last
        headers = reply.headers | {"Content-Range": f"bytes {start}-{stop - 1}/{size + total}"}
        body = (server.content + bytes(100))[start:stop]
        headers["Content-Length"] = str(len(body))
        return replace(reply, headers=headers, body=body, **fields)

    return switch


def redirect(location: str, body: bytes = b"") -> Switch:
    """Redirect."""
    headers: dict[str, str | None] = {"Location": location, "Content-Length": str(len(body))}
    return lambda _server, _request: Reply(302, headers, body)


def status(code: int, retry_after: str | None = None) -> Switch:
    """Reply with a status and no body."""
    headers = {"Content-Length": "0", "Retry-After": retry_after}
    return lambda _server, _request: Reply(code, headers, b"")


def gzipped(server: ObjectServer, request: Mapping[str, str]) -> Reply:
    """Send the body with the content coding gzip, which nobody asked for."""
    coded = with_body(gzip.compress)(server, request)
    return replace(coded, headers=coded.headers | {"Content-Encoding": "gzip"})
