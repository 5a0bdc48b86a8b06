"""An S3 server that checks signatures and stores its buckets as folders."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

KEY_ID = "sandbox-key"
POLL_SECONDS = 0.01
START_TIMEOUT_SECONDS = 20.0
STOP_TIMEOUT_SECONDS = 5.0
_URL = re.compile(rb"http://127\.0\.0\.1:\d+")


def find_rclone() -> str | None:
    """Return the path of rclone in this environment, or else on the machine; None if missing."""
    environment = str(Path(sys.executable).parent)
    return shutil.which("rclone", path=environment) or shutil.which("rclone")


class S3Server:
    """`rclone serve s3` on a free port of 127.0.0.1, for as long as a `with` block lasts.

    Args:
        folder: The folder of the buckets, each of which is a folder; a temporary one if None.
        buckets: The buckets to create.
        key_id: The access key that is accepted, three characters or more.
        secret: The secret of that key; random if None.

    Attributes:
        url: The endpoint, without a trailing slash.
        folder: The folder of the buckets.
        key_id: The access key.
        secret: The secret of that key, which is in no process argument and in no file.

    Raises:
        FileNotFoundError: On entering, if rclone is not installed.
        OSError: On entering, if a folder cannot be created.
        RuntimeError: On entering, if rclone does not start.
    """

    def __init__(
        self,
        folder: Path | None = None,
        buckets: Sequence[str] = (),
        *,
        key_id: str = KEY_ID,
        secret: str | None = None,
    ) -> None:
        self.url = ""
        self.folder = folder or Path()
        self.key_id = key_id
        self.secret = secret or secrets.token_hex(16)
        self._temporary = folder is None
        self._buckets = buckets
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        program = find_rclone()
        if program is None:
            raise FileNotFoundError("rclone is not installed")
        with ExitStack() as stack:
            if self._temporary:
                self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for bucket in ("", *self._buckets):
                (self.folder / bucket).mkdir(parents=True, exist_ok=True)
            log = stack.enter_context(tempfile.TemporaryFile())
            process = self._start(program, log)
            stack.callback(_stop_process, process)
            stack.callback(_stop_guard, _start_guard(process))
            self.url = _wait_for_url(process, log)
            self._stack = stack.pop_all()
        return self

    def _start(self, program: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")
        }
        pair = f"{self.key_id},{self.secret}".replace('"', '""')
        return subprocess.Popen(  # noqa: S603 - a program of this environment
            [
                *(program, "serve", "s3", "--config=", "--addr=127.0.0.1:0"),
                *("--dir-cache-time=1s", "--", str(self.folder)),
            ],
            # The variable is a list in CSV, so that a pair with a comma must be quoted.
            env={**environment, "RCLONE_AUTH_KEY": f'"{pair}"'},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,  # not interrupted by the terminal before the command
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def _wait_for_url(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """Wait until the server has logged its URL, and return it."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        output = os.pread(log.fileno(), 1 << 16, 0)
        if match := _URL.search(output):
            return match[0].decode()
        if ended:
            break
        time.sleep(POLL_SECONDS)
    raise RuntimeError("rclone does not serve S3")


def _start_guard(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Start a process that terminates another one when this one is killed."""
    return subprocess.Popen(  # noqa: S603 - a line of shell and a number
        # The pipe is closed without a line when this process is killed.
        ["/bin/sh", "-c", 'read -r _ || kill "$0"', str(process.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _stop_guard(guard: subprocess.Popen[bytes]) -> None:
    guard.communicate(b"\n")


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
