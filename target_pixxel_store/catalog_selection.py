"""Selection: the catalogs that records request, directly or by order item, after filters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pixxel_api.timestamps import TimestampError, normalize_timestamp
from target_pixxel_store.api.client import CATALOG_FIELDS
from target_pixxel_store.api.models import ENDED_ITEM_STATUSES, FULFILLED_ITEM_STATUSES
from target_pixxel_store.errors import RecordError
from target_pixxel_store.outcomes import Decision, OutcomeKind
from target_pixxel_store.records import CATALOG_ID
from target_pixxel_store.workspace_check import check_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import Fields
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.records import CatalogRequest
    from target_pixxel_store.settings import Settings

_THREADS = 4
OrderItem = tuple["Mapping[str, Any] | None", "list[Fields]"]
"""The fields of an order item, None where the API has none with the id; and its catalogs."""
_OPEN_RULES = frozenset(
    {"additionalProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref"}
)
"""Rules by which a JSON Schema states that records may have more fields than its properties."""


@dataclass(slots=True)
class PendingRequest:
    """A record whose request is not processed yet."""

    inflight: InflightRecord
    request: CatalogRequest


@dataclass(eq=False, repr=False)
class CatalogSelection:
    """Selects the catalogs of requests."""

    settings: Settings
    api: StoreApi
    _unlisted_fields: set[str] = field(init=False, default_factory=set)
    _tested_fields: set[str] = field(init=False, default_factory=set)
    _matched_fields: set[str] = field(init=False, default_factory=set)

    def find_impossible_filter(
        self, schema: Mapping[str, Any], *, has_catalogs: bool
    ) -> str | None:
        """Return a field of `deliver_when` that no record of a stream can have; None without one.

        Attributes:
            schema: The JSON Schema of the stream. One that names no properties, or states which
                others it allows, is open: its records may have any field.
            has_catalogs: Whether its records are order items, whose catalogs are filtered, too.
        """
        known = set(schema.get("properties") or ()) | (CATALOG_FIELDS if has_catalogs else set())
        unlisted = [name for name in self.settings.deliver_when if name not in known]
        if unlisted and schema.get("properties") and not any(map(schema.get, _OPEN_RULES)):
            return unlisted[0]
        self._unlisted_fields.update(unlisted)
        return None

    @property
    def unmatched_filters(self) -> list[str]:
        """The fields of `deliver_when`, not listed in an open schema, that matched no record."""
        return sorted(self._unlisted_fields & self._tested_fields - self._matched_fields)

    def skip_reason(self, request: CatalogRequest) -> str | None:
        """Return why a record of the tap is skipped; None where it is not.

        Raises:
            RecordError: It lacks a field that the settings filter by.
        """
        if not request.from_tap:
            return None
        if request.catalog_id is not None:
            return self._filter_skip_reason(request.fields, self.settings.deliver_when) or (
                self._age_skip_reason(request.fields)
            )
        # The catalogs of an order item may have the fields that it lacks.
        own = [name for name in self.settings.deliver_when if name in request.fields]
        return self._filter_skip_reason(request.fields, own)

    def _filter_skip_reason(self, fields: Mapping[str, Any], names: Iterable[str]) -> str | None:
        for name in names:
            self._tested_fields.add(name)
            if fields.get(name) not in self.settings.deliver_when[name]:
                return f"'{name}' does not match 'deliver_when'"
            self._matched_fields.add(name)
        return None

    def _age_skip_reason(self, catalog: Mapping[str, Any]) -> str | None:
        since = self.settings.deliver_since
        if since is None:
            return None
        try:
            created = normalize_timestamp(str(catalog.get("created_at") or ""))
        except TimestampError:
            raise RecordError("has no 'created_at', required by 'deliver_since'") from None
        return "created before 'deliver_since'" if created < since else None

    def read_order_items(self, pending: Sequence[PendingRequest]) -> dict[str, OrderItem]:
        """Read the order items that are requested explicitly, and the catalogs of all."""
        requests = [each.request for each in pending]
        items = list(dict.fromkeys(each.order_item_id for each in requests if each.order_item_id))
        explicit = {each.order_item_id for each in requests if not each.from_tap}

        def read_one(item_id: str) -> OrderItem:
            # The catalogs last, as they must not be older than the status.
            item = self.api.get_order_item(item_id) if item_id in explicit else None
            return item, self.api.list_catalogs_of_item(item_id)

        if not items:
            return {}
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="pixxel-items") as workers:
            return dict(zip(items, workers.map(read_one, items), strict=True))

    def select_catalogs(
        self, pending: PendingRequest, order_items: Mapping[str, OrderItem]
    ) -> Iterator[Decision | Fields]:
        """Select the catalogs of a record.

        Args:
            pending: The record; its number of open catalogs is set.
            order_items: The order items by id.

        Yields:
            The fields of a catalog, including `catalog_id`; or a decision that needs no job.

        Raises:
            WorkspaceMismatchError: A catalog belongs to a different workspace.
        """
        request = pending.request
        if request.catalog_id is not None:
            yield {**request.fields, CATALOG_ID: request.catalog_id}
            return
        item, found = order_items[request.order_item_id or ""]
        item = request.fields if request.from_tap else item
        rest = _decide_rest(item, len(found), from_tap=request.from_tap)
        pending.inflight.open_catalogs = len(found) + (rest is not None)
        for catalog in found:
            yield self._select_from_item(request, catalog)
        if rest is not None:
            yield rest

    def _select_from_item(self, request: CatalogRequest, catalog: Fields) -> Decision | Fields:
        what = "a catalog of an order item"
        check_workspace(self.settings.workspace, catalog, what)
        if request.from_tap:
            names = [name for name in self.settings.deliver_when if name not in request.fields]
            try:
                reason = self._filter_skip_reason(catalog, names) or self._age_skip_reason(catalog)
            except RecordError as error:
                return Decision(OutcomeKind.FAILED, f"{what} {error}")
            if reason:
                return Decision(OutcomeKind.SKIPPED, reason)
        # The catalog's own fields take precedence: its path is the same as without the item.
        return {**request.fields, **catalog, CATALOG_ID: str(catalog.get("id"))}

    def render_path(self, request: CatalogRequest, fields: Fields) -> str:
        """Return the path of a catalog: the record's own, or the one that the template makes.

        Raises:
            RecordError: A field is missing, or cannot be part of a path.
        """
        return self.settings.path_template.render(fields) if request.path is None else request.path


def _decide_rest(item: Mapping[str, Any] | None, count: int, *, from_tap: bool) -> Decision | None:
    """Decide about the catalogs that an order item does not have; None where none is missing.

    Args:
        item: The order item; None where the API has none with the id.
        count: The number of its catalogs.
        from_tap: Whether the tap emits it again when it changes.
    """
    if item is None and not count:
        return Decision(OutcomeKind.FAILED, "the order item does not exist in this workspace")
    item = item or {}
    status, images = str(item.get("status") or "UNKNOWN").upper(), item.get("images")
    expected, so_far = 1, f"{count} so far"
    if item.get("type") == "ARCHIVE" and isinstance(images, list) and images:
        expected, so_far = len(images), f"{count} of {len(images)} catalogs"
    if status in ENDED_ITEM_STATUSES:
        reason = f"{so_far}: the order item is {status} and brings no more catalogs"
        is_failure = not count and not from_tap
        return Decision(OutcomeKind.FAILED if is_failure else OutcomeKind.SKIPPED, reason)
    if from_tap:
        reason = f"not ready: the order item is {status} and has no catalog yet"
        return None if count else Decision(OutcomeKind.SKIPPED, reason)
    if status in FULFILLED_ITEM_STATUSES and count >= expected:
        return None
    return Decision(OutcomeKind.PENDING, f"{so_far}: the order item is {status}")
