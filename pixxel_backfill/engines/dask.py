"""Run shards as tasks of a Dask cluster, or of one that this computer starts for the run.

The tap's settings, token included, travel once to each worker as a worker plugin, which the
scheduler keeps as bytes for workers that join later. Keys and arguments of tasks have only the name
of the run and the id of the shard.
"""

from __future__ import annotations

import logging
import queue
import re
import secrets
import signal
import threading
import time
import warnings
from collections import Counter, deque
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import dask
import msgspec
from distributed import (
    Client,
    Future,
    LocalCluster,
    Reschedule,
    SchedulerPlugin,
    WorkerPlugin,
    get_worker,
)
from distributed.core import Status
from distributed.scheduler import KilledWorker
from distributed.utils import get_mp_context, sync
from distributed.versions import VersionMismatchWarning
from obstore.store import LocalStore

from pixxel_backfill.engines.rate_budget import Grant, LeasedShare, RateBudget
from pixxel_backfill.folder import BackfillFolder
from pixxel_backfill.shard_run import (
    MAX_ATTEMPTS,
    ShardFailed,
    ShardProgress,
    run_shard,
)
from pixxel_singer.errors import InputError
from pixxel_singer.signals import StopRequested

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Scheduler, Worker
    from distributed.client import VersionsDict

    from pixxel_backfill.plan import Plan, Shard

LEASE_SECONDS = 5.0
_RENEW_SECONDS = 0.5
_POLL_SECONDS = 0.2
_HANDLER_SECONDS = 60.0  # how long tasks of a client that has left may still ask for their share
_CHECKED_PACKAGES = ("python", "dask", "distributed")


class ShardOutcome(msgspec.Struct, frozen=True):
    """What a task returns.

    Attributes:
        progress: The shard's last progress, `done` or `failed`.
        affects_all: Whether the other shards would fail for the same reason.
    """

    progress: ShardProgress
    affects_all: bool = False


class BudgetPlugin(SchedulerPlugin):
    """Keeps the rate budget of a run on the scheduler, and answers the workers' renewals.

    Args:
        name: Name of the run; also that of the message.
        client: Id of the client; the run ends when it leaves.
        shares: As of `RateBudget`.
        spacing: As of `RateBudget`.
        lease_seconds: As of `RateBudget`.
    """

    def __init__(
        self,
        name: str,
        client: str,
        shares: int | None,
        spacing: float,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.name = name
        self._client = client
        self._budget_arguments = (shares, spacing, lease_seconds)
        self._is_cancelled = False

    async def start(self, scheduler: Scheduler) -> None:
        """Accept the message."""
        self._budget = RateBudget(*self._budget_arguments)
        scheduler.handlers[self.name] = self.renew

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Cancel the tasks that still run if their client leaves or is lost."""
        if client == self._client:
            self._is_cancelled = True
            scheduler.remove_plugin(self.name)
            scheduler.loop.call_later(_HANDLER_SECONDS, scheduler.handlers.pop, self.name, None)

    def renew(self, lease: str, pause: float, *, is_last: bool = False) -> dict[str, Any]:
        """Renew or release a lease; return the grant, and whether the run was cancelled."""
        grant = self._budget.renew(lease, pause, is_last=is_last)
        return {"grant": msgspec.to_builtins(grant), "is_cancelled": self._is_cancelled}


class ShardRunner(WorkerPlugin):
    """Runs shards on a worker; holds the settings, which its repr does not show.

    Args:
        name: Name of the run.
        folder_url: URL or absolute path of the folder.
        plan: The plan.
        settings: The tap's settings with the token.
        requests_per_second: The rate of one share.
    """

    def __init__(
        self,
        name: str,
        folder_url: str,
        plan: Plan,
        settings: dict[str, Any],
        requests_per_second: float | None,
    ) -> None:
        self.name = name
        self._folder_url = folder_url
        self._plan = plan
        self._settings = settings
        self._requests_per_second = requests_per_second

    def __repr__(self) -> str:
        return f"<ShardRunner {self.name}>"

    def setup(self, worker: Worker) -> None:
        """Keep the worker.

        Raises:
            InputError: The worker does not see the folder of the plan.
        """
        self._worker = worker
        try:
            self._folder = BackfillFolder(self._folder_url)
            is_same = self._folder.read_plan().id == self._plan.id
        except InputError:
            is_same = False
        if not is_same:
            raise InputError(
                f"the Dask worker {worker.address} does not see the plan in {self._folder_url}; "
                "use a folder that all workers share, or an object store"
            )

    def run(self, shard_id: str) -> ShardOutcome:
        """Run a shard in a task's thread."""
        shard = self._plan.find_shard(shard_id)
        assert shard is not None  # noqa: S101 - the client has it of the same plan
        lease = WorkerLease(self.name, self._worker)
        last = ShardProgress(shard_id, "done")

        def report(progress: ShardProgress) -> None:
            nonlocal last
            last = progress
            self._report(progress)

        try:
            with lease.hold():
                run_shard(
                    self._folder,
                    self._plan,
                    shard,
                    self._settings,
                    requests_per_second=self._requests_per_second,
                    shared_pause=lease.share,
                    report=report,
                    check=lease.check,
                )
        except StopRequested:
            raise Reschedule from None  # a scheduler that still wants it has another worker
        except ShardFailed as error:
            failed = ShardProgress(shard_id, "failed", reason=str(error))
            return ShardOutcome(failed, error.affects_all)
        return ShardOutcome(last)

    def _report(self, progress: ShardProgress) -> None:
        if progress.status == "running":
            self._worker.log_event(self.name, msgspec.to_builtins(progress))


class IgnoreInterrupts(WorkerPlugin):
    """Lets the workers of a cluster on this computer ignore Ctrl-C, which the terminal sends them.

    The client receives it, too, and stops them.
    """

    name = "pixxel-backfill-ignore-interrupts"

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - the interface
        """Ignore the signal."""
        with suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGINT, signal.SIG_IGN)


