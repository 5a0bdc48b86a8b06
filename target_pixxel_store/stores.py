"""Stores: made, kept, replaced or deleted, never without a proof of the new credentials."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pixxel_api.errors import ApiError, Conflict, Forbidden, Unauthorized
from target_pixxel_store.api import Store
from target_pixxel_store.credentials import CredentialsError, mistakes, resolve, secrets_of
from target_pixxel_store.look import look_until, wait_until
from target_pixxel_store.places import too_long
from target_pixxel_store.plan import Kind
from target_pixxel_store.records import MANAGED_BY, VERSION, Rejected
from target_pixxel_store.schema import ERROR, KEEP, WRITE

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from target_pixxel_store.api import Api
    from target_pixxel_store.credentials import Credentials
    from target_pixxel_store.journal import Journal
    from target_pixxel_store.look import Looks
    from target_pixxel_store.records import StoreWish
    from target_pixxel_store.settings import Settings

US = "pixxel-singer"
"""What `managed_by` says on stores that this target has made."""
PLANNED = "(not made yet)"
TRIES = 3


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of a store, or in a dry run what would."""

    kind: Kind
    store: Store | None
    reason: str = ""


class StoreKeeper:
    """Brings stores to what records and settings want.

    Args:
        hide: Told the secrets before they are used, so that no log can show them.
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self,
        settings: Settings,
        api: Api,
        looks: Looks,
        journal: Journal,
        *,
        logger: logging.Logger,
        hide: Callable[[Iterable[str]], None],
        check: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._api = api
        self._looks = looks
        self._journal = journal
        self._logger = logger
        self._hide = hide
        self._check = check
        self.named: dict[str, str] = {}
        """Name of the credentials of each store that was ensured, by the store's name."""

    def ensure(self, wish: StoreWish) -> StoreOutcome:
        """Make a store, or find it there.

        Raises:
            Rejected: It differs from what is there, its credentials are of no use or cannot write
                to the bucket, or it is in use; the text says which.
            ApiError: The API cannot be read, or the token may not do this.
        """
        if too_long(wish.place):
            raise Rejected("'path_prefix' is too long for a key")
        self.named[wish.name] = wish.credentials
        found = self._found(wish.name)
        if found is None:
            return self._make(wish, Kind.CREATED)
        differs = self._differences(found, wish)
        if not differs:
            return StoreOutcome(Kind.EXISTS, found)
        words = ", ".join(differs)
        if self._settings.store_drift == KEEP:
            return StoreOutcome(Kind.EXISTS, found, f"kept, though it differs in {words}")
        if self._settings.store_drift == ERROR:
            raise Rejected(
                f"a store of this name is there and differs in {words}; see 'store_drift'"
            )
        return self._replace(found, wish)

    def delete(self, name: str, key: str | None) -> StoreOutcome:
        """Delete a store.

        Args:
            name: Its name.
            key: Its id, where the record has one: one of that name may have been made since.

        Raises:
            Rejected: It is not ours, or in use.
            ApiError: The API cannot be read, or the token may not do this.
        """
        found = self._found(name)
        if found is None:
            return StoreOutcome(Kind.SKIPPED, None, "there is no store of this name")
        if key is not None and found.id != key:
            return StoreOutcome(Kind.SKIPPED, found, "the store of this name is another one by now")
        if not self._settings.allow_delete:
            return StoreOutcome(Kind.SKIPPED, found, "to be deleted; see 'allow_delete'")
        self._free(found)
        if not self._settings.dry_run:
            self._remove(found)
        return StoreOutcome(Kind.DELETED, found)

    def credentials_for(self, name: str, cloud: str) -> Credentials:
        """Give credentials by name.

        Raises:
            Rejected: There are none of that name, or they have not the keys that the type takes.
        """
        entry = self._settings.credentials.get(name)
        if entry is None:
            raise Rejected("its 'credentials' name no entry of the setting 'credentials'")
        if wrong := mistakes(name, entry, cloud):
            raise Rejected("; ".join(wrong))
        try:
            found = resolve(name, entry)
        except CredentialsError as error:
            raise Rejected("; ".join(error.lines)) from None
        self._hide(secrets_of(found))
        return found

    def _found(self, name: str) -> Store | None:
        stores = self._looks.now().stores.values()
        return next((store for store in stores if store.name == name), None)

    def _differences(self, found: Store, wish: StoreWish) -> list[str]:
        differs = []
        if found.place.cloud != wish.cloud:
            differs.append("type")
        if found.place.bucket != wish.bucket:
            differs.append("bucket")
        if found.region != wish.region:
            differs.append("region")
        if found.place.prefix != wish.prefix:
            differs.append("path_prefix")
        if any(found.labels.get(name) != label for name, label in (wish.labels or {}).items()):
            differs.append("labels")
        version = _version(self._settings.credentials.get(wish.credentials))
        if version is not None and found.labels.get(VERSION) != version:
            differs.append(f"the version of its credentials ({VERSION})")
        return differs

    def _free(self, store: Store) -> None:
        """Check that a store is ours and that nothing hangs on it.

        Raises:
            Rejected: It is not, or something does.
        """
        if store.labels.get(MANAGED_BY) != US:
            raise Rejected(f"the store is not labelled {MANAGED_BY}: {US}, so it is left alone")
        settle = self._settings.settle_seconds
        if not self._settings.dry_run:  # a run that nobody remembers may have asked for more
            until = min(self._journal.memory.unsettled, time.time() + settle)
            wait_until(until, self._check)
        unfinished = self._looks.now(oldest=0).unfinished(store.id, time.time() - settle)
        if unfinished:
            raise Rejected(f"the store has {unfinished} unfinished deliveries; run again later")
        if items := self._api.open_order_items(store.id):
            raise Rejected(f"the store is named by {items} open order items; run again later")

    def _replace(self, old: Store, wish: StoreWish) -> StoreOutcome:
        credentials = self.credentials_for(wish.credentials, wish.cloud)
        self._free(old)
        if not self._settings.dry_run:
            self._prove(wish, credentials)
            self._remove(old)
        try:
            made = self._make(wish, Kind.REPLACED, proven=True)
        except Rejected as error:
            raise Rejected(f"{error}; store {old.id} is deleted already: run again") from None
        return replace(made, reason=f"in place of {old.id}")

    def _make(self, wish: StoreWish, kind: Kind, *, proven: bool = False) -> StoreOutcome:
        credentials = self.credentials_for(wish.credentials, wish.cloud)
        if self._settings.dry_run:
            planned = Store(PLANNED + wish.name, wish.name, wish.region, wish.place, {})
            self._looks.remember(planned)
            return StoreOutcome(kind, planned)
        if not proven:
            self._prove(wish, credentials)
        labels = {**(wish.labels or {}), MANAGED_BY: US}
        if credentials.version is not None:
            labels[VERSION] = credentials.version
        made = self._post(wish, credentials, labels)
        self._journal.store(made.id, made.place)
        self._looks.remember(made)
        return StoreOutcome(kind, made)

    def _prove(self, wish: StoreWish, credentials: Credentials) -> None:
        if self._settings.verify_bucket != WRITE:
            return
        from target_pixxel_store import buckets  # noqa: PLC0415 - only where a bucket is asked

        place = buckets.Place(wish.cloud, wish.bucket, wish.region, wish.prefix)
        try:
            notes = buckets.probe(place, credentials, self._settings.endpoints.get(wish.cloud))
        except buckets.BucketError as error:
            raise Rejected(str(error)) from None
        for note in notes:
            self._logger.info("store '%s': %s", wish.name, note)

    def _post(self, wish: StoreWish, credentials: Credentials, labels: dict[str, str]) -> Store:
        """Make a store; names are unique, so asking twice cannot make two."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._api.make_store(
                    wish.name, wish.place, wish.region, credentials.values, labels=labels
                )
            except (Unauthorized, Forbidden):
                raise
            except ApiError as error:
                found = self._listed(wish.name)
                if found is not None and not self._differences(found, wish):
                    return found
                if found is not None or isinstance(error, Conflict):
                    raise Rejected(f"{error}; the name is taken by another store") from None
                if not error.retryable or attempt == TRIES:
                    raise Rejected(str(error)) from None

    def _listed(self, name: str) -> Store | None:
        """Look for a store until it is surely listed, were it there."""

        def look() -> Store | None:
            stores = self._looks.stores().values()
            return next((store for store in stores if store.name == name), None)

        return look_until(time.time() + self._settings.settle_seconds, look, self._check)

    def _remove(self, store: Store) -> None:
        self._journal.store(store.id, store.place)
        try:
            self._api.delete_store(store.id)
        except (Unauthorized, Forbidden):
            raise
        except Conflict as error:
            raise Rejected(f"{error}; the store is in use, run again later") from None
        except ApiError as error:
            if store.id in self._looks.stores():
                raise Rejected(str(error)) from None
        self._looks.drop(store.id)
        self._logger.info("store '%s' (%s) is deleted", store.name, store.id)


def _version(entry: dict[str, Any] | None) -> str | None:
    version = entry.get("version") if entry else None
    return None if version is None else str(version)
