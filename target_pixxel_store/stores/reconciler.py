"""Create, keep, replace or delete stores; new credentials are verified before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixxel_api.errors import ApiError, Conflict, Forbidden, Unauthorized
from target_pixxel_store.api.errors import MAX_ATTEMPTS, find_own_field
from target_pixxel_store.api.models import Store
from target_pixxel_store.credentials import KEYS_BY_STORE_TYPE, find_credentials, iter_secrets
from target_pixxel_store.errors import CredentialsError, RecordError
from target_pixxel_store.locations import BucketLocation, is_too_long, normalize_path
from target_pixxel_store.outcomes import Outcome, OutcomeKind, TargetLocation
from target_pixxel_store.polling import poll_for
from target_pixxel_store.records import MANAGED_BY_LABEL, VERSION_LABEL
from target_pixxel_store.settings_schema import ERROR, KEEP, WRITE

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Mapping

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import Delivery
    from target_pixxel_store.credentials import Credentials
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.records import StoreSpec
    from target_pixxel_store.remote_state import RemoteState
    from target_pixxel_store.settings import Settings

MANAGED_BY_VALUE = "pixxel-singer"
"""The label `managed_by` of stores that this target created."""
_FIELDS = frozenset(
    {"name", "type", "bucket", "region", "path_prefix", "labels"}.union(
        *KEYS_BY_STORE_TYPE.values()
    )
)
"""Fields of a store's record, and the keys of its credentials."""
NOT_CREATED_YET = "(not created yet)"


