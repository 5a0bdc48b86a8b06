"""Read what has changed since the shards were read, and add it to their result.

A catch-up is an incremental sync, and a reading of all items without any time. It is an attempt of
its own at a shard `catch-up/0001`, `catch-up/0002` and so on, which commits the tap's last state
together with the items. So a catch-up that is killed is read again from the same state, and the
next one continues from the last state that was committed, whatever had become of `state.json`.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pixxel_api.errors import PixxelError
from pixxel_backfill.folder import FAILED_FILE, Done
from pixxel_backfill.merge.run import read_state
from pixxel_backfill.merge.sources import make_catch_up, read_done_shards
from pixxel_backfill.outputs.loader import LoaderFailed
from pixxel_backfill.shard_run import (
    STORE_ERRORS,
    ShardProgress,
    describe_failure,
    limit_reports,
    make_output,
)
from pixxel_backfill.tap_run import run_tap
from pixxel_singer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_backfill.folder import Attempt, BackfillFolder
    from pixxel_backfill.plan import Plan

_STATE_MESSAGE = b'{"type":"STATE"'


def run_catch_up(
    folder: BackfillFolder,
    plan: Plan,
    settings: dict[str, Any],
    *,
    requests_per_second: float | None = None,
    report: Callable[[ShardProgress], None],
    check: Callable[[], None],
) -> Done:
    """Read what has changed, and commit it; it is merged later.

    Args:
        folder: The folder of the backfill.
        plan: The plan.
        settings: The tap's settings for all shards, with their secrets.
        requests_per_second: The maximum rate; None for that of the settings.
        report: Called about once a second, and at the end.
        check: Called often; raises to stop.

    Raises:
        InputError: Shards are not done.
        ShardFailed: It has failed.
    """
    origins = read_done_shards(folder, plan)
    number = 1 + sum(origin.is_catch_up for origin in origins)
    attempt = folder.start_attempt(make_catch_up(number))
    name = attempt.shard.id
    try:
        done = _run_attempt(
            folder,
            plan,
            attempt,
            settings,
            state=read_state(plan, origins),
            requests_per_second=requests_per_second,
            report=limit_reports(report, name),
            check=check,
        )
    except (PixxelError, InputError, LoaderFailed, *STORE_ERRORS) as error:
        failure = describe_failure(error)
        with suppress(*STORE_ERRORS):  # may be the cause
            attempt.put(FAILED_FILE, str(failure).encode())
        raise failure from error
    report(ShardProgress(name, "done", done.rows, done.requests))
    return done


def _run_attempt(
    folder: BackfillFolder,
    plan: Plan,
    attempt: Attempt,
    settings: dict[str, Any],
    *,
    state: dict[str, Any],
    requests_per_second: float | None,
    report: Callable[[int, int], None],
    check: Callable[[], None],
) -> Done:
    begin = time.monotonic()
    state_id = f"bf-{plan.id}:{attempt.shard.id}" if plan.loader else ""
    output = make_output(folder, plan, attempt, state_id, check)
    rows = requests = 0

    def write_undated(line: bytes) -> None:
        if not line.startswith(_STATE_MESSAGE):  # the sync's own state follows
            output.write_line(line)

    try:
        if not settings.get("datetime"):  # a filter that no item without a time passes
            undated = run_tap(
                settings | {"owned_range": "undated"},
                write_line=write_undated,
                requests_per_second=requests_per_second,
                check=check,
                report=report,
            )
            rows, requests = undated.rows, undated.requests
        result = run_tap(
            settings,  # so also a collection that is new since the plan, from its beginning
            write_line=output.write_line,
            state=state,
            requests_per_second=requests_per_second,
            check=check,
            report=lambda more, sent: report(rows + more, requests + sent),
        )
        files = output.finish()
    except BaseException:
        output.abort()
        raise
    return attempt.commit(
        Done(
            attempt=attempt.name,
            files=files,
            rows=rows + result.rows,
            requests=requests + result.requests,
            seconds=round(time.monotonic() - begin, 3),
            started_at=result.started_at,
            largest=result.largest,
            boundary=result.boundary,
            state_id=state_id,
            state=result.state,
        )
    )
