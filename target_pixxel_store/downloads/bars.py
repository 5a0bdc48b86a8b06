"""Bars: how far each file is, and all of them, for a person; nothing unless one watches."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixxel_singer.log_setup import is_interactive
from pixxel_singer.progress import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress


class Bars:
    """Shows bars from the first file on, until closed; safe for threads."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._lock = threading.Lock()
        self._bytes: dict[str, tuple[int, int]] = {}

    def open(self) -> None:
        """Begin to show, if somebody watches and nothing is shown yet."""
        if self._progress is None and is_interactive():
            self._progress = _progress()
            self._all = self._progress.add_task("all of them", total=None)
            self._progress.start()

    def close(self) -> None:
        """Leave the last counts on the screen."""
        if self._progress is not None:
            self._progress.stop()

    @contextmanager
    def of(self, catalog: str) -> Iterator[Callable[[int, int], None]]:
        """Show a file; give what is to be told how many of its bytes are there."""
        progress = self._progress
        if progress is None:
            yield _show_nothing
            return
        task = progress.add_task(catalog, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            with self._lock:
                self._bytes[catalog] = done, total
                came, expected = map(sum, zip(*self._bytes.values(), strict=True))
            progress.update(self._all, completed=came, total=expected)

        try:
            yield show
        finally:
            progress.remove_task(task)


def _show_nothing(_done: int, _total: int) -> None:
    """Show nothing."""


def _progress() -> Progress:
    from rich.progress import (  # noqa: PLC0415 - only where a person watches
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console(),
    )
