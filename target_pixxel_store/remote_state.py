"""The remote state: stores and deliveries as the API lists them, even late or truncated."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_pixxel_store.errors import UnexpectedDeliveryError
from target_pixxel_store.journal.journal_state import DeliveryKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import Delivery, DeliveryList, Store
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.journal.journal_state import JournalState
    from target_pixxel_store.locations import BucketPath

logger = logging.getLogger(__name__)

MAX_AGE_SECONDS = 60.0  # after which the lists are read again
MIN_TRUNCATED_ROWS = 10
"""Rows of the shortest list that may be truncated."""


def may_be_truncated(rows: int) -> bool:
    """Return whether a list has a length to which a server might truncate it.

    The API documents no limit. A list of a round length may be incomplete; a wrong guess costs one
    request for each catalog that is about to be delivered.
    """
    return rows >= MIN_TRUNCATED_ROWS and (
        rows % 10 == 0 or rows % 25 == 0 or rows & (rows - 1) == 0
    )


@dataclass(frozen=True, slots=True, eq=False)
class DeliveryJob:
    """A catalog to deliver.

    Attributes:
        path: The path below the store's prefix.
        location: The full path in the bucket.
    """

    catalog_id: str
    store: Store
    path: str
    location: BucketPath

    @property
    def key(self) -> DeliveryKey:
        """The key of the delivery."""
        return DeliveryKey(self.catalog_id, self.location)


@dataclass(slots=True)
class WorkspaceView:
    """The stores and deliveries that exist, by the API's lists and by the journal.

    Attributes:
        stores: The stores, by id.
        journal_state: The state that the journal describes.
        delivery_ids: Ids of all listed deliveries.
    """

    stores: dict[str, Store]
    journal_state: JournalState
    delivery_ids: set[str] = field(default_factory=set)
    _by_catalog: dict[str, dict[str, tuple[BucketPath | None, Delivery]]] = field(
        default_factory=dict
    )
    _catalogs_at: dict[BucketPath, set[str]] = field(default_factory=dict)
    _requested: dict[str, list[tuple[BucketPath, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, known in self.journal_state.deliveries.items():
            catalog, location = known.key
            self._catalogs_at.setdefault(location, set()).add(catalog)
            self._requested.setdefault(catalog, []).append((location, key))

    def add_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Add listed deliveries, in any order; the same one may be added again."""
        for delivery in deliveries:
            location = self.find_location(delivery)
            self.delivery_ids.add(delivery.id)
            self._by_catalog.setdefault(delivery.catalog_id, {})[delivery.id] = location, delivery
            if location is not None:
                self._catalogs_at.setdefault(location, set()).add(delivery.catalog_id)

    def find_location(self, delivery: Delivery) -> BucketPath | None:
        """Return the location of a delivery; None where its store is deleted and unknown."""
        if (known := self.journal_state.deliveries.get(delivery.id)) is not None:
            return known.key.location
        store = self.stores.get(delivery.store_id)
        base = (
            store.location if store else self.journal_state.store_locations.get(delivery.store_id)
        )
        return base.join(delivery.path) if base else None

    def deliveries_at(self, key: DeliveryKey) -> list[Delivery]:
        """Return the listed deliveries of a key, the newest last."""
        rows = self._by_catalog.get(key.catalog_id, {}).values()
        found = [delivery for other, delivery in rows if other == key.location]
        return sorted(found, key=lambda row: row.created_at)

    def answered_intents(self) -> Iterator[tuple[DeliveryKey, str, str]]:
        """Find the listed deliveries of requests whose response was lost.

        Yields:
            The key, the id of the store, and the id of the delivery.
        """
        for key, intent in self.journal_state.intents.items():
            for delivery in self.deliveries_at(key):
                if delivery.id not in intent.earlier_ids:
                    yield key, delivery.store_id, delivery.id

    def count_unfinished(self, store_id: str, since: float) -> int:
        """Count the deliveries to a store that are unfinished, or whose status is unknown.

        Args:
            store_id: The id of the store.
            since: In seconds since 1970; all earlier requests are listed.
        """
        state = self.journal_state
        listed = sum(
            delivery.store_id == store_id and not (delivery.has_failed or delivery.has_succeeded)
            for rows in self._by_catalog.values()
            for _, delivery in rows.values()
        )
        unlisted = sum(
            known.store_id == store_id
            and key not in self.delivery_ids
            and key not in state.final_ids
            for key, known in state.deliveries.items()
        )
        unanswered = sum(
            each.store_id == store_id and each.requested_at > since
            for each in state.intents.values()
        )
        return listed + unlisted + unanswered

    def delivery_elsewhere(self, key: DeliveryKey) -> tuple[str, str, bool] | None:
        """Find a delivery of the catalog elsewhere in the bucket, or to an unknown location.

        Returns:
            Its id, its object's key below the location, and whether the location is known.
        """
        catalog, location = key
        for other, delivery in self._by_catalog.get(catalog, {}).values():
            if delivery.has_failed or other == location:
                continue
            if other is None or other.shares_bucket(location):
                return delivery.id, delivery.target_path, other is not None
        for other, delivery_id in self._requested.get(catalog, ()):
            if (
                delivery_id not in self.delivery_ids
                and other != location
                and other.shares_bucket(location)
            ):
                return delivery_id, "", True
        return None

    def unconfirmed_intent(self, key: DeliveryKey) -> DeliveryKey | None:
        """Find a request without a response for the catalog in the same bucket."""
        if key in self.journal_state.intents:
            return key
        catalog, location = key
        return next(
            (
                other
                for other in self.journal_state.intents
                if other.catalog_id == catalog and other.location.shares_bucket(location)
            ),
            None,
        )

    def has_other_catalog_at(self, key: DeliveryKey) -> bool:
        """Return whether another catalog is or was delivered to the same location."""
        return not self._catalogs_at.get(key.location, set()) <= {key.catalog_id}

    def find_store(self, name: str) -> Store | None:
        """Return the store with an id, or else with a name."""
        if name in self.stores:
            return self.stores[name]
        return next((store for store in self.stores.values() if store.name == name), None)


