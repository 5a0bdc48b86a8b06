"""The guarantee as a property: whatever happens within its terms, nothing is written twice.

A model of the service and of time takes the place of the API, so that hypothesis can choose the
statuses, the lags of the list, the lost responses, the steps of the clock and the kills of runs.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixxel_api.errors import BadRequest, RequestTimeout, ServerUnavailable
from target_pixxel_store import polling, remote_state
from target_pixxel_store.api.models import Delivery, DeliveryJob, DeliveryList, Store
from target_pixxel_store.deliveries.deliverer import Deliverer
from target_pixxel_store.deliveries.planner import DeliveryPlanner
from target_pixxel_store.errors import CircuitOpenError
from target_pixxel_store.journal import journal as journal_module
from target_pixxel_store.journal.journal import Journal
from target_pixxel_store.locations import BucketPath
from target_pixxel_store.outcomes import NextStep, OutcomeKind
from target_pixxel_store.remote_state import RemoteState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STORE = Store("store", "mine", "eu", BucketPath("S3", "imagery", ""), {})
CATALOGS = ("one", "two", "three")
SETTLE_SECONDS, WRITE_SECONDS = 15.0, 60.0
MAX_LAG, MAX_RESPONSE = 6.0, 8.0
"""The lag of the list, and the time in which a lost request is accepted: less than the wait."""
STATUSES = ("CREATED", "IN_PROGRESS", "SUCCESS", "COMPLETED", "FAILED", "A_NEW_WORD")
EVENTS = 60  # of a run, at most
HOUR = 3600.0
lags = st.floats(0, MAX_LAG)


class Killed(BaseException):
    """The run was killed."""


@dataclass
class Row:
    """A delivery of the model; listed from a time on."""

    delivery: Delivery
    listed_from: float
    is_replaced: bool = False


class Model:
    """The service, the clocks, and the kills, as hypothesis draws them."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self._now = 1000.0
        self._wall_offset = 0.0
        self._wall_steps = False
        self._events_left = -1
        self._fates = ["done", "lost", "late", "part", "nothing", "refused"]
        self._late: list[tuple[float, DeliveryJob]] = []
        self.rows: dict[str, Row] = {}

    def draw(self, strategy: st.SearchStrategy[Any], label: str) -> Any:
        return self._data.draw(strategy, label)

    # Time, in the place of the module `time`

    def monotonic(self) -> float:
        return self._now

    def time(self) -> float:
        if self._wall_steps:
            self._wall_offset = self.draw(st.sampled_from([-HOUR, 0.0, HOUR]), "step")
        return 1.7e9 + self._now + self._wall_offset

    def sleep(self, seconds: float) -> None:
        self._now += max(seconds, 0.01)

    # Kills

    def begin_run(self) -> None:
        """Choose when the run is killed, and its clock."""
        self._events_left = self.draw(st.integers(0, EVENTS), "kill")
        self._wall_steps = self.draw(st.booleans(), "clock steps")
        self._wall_offset = self.draw(st.sampled_from([-HOUR, 0.0, HOUR]), "clock")
        self.advance(self.draw(st.sampled_from([0.0, 0.0, 1.0, 100.0]), "pause"))

    def end_runs(self) -> None:
        """Kill no more run, and lose no more response."""
        self._events_left = -1
        self._fates = ["done"]

    def event(self) -> None:
        """Pass an event, at which the run may be killed."""
        if self._events_left == 0:
            raise Killed
        self._events_left -= 1

    def write_line(self, fd: int, line: bytes) -> None:
        """Write a line of the journal, or a part of it."""
        if self._events_left == 1:
            os.write(fd, line[: len(line) // 2])
        self.event()
        self.event()
        os.write(fd, line)
        self.event()

    # The service

    def advance(self, seconds: float) -> None:
        self._now += seconds
        due = [job for at, job in self._late if at <= self._now]
        self._late = [each for each in self._late if each[0] > self._now]
        for job in due:
            self._accept(job)

    def _accept(self, job: DeliveryJob) -> Delivery:
        """Create a delivery, unless another one makes it the second."""
        others = [
            row for row in self.rows.values() if row.delivery.catalog_id == job.catalog_id
            and row.delivery.path == job.path and not row.delivery.has_failed
            and not row.is_replaced and row.delivery.id != job.replaces
        ]  # fmt: skip
        assert not others, f"{job.catalog_id} is delivered twice"
        for row in self.rows.values():
            row.is_replaced = row.is_replaced or row.delivery.id == job.replaces
        created = Delivery(
            f"d{len(self.rows)}", job.catalog_id, STORE.id, job.path, "", "CREATED",
            f"{len(self.rows):04}", automated=False,
        )  # fmt: skip
        self.rows[created.id] = Row(created, self._now + self.draw(lags, "lag"))
        return created

    def list_stores(self) -> list[Store]:
        self.advance(0.01)
        self.event()
        return [STORE]

    def list_deliveries(self, *, catalog_id: str | None = None) -> DeliveryList:
        self.advance(0.01)
        self.event()
        listed = [
            row.delivery for row in self.rows.values() if row.listed_from <= self._now
            and catalog_id in (None, row.delivery.catalog_id)
        ]  # fmt: skip
        return DeliveryList(len(listed), listed)

    def find_existing_catalogs(self, catalog_ids: Sequence[str]) -> set[str]:
        self.event()
        return set(catalog_ids)

    def request_deliveries(self, jobs: Sequence[DeliveryJob]) -> list[Delivery]:
        self.advance(0.01)
        fate = self.draw(st.sampled_from(self._fates), "response")
        self.event()
        if self._events_left == 0:  # killed, and the service goes on with what was sent
            delay = self.draw(st.floats(0, WRITE_SECONDS), "late after kill")
            taken = self.draw(st.integers(0, len(jobs)), "taken")
            self._late += [(self._now + delay, job) for job in jobs[:taken]]
            self.event()
        if fate == "late":
            delay = self.draw(st.floats(0, MAX_RESPONSE), "late")
            self._late += [(self._now + delay, job) for job in jobs]
            raise RequestTimeout("POST", "/")
        if fate == "refused":
            raise BadRequest("POST", "/", 400)
        taken = {"done": len(jobs), "lost": len(jobs), "part": len(jobs) // 2}.get(fate, 0)
        created = [self._accept(job) for job in jobs[:taken]]
        self.event()
        if fate != "done":
            raise ServerUnavailable("POST", "/", 500)
        return created

    def change_statuses(self) -> None:
        """Let deliveries become anything but undone."""
        for row in self.rows.values():
            if not row.delivery.has_succeeded and not row.delivery.has_failed:
                status = self.draw(st.sampled_from(STATUSES), "status")
                row.delivery = replace(row.delivery, status=status)


class Requests:
    """Requests for catalogs, in the place of the selection."""

    def read_order_items(self, _pending: list[Any]) -> None:
        """Read nothing."""

    def select_catalogs(self, pending: Any, _order_items: None) -> Iterator[dict[str, str]]:
        yield {"catalog_id": pending.request.catalog_id}

    def render_path(self, request: Any, _fields: dict[str, str]) -> str:
        return str(request.catalog_id)


def run(
    model: Model, path: Path, requests: list[tuple[str, str | None]], retry_failed: int
) -> None:
    """Run the planner and the deliverer; check that each outcome is true."""
    api: Any = model
    with Journal(path, WRITE_SECONDS + SETTLE_SECONDS) as journal:
        remote = RemoteState(api, journal, threads=1)
        rules: Any = SimpleNamespace(redeliver=False, retry_failed=retry_failed)
        planner = DeliveryPlanner(
            rules,
            selection=Requests(),  # type: ignore[arg-type]  # as the planner uses it
            remote=remote,
            journal=journal,
            check=lambda: model.advance(0),
        )
        deliverer = Deliverer(
            api, remote, journal, batch_size=2, concurrency=1, settle_seconds=SETTLE_SECONDS,
            check=lambda: model.advance(0),
        )  # fmt: skip
        pending: list[Any] = [
            SimpleNamespace(
                inflight=None,
                request=SimpleNamespace(store=STORE.id, catalog_id=catalog, replace_delivery=old),
            )
            for catalog, old in requests
        ]
        listed_at = model.monotonic()
        decisions = [decision for _, decision in planner.plan_requests(pending)]
        for decision in decisions:
            assert decision.kind is not NextStep.WAIT
            if decision.kind is OutcomeKind.EXISTS:
                row = model.rows[str(decision.delivery_id)]
                assert not row.delivery.has_failed or row.listed_from > listed_at
        jobs = {d.job.key: d.job for d in decisions if d.job and d.kind is NextStep.DELIVER}
        for job, outcome in deliverer.send(list(jobs.values())):
            if outcome.kind is OutcomeKind.CREATED:
                row = model.rows[str(outcome.delivery_id)]
                assert row.delivery.catalog_id == job.catalog_id


@settings(max_examples=300)
@given(data=st.data())
def test_no_sequence_of_events_delivers_twice_or_forgets(data: st.DataObject) -> None:
    model = Model(data)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for module in (polling, remote_state, journal_module):
            patch.setattr(module, "time", model)
        patch.setattr(polling, "_STEP_SECONDS", 5.0)
        patch.setattr(journal_module, "write_all", model.write_line)
        patch.setattr(os, "fsync", lambda _fd: None)
        path = Path(folder) / "journal"
        for _ in range(data.draw(st.integers(1, 5), "runs")):
            model.begin_run()
            olds = st.sampled_from([None, *model.rows])
            chosen = data.draw(st.lists(st.sampled_from(CATALOGS), max_size=4), "catalogs")
            requests = [(catalog, data.draw(olds, "replace")) for catalog in chosen]
            with suppress(Killed, CircuitOpenError):
                run(model, path, requests, data.draw(st.integers(0, 2), "retry_failed"))
            model.change_statuses()
            if data.draw(st.sampled_from([False, False, True]), "lose journal"):
                path.unlink(missing_ok=True)
        model.end_runs()
        model.advance(WRITE_SECONDS + SETTLE_SECONDS)
        run(model, path, [(catalog, None) for catalog in CATALOGS], 99)
        model.advance(WRITE_SECONDS + SETTLE_SECONDS)
    delivered = [row.delivery for row in model.rows.values()]
    assert {each.catalog_id for each in delivered if not each.has_failed} == set(CATALOGS)
