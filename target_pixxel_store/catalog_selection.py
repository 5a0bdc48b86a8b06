"""Selection: the catalogs that records request, directly or by order item, after filters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixxel_api.timestamps import TimestampError, normalize_timestamp
from target_pixxel_store.errors import RecordError
from target_pixxel_store.outcomes import Decision, OutcomeKind
from target_pixxel_store.records import CATALOG_ID
from target_pixxel_store.workspace_check import check_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import Fields
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.records import CatalogRequest
    from target_pixxel_store.settings import Settings

_THREADS = 4


@dataclass(slots=True)
class PendingRequest:
    """A record whose request is not processed yet."""

    inflight: InflightRecord
    request: CatalogRequest


class CatalogSelection:
    """Selects the catalogs of requests."""

    def __init__(self, settings: Settings, api: StoreApi) -> None:
        self._settings = settings
        self._api = api

    def skip_reason(self, request: CatalogRequest) -> str | None:
        """Return why a record of the tap is skipped; None where it is not.

        Raises:
            RecordError: It lacks a field that the settings filter by.
        """
        if not request.from_tap:
            return None
        for name, wanted in self._settings.deliver_when.items():
            values = wanted if isinstance(wanted, list) else [wanted]
            if request.fields.get(name) not in values:
                return f"'{name}' does not match 'deliver_when'"
        if request.catalog_id is not None:
            return self._age_skip_reason(request.fields)
        return None

    def _age_skip_reason(self, catalog: Mapping[str, Any]) -> str | None:
        since = self._settings.deliver_since
        if since is None:
            return None
        try:
            created = normalize_timestamp(str(catalog.get("created_at") or ""))
        except TimestampError:
            raise RecordError("has no 'created_at', required by 'deliver_since'") from None
        return "created before 'deliver_since'" if created < since else None

    def catalogs_by_order_item(self, pending: Sequence[PendingRequest]) -> dict[str, list[Fields]]:
        """Read the catalogs of the order items that are requested."""
        named = [each.request.order_item_id for each in pending if each.request.order_item_id]
        items = list(dict.fromkeys(named))
        if not items:
            return {}
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="pixxel-items") as workers:
            return dict(
                zip(items, workers.map(self._api.list_catalogs_of_item, items), strict=True)
            )

    def select_catalogs(
        self, pending: PendingRequest, by_order_item: Mapping[str, list[Fields]]
    ) -> Iterator[Decision | Fields]:
        """Select the catalogs of a record.

        Args:
            pending: The record; its number of open catalogs is set.
            by_order_item: The catalogs of each order item.

        Yields:
            The fields of a catalog, including `catalog_id`; or a decision that needs no job.

        Raises:
            WorkspaceMismatchError: A catalog belongs to a different workspace.
        """
        request = pending.request
        if request.catalog_id is not None:
            yield {**request.fields, CATALOG_ID: request.catalog_id}
            return
        found = by_order_item[request.order_item_id or ""]
        pending.inflight.open_catalogs = max(len(found), 1)
        if not found:
            kind = OutcomeKind.SKIPPED if request.from_tap else OutcomeKind.FAILED
            yield Decision(kind, "not ready: the order item has no catalog yet")
        for catalog in found:
            yield self._select_from_item(request, catalog)

    def _select_from_item(self, request: CatalogRequest, catalog: Fields) -> Decision | Fields:
        what = "a catalog of an order item"
        check_workspace(self._settings.workspace, catalog, what)
        try:
            reason = self._age_skip_reason(catalog) if request.from_tap else None
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
        return self._settings.path_template.render(fields) if request.path is None else request.path
