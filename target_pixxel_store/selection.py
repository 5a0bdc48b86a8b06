"""Selection: which catalogs records ask for, order items taken apart, by the settings' filters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixxel_api.timestamps import TimestampError, normalize_timestamp
from target_pixxel_store.guard import check_workspace
from target_pixxel_store.plan import Kind, Verdict
from target_pixxel_store.records import CATALOG_ID, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_pixxel_store.api import Api, Fields
    from target_pixxel_store.ledger import Taken
    from target_pixxel_store.records import Request
    from target_pixxel_store.settings import Settings

_THREADS = 4


@dataclass(slots=True)
class Pending:
    """A record whose request is not acted on yet."""

    taken: Taken
    request: Request


class Selection:
    """Selects the catalogs that are meant."""

    def __init__(self, settings: Settings, api: Api) -> None:
        self._settings = settings
        self._api = api

    def unwanted(self, request: Request) -> str | None:
        """Say why a record of the tap is left out; None when it is not.

        Raises:
            Rejected: It lacks what the settings look at.
        """
        if not request.by_tap:
            return None
        for name, wanted in self._settings.deliver_when.items():
            values = wanted if isinstance(wanted, list) else [wanted]
            if request.fields.get(name) not in values:
                return f"'{name}' is not as 'deliver_when' wants it"
        if request.catalog_id is not None:
            return self._too_old(request.fields)
        return None

    def _too_old(self, catalog: Mapping[str, Any]) -> str | None:
        since = self._settings.deliver_since
        if since is None:
            return None
        try:
            created = normalize_timestamp(str(catalog.get("created_at") or ""))
        except TimestampError:
            raise Rejected("has no 'created_at', which 'deliver_since' looks at") from None
        return "created before 'deliver_since'" if created < since else None

    def of_items(self, pending: Sequence[Pending]) -> dict[str, list[Fields]]:
        """Read what came of the order items that are asked for."""
        named = [one.request.order_item_id for one in pending if one.request.order_item_id]
        items = list(dict.fromkeys(named))
        if not items:
            return {}
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="pixxel-items") as workers:
            return dict(zip(items, workers.map(self._api.catalogs_of, items), strict=True))

    def catalogs(
        self, one: Pending, of_items: Mapping[str, list[Fields]]
    ) -> Iterator[Verdict | Fields]:
        """Give each catalog that a record asks for, or why it is none.

        Args:
            one: The record, which is told how many they are.
            of_items: What came of order items.

        Yields:
            Fields of the catalog, `catalog_id` among them; or what became of it already.

        Raises:
            WrongPlaceError: A catalog is of another workspace.
        """
        request = one.request
        if request.catalog_id is not None:
            yield {**request.fields, CATALOG_ID: request.catalog_id}
            return
        found = of_items[request.order_item_id or ""]
        one.taken.jobs = max(len(found), 1)
        if not found:
            kind = Kind.SKIPPED if request.by_tap else Kind.FAILED
            yield Verdict(kind, "not ready: the order item has no catalog yet")
        for catalog in found:
            yield self._of_item(request, catalog)

    def _of_item(self, request: Request, catalog: Fields) -> Verdict | Fields:
        what = "a catalog of an order item"
        check_workspace(self._settings.workspace, catalog, what)
        try:
            why = self._too_old(catalog) if request.by_tap else None
        except Rejected as error:
            return Verdict(Kind.FAILED, f"{what} {error}")
        if why:
            return Verdict(Kind.SKIPPED, why)
        # The catalog's own fields win: it goes where it would go by itself.
        return {**request.fields, **catalog, CATALOG_ID: str(catalog.get("id"))}

    def path(self, request: Request, fields: Fields) -> str:
        """Give the path of a catalog: the record's own, or what the template makes of its fields.

        Raises:
            Rejected: A field is missing, or makes no path.
        """
        return self._settings.template.render(fields) if request.path is None else request.path
