"""A server in a process of its own, for the time of a test."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_SECONDS = 30


def find_free_port() -> int:
    """Return a port that no process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def run_server(
    command: list[str],
    port: int,
    *,
    output: IO[str] | int = subprocess.DEVNULL,
    **environment: str,
) -> Iterator[None]:
    """Run a server until the block ends; enter the block when the port is open."""
    server = subprocess.Popen(
        command, env=os.environ | environment, stdout=output, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for_port(port)
        yield
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(5)


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")
