"""Run a shard: one attempt reads what the shard owns, writes its output, and commits."""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from obstore.exceptions import BaseError

from pixxel_api.errors import ConnectError, PixxelError
from pixxel_backfill.folder import FAILED_FILE, Done
from pixxel_backfill.outputs.loader import LoaderFailed, LoaderOutput
from pixxel_backfill.tap_run import run_tap
from pixxel_singer.errors import InputError
from pixxel_singer.filesystem import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_api.rate_limit import SharedPause
    from pixxel_backfill.folder import Attempt, BackfillFolder
    from pixxel_backfill.outputs.base import ShardOutput
    from pixxel_backfill.plan import Plan, Shard

MAX_ATTEMPTS = 3
"""Attempts of an engine at a shard, until it counts as failed."""
REPORT_SECONDS = 1.0
"""Time between two reports of a running attempt."""

STORE_ERRORS = (OSError, BaseError)
"""Errors of the disk and of object stores."""
_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})

Status = Literal["running", "done", "retried", "failed"]


class ShardProgress(msgspec.Struct, frozen=True):
    """How far a shard is.

    Attributes:
        shard: Its id.
        status: `running`, `done`, `retried` after an attempt has failed, or `failed` for good.
        rows: Number of items that its attempt has emitted so far.
        requests: Number of requests that its attempt has sent so far.
        reason: Why the attempt has failed, in one line.
    """

    shard: str
    status: Status
    rows: int = 0
    requests: int = 0
    reason: str = ""


class ShardFailed(Exception):
    """An attempt at a shard has failed; the text is the reason, in one line.

    Attributes:
        affects_all: Whether the other shards would fail, too, so that the run must end.
    """

    def __init__(self, reason: str, *, affects_all: bool = False) -> None:
        super().__init__(reason)
        self.affects_all = affects_all

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the attribute, too."""
        return _restore_failure, (str(self), self.affects_all)


def _restore_failure(reason: str, affects_all: bool) -> ShardFailed:  # noqa: FBT001 - pickled
    return ShardFailed(reason, affects_all=affects_all)


def run_shard(
    folder: BackfillFolder,
    plan: Plan,
    shard: Shard,
    settings: dict[str, Any],
    *,
    requests_per_second: float | None = None,
    shared_pause: SharedPause | None = None,
    report: Callable[[ShardProgress], None],
    check: Callable[[], None],
) -> Done:
    """Run a shard, unless it is done already.

    Any number of attempts may run at once, and each may be killed at any point: an attempt writes
    to a folder of its own, and the first one that commits is the one that counts.

    Args:
        folder: The folder of the backfill.
        plan: The plan.
        shard: One of its shards.
        settings: The tap's settings for all shards, with their secrets.
        requests_per_second: The maximum rate of this attempt; None for that of the settings.
        shared_pause: A pause that all workers observe.
        report: Called about once a second, and at the end. The rows and requests are those of this
            call, so none if the shard is done already.
        check: Called often; raises to stop.

    Returns:
        What the attempt that counts has done.

    Raises:
        ShardFailed: The attempt has failed.
    """
    attempt: Attempt | None = None
    try:
        done = folder.read_done(shard)
        if done is None:
            attempt = folder.start_attempt(shard)
            done = _run_attempt(
                folder, plan, attempt, settings,
                requests_per_second=requests_per_second,
                shared_pause=shared_pause,
                report=limit_reports(report, shard.id),
                check=check,
            )  # fmt: skip
    except (PixxelError, InputError, LoaderFailed, *STORE_ERRORS) as error:
        failure = describe_failure(error)
        if attempt is not None:
            with suppress(*STORE_ERRORS):  # may be the cause
                attempt.put(FAILED_FILE, str(failure).encode())
        raise failure from error
    is_own = attempt is not None and done.attempt == attempt.name
    own = (done.rows, done.requests) if is_own else (0, 0)
    report(ShardProgress(shard.id, "done", *own))
    return done


def _run_attempt(
    folder: BackfillFolder,
    plan: Plan,
    attempt: Attempt,
    settings: dict[str, Any],
    *,
    requests_per_second: float | None,
    shared_pause: SharedPause | None,
    report: Callable[[int, int], None],
    check: Callable[[], None],
) -> Done:
    shard = attempt.shard
    begin = time.monotonic()
    state_id = f"bf-{plan.id}:{shard.id}" if plan.loader else ""
    output = make_output(folder, plan, attempt, state_id, check)
    try:
        result = run_tap(
            shard.tap_settings(settings),
            write_line=output.write_line,
            state=folder.read_state(shard) if plan.loader else None,
            requests_per_second=requests_per_second,
            shared_pause=shared_pause,
            report=report,
            check=check,
        )
        files = output.finish()
    except BaseException:
        output.abort()
        raise
    return attempt.commit(
        Done(
            attempt=attempt.name,
            files=files,
            rows=result.rows,
            requests=result.requests,
            seconds=round(time.monotonic() - begin, 3),
            started_at=result.started_at,
            largest=result.largest,
            boundary=result.boundary,
            undated=result.undated,
            state_id=state_id,
        )
    )


def make_output(
    folder: BackfillFolder,
    plan: Plan,
    attempt: Attempt,
    state_id: str,
    check: Callable[[], None],
) -> ShardOutput:
    """Return the output of an attempt: the plan's loader, else GeoParquet."""
    if plan.loader:
        return LoaderOutput(
            plan.loader,
            shard_id=attempt.shard.id,
            state_id=state_id,
            save_state=lambda state: folder.write_state(attempt.shard, state),
            check=check,
        )
    from pixxel_backfill.outputs.geoparquet import (  # noqa: PLC0415 - loaders need no pyarrow
        GeoparquetOutput,
        read_known_columns,
    )

    known = read_known_columns(folder, plan, attempt.shard)
    return GeoparquetOutput(attempt, plan.collections, known=known, check=check)


def limit_reports(
    report: Callable[[ShardProgress], None], shard_id: str
) -> Callable[[int, int], None]:
    """Return a function that reports the rows and requests so far, but not more often than due."""
    due_at = 0.0

    def report_if_due(rows: int, requests: int) -> None:
        nonlocal due_at
        if (now := time.monotonic()) >= due_at:
            due_at = now + REPORT_SECONDS
            report(ShardProgress(shard_id, "running", rows, requests))

    return report_if_due


def describe_failure(error: Exception) -> ShardFailed:
    """Return a failure with the reason of an error in one line."""
    if isinstance(error, InputError):
        return ShardFailed("; ".join(error.lines), affects_all=True)
    if isinstance(error, PixxelError):
        hint = "; the plan's 'api_url' is used" if isinstance(error, ConnectError) else ""
        return ShardFailed(f"{error}{hint}", affects_all=error.affects_all_requests)
    if isinstance(error, STORE_ERRORS):
        full = isinstance(error, OSError) and error.errno in _FULL_DISK
        return ShardFailed(describe_error(error), affects_all=full)
    return ShardFailed(" ".join(str(error).split()))
