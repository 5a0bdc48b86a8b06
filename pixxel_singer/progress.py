"""Progress for a person: a line per stream on standard error, only where it is a terminal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from pixxel_singer.log_setup import is_interactive

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.progress import Progress, TaskID


class StreamProgress:
    """Counts records per stream; shows nothing unless a person watches."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Begin to show."""
        if is_interactive():
            self._bars = _bars()
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last counts on the screen."""
        if self._bars:
            self._bars.stop()

    def advance(self, stream: str, records: int) -> None:
        """Count records that a stream has read."""
        if self._bars is None:
            return
        if stream not in self._tasks:
            self._tasks[stream] = self._bars.add_task(stream, total=None)
        self._bars.advance(self._tasks[stream], records)


def console() -> Console:
    """Give the console that the log goes to, so that its lines and bars do not cross."""
    from rich.console import Console  # noqa: PLC0415 - only where a person watches
    from rich.logging import RichHandler  # noqa: PLC0415

    found = [h.console for h in logging.root.handlers if isinstance(h, RichHandler)]
    return found[0] if found else Console(stderr=True)


def _bars() -> Progress:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<16}"),
        TextColumn("{task.completed:>9,.0f} records"),
        TimeElapsedColumn(),
        console=console(),
    )
