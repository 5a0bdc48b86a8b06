"""Shards as tasks of a Dask cluster: killed workers, leases, pauses, secrets and errors."""

from __future__ import annotations

import math
import os
import re
import secrets
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.forkserver import ensure_running
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("distributed")
from dask import config
from distributed import Client, Event, fire_and_forget, get_worker, versions

from pixxel_backfill.engines.dask import (
    BudgetPlugin,
    IgnoreInterrupts,
    WorkerLease,
    run_dask,
    start_cluster,
)
from pixxel_backfill.folder import BackfillFolder
from pixxel_backfill.planning import AUTO
from pixxel_backfill.shard_run import ShardFailed
from pixxel_sandbox import Sandbox
from pixxel_singer.errors import InputError
from tests import forkserver
from tests.pixxel_backfill.plans import plan_sandbox
from tests.pixxel_backfill.results import expect_items, read_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from distributed import Future, LocalCluster, Worker

    from pixxel_backfill.plan import Plan
    from pixxel_backfill.shard_run import ShardProgress
    from pixxel_sandbox import RequestRecord, Workspace

KILLS = 5
LEASE_SECONDS = 1.0
"""Lease of the tests that wait for its end."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    assert forkserver.ENTRY_POINTS
    ensure_running()  # that of `tests.forkserver`, since a process has only one
    with start_cluster(2) as cluster:
        yield cluster


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=5, items=80) as sandbox:
        yield sandbox


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster, set_as_default=False) as client:
        yield client


def hold_share(name: str, pause: float = 0.0) -> None:
    """Hold a share and begin a pause, until the run is cancelled or the worker killed."""
    lease = WorkerLease(name, get_worker(), LEASE_SECONDS)
    with lease.hold():
        if pause:
            lease.share.begin(pause)
        Event(name).set()
        while True:
            lease.check()
            time.sleep(0.05)


def wait_for_pause(name: str) -> float:
    """Hold a share until a pause has reached it; return the seconds that are left."""
    lease = WorkerLease(name, get_worker(), LEASE_SECONDS)
    with lease.hold():
        while not 0 < (seconds := lease.share.seconds_left()) < math.inf:
            lease.check()
            time.sleep(0.05)
        return seconds


def take_share(name: str) -> str:
    """Wait for a share; return the address of the worker."""
    lease = WorkerLease(name, get_worker(), LEASE_SECONDS)
    with lease.hold():
        return get_worker().address


@dataclass
class Budget:
    """A budget on the scheduler, and the workers of its tasks.

    Attributes:
        client: The client.
        shares: Number of shares.
    """

    client: Client
    shares: int

    def __post_init__(self) -> None:
        self.name = f"budget-{secrets.token_hex(4)}"
        self.client.wait_for_workers(2)
        self.workers = list(self.client.scheduler_info()["workers"])
        plugin = BudgetPlugin(self.name, self.client.id, self.shares, 0.1, LEASE_SECONDS)
        self.client.register_plugin(plugin)

    def submit(self, function: Any, worker: int, *arguments: Any) -> Future[Any]:
        return self.client.submit(
            function, self.name, *arguments, workers=[self.workers[worker]], pure=False
        )

    def wait_until_held(self) -> None:
        """Wait until a worker that calls `hold_share` has a share."""
        assert Event(self.name, self.client).wait(60)


def test_pause_of_a_worker_reaches_the_others(client: Client) -> None:
    budget = Budget(client, 2)
    holding = budget.submit(hold_share, 0, 600.0)
    assert 500 < budget.submit(wait_for_pause, 1).result(60) <= 601
    assert not holding.done()


def test_lease_of_a_killed_worker_returns(client: Client, cluster: LocalCluster) -> None:
    """The only share is held by a worker that dies without releasing it."""
    budget = Budget(client, 1)
    lost = budget.submit(hold_share, 0)
    budget.wait_until_held()
    waiting = budget.submit(take_share, 1)
    lost_worker = budget.workers[0]
    [nanny] = (each for each in nannies(cluster) if each.worker_address == lost_worker)
    os.kill(nanny.pid, signal.SIGKILL)
    assert waiting.result(60) == budget.workers[1]
    assert not lost.done()


def test_tasks_end_when_their_client_leaves(cluster: LocalCluster) -> None:
    """A worker cannot interrupt a task, and nobody would see the requests that it sends."""
    with Client(cluster, set_as_default=False) as client:
        budget = Budget(client, 2)
        fire_and_forget(budget.submit(hold_share, 0))
        budget.wait_until_held()
    with Client(cluster, set_as_default=False) as client:
        while any(client.processing().values()):
            time.sleep(0.05)


def test_interrupt_of_the_terminal_does_not_reach_the_workers(client: Client) -> None:
    """It is sent to all processes of the terminal; the workers would print tracebacks."""
    client.register_plugin(IgnoreInterrupts())
    handlers = client.run(signal.getsignal, signal.SIGINT)
    assert set(handlers.values()) == {signal.SIG_IGN}


def nannies(cluster: LocalCluster) -> list[Any]:
    return list(cluster.workers.values())


class WorkerKiller:
    """Kills one worker after the other, each at a request, when one more shard is done.

    The response to the request waits for the kill, so that a task runs then.
    """

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._due_at = 0
        self._requested, self._killed = threading.Event(), threading.Event()
        self.kills = 0
        self.reports: list[ShardProgress] = []

    def count_done(self) -> int:
        return sum(each.status == "done" for each in self.reports)

    def on_request(self, request: RequestRecord, _workspace: Workspace) -> None:
        if self.count_done() >= self._due_at and self.kills < KILLS and request.method == "POST":
            self._killed.clear()
            self._requested.set()
            self._killed.wait(forkserver.TIMEOUT_SECONDS)

    def check(self) -> None:
        """Kill a worker if a request asks for it; called by the engine between its waits."""
        if self._requested.is_set():
            with suppress(ProcessLookupError, IndexError):  # it has been killed, and restarts
                os.kill(nannies(self._cluster)[self.kills % 2].pid, signal.SIGKILL)
                self.kills += 1
                self._due_at = self.count_done() + 1
            self._requested.clear()
            self._killed.set()


def run_backfill(
    cluster: LocalCluster,
    sandbox: Sandbox,
    folder: BackfillFolder,
    plan: Plan,
    *,
    report: Callable[[ShardProgress], None],
    check: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    folder.create_plan(plan)
    return run_dask(
        folder, plan, plan.shards, plan.settings | {"api_token": sandbox.token},
        scheduler=cluster.scheduler_address, workers=2, requests_per_second=None,
        report=report, announce=print, check=check,
    )  # fmt: skip


def test_workers_killed_five_times_write_what_one_process_emits(
    cluster: LocalCluster, sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_sandbox(sandbox, AUTO, collections=["td1-l1c", "td2-l2a"], shard_rows=6)
    folder = BackfillFolder(str(tmp_path))
    killer = WorkerKiller(cluster)
    sandbox.on_request = killer.on_request
    report, check = killer.reports.append, killer.check
    assert run_backfill(cluster, sandbox, folder, plan, report=report, check=check) == {}
    sandbox.on_request = None
    assert killer.kills == KILLS
    assert killer.count_done() == len(plan.shards)
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")
    assert read_items(folder, plan) == expect_items(sandbox, plan)


def test_token_is_not_in_the_state_of_the_cluster(
    cluster: LocalCluster, sandbox: Sandbox, client: Client, tmp_path: Path
) -> None:
    dump = tmp_path / "state.yaml"

    def report(_progress: ShardProgress) -> None:
        client.dump_cluster_state(str(dump.with_suffix("")), format="yaml")

    plan = plan_sandbox(sandbox, AUTO, collections=["td1-l1c"], shard_rows=100)
    folder = BackfillFolder(str(tmp_path / "backfill"), create=True)
    assert run_backfill(cluster, sandbox, folder, plan, report=report) == {}
    text = dump.read_text() + repr(client.get_worker_logs()) + repr(client.get_scheduler_logs())
    assert plan.shards[0].id in text
    assert sandbox.token not in text
    assert not any("ShardRunner" in each for each in client.run(list_plugins).values())


def list_plugins(dask_worker: Worker) -> str:
    return repr(dask_worker.plugins)


def run_nothing(**arguments: Any) -> None:
    none: Any = None
    options = {"workers": None, "requests_per_second": None} | arguments
    run_dask(none, none, [], {}, report=print, announce=print, check=lambda: None, **options)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("tcp://127.0.0.1:1", "cannot connect to the Dask scheduler tcp://127.0.0.1:1: "),
        ("localhost", "--scheduler: localhost: missing port number in address 'localhost'"),
    ],
)
def test_wrong_scheduler_is_one_line(address: str, text: str) -> None:
    with (
        config.set({"distributed.comm.timeouts.connect": "100ms"}),
        pytest.raises((InputError, ShardFailed), match=re.escape(text)),
    ):
        run_nothing(scheduler=address)


def test_other_version_on_the_cluster_is_one_line(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = versions.get_versions()
    found["packages"] = {**found["packages"], "distributed": "1.2.3"}
    monkeypatch.setattr(versions, "get_versions", lambda **_: found)
    with pytest.raises(ShardFailed, match=r"has distributed 20.*, this command has 1\.2\.3"):
        run_nothing(scheduler=cluster.scheduler_address)
