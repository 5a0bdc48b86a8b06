"""The guarantee as a property: whatever happens within its terms, nothing is written twice.

A model of the service and of time takes the place of the API, so that hypothesis can choose the
statuses, the lags of the lists, the lost responses, the steps of the clock and the kills of runs.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixxel_api.errors import BadRequest, RequestTimeout, ServerUnavailable
from target_pixxel_store import polling, remote_state
from target_pixxel_store.api.errors import MAX_ATTEMPTS
from target_pixxel_store.api.models import Delivery, DeliveryJob, DeliveryList, Store
from target_pixxel_store.deliveries.deliverer import Deliverer
from target_pixxel_store.deliveries.planner import DeliveryPlanner
from target_pixxel_store.errors import CircuitOpenError
from target_pixxel_store.journal import journal as journal_module
from target_pixxel_store.journal.journal import Journal
from target_pixxel_store.locations import BucketPath
from target_pixxel_store.objects import reconciler
from target_pixxel_store.objects.aois import AOI, AoiSpec
from target_pixxel_store.objects.indices import IndexSpec
from target_pixxel_store.objects.reconciler import ObjectReconciler
from target_pixxel_store.objects.visualizations import VisualizationSpec
from target_pixxel_store.outcomes import NextStep, OutcomeKind
from target_pixxel_store.remote_state import RemoteState

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from target_pixxel_store.objects.models import ObjectSpec

Made = TypeVar("Made")

STORE = Store("store", "mine", "eu", BucketPath("S3", "imagery", ""), {})
CATALOGS = ("one", "two", "three")
SQUARE = (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)),)
OBJECTS: tuple[ObjectSpec, ...] = (
    AoiSpec("north", "project", "satellite", "", "", SQUARE, ()),
    AoiSpec("south", "project", "satellite", "", "", SQUARE, ()),
    IndexSpec("satellite", "NDVI", "(B8-B4)/(B8+B4)", "", (0, 1), "greens", "index"),
    *(VisualizationSpec(area, index, (), None) for area in ("a", "b") for index in ("i", "j")),
)
SETTLE_SECONDS, WRITE_SECONDS = 15.0, 60.0
WAIT_SECONDS = WRITE_SECONDS + SETTLE_SECONDS  # for earlier runs
MAX_LAG, MAX_RESPONSE = 6.0, 8.0
"""The lag of a list, and the time in which a lost request is accepted: less than the wait.