class WorkerLease:
    """The lease of a task on a worker.

    Args:
        name: Name of the run.
        worker: The worker.
        lease_seconds: As of the budget.
    """

    def __init__(self, name: str, worker: Worker, lease_seconds: float = LEASE_SECONDS) -> None:
        self._name = name
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._lease = secrets.token_hex(8)
        self._is_cancelled = False
        self.share = LeasedShare(self._send, lease_seconds)

    def check(self) -> None:
        """Raise if the run was cancelled or the worker is about to close.

        Raises:
            StopRequested: As above.
        """
        if self._is_cancelled or self._worker.status is not Status.running:
            raise StopRequested(signal.SIGTERM)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for a share, and renew the lease until the block ends."""
        self.share.renew()
        while not self.share.is_held():
            self.check()
            time.sleep(_POLL_SECONDS)
            self.share.renew()
        ended = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=[ended], name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.share.renew(is_last=True)

    def _renew_until(self, ended: threading.Event) -> None:
        while not ended.wait(_RENEW_SECONDS):
            self.share.renew()

    def _send(self, pause: float, *, is_last: bool) -> Grant:
        try:
            answer = sync(
                self._worker.loop,
                getattr(self._worker.scheduler, self._name),
                lease=self._lease,
                pause=pause,
                is_last=is_last,
                callback_timeout=self._lease_seconds,
            )
        except RuntimeError as error:  # the worker's event loop was closed
            raise ConnectionError(str(error)) from None
        self._is_cancelled = answer["is_cancelled"]
        return msgspec.convert(answer["grant"], Grant)


def run_dask(
    folder: BackfillFolder,
    plan: Plan,
    shards: Sequence[Shard],
    settings: dict[str, Any],
    *,
    scheduler: str | None,
    workers: int | None,
    requests_per_second: float | None,
    report: Callable[[ShardProgress], None],
    announce: Callable[[str], None],
    check: Callable[[], None],
) -> dict[str, str]:
    """Run shards on a Dask cluster.

    Args:
        folder: The folder; all workers must see it at the same path or URL.
        plan: The plan.
        shards: The shards to run.
        settings: The tap's settings with the token.
        scheduler: Address of the scheduler; None to start a cluster on this computer.
        workers: Number of shards that run at a time, by default the number of the workers' threads.
        requests_per_second: Rate of all workers together; None for no limit.
        report: Receives the progress, in this thread.
        announce: Receives the URL of the dashboard.
        check: Called several times per second; raises to stop.

    Returns:
        The reasons of the shards that have failed, by their id.

    Raises:
        InputError: The scheduler's address, or the versions on the cluster, cannot be used.
        ShardFailed: The run ended early: no scheduler, or a failure that affects all shards.
    """
    with ExitStack() as stack:
        client = stack.enter_context(_connect(scheduler, workers))
        if scheduler is None:
            client.register_plugin(IgnoreInterrupts())
        name = f"pixxel-backfill-{secrets.token_hex(4)}"
        shares = max(1, min(_count_threads(client, workers), len(shards)))
        rate = requests_per_second / shares if requests_per_second else None
        budget = BudgetPlugin(name, client.id, shares, 1 / rate if rate else 0.0)
        runner = ShardRunner(name, _locate(folder), plan, settings, rate)
        _register(client, budget, runner)
        stack.callback(_unregister, client, runner)
        announce(client.dashboard_link)
        return _Tasks(client, name, report).run(shards, shares, check)


@contextmanager
def _connect(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Connect to a cluster, or start one; its own log lines are replaced by those of this module.

    Raises:
        InputError: The address cannot be used.
        ShardFailed: There is no scheduler, or none of the same versions.
    """
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", VersionMismatchWarning)
        try:
            client = Client(
                scheduler or stack.enter_context(start_cluster(workers)), set_as_default=False
            )
        except ValueError as error:
            raise InputError(f"--scheduler: {scheduler}: {error}") from None
        except OSError as error:
            causes = re.findall(r"\[Errno -?\d+\] ([\w ]+)", f"{error} {error.__cause__}")
            reason = causes[-1] if causes else "no answer"
            raise ShardFailed(
                f"cannot connect to the Dask scheduler {scheduler}: {reason}", affects_all=True
            ) from None
        with client:
            _check_versions(client, scheduler)
            yield client


