"""The remote state: stores and deliveries as the API lists them, even late or truncated."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from target_pixxel_store.api.models import FAILED_STATUS, UNLISTED, Delivery, parse_task_places
from target_pixxel_store.errors import UnexpectedDeliveryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import DeliveryJob, DeliveryList, Store
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.journal.journal_state import Intent, JournalState, KnownDelivery
    from target_pixxel_store.locations import BucketPath, DeliveryKey

MAX_AGE_SECONDS = 60.0  # after which the lists are read again
MIN_TRUNCATED_ROWS = 10
"""Rows of the shortest list that may be truncated."""
MAX_NAMES = 20
"""Names of stores that an error lists."""
_SEVERAL = ""  # instead of the id of a catalog


def may_be_truncated(rows: int) -> bool:
    """Return whether a list has a length to which a server might truncate it.

    The API documents no limit. A list of a round length may be incomplete; a wrong guess costs one
    request for each catalog that is about to be delivered.
    """
    return rows >= MIN_TRUNCATED_ROWS and (
        rows % 10 == 0 or rows % 25 == 0 or rows & (rows - 1) == 0
    )


class WorkspaceView:
    """The stores and deliveries that exist, by the API's lists and by the journal.

    Args:
        stores: The stores, by id.
        state: The state that the journal describes; it is copied.

    Attributes:
        stores: The stores, by id.
        replaced_ids: Ids of the deliveries that requests have replaced.
    """

    def __init__(self, stores: dict[str, Store], state: JournalState) -> None:
        self.stores = stores
        self.replaced_ids = set(state.replaced_ids)
        self._store_locations = dict(state.store_locations)
        self._by_catalog: dict[str, dict[str, tuple[BucketPath | None, Delivery]]] = {}
        self._catalog_at: dict[BucketPath, str] = {}
        for delivery_id, known in state.deliveries.items():
            self._add_unlisted(delivery_id, known)

    def _add_unlisted(self, delivery_id: str, known: KnownDelivery) -> None:
        """Add a delivery of the journal; the earlier ones with its key had failed."""
        catalog_id, location = known.key
        rows = self._by_catalog.setdefault(catalog_id, {})
        for other_id, (other, delivery) in rows.items():
            if other == location:
                rows[other_id] = other, replace(delivery, status=FAILED_STATUS)
        self._add(location, Delivery(delivery_id, catalog_id, known.store_id))

    def add_planned(self, job: DeliveryJob) -> None:
        """Add a delivery that is about to be requested."""
        key, status = "/".join(job.location), "PLANNED"
        self._add(job.location, Delivery(key, job.catalog_id, job.store.id, status=status))

    def add_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Add listed deliveries, in any order; the same one may be added again."""
        for delivery in deliveries:
            self._add(self.find_location(delivery), delivery)

    def _add(self, location: BucketPath | None, delivery: Delivery) -> None:
        catalog_id = delivery.catalog_id
        self._by_catalog.setdefault(catalog_id, {})[delivery.id] = location, delivery
        if location is not None and self._catalog_at.setdefault(location, catalog_id) != catalog_id:
            self._catalog_at[location] = _SEVERAL

    def find_location(self, delivery: Delivery) -> BucketPath | None:
        """Return the location of a delivery; None where its store is deleted or unknown."""
        known = self._by_catalog.get(delivery.catalog_id, {}).get(delivery.id)
        if known is not None and known[0] is not None:
            return known[0]
        return self.find_place(delivery.store_id, delivery.path)

    def find_place(self, store_id: str, path: str) -> BucketPath | None:
        """Return the location of a path in a store; None where that is deleted or unknown."""
        store = self.stores.get(store_id)
        base = store.location if store else self._store_locations.get(store_id)
        return base.join(path) if base else None

    def find_delivery(self, catalog_id: str, delivery_id: str) -> Delivery | None:
        """Return a delivery of a catalog by its id."""
        found = self._by_catalog.get(catalog_id, {}).get(delivery_id)
        return found[1] if found else None

    def delivery_ids(self, catalog_id: str) -> Iterable[str]:
        """Return the ids of the deliveries of a catalog to any location."""
        return self._by_catalog.get(catalog_id, {}).keys()

    def deliveries_at(self, key: DeliveryKey) -> list[Delivery]:
        """Return the deliveries of a key: the listed ones, the newest last, then the others."""
        rows = self._by_catalog.get(key.catalog_id, {}).values()
        found = [delivery for other, delivery in rows if other == key.location]
        return sorted(found, key=lambda row: (row.status == UNLISTED, row.created_at))

    def find_answers(
        self, intents: Mapping[DeliveryKey, Intent]
    ) -> Iterator[tuple[DeliveryKey, str, str]]:
        """Find the listed deliveries of requests whose response was lost.

        Yields:
            The key, the id of the store, and the id of the delivery.
        """
        for key, intent in intents.items():
            for delivery in self.deliveries_at(key):
                if delivery.status != UNLISTED and delivery.id not in intent.earlier_ids:
                    yield key, delivery.store_id, delivery.id

    def count_unfinished(self, store_id: str, state: JournalState) -> int:
        """Count the deliveries to a store that are unfinished, or whose status is unknown."""
        pending = sum(
            delivery.store_id == store_id
            and not (delivery.has_failed or delivery.has_succeeded)
            and delivery.id not in self.replaced_ids
            and not (delivery.status == UNLISTED and delivery.id in state.final_ids)
            for rows in self._by_catalog.values()
            for _, delivery in rows.values()
        )
        return pending + sum(each.store_id == store_id for each in state.intents.values())

    def deliveries_elsewhere(self, key: DeliveryKey) -> Iterator[tuple[Delivery, bool]]:
        """Find the deliveries of the catalog elsewhere in the bucket, or to unknown locations.

        Yields:
            Each, and whether its location is known.
        """
        for other, delivery in self._by_catalog.get(key.catalog_id, {}).values():
            if other is None or (other != key.location and other.shares_bucket(key.location)):
                yield delivery, other is not None

    def has_other_catalog_at(self, key: DeliveryKey) -> bool:
        """Return whether another catalog is or was delivered to the same location."""
        return self._catalog_at.get(key.location, key.catalog_id) != key.catalog_id

    def find_store(self, name: str) -> Store | None:
        """Return the store with an id, or else with a name."""
        if name in self.stores:
            return self.stores[name]
        return next((store for store in self.stores.values() if store.name == name), None)

    def missing_store_reason(self, name: str, setting: str = "") -> str:
        """Return why a record fails whose store does not exist, with the stores that do.

        Args:
            name: The name or the id that no store has.
            setting: The setting that names it; empty where the record does.
        """
        source = f", which '{setting}' names" if setting else ""
        names = sorted(store.name for store in self.stores.values())
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        stores = f"{', '.join(names[:MAX_NAMES])}{more}" if names else "none"
        return f"no store has the name or id '{name}'{source}; the stores are: {stores}"


