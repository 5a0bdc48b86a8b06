"""Run the commands in processes forked from a warm interpreter, so that a kill costs no start-up.

The process that forks has imported the plugins and has one thread. It runs the command's own entry
point, with its own standard input, output, error, arguments and environment. Every wait has a
timeout: a command that hangs fails its test, with the stack of each of its threads.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import antimeridian
import pystac
import shapely

import pixxel_backfill.__main__
import pixxel_backfill.cli
import pixxel_backfill.engines.preload
import tap_pixxel.stac
import target_pixxel_store.__main__
import target_stac.__main__
import target_stac.formats.geoparquet
from tap_pixxel.streams.archive import ArchiveItems
from tap_pixxel.tap import TapPixxel
from target_pixxel_store.target import TargetPixxelStore
from target_stac.target import TargetStac

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path
    from typing import NoReturn

    from tests.kill_points import KillPoint
    from tests.wrong_clock import WrongClock

PipeEnd = Connection
"""The reading or the writing end of a pipe."""
ENTRY_POINTS: dict[str, Callable[[], object]] = {
    "tap-pixxel": TapPixxel.cli,
    "target-stac": target_stac.__main__.main,
    "target-pixxel-store": target_pixxel_store.__main__.main,
    "pixxel-backfill": pixxel_backfill.__main__.main,
}
_PRELOADED = (
    *(TargetStac, TargetPixxelStore, tap_pixxel.stac),
    *(antimeridian, pystac, shapely, target_stac.formats.geoparquet),
    *(pixxel_backfill.cli, pixxel_backfill.engines.preload),
)
"""Imported above, because the commands import them only when they run."""
TIMEOUT_SECONDS = 120.0
"""Longest wait for output or an end; 54 s occurred when other processes used all processors."""
_WINDOW_ROWS = 5
"""Window size of the tap's backfill: small, so that a small archive has several STATE messages."""
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload([__name__])


def open_pipe() -> tuple[PipeEnd, PipeEnd]:
    """Return the reading and the writing end of a new pipe."""
    return _server.Pipe(duplex=False)


class CommandProcess:
    """A command that runs in a process of its own."""

    def __init__(self, process: ForkServerProcess, name: str, log: Path) -> None:
        self._process = process
        self._name = name
        self._log = log

    def kill(self) -> None:
        """Send SIGKILL to the process."""
        self._process.kill()

    def send_signal(self, signum: int) -> None:
        """Send a signal to the process."""
        os.kill(self._process.pid or 0, signum)

    def wait(self) -> int:
        """Wait until the process ends; return its exit status, negative after a signal."""
        self._process.join(TIMEOUT_SECONDS)
        if self._process.exitcode is None:
            _abort_hung(self)
        return self._process.exitcode

    def abort(self) -> str:
        """End the process if it runs; return the end of its log with the stacks of its threads."""
        if self._process.is_alive():
            os.kill(self._process.pid or 0, signal.SIGABRT)
            self._process.join(TIMEOUT_SECONDS)
        return f"{self._name} ended with {self._process.exitcode}:\n{self._log.read_text()[-8000:]}"


def _abort_hung(*commands: CommandProcess) -> NoReturn:
    logs = (each.abort() for each in commands)
    raise AssertionError("\n".join([f"no output and no end in {TIMEOUT_SECONDS:.0f} s", *logs]))


def start_command(
    name: str,
    *args: str,
    stdin: PipeEnd | Path | None = None,
    stdout: PipeEnd | None = None,
    log: Path,
    env: Mapping[str, str],
    kill_point: KillPoint | None = None,
    clock: WrongClock | None = None,
) -> CommandProcess:
    """Start a command.

    Args:
        name: A key of `ENTRY_POINTS`.
        args: Command line arguments.
        stdin: Standard input; empty by default.
        stdout: Standard output; discarded by default.
        log: File that standard error is appended to.
        env: The whole environment.
        kill_point: Point at which the process kills itself, if it reaches it.
        clock: The wall clock of the process; None for the right one.
    """
    arguments = (name, args, stdin, stdout, log, dict(env), kill_point, clock)
    has_workers = name == "pixxel-backfill"  # which a daemon may not have
    process = _server.Process(target=_run_command, args=arguments, daemon=not has_workers)
    process.start()
    for end in (stdin, stdout):
        if isinstance(end, Connection):
            end.close()  # only the command keeps it open
    return CommandProcess(process, name, log)


def read_chunks(pipe_end: PipeEnd, *commands: CommandProcess) -> Generator[bytes, None, None]:
    """Yield the output of a command as it arrives, until its end.

    Args:
        pipe_end: Reading end of the command's output.
        commands: The command, and those that it waits for; all are aborted after the timeout.
    """
    with pipe_end:
        while pipe_end.poll(TIMEOUT_SECONDS):
            chunk = os.read(pipe_end.fileno(), 1 << 14)
            if not chunk:
                return
            yield chunk
        _abort_hung(*commands)


def _run_command(  # noqa: PLR0917 - the arguments of a process are positional
    name: str,
    args: tuple[str, ...],
    stdin: PipeEnd | Path | None,
    stdout: PipeEnd | None,
    log: Path,
    env: dict[str, str],
    kill_point: KillPoint | None,
    clock: WrongClock | None,
) -> None:
    _redirect(0, stdin, os.O_RDONLY)
    _redirect(1, stdout, os.O_WRONLY)
    _redirect(2, log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    faulthandler.enable(2)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = [name, *args]
    os.environ.clear()
    os.environ.update(env)
    ArchiveItems.window_rows = _WINDOW_ROWS
    if kill_point:
        kill_point.install()
    if clock:
        clock.install()
    ENTRY_POINTS[name]()


def _redirect(descriptor: int, target: PipeEnd | Path | None, flags: int) -> None:
    """Make a descriptor refer to a file or a pipe; close the pipe's other descriptor."""
    if isinstance(target, Connection):
        os.dup2(target.fileno(), descriptor)
        target.close()
        return
    opened = os.open(target or os.devnull, flags, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)