def start_cluster(workers: int | None) -> LocalCluster:
    """Start a scheduler and workers, which are forked from a warm interpreter, on this computer."""
    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    get_mp_context().set_forkserver_preload([__name__, "pixxel_backfill.engines.preload"])
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )


def _check_versions(client: Client, scheduler: str | None) -> None:
    """Check that the scheduler and the workers have the versions of this client.

    Raises:
        ShardFailed: One of them has not.
    """
    versions = cast("VersionsDict", client.get_versions())
    own = versions["client"]
    others = {f"scheduler {scheduler}": versions["scheduler"]}
    others |= {f"worker {address}": each for address, each in versions["workers"].items()}
    for where, each in others.items():
        for name in _CHECKED_PACKAGES:
            here, there = (_find_version(found, name) for found in (own, each))
            if here != there:
                raise ShardFailed(
                    f"the Dask {where} has {name} {there}, this command has {here}; "
                    "install the same versions",
                    affects_all=True,
                )


def _find_version(versions: dict[str, Any], name: str) -> str | None:
    """Return the version of a package; of Python without its last part, which may differ."""
    version: str | None = versions["packages"].get(name)
    return version.rpartition(".")[0] if version and name == "python" else version


def _count_threads(client: Client, workers: int | None) -> int:
    """Return how many shards can run at a time.

    Raises:
        ShardFailed: There is no worker.
    """
    count: int = workers or sum(client.nthreads().values())
    if not count:
        raise ShardFailed(
            "the Dask cluster has no workers; start some, or give --workers if they start later",
            affects_all=True,
        )
    return count


def _locate(folder: BackfillFolder) -> str:
    """Return the folder's URL, or its absolute path."""
    return str(folder.store.prefix) if isinstance(folder.store, LocalStore) else folder.url


def _register(client: Client, budget: BudgetPlugin, runner: ShardRunner) -> None:
    """Hand the plugins of a run to the scheduler and to the workers.

    Raises:
        InputError: A worker does not see the folder.
        ShardFailed: The package is not installed there.
    """
    try:
        client.register_plugin(budget, name=budget.name)
        client.register_plugin(runner, name=runner.name)
    except ImportError as error:
        raise ShardFailed(
            f"the Dask cluster cannot import what it needs ({error}); install "
            "pixxel-singer[backfill,backfill-dask] on the scheduler and on all workers",
            affects_all=True,
        ) from None