What a killed run has sent, or one that has given it up, may be accepted `WRITE_SECONDS` later.
"""
STATUSES = ("CREATED", "IN_PROGRESS", "SUCCESS", "COMPLETED", "FAILED", "A_NEW_WORD")
EVENTS = 60  # of a run, at most
HOUR = 3600.0
FATES = (["done"], ["given up"], ["done", "lost", "late", "part", "nothing", "refused"])
"""What may become of the requests of a run; all but the last attempts of `given up` are lost."""


def spread(longest: float) -> st.SearchStrategy[float]:
    """Return a strategy of seconds that often draws the extremes."""
    return st.sampled_from([0.0, longest / 2, longest])


class Killed(BaseException):
    """The run was killed."""


@dataclass
class Row:
    """A delivery of the model; listed from a time on."""

    delivery: Delivery
    listed_from: float
    is_replaced: bool = False


@dataclass
class Object:
    """An object of the model; listed from a time on.

    Attributes:
        path: The path of its list.
        body: The body of the request that created it.
    """

    id: str
    path: str
    body: dict[str, Any]
    listed_from: float


class Model:
    """The service, the clocks, and the kills, as hypothesis draws them."""

    page_concurrency = 1

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self._now = 1000.0
        self._wall_offset = 0.0
        self._wall_steps = False
        self._events_left = -1
        self._fates = ["done"]
        self._late: list[tuple[float, Callable[[float], object]]] = []
        self._tries = Counter[Any]()  # of the run, by what is requested
        self.rows: dict[str, Row] = {}
        self.objects: dict[Hashable, Object] = {}

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
        """Choose when the run is killed, its clock, and what becomes of its requests."""
        self._fates = self.draw(st.sampled_from(FATES), "responses")
        self._events_left = self.draw(st.just(-1) | st.integers(0, EVENTS), "kill")
        self._wall_steps = self.draw(st.booleans(), "clock steps")
        self._wall_offset = self.draw(st.sampled_from([-HOUR, 0.0, HOUR]), "clock")
        self._tries.clear()
        self.advance(self.draw(st.sampled_from([0.0, 0.0, 1.0, 100.0]), "pause"))

    def end_runs(self) -> None:
        """Kill no more run, and lose no more response."""
        self._events_left = -1
        self._fates = ["done"]
        self._tries.clear()

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
        due = [each for each in self._late if each[0] <= self._now]
        self._late = [each for each in self._late if each[0] > self._now]
        for at, accept in due:
            accept(at)

    def _accept(self, job: DeliveryJob, at: float, *, lag: float) -> Delivery:
        """Create a delivery at a time, unless another one makes it the second."""
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
        self.rows[created.id] = Row(created, at + lag)
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

    def list_order_items(self) -> list[Any]:
        return []

    def find_existing_catalogs(self, catalog_ids: Sequence[str]) -> set[str]:
        self.event()
        return set(catalog_ids)

    def request_deliveries(self, jobs: Sequence[DeliveryJob]) -> list[Delivery]:
        return self._write({job.key: partial(self._accept, job) for job in jobs})

    def list_rows(self, path: str, _name: str, *, key: str) -> Iterator[dict[str, Any]]:
        self.advance(0.01)
        self.event()
        now = self._now
        return iter([
            row.body | {key: row.id}
            for row in self.objects.values() if row.path == path and row.listed_from <= now
        ])  # fmt: skip

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        what = identify(path, body)
        [created] = self._write({what: partial(self._accept_object, what, path, body)})
        return body | {"aoi_id" if path == AOI.path else "id": created.id}

    def _accept_object(
        self, what: Hashable, path: str, body: dict[str, Any], at: float, *, lag: float
    ) -> Object:
        """Create an object at a time, unless it exists."""
        assert what not in self.objects, f"{what} is created twice"
        self.objects[what] = Object(f"o{len(self.objects)}", path, body, at + lag)
        return self.objects[what]

    def _write(self, parts: dict[Hashable, Callable[..., Made]]) -> list[Made]:
        """Execute the parts of a request; it may be killed, late, refused, or have no response."""
        self.advance(0.01)
        self._tries.update(parts.keys())
        # The lags are drawn here, as a late write may be accepted in a thread that reads a list.
        accepts = [
            partial(accept, lag=self.draw(spread(MAX_LAG), "lag")) for accept in parts.values()
        ]
        fate = self.draw(st.sampled_from(self._fates), "response")
        self.event()
        if self._events_left == 0:  # killed, and the service goes on with what was sent
            delay = self.draw(spread(WRITE_SECONDS), "late after kill")
            taken = self.draw(st.integers(0, len(accepts)), "taken")
            self._late += [(self._now + delay, accept) for accept in accepts[:taken]]
            self.event()
        is_last = all(self._tries[key] == MAX_ATTEMPTS for key in parts)
        if fate == "late" or (fate == "given up" and is_last):
            longest = WRITE_SECONDS if is_last else MAX_RESPONSE
            delay = self.draw(spread(longest), "late")
            self._late += [(self._now + delay, accept) for accept in accepts]
            raise RequestTimeout("POST", "/")
        if fate == "refused":
            raise BadRequest("POST", "/", 400)
        taken = {"done": len(parts), "lost": len(parts), "part": len(parts) // 2}.get(fate, 0)
        created = [accept(self._now) for accept in accepts[:taken]]
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


Requests = list[tuple[str, "str | None"]]
"""Catalogs, and the delivery of each to replace."""


class Selection:
    """Selects the catalogs that are requested."""

    def read_order_items(self, _pending: list[Any]) -> None:
        """Read nothing."""

    def select_catalogs(self, pending: Any, _order_items: None) -> Iterator[dict[str, str]]:
        yield {"catalog_id": pending.request.catalog_id}

    def render_path(self, request: Any, _fields: dict[str, str]) -> str:
        return str(request.catalog_id)


def identify(path: str, body: dict[str, Any]) -> Hashable:
    """Return what distinguishes the objects of `OBJECTS` for the service."""
    return path, body.get("name", body.get("index_id"))


def run(
    model: Model, path: Path, flushes: list[Requests], objects: Sequence[ObjectSpec], retries: int
) -> None:
    """Request deliveries in some flushes, and objects; check that each outcome is true.

    Args:
        model: The service.
        path: The path of the journal.
        flushes: Requests for catalogs.
        objects: The objects.
        retries: The setting `retry_failed`.
    """
    api: Any = model
    with Journal(path, WAIT_SECONDS) as journal:
        remote = RemoteState(api, journal)
        rules: Any = SimpleNamespace(
            redeliver=False,
            retry_failed=retries,
            dry_run=False,
            settle_seconds=SETTLE_SECONDS,
            request_timeout=WRITE_SECONDS,
            batch_size=2,
            concurrency=1,
        )
        planner = DeliveryPlanner(
            rules,
            selection=Selection(),  # type: ignore[arg-type]  # as the planner uses it
            remote=remote,
            journal=journal,
            check=lambda: model.advance(0),
        )
        deliverer = Deliverer(rules, api, remote, journal, check=lambda: model.advance(0))
        object_reconciler = ObjectReconciler(rules, api, journal, check=lambda: model.advance(0))
        for requests in flushes:
            deliver(model, planner, deliverer, requests)
        for spec in objects:
            outcome = object_reconciler.ensure(spec)
            if outcome.kind is not OutcomeKind.FAILED:
                created = model.objects[identify(spec.path, spec.to_request_body())]
                assert getattr(outcome, spec.kind.outcome_field) == created.id


def deliver(
    model: Model, planner: DeliveryPlanner, deliverer: Deliverer, requests: Requests
) -> None:
    """Plan and send requests; check that each outcome is true."""
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


def check_events(data: st.DataObject) -> None:
    """Run some sequence of runs and events; check that all is written once at its end."""
    model = Model(data)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for module in (polling, remote_state, journal_module, reconciler):
            patch.setattr(module, "time", model)
        patch.setattr(polling, "_STEP_SECONDS", 5.0)
        patch.setattr(journal_module, "write_all", model.write_line)
        patch.setattr(os, "fsync", lambda _fd: None)
        path = Path(folder) / "journal"
        for _ in range(data.draw(st.integers(1, 5), "runs")):
            model.begin_run()
            olds = st.sampled_from([None, None, *model.rows])
            flushes = [
                [(catalog, data.draw(olds, "replace")) for catalog in data.draw(
                    st.lists(st.sampled_from(each), max_size=3), "catalogs")]
                for each in (CATALOGS[:2], CATALOGS[2:])
            ]  # fmt: skip
            objects = data.draw(st.lists(st.sampled_from(OBJECTS), max_size=8), "objects")
            with suppress(Killed, CircuitOpenError):
                run(model, path, flushes, objects, data.draw(st.integers(0, 2), "retry_failed"))
            model.change_statuses()
            if data.draw(st.sampled_from([False, False, False, True]), "lose journal"):
                path.unlink(missing_ok=True)
        model.end_runs()
        model.advance(WRITE_SECONDS + SETTLE_SECONDS)
        run(model, path, [[(catalog, None) for catalog in CATALOGS]], OBJECTS, 99)
        model.advance(WRITE_SECONDS + SETTLE_SECONDS)
    delivered = [row.delivery for row in model.rows.values()]
    assert {each.catalog_id for each in delivered if not each.has_failed} == set(CATALOGS)
    assert len(model.objects) == len(OBJECTS)


@settings(max_examples=200)
@given(data=st.data())
def test_no_sequence_of_events_writes_twice_or_forgets(data: st.DataObject) -> None:
    check_events(data)