@dataclass(eq=False, repr=False)
class StoreReconciler:
    """Makes stores match the specs of records and settings.

    Attributes:
        api: Creates and deletes stores.
        remote: The stores and deliveries that exist.
        journal: Records the location of a store before it is deleted.
        logger: The plugin's logger.
        register_secrets: Called with secrets before they are used, so that no log contains them.
        check: Called while waiting; raises to stop.
    """

    settings: Settings
    api: StoreApi
    remote: RemoteState
    journal: Journal
    logger: logging.Logger
    register_secrets: Callable[[Iterable[str]], None]
    check: Callable[[], None]
    _credentials_names: dict[str, str] = field(init=False, default_factory=dict)  # by store's name

    def ensure(self, spec: StoreSpec) -> Outcome:
        """Create a store unless it exists.

        Raises:
            RecordError: The existing store differs or is in use, or the credentials are invalid or
                cannot write to the bucket.
            ApiError: The API cannot be read, or the token has no permission.
        """
        if is_too_long(spec.location):
            raise RecordError("'path_prefix' is too long for an object key")
        self._credentials_names[spec.name] = spec.credentials_name
        found = self._find(spec.name)
        if found is None:
            credentials = self.resolve_credentials(spec.credentials_name, spec.location.cloud)
            self._verify_bucket(spec, credentials)
            return self._create(spec, OutcomeKind.CREATED, credentials)
        differs = self._find_differences(found, spec)
        if not differs:
            return _make_outcome(OutcomeKind.EXISTS, found)
        words = ", ".join(differs)
        if self.settings.store_drift == KEEP:
            return _make_outcome(OutcomeKind.EXISTS, found, f"kept, although it differs in {words}")
        if self.settings.store_drift == ERROR:
            raise RecordError(
                f"a store with this name exists but differs in {words}; see 'store_drift'"
            )
        return self._replace(found, spec)

    def delete(self, name: str, store_id: str | None) -> Outcome:
        """Delete a store.

        Args:
            name: Its name.
            store_id: Its id, if known; a new store with that name is then not deleted.

        Raises:
            RecordError: It is not managed by this target, or in use.
            ApiError: The API cannot be read, or the token has no permission.
        """
        found = self._find(name)
        if found is None:
            return Outcome(OutcomeKind.SKIPPED, "no store has this name")
        if store_id is not None and found.id != store_id:
            return _make_outcome(
                OutcomeKind.SKIPPED, found, "the store with this name is a different one now"
            )
        if not self.settings.allow_delete:
            return _make_outcome(OutcomeKind.SKIPPED, found, "not deleted; see 'allow_delete'")
        self._check_deletable(found)
        if not self.settings.dry_run:
            self._delete(found)
        return _make_outcome(OutcomeKind.DELETED, found)

    def resolve_credentials(self, name: str, cloud: str) -> Credentials:
        """Return the credentials with a name, for a type of store.

        Raises:
            RecordError: They do not exist, or lack a key for the type of store.
        """
        try:
            found = find_credentials(self.settings.credentials, name, cloud)
        except CredentialsError as error:
            raise RecordError("; ".join(error.lines)) from None
        self.register_secrets(iter_secrets(found))
        return found

    def has_object(self, delivery: Delivery) -> bool | None:
        """Find a delivered object with the credentials that the settings have for its store.

        Returns:
            Whether it exists; None where that cannot be found out.
        """
        from target_pixxel_store.stores import buckets  # noqa: PLC0415 - obstore is slow to import

        store = self.remote.view.stores.get(delivery.store_id)
        if store is None or not delivery.target_path:
            return None
        cloud, bucket, prefix = store.location
        location = BucketLocation(cloud, bucket, store.region, prefix)
        endpoint = self.settings.endpoints.get(cloud)
        key = normalize_path(prefix, delivery.path, delivery.target_path)
        try:
            name = self._credentials_names.get(store.name, store.name)
            credentials = self.resolve_credentials(name, cloud)
            return buckets.object_size(location, credentials, endpoint, key) is not None
        except (RecordError, buckets.BucketError):
            return None

    def _find(self, name: str, stores: Mapping[str, Store] | None = None) -> Store | None:
        """Return the store with a name; by default of the stores that were read last."""
        found = self.remote.refresh().stores if stores is None else stores
        return next((store for store in found.values() if store.name == name), None)

    def _find_differences(self, found: Store, spec: StoreSpec) -> list[str]:
        fields = {
            "type": (found.location.cloud, spec.location.cloud),
            "bucket": (found.location.bucket, spec.location.bucket),
            "region": (found.region, spec.region),
            "path_prefix": (found.location.prefix, spec.location.prefix),
        }
        differs = [name for name, (existing, wanted) in fields.items() if existing != wanted]
        if any(found.labels.get(name) != label for name, label in (spec.labels or {}).items()):
            differs.append("labels")
        version = self.settings.credentials.get(spec.credentials_name, {}).get("version")
        if version is not None and found.labels.get(VERSION_LABEL) != str(version):
            differs.append(f"the version of its credentials ({VERSION_LABEL})")
        return differs

    def _check_deletable(self, store: Store) -> None:
        """Check that a store is managed by this target and not in use.

        Raises:
            RecordError: It may not be deleted.
        """
        if store.labels.get(MANAGED_BY_LABEL) != MANAGED_BY_VALUE:
            raise RecordError(
                f"the store lacks the label {MANAGED_BY_LABEL}: {MANAGED_BY_VALUE}, so it is not "
                "changed"
            )
        if not self.remote.is_settled:  # an earlier run may have requested deliveries
            self.journal.wait_settled(self.check)
        view = self.remote.refresh(max_age=0)
        unfinished = view.count_unfinished(store.id, self.journal.state)
        if unfinished:
            raise RecordError(f"the store has {unfinished} unfinished deliveries; run again later")
        if items := self.api.count_open_order_items(store.id):
            raise RecordError(f"{items} open order items use the store; run again later")

    def _replace(self, old: Store, spec: StoreSpec) -> Outcome:
        credentials = self.resolve_credentials(spec.credentials_name, spec.location.cloud)
        self._check_deletable(old)
        self._verify_bucket(spec, credentials)
        if not self.settings.dry_run:
            self._delete(old)
        try:
            created = self._create(spec, OutcomeKind.REPLACED, credentials)
        except RecordError as error:
            raise RecordError(f"{error}; store {old.id} is already deleted: run again") from None
        return created._replace(reason=f"replaces {old.id}")

    def _create(self, spec: StoreSpec, kind: OutcomeKind, credentials: Credentials) -> Outcome:
        if self.settings.dry_run:
            planned = Store(NOT_CREATED_YET + spec.name, spec.name, spec.region, spec.location, {})
            self.remote.add_store(planned)
            return _make_outcome(kind, planned)
        labels = {**(spec.labels or {}), MANAGED_BY_LABEL: MANAGED_BY_VALUE}
        if credentials.version is not None:
            labels[VERSION_LABEL] = credentials.version
        created = self._post(spec, credentials, labels)
        self.journal.record_store(created.id, created.location)
        self.remote.add_store(created)
        return _make_outcome(kind, created)

    def _verify_bucket(self, spec: StoreSpec, credentials: Credentials) -> None:
        """Check names and credentials, and write to the bucket where the settings allow it.

        Raises:
            RecordError: One of them is invalid, or the bucket is not writable.
        """
        from target_pixxel_store.stores import buckets  # noqa: PLC0415 - obstore is slow to import

        cloud, bucket, prefix = spec.location
        location = BucketLocation(cloud, bucket, spec.region, prefix)
        endpoint, notes = self.settings.endpoints.get(cloud), list[str]()
        try:
            if self.settings.verify_bucket == WRITE and not self.settings.dry_run:
                notes = buckets.probe_write_access(location, credentials, endpoint)
            else:  # without a request
                buckets.make_client(location, credentials, endpoint)
        except buckets.BucketError as error:
            raise RecordError(str(error)) from None
        for note in notes:
            self.logger.info("store '%s': %s", spec.name, note)

    def _post(self, spec: StoreSpec, credentials: Credentials, labels: dict[str, str]) -> Store:
        """Create a store; names are unique, so a repeated request cannot create a second one."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return self.api.create_store(
                    spec.name, spec.location, spec.region, credentials.values, labels=labels
                )
            except (Unauthorized, Forbidden):
                raise
            except ApiError as error:
                found = poll_for(
                    self.settings.settle_seconds,
                    lambda: self._find(spec.name, self.remote.list_stores()),
                    self.check,
                )
                if found is not None and not self._find_differences(found, spec):
                    return found
                if found is not None or isinstance(error, Conflict):
                    raise RecordError(f"{error}; the name is taken by another store") from None
                if not error.retryable or attempt == MAX_ATTEMPTS:
                    field = find_own_field(error, _FIELDS)
                    raise RecordError(
                        f"{error}; check its '{field}'" if field else str(error)
                    ) from None

    def _delete(self, store: Store) -> None:
        self.journal.record_store(store.id, store.location)
        try:
            self.api.delete_store(store.id)
        except (Unauthorized, Forbidden):
            raise
        except Conflict as error:
            raise RecordError(f"{error}; the store is in use, run again later") from None
        except ApiError as error:
            if store.id in self.remote.list_stores():
                raise RecordError(str(error)) from None
        self.remote.remove_store(store.id)
        self.logger.info("deleted store '%s' (%s)", store.name, store.id)


def _make_outcome(kind: OutcomeKind, store: Store, reason: str = "") -> Outcome:
    return Outcome(kind, reason, store_id=store.id, location=TargetLocation(store.name))
