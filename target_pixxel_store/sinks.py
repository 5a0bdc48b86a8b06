"""Sinks: one a stream, by its name; each reads a record and hands it to the run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jsonschema.exceptions import UnknownType
from referencing import Registry
from referencing.exceptions import Unresolvable
from singer_sdk.sinks import RecordSink
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from target_pixxel_store.aois.models import AOI_FIELDS, read_aoi_request
from target_pixxel_store.errors import RecordError
from target_pixxel_store.records import (
    REQUEST_FIELDS,
    STORE,
    read_catalog,
    read_delivery_request,
    read_download_request,
    read_order_item,
    read_store,
    read_store_deletion,
    reject_secrets,
)
from target_pixxel_store.workspace_check import WORKSPACE_FIELD, check_workspace

if TYPE_CHECKING:
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.target import TargetPixxelStore

_ID_FIELDS = ("id", "name", "project_id", "catalog_id", "order_item_id", "store")
_SDC_PREFIX = "_sdc_"  # what taps and stream maps add
_MAX_KEY_LENGTH = 512  # characters of a key that is written down
_SCHEMA_ERRORS = (re.error, Unresolvable, UnknownType, ValueError, TypeError, ArithmeticError)
"""What a schema that keeps to the form of one can fail with when it is applied."""


class StoreTargetSink(RecordSink):
    """What all sinks share: validation that ends no run and quotes no value."""

    max_parallelism = 1
    validate_schema = False  # ours is in `process_record`

    def __init__(self, target: TargetPixxelStore, **kwargs: Any) -> None:
        super().__init__(target, **kwargs)
        self._run = target
        self._warned_fields: set[str] = set()
        # A registry of its own, as the default one fetches what a reference names from anywhere.
        self._schema_validator = DEFAULT_JSONSCHEMA_VALIDATOR(
            self.original_schema, registry=Registry()
        )

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Act on a record, or account for what is wrong with it."""
        del context
        target = self._run
        taken = target.add_record(self._record_key(record))
        try:
            self._validate(record)
            self._warn_unknown_fields(record)
            self.handle(taken, record)
        except RecordError as error:
            target.deliveries.fail_record(taken, str(error))

    def handle(self, taken: InflightRecord, record: dict[str, Any]) -> None:
        """Act on a record that keeps to its schema.

        Raises:
            Rejected: It cannot be acted on.
        """
        raise NotImplementedError

    def known_fields(self) -> frozenset[str] | None:
        """Name the fields that are read; None where any may be, or where a tap sends them all."""
        return None

    def _warn_unknown_fields(self, record: dict[str, Any]) -> None:
        """Warn, once for each, of the fields that somebody has written for nothing."""
        used = self.known_fields()
        if used is None:
            return
        unused = (
            record.keys() - used - {WORKSPACE_FIELD, *self.key_properties} - self._warned_fields
        )
        if names := sorted(name for name in unused if not name.startswith(_SDC_PREFIX)):
            self._warned_fields |= unused
            self.logger.warning(
                "%s: fields that nothing is done with: %s; check how they are spelled",
                self.stream_name,
                ", ".join(names),
            )

    def _validate(self, record: dict[str, Any]) -> None:
        """Check a record by its stream's schema and keys, and its workspace.

        Raises:
            Rejected: It breaks a rule; the text names the field and the rule.
            WrongPlaceError: It is of another workspace.
        """
        what = f"a record of the stream {self.stream_name}"
        check_workspace(self._run.settings.workspace, record, what)
        reject_secrets(record)
        for name in self.key_properties:
            if record.get(name) is None:
                raise RecordError(f"has no '{name}', a key of its stream")
        try:
            error = next(iter(self._schema_validator.iter_errors(record)), None)
        except _SCHEMA_ERRORS as fault:
            why = type(fault).__name__
            raise RecordError(f"cannot be checked: its stream's schema is broken ({why})") from None
        if error is not None:
            where = ".".join(map(str, error.absolute_path)) or "the record"
            raise RecordError(
                f"'{where}' breaks the rule '{error.validator}' of its stream's schema"
            )

    def _record_key(self, record: dict[str, Any]) -> dict[str, str | int]:
        names = self.key_properties or [name for name in _ID_FIELDS if name in record]
        return {
            name: value
            for name in names
            if isinstance(value := record.get(name), str | int)
            and len(str(value)) <= _MAX_KEY_LENGTH
            and str(value).isprintable()
        }


