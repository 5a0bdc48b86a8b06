"""Buckets: a server that speaks S3 and checks signatures; its buckets are folders."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

KEY_ID: Final = "sandbox-key"
POLL_SECONDS: Final = 0.01
PATIENCE_SECONDS: Final = 20.0
GRACE_SECONDS: Final = 5.0
_LISTENING: Final = re.compile(rb"http://127\.0\.0\.1:\d+")


def rclone() -> str | None:
    """Finds rclone: the one of this environment, or else that of the machine."""
    here = str(Path(sys.executable).parent)
    return shutil.which("rclone", path=here) or shutil.which("rclone")


class BucketServer:
    """``rclone serve s3`` on a free port of 127.0.0.1, for as long as a ``with`` block lasts.

    Args:
        folder: where the buckets are, a folder each; a temporary one unless given.
        buckets: those that are made.
        key_id: the one access key that is accepted, three characters or more.
        secret: its secret; drawn unless given.

    Attributes:
        url: the endpoint, without a slash at its end.
        folder: where the buckets are.
        key_id: the one access key.
        secret: its secret; not among the arguments of the process, nor in a file.

    Raises:
        FileNotFoundError: on entering, rclone is not installed.
        OSError: on entering, a folder cannot be made.
        RuntimeError: on entering, rclone does not start.
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
        program = rclone()
        if program is None:
            raise FileNotFoundError("rclone is not installed")
        with ExitStack() as stack:
            if self._temporary:
                self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for bucket in ("", *self._buckets):
                (self.folder / bucket).mkdir(parents=True, exist_ok=True)
            log = stack.enter_context(tempfile.TemporaryFile())
            process = self._started(program, log)
            stack.callback(_end, process)
            stack.callback(_dismiss, _guard(process))
            self.url = _listening(process, log)
            self._stack = stack.pop_all()
        return self

    def _started(self, program: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
        pair = f"{self.key_id},{self.secret}".replace('"', '""')
        return subprocess.Popen(  # noqa: S603 - a program of this environment
            [
                *(program, "serve", "s3", "--config=", "--addr=127.0.0.1:0"),
                *("--dir-cache-time=1s", "--", str(self.folder)),
            ],
            # A list in CSV, so that a pair with a comma in it is in quotes.
            env={**own, "RCLONE_AUTH_KEY": f'"{pair}"'},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,  # a terminal's interrupt is for the command that uses it
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def _listening(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """Waits until the server says where it listens."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        said = os.pread(log.fileno(), 1 << 16, 0)
        if found := _LISTENING.search(said):
            return found[0].decode()
        if ended:
            break
        time.sleep(POLL_SECONDS)
    raise RuntimeError("rclone does not serve S3")


def _guard(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Starts what ends a process when this one dies without a word, and closes the pipe so."""
    return subprocess.Popen(  # noqa: S603 - a line of shell and a number
        ["/bin/sh", "-c", 'read -r _ || kill "$0"', str(process.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _dismiss(guard: subprocess.Popen[bytes]) -> None:
    guard.communicate(b"\n")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
