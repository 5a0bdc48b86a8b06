"""Runs the commands in processes forked off a warm interpreter, which a kill costs no start of.

The process that forks has imported the plugins and has one thread; what runs is the command's own
entry point, with its own standard input, output, error, arguments and environment. Nothing here
waits without an end: a command that hangs fails its test, and says where its threads are.
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
import rustac
import shapely

import tap_pixxel.stac
import target_pixxel_store.__main__
import target_stac.__main__
from tap_pixxel.streams.archive import ArchiveItems
from tap_pixxel.tap import TapPixxel
from target_pixxel_store.target import TargetPixxelStore
from target_stac.target import TargetStac

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path
    from typing import NoReturn

    from tests.kills import Death

End = Connection
"""An end of a pipe."""
ENTRIES: dict[str, Callable[[], object]] = {
    "tap-pixxel": TapPixxel.cli,
    "target-stac": target_stac.__main__.main,
    "target-pixxel-store": target_pixxel_store.__main__.main,
}
_WARM = (TargetStac, TargetPixxelStore, tap_pixxel.stac, antimeridian, pystac, rustac, shapely)
"""Imported above, as the commands import them only when they run."""
PATIENCE = 120.0
"""Seconds to wait for the next sign of life; one has taken 54 where others had the processors."""
_WINDOW_ROWS = 5
"""Of the tap's backfill, which so writes STATE within a small archive, too."""
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload([__name__])


def pipe() -> tuple[End, End]:
    """Give the reading and the writing end of a pipe."""
    return _server.Pipe(duplex=False)


class Command:
    """A command that runs in a process of its own."""

    def __init__(self, process: ForkServerProcess, name: str, log: Path) -> None:
        self._process = process
        self._name = name
        self._log = log

    def kill(self) -> None:
        """Kill it, wherever it is."""
        self._process.kill()

    def status(self) -> int:
        """Wait for its end; give its exit status, below zero where a signal has ended it."""
        self._process.join(PATIENCE)
        if self._process.exitcode is None:
            _give_up(self)
        return self._process.exitcode

    def abort(self) -> str:
        """End it, if it has not ended; give its last words, and where its threads were."""
        if self._process.is_alive():
            os.kill(self._process.pid or 0, signal.SIGABRT)
            self._process.join(PATIENCE)
        return f"{self._name} ended with {self._process.exitcode}:\n{self._log.read_text()[-8000:]}"


def _give_up(*commands: Command) -> NoReturn:
    raise AssertionError("\n".join(["no sign of life", *(each.abort() for each in commands)]))


def start(
    name: str,
    *args: str,
    stdin: End | Path | None = None,
    stdout: End | None = None,
    log: Path,
    env: Mapping[str, str],
    death: Death | None = None,
) -> Command:
    """Start a command.

    Args:
        name: What it is called.
        args: Its arguments.
        stdin: What it reads; nothing without this.
        stdout: Where it writes; nowhere without this.
        log: The file that its standard error is added to.
        env: Its whole environment.
        death: Where it is killed, if it comes there.
    """
    process = _server.Process(
        target=_run, args=(name, args, stdin, stdout, log, dict(env), death), daemon=True
    )
    process.start()
    for end in (stdin, stdout):
        if isinstance(end, Connection):
            end.close()  # the command alone has it now
    return Command(process, name, log)


def pieces(end: End, *commands: Command) -> Generator[bytes, None, None]:
    """Give what a command writes into a pipe, as it comes, until its end.

    Args:
        end: The pipe's reading end.
        commands: It, and those that it waits for.
    """
    with end:
        while end.poll(PATIENCE):
            piece = os.read(end.fileno(), 1 << 14)
            if not piece:
                return
            yield piece
        _give_up(*commands)


def _run(  # noqa: PLR0917 - what a process is started with has no names
    command: str,
    args: tuple[str, ...],
    stdin: End | Path | None,
    stdout: End | None,
    log: Path,
    env: dict[str, str],
    death: Death | None,
) -> None:
    _point(0, stdin, os.O_RDONLY)
    _point(1, stdout, os.O_WRONLY)
    _point(2, log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    faulthandler.enable(2)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = [command, *args]
    os.environ.clear()
    os.environ.update(env)
    ArchiveItems.window_rows = _WINDOW_ROWS
    if death:
        death.await_it()
    ENTRIES[command]()


def _point(number: int, to: End | Path | None, flags: int) -> None:
    """Let a descriptor be of a file or an end of a pipe, and of no other process's."""
    if isinstance(to, Connection):
        os.dup2(to.fileno(), number)
        to.close()
        return
    fd = os.open(to or os.devnull, flags, 0o600)
    os.dup2(fd, number)
    os.close(fd)
