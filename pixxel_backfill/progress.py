"""Progress of a run: a bar on a terminal, else lines of JSON on standard output.

Each line is an object. Its `event` is `start`, `progress`, `done`, `retried`, `failed` or `end`.
`done`, `retried` and `failed` have the id of the `shard`, and a failure has its `reason`. Each has:

    time                 when it was written, UTC
    shards_done          shards that are done, of this run and earlier ones
    shards_total         shards of the plan
    rows                 items that the attempts of this run have emitted
    rows_per_second      over the last half minute
    requests             requests that they have sent
    requests_per_second  over the last half minute
    errors               attempts that have failed
    estimated_end        when all shards will be done, UTC; null before the first one of this run is
    dashboard            address of the dashboard of the Dask cluster, null without one
"""

from __future__ import annotations

import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import msgspec

from pixxel_singer.progress import start_progress

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, ProgressColumn, TaskID

    from pixxel_backfill.shard_run import ShardProgress

LINE_SECONDS = 10.0
"""Time between two lines `progress`."""
_BAR_SECONDS = 0.2
_RATE_SECONDS = 30.0
"""Time over which rates are measured."""


class RunProgress:
    """Shows the progress of a run; a context manager, and the `report` of an engine.

    Args:
        total: Number of shards of the plan.
        done: Number of those that are done already.
    """

    def __init__(self, total: int, done: int) -> None:
        self._total = total
        self._done = self._done_before = done
        self._errors = 0
        self._finished_rows = self._finished_requests = 0
        self._running: dict[str, ShardProgress] = {}
        self._dashboard: str | None = None
        self._began_at = self._now()
        self._samples = deque([(self._began_at, 0, 0)])
        self._next_bar = self._next_line = 0.0
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._writes_lines = False

    def __enter__(self) -> Self:
        """Start the display."""
        self._progress = start_progress(_shard_columns)
        self._writes_lines = self._progress is None or not sys.stdout.isatty()
        if self._progress:
            self._task = self._progress.add_task("", total=self._total, completed=self._done)
        self._write_line("start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the display; the last values stay on the screen."""
        self._draw_bar(is_over=True)
        if self._progress:
            self._progress.stop()
        self._write_line("end")

    def announce_dashboard(self, url: str) -> None:
        """Show the address of a dashboard from now on."""
        self._dashboard = url
        if self._progress:
            self._progress.print(f"dashboard: {url}")

    def __call__(self, progress: ShardProgress) -> None:
        """Show that a shard has proceeded."""
        shard, status = progress.shard, progress.status
        if status == "running":
            self._running[shard] = progress
        else:
            last = self._running.pop(shard, progress)
            self._finished_rows += max(last.rows, progress.rows)
            self._finished_requests += max(last.requests, progress.requests)
            self._done += status == "done"
            self._errors += status != "done"
            reason = {} if status == "done" else {"reason": progress.reason}
            self._write_line(status, shard=shard, **reason)
        now = self._now()
        if now >= self._next_line:
            self._next_line = now + LINE_SECONDS
            self._write_line("progress")
        if now >= self._next_bar:
            self._next_bar = now + _BAR_SECONDS
            self._draw_bar()

    def _now(self) -> float:
        return time.monotonic()

    def _measure(self) -> dict[str, Any]:
        """Return the values that all lines have."""
        now = self._now()
        rows = self._finished_rows + sum(each.rows for each in self._running.values())
        requests = self._finished_requests + sum(each.requests for each in self._running.values())
        self._samples.append((now, rows, requests))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _RATE_SECONDS:  # noqa: PLR2004
            self._samples.popleft()
        then, rows_then, requests_then = self._samples[0]
        seconds = max(now - then, 1e-3)
        end = self._estimate_end()
        return {
            "time": _format_utc(datetime.now(UTC)),
            "shards_done": self._done,
            "shards_total": self._total,
            "rows": rows,
            "rows_per_second": round((rows - rows_then) / seconds, 1),
            "requests": requests,
            "requests_per_second": round((requests - requests_then) / seconds, 1),
            "errors": self._errors,
            "estimated_end": end and _format_utc(end),
            "dashboard": self._dashboard,
        }

    def _estimate_end(self) -> datetime | None:
        done_now = self._done - self._done_before
        if not done_now:
            return None
        seconds = (self._now() - self._began_at) / done_now * (self._total - self._done)
        return datetime.now(UTC) + timedelta(seconds=seconds)

    def _write_line(self, event: str, **more: str) -> None:
        if self._writes_lines:
            line = msgspec.json.encode({"event": event} | more | self._measure())
            sys.stdout.write(f"{line.decode()}\n")
            sys.stdout.flush()

    def _draw_bar(self, *, is_over: bool = False) -> None:
        if self._progress is None or self._task is None:
            return
        values = self._measure()
        end = self._estimate_end()
        self._progress.update(
            self._task,
            completed=self._done,
            description=(
                f"{self._done} of {self._total} shards, {values['rows']:,} rows, "
                f"{values['rows_per_second']:,.0f} rows/s, "
                f"{values['requests_per_second']:,.1f} requests/s, {self._errors} errors"
                + (f", ends {end:%b %d %H:%M} UTC" if end and not is_over else "")
            ),
        )


def _format_utc(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _shard_columns() -> tuple[ProgressColumn, ...]:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    return BarColumn(20), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
