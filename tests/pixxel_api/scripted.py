"""HTTP server that sends scripted bytes, for faults that no framework produces."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    import trustme

Script = bytes | None
"""Raw bytes of a response, after which the connection is closed; None sends no response."""


def answer(
    status: int = 200,
    body: bytes = b"{}",
    *,
    headers: tuple[str, ...] = (),
    length: int | None = None,
) -> bytes:
    """Return an HTTP/1.1 response, with `length` as its Content-Length even if it is wrong."""
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body) if length is None else length}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class ScriptedServer:
    """HTTP server that sends scripts in order, and repeats the last one.

    Args:
        scripts: The responses.
        drip: Seconds between two bytes.
        reset: Whether connections end with a reset.
        tls: The certificate; None for plain HTTP.

    Attributes:
        requests: The received requests, headers and body.
        times: The `time.monotonic()` of each request.
        peer: Host and port.
        url: The base URL.
    """

    def __init__(
        self,
        *scripts: Script,
        drip: float = 0.0,
        reset: bool = False,
        tls: trustme.LeafCert | None = None,
    ) -> None:
        self._scripts = list(scripts)
        self._drip = drip
        self._reset = reset
        self._tls = None if tls is None else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self._tls is not None and tls is not None:
            tls.configure_cert(self._tls)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.requests: list[bytes] = []
        self.times: list[float] = []
        self.peer = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.peer}"

    def __enter__(self) -> Self:
        """Start the server."""
        self._threads.append(threading.Thread(target=self._accept))
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                return
        with connection:
            request = _read_request(connection)
            if not request:
                return
            with self._lock:
                self.requests.append(request)
                self.times.append(time.monotonic())
                script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
            for chunk in _chunks(script or b"", bytewise=bool(self._drip)):
                try:
                    connection.sendall(chunk)
                except OSError:
                    return
                time.sleep(self._drip)
            if self._reset:
                time.sleep(0.05)  # the reset would discard bytes that have not arrived
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _chunks(script: bytes, *, bytewise: bool) -> list[bytes]:
    return [script[i : i + 1] for i in range(len(script))] if bytewise else [script]


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