def _unregister(client: Client, runner: ShardRunner) -> None:
    """Remove the settings from the cluster."""
    with suppress(OSError):  # a scheduler that was lost
        client.unregister_worker_plugin(runner.name)


class _Tasks:
    """The tasks of a run.

    Args:
        client: The client.
        name: Name of the run.
        report: Receives the progress.
    """

    def __init__(self, client: Client, name: str, report: Callable[[ShardProgress], None]) -> None:
        self._client = client
        self._address = client.scheduler_info()["address"]
        self._name = name
        self._report = report
        self._events: queue.SimpleQueue[ShardProgress | Future[ShardOutcome]] = queue.SimpleQueue()
        self._waiting: deque[str] = deque()
        self._attempts: Counter[str] = Counter()
        self._running: dict[str, Future[ShardOutcome]] = {}  # also keeps the tasks of futures alive
        self._failures: dict[str, str] = {}

    def run(self, shards: Sequence[Shard], count: int, check: Callable[[], None]) -> dict[str, str]:
        """Run shards until all are done or have failed.

        Args:
            shards: The shards.
            count: Number of tasks at a time.
            check: Called several times per second; raises to stop.

        Returns:
            The reasons of those that have failed, by their ids.
        """
        self._client.subscribe_topic(self._name, self._receive_event)
        self._waiting.extend(shard.id for shard in shards)
        while self._waiting or self._running:
            check()
            while self._waiting and len(self._running) < count:
                self._submit(self._waiting.popleft())
            with suppress(queue.Empty):
                event = self._events.get(timeout=_POLL_SECONDS)
                if not isinstance(event, ShardProgress):
                    self._settle(event)
                elif event.shard in self._running:  # else its end has arrived before
                    self._report(event)
        return self._failures

    def _submit(self, shard_id: str) -> None:
        self._attempts[shard_id] += 1
        key = f"{self._name}-{shard_id}-{self._attempts[shard_id]}"
        future = self._client.submit(run_task, self._name, shard_id, key=key, pure=False)
        self._running[shard_id] = future
        future.add_done_callback(self._events.put)

    def _receive_event(self, event: tuple[float, Any]) -> None:
        self._events.put(msgspec.convert(event[1], ShardProgress))

    def _settle(self, future: Future[ShardOutcome]) -> None:
        shard_id = next(each for each, known in self._running.items() if known is future)
        outcome = self._read_outcome(shard_id, future)
        del self._running[shard_id]
        progress = outcome.progress
        if outcome.affects_all:
            raise ShardFailed(progress.reason, affects_all=True)
        if progress.status == "failed" and self._attempts[shard_id] < MAX_ATTEMPTS:
            progress = msgspec.structs.replace(progress, status="retried")
            self._waiting.append(shard_id)
        elif progress.status == "failed":
            self._failures[shard_id] = progress.reason
        self._report(progress)

    def _read_outcome(self, shard_id: str, future: Future[ShardOutcome]) -> ShardOutcome:
        """Return what a task has returned.

        Raises:
            ShardFailed: The client has lost the scheduler, and so all tasks.
        """
        if future.status == "finished":
            return future.result()
        if future.status == "error":
            error = future.exception()
            is_kill = isinstance(error, KilledWorker)
            reason = "its workers were killed or have run out of memory" if is_kill else repr(error)
            return ShardOutcome(ShardProgress(shard_id, "failed", reason=reason))
        raise ShardFailed(
            f"the connection to the Dask scheduler {self._address} was lost", affects_all=True
        )


def run_task(name: str, shard_id: str) -> ShardOutcome:
    """Run a shard on the worker of this task.

    Args:
        name: Name of the run, and so of the worker's `ShardRunner`.
        shard_id: Id of the shard.
    """
    runner = cast("ShardRunner", get_worker().plugins[name])
    return runner.run(shard_id)
