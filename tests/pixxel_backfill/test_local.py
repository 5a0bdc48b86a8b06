"""Shards in processes of this machine: kills, failures, stops, and one rate for all."""

from __future__ import annotations

import multiprocessing
import shlex
import signal
import sys
import threading
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixxel_backfill.engines.local import ClockPause, _Run, run_local
from pixxel_backfill.folder import BackfillFolder
from pixxel_backfill.planning import AUTO
from pixxel_backfill.shard_run import MAX_ATTEMPTS, ShardFailed, ShardProgress
from pixxel_sandbox import Sandbox
from pixxel_singer.signals import StopRequested
from tests import forkserver
from tests.pixxel_backfill.plans import plan_sandbox
from tests.pixxel_backfill.results import expect_items, read_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixxel_backfill.plan import Plan
    from pixxel_sandbox import RequestRecord, Workspace

LOADER = [sys.executable, str(Path(__file__).with_name("append_loader.py"))]
KILLS = 5


@pytest.fixture(scope="module", autouse=True)
def _warm_forkserver() -> None:
    """Start the server of `tests.forkserver`, since a process has only one."""
    assert forkserver.ENTRY_POINTS
    ensure_running()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=5, items=80) as server:
        yield server


class Run:
    """A run in this process, and what it reports."""

    def __init__(self, sandbox: Sandbox, folder: BackfillFolder, plan: Plan) -> None:
        self.sandbox, self.folder, self.plan = sandbox, folder, plan
        self.reports: list[ShardProgress] = []

    def start(self, *, check: Callable[[], None] = lambda: None, **more: str) -> dict[str, str]:
        settings = self.plan.settings | {"api_token": self.sandbox.token} | more
        return run_local(
            self.folder, self.plan, self.plan.shards, settings,
            workers=2, report=self.reports.append, check=check,
        )  # fmt: skip

    def count(self, status: str) -> int:
        return sum(each.status == status for each in self.reports)


class WorkerKiller:
    """Kills all workers at a request, and again when one more shard is done.

    The response to the request waits for the kill, so that a worker is alive then.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._due_at = 0
        self._requested, self._killed = threading.Event(), threading.Event()
        self.kills = 0

    def on_request(self, request: RequestRecord, _workspace: Workspace) -> None:
        is_due = self._run.count("done") >= self._due_at and self.kills < KILLS
        if is_due and request.method == "POST":
            self._killed.clear()
            self._requested.set()
            self._killed.wait(forkserver.TIMEOUT_SECONDS)

    def check(self) -> None:
        """Kill the workers if a request asks for it; called by the engine between its waits."""
        if self._requested.is_set():
            for each in multiprocessing.active_children():
                each.kill()
            self.kills += 1
            self._due_at = self._run.count("done") + 1
            self._requested.clear()
            self._killed.set()


def test_two_workers_killed_five_times_write_what_one_process_emits(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All kills may hit the same shard.
    monkeypatch.setattr("pixxel_backfill.engines.local.MAX_ATTEMPTS", 1 + KILLS)
    folder = BackfillFolder(str(tmp_path))
    plan = plan_sandbox(sandbox, AUTO, collections=["td1-l1c", "td2-l2a"], shard_rows=6)
    run = Run(sandbox, folder, plan)
    killer = WorkerKiller(run)
    sandbox.on_request = killer.on_request
    assert run.start(check=killer.check) == {}
    sandbox.on_request = None
    reasons = [each.reason for each in run.reports if each.status == "retried"]
    assert killer.kills == KILLS <= len(reasons)
    assert set(reasons) == {"its process was killed by SIGKILL"}
    assert run.count("done") == len(run.plan.shards)
    assert read_items(folder, run.plan) == expect_items(sandbox, run.plan)


def test_failed_shard_is_reported_and_the_others_are_done(sandbox: Sandbox, tmp_path: Path) -> None:
    script = (
        'case $PIXXEL_BACKFILL_STATE_ID in *0002*) echo "no space" >&2; exit 7;; esac; '
        f"exec {shlex.join([*LOADER, str(tmp_path)])}"
    )
    plan = plan_sandbox(
        sandbox, AUTO, collections=["td1-l1c"], shard_rows=12, loader=["sh", "-c", script]
    )
    run = Run(sandbox, BackfillFolder(str(tmp_path)), plan)
    [(name, reason)] = run.start().items()
    assert "/0002" in name
    assert reason == "the loader 'sh' ended with status 7: no space"
    assert run.count("retried") == MAX_ATTEMPTS - 1
    assert run.count("failed") == 1
    assert run.count("done") == len(plan.shards) - 1 > 0


def test_failure_that_concerns_all_shards_ends_the_run(sandbox: Sandbox, tmp_path: Path) -> None:
    plan = plan_sandbox(sandbox, AUTO, collections=["td1-l1c"], shard_rows=12)
    run = Run(sandbox, BackfillFolder(str(tmp_path)), plan)
    with pytest.raises(ShardFailed, match="401"):
        run.start(api_token="another")
    assert run.count("done") == 0
    assert multiprocessing.active_children() == []


def test_stop_request_ends_all_workers(sandbox: Sandbox, tmp_path: Path) -> None:
    plan = plan_sandbox(sandbox, AUTO, shard_rows=8)
    run = Run(sandbox, BackfillFolder(str(tmp_path)), plan)

    def check() -> None:
        if run.count("running"):
            raise StopRequested(signal.SIGTERM)

    with pytest.raises(StopRequested):
        run.start(check=check)
    assert multiprocessing.active_children() == []
    assert run.count("done") < len(plan.shards)
    assert run.count("retried") == 0


def test_pause_is_shared_by_processes_and_never_shortened() -> None:
    pause = ClockPause(multiprocessing.get_context("forkserver"))
    assert pause.seconds_left() == 0
    other = multiprocessing.get_context("forkserver").Process(target=pause.begin, args=(1000,))
    other.start()
    other.join()
    pause.begin(1)
    assert 900 < pause.seconds_left() <= 1000


def test_workers_share_the_rate_equally(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_sandbox(sandbox, AUTO, collections=["td1-l1c"], shard_rows=12)
    rates: list[float | None] = []

    def start_worker(run: _Run, *_: object) -> None:
        rates.append(run._arguments[1])

    monkeypatch.setattr("pixxel_backfill.engines.local._Run.start_worker", start_worker)
    run_local(
        BackfillFolder(str(tmp_path)), plan, plan.shards, {},
        workers=2, requests_per_second=10, report=lambda _: None, check=lambda: None,
    )  # fmt: skip
    assert rates == [5] * len(plan.shards)


def test_signal_that_also_ends_the_fork_server_is_the_cause_of_the_end(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes end before this one has handled the signal."""
    plan = plan_sandbox(sandbox, AUTO, collections=["td1-l1c"], shard_rows=12)
    run = Run(sandbox, BackfillFolder(str(tmp_path)), plan)
    failed: list[ShardFailed] = []

    def start_worker(*_: object) -> None:
        failed.append(ShardFailed("the server that forks the workers has ended"))
        raise failed[0]

    def check() -> None:
        if failed:
            raise StopRequested(signal.SIGINT)

    monkeypatch.setattr("pixxel_backfill.engines.local._Run.start_worker", start_worker)
    with pytest.raises(StopRequested):
        run.start(check=check)
