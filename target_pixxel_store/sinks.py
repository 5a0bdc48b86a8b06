"""Sinks: one a stream, by its name; each reads a record and hands it to the run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jsonschema.exceptions import UnknownType
from referencing import Registry
from referencing.exceptions import Unresolvable
from singer_sdk.sinks import RecordSink
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from target_pixxel_store.areas import AREA_FIELDS, read_area
from target_pixxel_store.guard import WORKSPACE, check_workspace
from target_pixxel_store.records import (
    REQUEST_FIELDS,
    STORE,
    Rejected,
    read_catalog,
    read_deleted,
    read_download,
    read_order_item,
    read_request,
    read_store,
    refuse_secrets,
)

if TYPE_CHECKING:
    from target_pixxel_store.ledger import Taken
    from target_pixxel_store.target import TargetPixxelStore

_IDS = ("id", "name", "project_id", "catalog_id", "order_item_id", "store")
_SDC = "_sdc_"  # what taps and stream maps add
_LONGEST = 512  # characters of a key that is written down
_NO_RULES = (re.error, Unresolvable, UnknownType, ValueError, TypeError, ArithmeticError)
"""What a schema that keeps to the form of one can fail with when it is applied."""


class StoreTargetSink(RecordSink):
    """What all sinks share: validation that ends no run and quotes no value."""

    max_parallelism = 1
    validate_schema = False  # ours is in `process_record`

    def __init__(self, target: TargetPixxelStore, **kwargs: Any) -> None:
        super().__init__(target, **kwargs)
        self._store_target = target
        self._told: set[str] = set()
        # A registry of its own, as the default one fetches what a reference names from anywhere.
        self._rules = DEFAULT_JSONSCHEMA_VALIDATOR(self.original_schema, registry=Registry())

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Act on a record, or account for what is wrong with it."""
        del context
        target = self._store_target
        taken = target.take(self._key(record))
        try:
            self._check(record)
            self._tell_unused(record)
            self.act(taken, record)
        except Rejected as error:
            target.work.fail(taken, str(error))

    def act(self, taken: Taken, record: dict[str, Any]) -> None:
        """Act on a record that keeps to its schema.

        Raises:
            Rejected: It cannot be acted on.
        """
        raise NotImplementedError

    def fields(self) -> frozenset[str] | None:
        """Name the fields that are read; None where any may be, or where a tap sends them all."""
        return None

    def _tell_unused(self, record: dict[str, Any]) -> None:
        """Warn, once for each, of the fields that somebody has written for nothing."""
        used = self.fields()
        if used is None:
            return
        unused = record.keys() - used - {WORKSPACE, *self.key_properties} - self._told
        if names := sorted(name for name in unused if not name.startswith(_SDC)):
            self._told |= unused
            self.logger.warning(
                "%s: fields that nothing is done with: %s; check how they are spelled",
                self.stream_name,
                ", ".join(names),
            )

    def _check(self, record: dict[str, Any]) -> None:
        """Check a record by its stream's schema and keys, and its workspace.

        Raises:
            Rejected: It breaks a rule; the text names the field and the rule.
            WrongPlaceError: It is of another workspace.
        """
        what = f"a record of the stream {self.stream_name}"
        check_workspace(self._store_target.settings.workspace, record, what)
        refuse_secrets(record)
        for name in self.key_properties:
            if record.get(name) is None:
                raise Rejected(f"has no '{name}', a key of its stream")
        try:
            error = next(iter(self._rules.iter_errors(record)), None)
        except _NO_RULES as fault:
            why = type(fault).__name__
            raise Rejected(f"cannot be checked: its stream's schema is broken ({why})") from None
        if error is not None:
            where = ".".join(map(str, error.absolute_path)) or "the record"
            raise Rejected(f"'{where}' breaks the rule '{error.validator}' of its stream's schema")

    def _key(self, record: dict[str, Any]) -> dict[str, str | int]:
        names = self.key_properties or [name for name in _IDS if name in record]
        return {
            name: value
            for name in names
            if isinstance(value := record.get(name), str | int)
            and len(str(value)) <= _LONGEST
            and str(value).isprintable()
        }


class StoresSink(StoreTargetSink):
    """`stores`: made, kept, replaced or deleted."""

    def act(self, taken: Taken, record: dict[str, Any]) -> None:
        """Settle a store."""
        keeper, gone = self._store_target.keeper, read_deleted(record)
        if gone is not None:
            self._store_target.work.store(taken, lambda: keeper.delete(*gone))
            return
        wish = read_store(record)
        self._store_target.work.store(taken, lambda: keeper.ensure(wish))


class RequestsSink(StoreTargetSink):
    """`delivery_requests`: each a catalog or an order item, and a store."""

    def fields(self) -> frozenset[str]:
        """Name those of a request, and of the template that may make its path."""
        return REQUEST_FIELDS | {STORE} | self._store_target.settings.template.fields

    def act(self, taken: Taken, record: dict[str, Any]) -> None:
        """Ask for deliveries."""
        self._store_target.work.request(taken, read_request(record))


class AoiRequestsSink(StoreTargetSink):
    """`aoi_requests`: areas of interest, made where none of that name is in the project."""

    def fields(self) -> frozenset[str]:
        """Name those of an area."""
        return AREA_FIELDS

    def act(self, taken: Taken, record: dict[str, Any]) -> None:
        """Settle an area."""
        keeper, wish = self._store_target.area_keeper, read_area(record)
        self._store_target.work.area(taken, lambda: keeper.ensure(wish))


class DownloadsSink(StoreTargetSink):
    """`download_requests`: each a catalog or an order item."""

    def fields(self) -> frozenset[str]:
        """Name those of a request, and of the template that may make its path."""
        return REQUEST_FIELDS | self._store_target.settings.template.fields

    def act(self, taken: Taken, record: dict[str, Any]) -> None:
        """Ask for downloads."""
        downloads = self._store_target.downloads
        if downloads is None:
            raise Rejected("the setting 'download_to' does not say where to")
        downloads.request(taken, read_download(record))


class CatalogsSink(StoreTargetSink):
    """`catalogs` of tap-pixxel: delivered to `deliver_to`, or downloaded to `download_to`."""

    def act(self, taken: Taken, record: dict[str, Any]) -> None:
        """Ask for a delivery, or for a download."""
        request = read_catalog(record, self._store_target.settings.deliver_to or "")
        self._store_target.for_the_tap.request(taken, request)


class OrderItemsSink(StoreTargetSink):
    """`order_items` of tap-pixxel: their catalogs, as those of `catalogs`."""

    def act(self, taken: Taken, record: dict[str, Any]) -> None:
        """Ask for deliveries, or for downloads."""
        request = read_order_item(record, self._store_target.settings.deliver_to or "")
        self._store_target.for_the_tap.request(taken, request)


class IgnoredSink(StoreTargetSink):
    """Any other stream: told once, and counted."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Count a record."""
        del record, context
        self._store_target.ignore(self.stream_name)


BY_STREAM = {
    "stores": StoresSink,
    "delivery_requests": RequestsSink,
    "aoi_requests": AoiRequestsSink,
    "download_requests": DownloadsSink,
    "catalogs": CatalogsSink,
    "order_items": OrderItemsSink,
}
BY_TAP = frozenset({"catalogs", "order_items"})
"""Streams of which nothing comes but where `deliver_to` or `download_to` says where to."""
