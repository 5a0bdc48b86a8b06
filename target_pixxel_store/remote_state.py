"""Looks: the API's lists as they are now, also where they lag behind or are cut."""

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

MAX_AGE_SECONDS = 60.0  # seconds after which the lists are read again
MIN_TRUNCATED_ROWS = 10
"""Rows of the shortest list that might be cut."""


def may_be_truncated(rows: int) -> bool:
    """Tell whether a list has a length that a server would cut a list to.

    The lists state no bound. One whose length is a round number may go on, and the price of a
    wrong guess is a request for each catalog that is about to be delivered.
    """
    return rows >= MIN_TRUNCATED_ROWS and (
        rows % 10 == 0 or rows % 25 == 0 or rows & (rows - 1) == 0
    )


@dataclass(frozen=True, slots=True, eq=False)
class DeliveryJob:
    """A catalog to be delivered.

    Attributes:
        path: Below the store's prefix.
        place: Where that is.
    """

    catalog_id: str
    store: Store
    path: str
    location: BucketPath

    @property
    def key(self) -> DeliveryKey:
        """What the delivery is known by."""
        return DeliveryKey(self.catalog_id, self.location)


@dataclass(slots=True)
class WorkspaceView:
    """What stands where, by the API's lists and by the journal.

    Attributes:
        stores: The stores, by id.
        memory: What the journal says.
        ids: Of all deliveries that are listed.
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
        for key, made in self.journal_state.deliveries.items():
            catalog, place = made.key
            self._catalogs_at.setdefault(place, set()).add(catalog)
            self._requested.setdefault(catalog, []).append((place, key))

    def add_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Take up deliveries that are listed, in any order, also again."""
        for delivery in deliveries:
            place = self.find_location(delivery)
            self.delivery_ids.add(delivery.id)
            self._by_catalog.setdefault(delivery.catalog_id, {})[delivery.id] = place, delivery
            if place is not None:
                self._catalogs_at.setdefault(place, set()).add(delivery.catalog_id)

    def find_location(self, delivery: Delivery) -> BucketPath | None:
        """Tell where a delivery goes; None when its store is gone and nobody knows."""
        if (made := self.journal_state.deliveries.get(delivery.id)) is not None:
            return made.key.location
        store = self.stores.get(delivery.store_id)
        base = (
            store.location if store else self.journal_state.store_locations.get(delivery.store_id)
        )
        return base.join(delivery.path) if base else None

    def deliveries_at(self, key: DeliveryKey) -> list[Delivery]:
        """List the deliveries of an identity, the newest last."""
        rows = self._by_catalog.get(key.catalog_id, {}).values()
        found = [delivery for where, delivery in rows if where == key.location]
        return sorted(found, key=lambda row: row.created_at)

    def answered_intents(self) -> Iterator[tuple[DeliveryKey, str, str]]:
        """Find what is listed by now of all that was asked for without an answer.

        Yields:
            Identity, id of the store, id of the delivery.
        """
        for identity, intent in self.journal_state.intents.items():
            for delivery in self.deliveries_at(identity):
                if delivery.id not in intent.earlier_ids:
                    yield identity, delivery.store_id, delivery.id

    def count_unfinished(self, store_id: str, since: float) -> int:
        """Count the deliveries to a store that are not done, or of which nothing is known.

        Args:
            store_id: Its id.
            since: What was asked for before, in seconds since 1970, is surely listed.
        """
        memory = self.journal_state
        listed = sum(
            delivery.store_id == store_id and not (delivery.has_failed or delivery.has_succeeded)
            for rows in self._by_catalog.values()
            for _, delivery in rows.values()
        )
        unlisted = sum(
            made.store_id == store_id
            and key not in self.delivery_ids
            and key not in memory.final_ids
            for key, made in memory.deliveries.items()
        )
        unanswered = sum(
            each.store_id == store_id and each.requested_at > since
            for each in memory.intents.values()
        )
        return listed + unlisted + unanswered

    def delivery_elsewhere(self, key: DeliveryKey) -> tuple[str, str, bool] | None:
        """Find a delivery of the catalog in the same bucket, or nobody knows where.

        Returns:
            Its id, its object's key below the place, and whether the place is known.
        """
        catalog, place = key
        for where, delivery in self._by_catalog.get(catalog, {}).values():
            if delivery.has_failed or where == place:
                continue
            if where is None or where.shares_bucket(place):
                return delivery.id, delivery.target_path, where is not None
        for where, delivery_id in self._requested.get(catalog, ()):
            if (
                delivery_id not in self.delivery_ids
                and where != place
                and where.shares_bucket(place)
            ):
                return delivery_id, "", True
        return None

    def unconfirmed_intent(self, key: DeliveryKey) -> DeliveryKey | None:
        """Find something that was asked for, of the catalog and in the same bucket, unanswered."""
        if key in self.journal_state.intents:
            return key
        catalog, place = key
        return next(
            (
                other
                for other in self.journal_state.intents
                if other.catalog_id == catalog and other.location.shares_bucket(place)
            ),
            None,
        )

    def has_other_catalog_at(self, key: DeliveryKey) -> bool:
        """Tell whether another catalog goes, or went, to the very same place."""
        return not self._catalogs_at.get(key.location, set()) <= {key.catalog_id}

    def find_store(self, name: str) -> Store | None:
        """Find a store by its name, or by its id."""
        if name in self.stores:
            return self.stores[name]
        return next((store for store in self.stores.values() if store.name == name), None)


