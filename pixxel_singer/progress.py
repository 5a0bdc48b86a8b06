"""Progress on standard error: bars where it is an interactive terminal, else log lines."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TypeVar

from pixxel_singer.log_setup import is_interactive
from pixxel_singer.redaction import escape_controls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TaskID


Item = TypeVar("Item")

_BAR_SECONDS = 0.1
_LOG_SECONDS = 30.0


class StreamProgress:
    """Shows the number of records of each stream; a context manager."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Start the display."""
        self._progress = start_progress(_record_columns)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the display; the last counts stay on the screen."""
        if self._progress:
            self._progress.stop()

    def advance(self, stream: str, records: int) -> None:
        """Add records to the count of a stream."""
        if self._progress is None:
            return
        if stream not in self._tasks:
            self._tasks[stream] = self._progress.add_task(stream, total=None)
        self._progress.advance(self._tasks[stream], records)


class DownloadProgress:
    """Shows the bytes of each file, and how many of all files are done; safe for threads."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._lock = threading.Lock()
        self._sizes: dict[TaskID, tuple[int, int | None]] = {}
        self._files = self._done = 0

    def add_file(self) -> None:
        """Add a file to the total; start the display with the first one."""
        self._files += 1
        if self._progress is None and (progress := start_progress(_byte_columns)):
            self._total = progress.add_task("", total=None)
            self._progress = progress
        self._show_total()

    def stop(self) -> None:
        """Stop the display; the last counts stay on the screen."""
        if self._progress is not None:
            self._progress.stop()

    @contextmanager
    def track_file(self) -> Iterator[Callable[[str, int, int | None], None]]:
        """Show a file until the block ends; then it is done.

        Yields:
            A function that takes the file's name, the bytes received so far, and its size.
        """
        if (progress := self._progress) is None:
            yield _ignore_progress
            return
        task = progress.add_task("", total=None, visible=False)

        def update(name: str, received: int, size: int | None) -> None:
            label = escape_controls(name)
            progress.update(task, description=label, completed=received, total=size, visible=True)
            self._sizes[task] = received, size
            self._show_total()

        try:
            yield update
        finally:
            progress.remove_task(task)
            with self._lock:
                self._done += 1
            self._show_total()

    def _show_total(self) -> None:
        if self._progress is not None:
            sizes = list(self._sizes.values())
            known = [size for _, size in sizes if size is not None]
            self._progress.update(
                self._total,
                description=f"{self._done} of {self._files} files",
                completed=sum(received for received, _ in sizes),
                total=sum(known) if len(known) == self._files else None,
            )


class StageProgress:
    """Shows how far the stages of a task are: a bar for each, or a log line now and then.

    Args:
        logger: Logs the lines.
        log_seconds: Time between two lines.
    """

    def __init__(self, logger: logging.Logger, log_seconds: float = _LOG_SECONDS) -> None:
        self._logger = logger
        self._log_seconds = log_seconds
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._label = ""
        self._done = self._total = 0
        self._next = 0.0

    def __enter__(self) -> Self:
        """Start the display."""
        self._progress = start_progress()
        self._next = time.monotonic() + (0 if self._progress else self._log_seconds)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the display; the bars stay on the screen, as far as they are."""
        if error is None:
            self._finish_stage()
        if self._progress:
            self._progress.stop()

    def start(self, label: str, total: int) -> None:
        """Start a stage; the one before it is done.

        Args:
            label: What it handles, in the plural.
            total: Number of them.
        """
        self._finish_stage()
        self._label, self._done, self._total = label, 0, total
        if self._progress:
            self._task = self._progress.add_task(escape_controls(label), total=total)

    def advance(self) -> None:
        """Count one more of the stage."""
        self._done += 1
        now = time.monotonic()
        if now < self._next:
            return
        if self._progress and self._task is not None:
            self._next = now + _BAR_SECONDS
            self._progress.update(self._task, completed=self._done)
        elif self._label:
            self._next = now + self._log_seconds
            self._logger.info("%s of %s %s", f"{self._done:,}", f"{self._total:,}", self._label)

    def track(self, label: str, total: int, items: Iterable[Item]) -> Iterator[Item]:
        """Start a stage, and yield its items."""
        self.start(label, total)
        for item in items:
            yield item
            self.advance()

    def _finish_stage(self) -> None:
        if self._progress and self._task is not None:
            self._progress.update(self._task, completed=self._total)


@contextmanager
def task_progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how many parts of one task are done until the block ends.

    Yields:
        A function that takes the number of parts done.
    """
    progress = start_progress() if total else None
    if progress is None:
        yield lambda _done: None
        return
    task = progress.add_task(label, total=total)
    try:
        yield lambda done: progress.update(task, completed=done)
    finally:
        progress.stop()


def start_progress(
    columns: Callable[[], tuple[ProgressColumn, ...]] | None = None,
) -> Progress | None:
    """Start a progress display; return None where standard error is not interactive.

    Args:
        columns: Returns the columns; by default rich's own (description, bar, percentage, time).
    """
    if not is_interactive():
        return None
    from rich.progress import Progress  # noqa: PLC0415 - slow to import

    # Standard output has Singer messages, which rich would print above the bars instead.
    progress = Progress(
        *(columns() if columns else ()), console=_log_console(), redirect_stdout=False
    )
    progress.start()
    return progress


def _log_console() -> Console:
    """Return the console that the log uses, so that log lines do not break the bars."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.logging import RichHandler  # noqa: PLC0415

    consoles = [h.console for h in logging.root.handlers if isinstance(h, RichHandler)]
    return consoles[0] if consoles else Console(stderr=True)


def _record_columns() -> tuple[ProgressColumn, ...]:
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    return (
        SpinnerColumn(),
        TextColumn("{task.description:<16}"),
        TextColumn("{task.completed:>9,.0f} records"),
        TimeElapsedColumn(),
    )


def _byte_columns() -> tuple[ProgressColumn, ...]:
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        TextColumn,
        TransferSpeedColumn,
    )

    return (
        TextColumn("{task.description}", markup=False),  # a label may have brackets
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )


def _ignore_progress(_name: str, _received: int, _size: int | None) -> None:
    """Show nothing."""