class RemoteState:
    """Reads the API's lists once a minute, and again on demand; safe for threads.

    Args:
        api: Reads the lists.
        journal: Records the deliveries of requests whose response was lost.
        settle_seconds: The longest time until a requested delivery is listed.
        threads: Requests at the same time, where the list is truncated.

    Attributes:
        view: The stores and deliveries, as they were last read.
        is_truncated: Whether the list of deliveries may be incomplete.
        refreshed_at: When the view was read, in seconds since 1970.
    """

    def __init__(
        self, api: StoreApi, journal: Journal, settle_seconds: float, *, threads: int
    ) -> None:
        self._api = api
        self._journal = journal
        self._settle_seconds = settle_seconds
        self._threads = threads
        self._refreshed_monotonic = float("-inf")
        self._refreshed_catalogs: set[str] = set()
        self._created_stores: dict[str, Store] = {}
        self._deleted_stores: set[str] = set()
        self._lock = threading.Lock()
        self.view = WorkspaceView({}, journal.state)
        self.is_truncated = False
        self.refreshed_at = 0.0

    def refresh(self, *, max_age: float = MAX_AGE_SECONDS) -> WorkspaceView:
        """Return the view; read it again where it is older than `max_age` seconds."""
        if time.monotonic() - self._refreshed_monotonic > max_age:
            monotonic, now = time.monotonic(), time.time()
            stores = self.list_stores()
            delivery_list = self._api.list_deliveries()
            with self._lock:
                self.view = WorkspaceView(stores, self._journal.state)
                self._add_list(delivery_list)
                self._record_answered_intents()
                self._refreshed_catalogs.clear()
                self._refreshed_monotonic, self.refreshed_at = monotonic, now
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
                self._record_answered_intents()

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
            new = [each for each in deliveries if each.id not in earlier_ids]
            placed = {(each.catalog_id, self.view.find_location(each)): each for each in new}
        found = {job: placed[job.key] for job in jobs if job.key in placed}
        theirs = {each.id for each in found.values()}
        strays = {(each.catalog_id, each.store_id) for each in new
                  if each.id not in theirs and not each.automated}  # fmt: skip
        for job in jobs:
            if job not in found and (job.catalog_id, job.store.id) in strays:
                raise UnexpectedDeliveryError(
                    f"catalog {job.catalog_id}: the API lists its delivery at a different path "
                    "than requested; stopping, so that nothing is delivered twice"
                )
        return found

    def delivery_ids(self) -> set[str]:
        """Return the ids of all listed deliveries."""
        with self._lock:
            return set(self.view.delivery_ids)

    def existing_ids(self, job: DeliveryJob) -> list[str]:
        """Return the ids of the deliveries that a job has already; all of them FAILED."""
        with self._lock:
            return [each.id for each in self.view.deliveries_at(job.key)]

    def _add_list(self, delivery_list: DeliveryList) -> None:
        self.view.add_deliveries(delivery_list.deliveries)
        state = self._journal.state
        listed = {each.id for each in delivery_list.deliveries}
        old = time.time() - self._settle_seconds
        self.is_truncated = (
            self.is_truncated
            or may_be_truncated(delivery_list.row_count)
            or any(
                key not in listed and state.deliveries[key].requested_at < old
                for key in state.latest_ids.values()
            )
        )

    def _record_answered_intents(self) -> None:
        self._journal.record_deliveries(list(self.view.answered_intents()))

    def _list_by_catalog(self, catalog_ids: Iterable[str]) -> list[Delivery]:
        def list_one(catalog: str) -> list[Delivery]:
            return self._api.list_deliveries(catalog_id=catalog).deliveries

        with ThreadPoolExecutor(self._threads, thread_name_prefix="pixxel-list") as workers:
            return [each for found in workers.map(list_one, catalog_ids) for each in found]