class RemoteState:
    """Reads the API's lists once a minute, and again on demand; safe for threads.

    Args:
        api: Reads the lists.
        journal: Records what came of the requests of earlier runs.
        will_deliver: Whether `find_ordered` will be called, so that what it needs is read together
            with the lists.

    Attributes:
        view: The stores and deliveries, as they were last read.
        is_truncated: Whether the list of deliveries may be incomplete.
    """

    def __init__(self, api: StoreApi, journal: Journal, *, will_deliver: bool = False) -> None:
        self._api = api
        self._journal = journal
        self._will_deliver = will_deliver
        self._refreshed_at = -math.inf
        self._earlier_intents = dict(journal.state.intents)  # of the runs before
        self._earlier_count = len(journal.state.deliveries)  # of them, too
        self._refreshed_catalogs: set[str] = set()
        self._tasks: dict[str, str] = {}  # of catalogs, by their ids
        self._places_of_tasks: Future[dict[str, tuple[str, str] | None]] = Future()
        self._order_items_read_at = -math.inf
        self._created_stores: dict[str, Store] = {}
        self._deleted_stores: set[str] = set()
        self._lock = threading.Lock()
        self.view = WorkspaceView({}, journal.state)
        self.is_truncated = False

    @property
    def is_settled(self) -> bool:
        """Whether the view contains every delivery that earlier runs requested."""
        return self._refreshed_at >= self._journal.deliveries_settled_at

    def refresh(self, *, max_age: float = MAX_AGE_SECONDS) -> WorkspaceView:
        """Return the view; read it again where it is older than `max_age` seconds."""
        now = time.monotonic()
        if now - self._refreshed_at > max_age:
            with ThreadPoolExecutor(self._api.page_concurrency, "pixxel-list") as workers:
                stores = workers.submit(self.list_stores)
                deliveries = workers.submit(self._api.list_deliveries)
                if self._will_deliver:
                    self._request_task_places(workers)
                # The old view goes first, as both together can be large.
                self.view = WorkspaceView(stores.result(), self._journal.state)
                delivery_list = deliveries.result()
            with self._lock:
                self._add_list(delivery_list)
                self._record_answers()
                self._refreshed_catalogs.clear()
                self._refreshed_at = now
            if self._earlier_intents and self.is_settled:
                self.refresh_catalogs(key.catalog_id for key in self._earlier_intents)
                intents = self._journal.state.intents
                self._journal.record_refusals(
                    [key for key, each in self._earlier_intents.items() if each is intents.get(key)]
                )
                self._earlier_intents = {}
        return self.view

    def list_stores(self) -> dict[str, Store]:
        """List the stores, with those this run created, and without those it deleted."""
        stores = {store.id: store for store in self._api.list_stores()} | self._created_stores
        return {key: store for key, store in stores.items() if key not in self._deleted_stores}

    def add_store(self, store: Store) -> None:
        """Add a store that this run created, as the list may lag behind."""
        self._created_stores[store.id] = store
        self.view.stores[store.id] = store

    def remove_store(self, store_id: str) -> None:
        """Remove a store that this run deleted, as the list may lag behind."""
        self._deleted_stores.add(store_id)
        self._created_stores.pop(store_id, None)
        self.view.stores.pop(store_id, None)

    def refresh_catalogs(self, catalog_ids: Iterable[str]) -> None:
        """Read the deliveries of each catalog where the list may be truncated."""
        wanted = [
            each for each in dict.fromkeys(catalog_ids) if each not in self._refreshed_catalogs
        ]
        if self.is_truncated and wanted:
            found = self._list_by_catalog(wanted)
            with self._lock:
                self._refreshed_catalogs.update(wanted)
                self.view.add_deliveries(found)
                self._record_answers()

    def find_ordered(self, keys: Iterable[DeliveryKey]) -> set[DeliveryKey]:
        """Return those keys to which an order delivers the catalog by itself.

        These are the catalogs whose order item names the store and the path, unless the API states
        that this delivery has failed.
        """
        wanted = list(keys)
        if not wanted:
            return set()
        with ThreadPoolExecutor(1, "pixxel-list") as workers:
            self._request_task_places(workers)
        places = self._places_of_tasks.result()
        # A task costs a request, so only those are looked up that the order items may concern.
        ordered = {self.view.find_place(*each) for each in places.values() if each}
        wanted = [key for key in wanted if key.location in ordered]
        if unknown := {key.catalog_id for key in wanted} - self._tasks.keys():
            self._tasks |= dict.fromkeys(unknown, "") | self._api.find_tasks(sorted(unknown))
        return {
            key
            for key in wanted
            if (place := places.get(self._tasks[key.catalog_id])) is not None
            and self.view.find_place(*place) == key.location
        }

    def _request_task_places(self, workers: ThreadPoolExecutor) -> None:
        """Read where order items deliver, in a thread, unless that was read a moment ago."""
        if time.monotonic() - self._order_items_read_at > MAX_AGE_SECONDS:
            self._order_items_read_at = time.monotonic()
            self._places_of_tasks = workers.submit(self._read_task_places)

    def _read_task_places(self) -> dict[str, tuple[str, str] | None]:
        items = self._api.list_order_items()
        return {task: place for item in items for task, place in parse_task_places(item)}

    def find_deliveries(
        self, jobs: Sequence[DeliveryJob], earlier_ids: set[str]
    ) -> dict[DeliveryJob, Delivery]:
        """Read the list, and return the new deliveries of jobs.

        Args:
            jobs: The jobs that were requested.
            earlier_ids: Ids of the deliveries before the request.

        Raises:
            UnexpectedDeliveryError: There is one at a different path than requested.
        """
        delivery_list = self._api.list_deliveries()
        with self._lock:
            self._add_list(delivery_list)
        found = self.match_deliveries(jobs, delivery_list.deliveries, earlier_ids)
        if self.is_truncated and (missing := [job for job in jobs if job not in found]):
            listed = self._list_by_catalog([job.catalog_id for job in missing])
            found |= self.match_deliveries(missing, listed, earlier_ids)
        return found

    def match_deliveries(
        self, jobs: Sequence[DeliveryJob], deliveries: Sequence[Delivery], earlier_ids: set[str]
    ) -> dict[DeliveryJob, Delivery]:
        """Add deliveries to the view, and return those of the jobs.

        Raises:
            UnexpectedDeliveryError: There is one at a different path than requested.
        """
        with self._lock:
            self.view.add_deliveries(deliveries)
            new = [((each.catalog_id, self.view.find_location(each)), each)
                   for each in deliveries if each.id not in earlier_ids]  # fmt: skip
        placed, state = dict(new), self._journal.state
        found = {job: placed[job.key] for job in jobs if job.key in placed}
        # Threads turn intents into deliveries meanwhile, so intents are read first.
        strays = {(each.catalog_id, each.store_id) for key, each in new if not each.automated
                  and key not in state.intents and each.id not in state.deliveries}  # fmt: skip
        for job in jobs:
            if job not in found and (job.catalog_id, job.store.id) in strays:
                raise UnexpectedDeliveryError(
                    f"catalog {job.catalog_id}: the API lists its delivery at a different path "
                    "than requested; stopping, so that nothing is delivered twice"
                )
        return found

    def earlier_ids(self, jobs: Sequence[DeliveryJob]) -> set[str]:
        """Return the ids of all deliveries of the jobs' catalogs, before they are requested."""
        with self._lock:
            return {each for job in jobs for each in self.view.delivery_ids(job.catalog_id)}

    def existing_ids(self, job: DeliveryJob) -> frozenset[str]:
        """Return the ids of the deliveries that a job has already; all of them count as FAILED."""
        with self._lock:
            return frozenset(each.id for each in self.view.deliveries_at(job.key))

    def _add_list(self, delivery_list: DeliveryList) -> None:
        self.view.add_deliveries(delivery_list.deliveries)
        self.is_truncated = (
            self.is_truncated
            or may_be_truncated(delivery_list.row_count)
            or any(
                (found := self.view.find_delivery(known.key.catalog_id, delivery_id)) is not None
                and found.status == UNLISTED
                for delivery_id, known in islice(
                    self._journal.state.deliveries.items(), self._earlier_count
                )
            )
        )

    def _record_answers(self) -> None:
        self._journal.record_deliveries(list(self.view.find_answers(self._journal.state.intents)))

    def _list_by_catalog(self, catalog_ids: Iterable[str]) -> list[Delivery]:
        def list_one(catalog: str) -> list[Delivery]:
            return self._api.list_deliveries(catalog_id=catalog).deliveries

        with ThreadPoolExecutor(self._api.page_concurrency, "pixxel-list") as workers:
            return [each for found in workers.map(list_one, catalog_ids) for each in found]
