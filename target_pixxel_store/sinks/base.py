"""The base of all sinks: validates records, and records the failure of invalid ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import jsonschema_rs
from singer_sdk.sinks import RecordSink

from pixxel_api.errors import Forbidden
from target_pixxel_store.errors import RecordError
from target_pixxel_store.outcomes import UnexpectedObjectError
from target_pixxel_store.outcomes.recorder import describe_record
from target_pixxel_store.records import PATH, is_secret, reject_secrets
from target_pixxel_store.workspace_check import WORKSPACE_FIELD, check_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.context import RunContext
    from target_pixxel_store.outcomes import Outcome
    from target_pixxel_store.outcomes.checkpoints import InflightRecord

CATALOGS, ORDER_ITEMS = "catalogs", "order_items"
TAP_STREAMS = frozenset({CATALOGS, ORDER_ITEMS})
"""Streams that are ignored without `deliver_to` and `download_to`."""
_LIST_FIELDS = ("asset_ids", "inputs", "outputs")
_ID_FIELDS = (
    *("id", "name", "project_id", "catalog_id", "order_item_id", "store"),
    *("aoi_id", "index_id", "satellite_id", "expression"),
    *("insight_id", "workflow_id", "job_id", "task_id", *_LIST_FIELDS),
)
_SDC_PREFIX = "_sdc_"  # of the fields that taps and stream maps add
_MAX_KEY_LENGTH = 512  # characters of a key in outcomes


class SinkOwner(Protocol):
    """A target whose sinks share a context."""

    context: RunContext


class StoreTargetSink(RecordSink):
    """Base of all sinks: validates records without ending the run or quoting values."""

    known_fields: ClassVar[frozenset[str] | None] = None
    """The fields that are read; None where any field may be."""
    holds_state = False
    """Whether no STATE after a record may be emitted, whatever its outcome."""
    max_parallelism = 1
    validate_schema = False  # `process_record` validates

    def __init__(self, target: SinkOwner, **kwargs: Any) -> None:
        super().__init__(target, **kwargs)  # type: ignore[arg-type]  # it is a Target, too
        self._run = target.context
        self._warned_fields: set[str] = set()
        self._schema_validator = self._compile_schema()

    def _compile_schema(self) -> jsonschema_rs.Draft202012Validator:
        """Compile the schema; its patterns take linear time, and its references are not fetched.

        Raises:
            jsonschema_rs.ValidationError: It is invalid, or has a pattern that needs backtracking.
        """
        return jsonschema_rs.Draft202012Validator(
            self.original_schema,
            validate_formats=False,
            pattern_options=jsonschema_rs.RegexOptions(),
            registry=jsonschema_rs.Registry([], retriever=lambda _url: None),
        )

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Process a record; record a failure where it is invalid."""
        del context
        inflight = self._run.add_record(self._record_key(record))
        if self.holds_state:
            self._run.checkpoints.block_at(inflight)
        try:
            self._validate(record)
            self._warn_unknown_fields(record)
            self.handle(inflight, record)
        except RecordError as error:
            self._run.deliveries.fail_record(inflight, str(error))

    def handle(self, inflight: InflightRecord, record: dict[str, Any]) -> None:
        """Process a record that conforms to its schema.

        Raises:
            RecordError: It cannot be processed.
        """
        raise NotImplementedError

    def _reconcile(self, inflight: InflightRecord, reconcile: Callable[[], Outcome]) -> None:
        """Reconcile an object after the earlier requests, and record the outcome.

        Raises:
            Forbidden: The token has no permission; the error names the record.
            UnexpectedObjectError: The API created another object; its outcome is recorded.
        """
        self._run.deliveries.flush()
        try:
            outcome = reconcile()
        except Forbidden as error:
            raise error.add_context(describe_record(inflight)) from None
        except UnexpectedObjectError as error:
            self._run.recorder.record(inflight, error.outcome)
            raise
        self._run.recorder.record(inflight, outcome)

    def _warn_unknown_fields(self, record: dict[str, Any]) -> None:
        """Warn of each field that nothing reads, once."""
        known = self.known_fields
        if known is None:
            return
        if PATH in known:
            known |= self._run.settings.path_template.fields
        unknown = record.keys() - known - {WORKSPACE_FIELD, *self.key_properties}
        unknown -= self._warned_fields
        if names := sorted(name for name in unknown if not name.startswith(_SDC_PREFIX)):
            self._warned_fields |= unknown
            self.logger.warning(
                "%s: ignoring unknown fields: %s (misspelled?)", self.stream_name, ", ".join(names)
            )

    def _validate(self, record: dict[str, Any]) -> None:
        """Check a record's workspace, secrets, key properties and schema.

        Raises:
            RecordError: It is invalid; the text names the field and the rule.
            WorkspaceMismatchError: It belongs to a different workspace.
        """
        label = f"a record of the stream {self.stream_name}"
        check_workspace(self._run.settings.workspace, record, label)
        reject_secrets(record)
        for name in self.key_properties:
            if record.get(name) is None:
                raise RecordError(f"has no '{name}', a key property of its stream")
        try:
            if self._schema_validator.is_valid(record):
                return
        except ValueError:  # a stream map can make any object of Python
            raise RecordError("has a value that is not JSON; check the stream map") from None
        error = next(iter(self._schema_validator.iter_errors(record)))
        field = ".".join(map(str, error.instance_path)) or "the record"
        raise RecordError(
            f"'{field}' violates the rule '{error.schema_path[-1]}' of its stream's schema"
        )

    def _record_key(self, record: dict[str, Any]) -> dict[str, str | int]:
        names = self.key_properties or [name for name in _ID_FIELDS if name in record]
        return {
            name: value
            for name in names
            if not is_secret(name)
            and isinstance(value := _read_key_value(record, name), str | int)
            and len(str(value)) <= _MAX_KEY_LENGTH
            and str(value).isprintable()
        }


def _read_key_value(record: dict[str, Any], name: str) -> object:
    """Return the texts of a field with a list as one; any other value as it is."""
    value = record.get(name)
    if name not in _LIST_FIELDS or not value or not isinstance(value, list):
        return value
    if all(isinstance(each, str) for each in value):
        text = ", ".join(value)
        return text if len(text) <= _MAX_KEY_LENGTH else f"{value[0]} and {len(value) - 1} more"
    return value


class IgnoredSink(StoreTargetSink):
    """Any other stream: its records are counted and ignored."""

    def _compile_schema(self) -> jsonschema_rs.Draft202012Validator:
        """Return a validator that accepts anything."""
        return jsonschema_rs.Draft202012Validator(schema=True)

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Count a record."""
        del record, context
        self._run.ignore_record(self.stream_name)
