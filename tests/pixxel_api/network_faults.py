"""Faults of a network on real sockets: dead ports, proxies, and certificates."""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUFFER_BYTES = 65536


def find_dead_port() -> int:
    """Return a port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def serve_connections(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """Call a function with each connection, in a thread; yield host and port."""
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client may have closed it
            handle(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for connection in connections:
                with suppress(OSError):  # it may be closed
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def send_nothing(connection: socket.socket) -> None:
    """Read until the client closes the connection."""
    while connection.recv(BUFFER_BYTES):
        pass


@contextmanager
def fill_backlog(port: int = 0) -> Iterator[str]:
    """Listen on a port that neither accepts nor refuses connections; yield host and port.

    Args:
        port: The port, of another address of the loopback than the other servers'; 0 for any.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.2", port))
        listener.listen(0)
        address = listener.getsockname()
        clients = [socket.socket() for _ in range(4)]
        try:
            for client in clients:
                client.settimeout(0)
                client.connect_ex(address)
            yield f"127.0.0.2:{address[1]}"
        finally:
            for client in clients:
                client.close()


def connect_proxy(password: str) -> Callable[[socket.socket], None]:
    """Return the handler of a proxy that connects for the user `user` with a password."""
    token = base64.b64encode(f"user:{password}".encode())

    def handle(connection: socket.socket) -> None:
        request = connection.recv(BUFFER_BYTES)
        if b"Proxy-Authorization: Basic " + token not in request:
            status = b"HTTP/1.1 407 Proxy Authentication Required\r\n"
            connection.sendall(status + b"Proxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = request.split()[1].decode().partition(":")
        with socket.create_connection((host, int(port)), 10) as server:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            backward = threading.Thread(target=_forward, args=(server, connection))
            backward.start()
            _forward(connection, server)
            backward.join()

    return handle


def socks_proxy(method: int, status: int) -> Callable[[socket.socket], None]:
    """Return the handler of a SOCKS 5 proxy (RFC 1928) that selects a method, then fails."""

    def handle(connection: socket.socket) -> None:
        connection.recv(BUFFER_BYTES)
        connection.sendall(bytes([5, method]))
        if method == 0:
            connection.recv(BUFFER_BYTES)
            connection.sendall(bytes([5, status, 0, 1, 0, 0, 0, 0, 0, 0]))
        connection.recv(BUFFER_BYTES)

    return handle


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # one side has closed its connection
        while data := source.recv(BUFFER_BYTES):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