class RemoteState:
    """Reads what stands where, once a minute, and again when in doubt; safe for threads.

    Args:
        api: Asks.
        journal: Is told of what is listed by now of all that was asked for without an answer.
        settle_seconds: After which what was asked for is surely listed.
        threads: Requests at once, where the list is cut.

    Attributes:
        view: What stands where, as it was last seen.
        cut: Whether the list may not be the whole one.
        seen_at: When the view was read, in seconds since 1970.
    """

    def __init__(
        self, api: StoreApi, journal: Journal, settle_seconds: float, threads: int
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
        """Give what stands where; read again when the last look is older than so many seconds."""
        if time.monotonic() - self._refreshed_monotonic > max_age:
            began, seen_at = time.monotonic(), time.time()
            stores = self.list_stores()
            listing = self._api.list_deliveries()
            with self._lock:
                self.view = WorkspaceView(stores, self._journal.state)
                self._add_list(listing)
                self._record_answered_intents()
                self._refreshed_catalogs.clear()
                self._refreshed_monotonic, self.refreshed_at = began, seen_at
        return self.view

    def list_stores(self) -> dict[str, Store]:
        """List the stores, with those made just now, and without those deleted just now."""
        stores = {store.id: store for store in self._api.list_stores()} | self._created_stores
        return {key: store for key, store in stores.items() if key not in self._deleted_stores}

    def add_store(self, store: Store) -> None:
        """Know a store that was made just now, whatever the list says."""
        self._created_stores[store.id] = store
        self.view.stores[store.id] = store

    def remove_store(self, store_id: str) -> None:
        """Know that a store was deleted just now, whatever the list says."""
        self._deleted_stores.add(store_id)
        self._created_stores.pop(store_id, None)
        self.view.stores.pop(store_id, None)

    def refresh_catalogs(self, catalog_ids: Iterable[str]) -> None:
        """Look at these catalogs one by one, where the list may be cut."""
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
        """Look whether jobs have deliveries now that they had not before.

        Args:
            jobs: What was asked for.
            earlier_ids: Ids of the deliveries that were there.

        Raises:
            MisunderstoodError: There is one at another path than was asked for.
        """
        listing = self._api.list_deliveries()
        with self._lock:
            self._add_list(listing)
        found = self.match_deliveries(jobs, listing.deliveries, earlier_ids)
        if self.is_truncated and (missing := [job for job in jobs if job not in found]):
            listed = self._list_by_catalog([job.catalog_id for job in missing])
            found |= self.match_deliveries(missing, listed, earlier_ids)
        return found

    def match_deliveries(
        self, jobs: Sequence[DeliveryJob], deliveries: Sequence[Delivery], earlier_ids: set[str]
    ) -> dict[DeliveryJob, Delivery]:
        """Take up deliveries, and find the jobs' among them.

        Raises:
            MisunderstoodError: There is one at another path than was asked for.
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
                    f"catalog {job.catalog_id}: the API lists its delivery at another path than it "
                    "was asked for; nothing more is sent, so that nothing is delivered twice"
                )
        return found

    def delivery_ids(self) -> set[str]:
        """Give the ids of all deliveries that are known."""
        with self._lock:
            return set(self.view.delivery_ids)

    def existing_ids(self, job: DeliveryJob) -> list[str]:
        """Give the ids of the deliveries that a job has already, all of them FAILED."""
        with self._lock:
            return [each.id for each in self.view.deliveries_at(job.key)]

    def _add_list(self, listing: DeliveryList) -> None:
        self.view.add_deliveries(listing.deliveries)
        memory = self._journal.state
        listed = {each.id for each in listing.deliveries}
        old = time.time() - self._settle_seconds
        self.is_truncated = (
            self.is_truncated
            or may_be_truncated(listing.row_count)
            or any(
                key not in listed and memory.deliveries[key].requested_at < old
                for key in memory.latest_ids.values()
            )
        )

    def _record_answered_intents(self) -> None:
        self._journal.record_deliveries(list(self.view.answered_intents()))

    def _list_by_catalog(self, catalog_ids: Iterable[str]) -> list[Delivery]:
        def ask(catalog: str) -> list[Delivery]:
            return self._api.list_deliveries(catalog_id=catalog).deliveries

        with ThreadPoolExecutor(self._threads, thread_name_prefix="pixxel-look") as workers:
            return [each for found in workers.map(ask, catalog_ids) for each in found]
