"""Engine that runs shards in processes of this machine, one process for each attempt.

The processes are forked from a warm interpreter, so they start at once; a kill costs one attempt,
and the memory of an attempt is freed at its end. Each process reports through a pipe of its own,
as a lock that several of them share would stay locked after a kill.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from pixxel_backfill.engines import preload
from pixxel_backfill.folder import BackfillFolder
from pixxel_backfill.shard_run import MAX_ATTEMPTS, ShardFailed, ShardProgress, run_shard
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.process import exit_now
from pixxel_singer.redaction import find_secrets
from pixxel_singer.signals import StopRequested
from tap_pixxel.tap import TapPixxel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext, ForkServerProcess

    from pixxel_backfill.plan import Plan, Shard

_POLL_SECONDS = 0.1  # between two calls of `check`
_STOP_SECONDS = 30.0
"""Time for a process to stop at a message and to end its loader, before it is killed."""

logger = logging.getLogger(__name__)


class ClockPause:
    """A pause that the processes of a machine share: the monotonic time of its end.

    It needs no lock: a time is written at once, and of two pauses that begin together one counts.
    """

    def __init__(self, context: ForkServerContext) -> None:
        self._end = context.RawValue("d", 0.0)

    def begin(self, seconds: float) -> None:
        """Let no worker send a request for some seconds."""
        self._end.value = max(self._end.value, time.monotonic() + seconds)

    def seconds_left(self) -> float:
        """Return the seconds until requests may be sent again; 0 without a pause."""
        return max(0.0, float(self._end.value) - time.monotonic())


@dataclass
class _Worker:
    """A process that runs an attempt at a shard.

    Attributes:
        shard: The shard.
        number: Number of the attempt, from 1.
        process: The process.
        is_done: Whether it has reported that the shard is done.
        failure: The failure that it has reported.
    """

    shard: Shard
    number: int
    process: ForkServerProcess
    is_done: bool = False
    failure: ShardFailed | None = None


def run_local(
    folder: BackfillFolder,
    plan: Plan,
    shards: Sequence[Shard],
    settings: dict[str, Any],
    *,
    workers: int | None = None,
    requests_per_second: float | None = None,
    report: Callable[[ShardProgress], None],
    check: Callable[[], None],
) -> dict[str, str]:
    """Run shards in processes, until each is done or has failed.

    Args:
        folder: The folder of the backfill.
        plan: The plan.
        shards: The shards to run.
        settings: The tap's settings with their secrets.
        workers: Number of processes at a time; None for that of the processors.
        requests_per_second: The maximum rate of all processes together; each has an equal share.
        report: Called when a shard has proceeded.
        check: Called often; raises to stop.

    Returns:
        Why shards have failed, by their ids.

    Raises:
        ShardFailed: A shard has failed, and the others would, too.
    """
    count = min(workers or os.cpu_count() or 1, max(len(shards), 1))
    rate = requests_per_second and requests_per_second / count
    run = _Run(folder.url, plan, settings, rate, report)
    run.waiting.extend((shard, 1) for shard in shards)
    try:
        while run.waiting or run.workers:
            check()
            while run.waiting and len(run.workers) < count:
                run.start_worker(*run.waiting.popleft())
            for reader in _wait_for_any(run.workers):
                check()  # a signal to all processes ends the workers, too
                run.receive(reader)
    except BaseException:
        _stop(worker.process for worker in run.workers.values())
        check()  # a signal to all processes may be the cause of the error
        raise
    return run.failures


class _Run:
    """The attempts of a run.

    Attributes:
        waiting: The shards to run, each with the number of its next attempt.
        workers: The processes, by the connections that they report to.
        failures: Why shards have failed, by their ids.
    """

    def __init__(
        self,
        url: str,
        plan: Plan,
        settings: dict[str, Any],
        requests_per_second: float | None,
        report: Callable[[ShardProgress], None],
    ) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([preload.__name__])
        self._url = url
        self._plan = plan
        self._arguments = settings, requests_per_second, ClockPause(self._context)
        self._report = report
        self.waiting: deque[tuple[Shard, int]] = deque()
        self.workers: dict[Connection, _Worker] = {}
        self.failures: dict[str, str] = {}

    def start_worker(self, shard: Shard, number: int) -> None:
        """Start a process for an attempt at a shard.

        Raises:
            ShardFailed: No process can be started.
        """
        reader, writer = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_run_worker, args=(writer, self._url, self._plan, shard, *self._arguments)
        )
        resource_tracker.ensure_running()  # would unblock the signal
        # Ctrl-C goes to all processes of a terminal, of which this one stops the others. They
        # inherit the mask.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        except EOFError:
            raise ShardFailed("the server that forks the workers has ended") from None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        writer.close()  # only the worker keeps it open, so its end is that of the worker
        self.workers[reader] = _Worker(shard, number, process)

    def receive(self, reader: Connection) -> None:
        """Receive what a worker reports, or its end.

        Raises:
            ShardFailed: A shard has failed, and the others would, too.
        """
        worker = self.workers[reader]
        try:
            message = reader.recv()
        except (EOFError, OSError):  # also a message that a kill has cut
            del self.workers[reader]
            reader.close()
            worker.process.join()
            if not worker.is_done:
                reason = _describe_end(worker.process.exitcode)
                self._settle(worker, worker.failure or ShardFailed(reason))
            return
        if isinstance(message, ShardFailed):
            worker.failure = message
            return
        worker.is_done = message.status == "done"
        self._report(message)

    def _settle(self, worker: _Worker, failure: ShardFailed) -> None:
        """Try the shard of a failed attempt again, unless it was tried often enough."""
        if failure.affects_all:
            raise failure
        shard, reason = worker.shard, str(failure)
        if worker.number < MAX_ATTEMPTS:
            self.waiting.append((shard, worker.number + 1))
            self._report(ShardProgress(shard.id, "retried", reason=reason))
        else:
            self.failures[shard.id] = reason
            self._report(ShardProgress(shard.id, "failed", reason=reason))


def _wait_for_any(readers: Iterable[Connection]) -> list[Connection]:
    """Return the connections that can be read, after some time also none."""
    ready = set(wait(list(readers), _POLL_SECONDS))
    return [each for each in readers if each in ready]


def _stop(processes: Iterable[ForkServerProcess]) -> None:
    """Stop processes, and wait until they have ended."""
    stopped = list(processes)
    for each in stopped:
        each.terminate()
    end = time.monotonic() + _STOP_SECONDS
    for each in stopped:
        each.join(max(0.0, end - time.monotonic()))
        each.kill()
        each.join()


def _describe_end(status: int | None) -> str:
    if status is not None and status < 0:
        return f"its process was killed by {signal.Signals(-status).name}"
    return f"its process ended with status {status}; see the log"


def _run_worker(  # noqa: PLR0917 - the arguments of a process are positional
    channel: Connection,
    url: str,
    plan: Plan,
    shard: Shard,
    settings: dict[str, Any],
    requests_per_second: float | None,
    pause: ClockPause,
) -> None:
    """Run a shard in this process, and report to the process that started it."""
    TapPixxel.set_up_process()
    TapPixxel.register_secrets(find_secrets(TapPixxel.config_jsonschema, settings))
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    status = int(ExitCode.OK)
    try:
        run_shard(
            BackfillFolder(url),
            plan,
            shard,
            settings,
            requests_per_second=requests_per_second,
            shared_pause=pause,
            report=channel.send,
            check=TapPixxel.stop.check,
        )
    except ShardFailed as failure:
        channel.send(failure)
        status = ExitCode.FAILED
    except StopRequested as stop:
        status = stop.status
    except Exception:  # an error of the program: the parent reports the end of this process
        logger.critical("unexpected error, please report it", exc_info=True)
        status = ExitCode.FAILED
    exit_now(status)  # without waiting for pages that are not needed


def _stop_with_parent() -> None:
    """Stop this process when the one that has started it ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_STOP_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)
