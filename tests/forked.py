"""Runs the commands in processes forked off a warm interpreter, which a kill costs no start of.

The process that forks has imported the plugins and has one thread; what runs is the command's own
entry point, with its own standard input, output, error, arguments and environment.
"""

from __future__ import annotations

import multiprocessing
import os
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
from tap_pixxel.streams.archives import ArchiveItems
from tap_pixxel.tap import TapPixxel
from target_pixxel_store.target import TargetPixxelStore
from target_stac.target import TargetStac

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

End = Connection
"""An end of a pipe."""
ENTRIES: dict[str, Callable[[], object]] = {
    "tap-pixxel": TapPixxel.cli,
    "target-stac": target_stac.__main__.main,
    "target-pixxel-store": target_pixxel_store.__main__.main,
}
_WARM = (TargetStac, TargetPixxelStore, tap_pixxel.stac, antimeridian, pystac, rustac, shapely)
"""Imported above, as the commands import them only when they run."""
_WINDOW_ROWS = 10
"""Of the tap's backfill, which so writes STATE within a small archive, too."""
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload([__name__])


def pipe() -> tuple[End, End]:
    """Give the reading and the writing end of a pipe."""
    return _server.Pipe(duplex=False)


def start(
    command: str,
    *args: str,
    stdin: End | Path | None = None,
    stdout: End | None = None,
    log: Path,
    env: Mapping[str, str],
) -> ForkServerProcess:
    """Start a command.

    Args:
        command: Its name.
        args: Its arguments.
        stdin: What it reads; nothing without this.
        stdout: Where it writes; nowhere without this.
        log: The file that its standard error is added to.
        env: Its whole environment.
    """
    process = _server.Process(
        target=_run, args=(command, args, stdin, stdout, log, dict(env)), daemon=True
    )
    process.start()
    for end in (stdin, stdout):
        if isinstance(end, Connection):
            end.close()  # the command alone has it now
    return process


def status(process: ForkServerProcess, seconds: float = 60) -> int:
    """Wait for the end of a command; give its exit status, below zero where it was killed."""
    process.join(seconds)
    assert process.exitcode is not None, "it does not end"
    return process.exitcode


def _run(  # noqa: PLR0917 - what a process is started with has no names
    command: str,
    args: tuple[str, ...],
    stdin: End | Path | None,
    stdout: End | None,
    log: Path,
    env: dict[str, str],
) -> None:
    _point(0, stdin, os.O_RDONLY)
    _point(1, stdout, os.O_WRONLY)
    _point(2, log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = [command, *args]
    os.environ.clear()
    os.environ.update(env)
    ArchiveItems.window_rows = _WINDOW_ROWS
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