class StoresSink(StoreTargetSink):
    """`stores`: made, kept, replaced or deleted."""

    def handle(self, taken: InflightRecord, record: dict[str, Any]) -> None:
        """Settle a store."""
        keeper, gone = self._run.stores, read_store_deletion(record)
        if gone is not None:
            self._run.deliveries.store(taken, lambda: keeper.delete(*gone))
            return
        wish = read_store(record)
        self._run.deliveries.store(taken, lambda: keeper.ensure(wish))


class DeliveryRequestsSink(StoreTargetSink):
    """`delivery_requests`: each a catalog or an order item, and a store."""

    def known_fields(self) -> frozenset[str]:
        """Name those of a request, and of the template that may make its path."""
        return REQUEST_FIELDS | {STORE} | self._run.settings.path_template.fields

    def handle(self, taken: InflightRecord, record: dict[str, Any]) -> None:
        """Ask for deliveries."""
        self._run.deliveries.add_request(taken, read_delivery_request(record))


class AoiRequestsSink(StoreTargetSink):
    """`aoi_requests`: areas of interest, made where none of that name is in the project."""

    def known_fields(self) -> frozenset[str]:
        """Name those of an area."""
        return AOI_FIELDS

    def handle(self, taken: InflightRecord, record: dict[str, Any]) -> None:
        """Settle an area."""
        keeper, wish = self._run.aois, read_aoi_request(record)
        self._run.deliveries.area(taken, lambda: keeper.ensure(wish))


class DownloadRequestsSink(StoreTargetSink):
    """`download_requests`: each a catalog or an order item."""

    def known_fields(self) -> frozenset[str]:
        """Name those of a request, and of the template that may make its path."""
        return REQUEST_FIELDS | self._run.settings.path_template.fields

    def handle(self, taken: InflightRecord, record: dict[str, Any]) -> None:
        """Ask for downloads."""
        downloads = self._run.downloads
        if downloads is None:
            raise RecordError("the setting 'download_to' does not say where to")
        downloads.add_request(taken, read_download_request(record))


class CatalogsSink(StoreTargetSink):
    """`catalogs` of tap-pixxel: delivered to `deliver_to`, or downloaded to `download_to`."""

    def handle(self, taken: InflightRecord, record: dict[str, Any]) -> None:
        """Ask for a delivery, or for a download."""
        request = read_catalog(record, self._run.settings.deliver_to or "")
        self._run.tap_pipeline.add_request(taken, request)


class OrderItemsSink(StoreTargetSink):
    """`order_items` of tap-pixxel: their catalogs, as those of `catalogs`."""

    def handle(self, taken: InflightRecord, record: dict[str, Any]) -> None:
        """Ask for deliveries, or for downloads."""
        request = read_order_item(record, self._run.settings.deliver_to or "")
        self._run.tap_pipeline.add_request(taken, request)


class IgnoredSink(StoreTargetSink):
    """Any other stream: told once, and counted."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Count a record."""
        del record, context
        self._run.ignore_record(self.stream_name)


SINKS_BY_STREAM = {
    "stores": StoresSink,
    "delivery_requests": DeliveryRequestsSink,
    "aoi_requests": AoiRequestsSink,
    "download_requests": DownloadRequestsSink,
    "catalogs": CatalogsSink,
    "order_items": OrderItemsSink,
}
TAP_STREAMS = frozenset({"catalogs", "order_items"})
"""Streams of which nothing comes but where `deliver_to` or `download_to` says where to."""
