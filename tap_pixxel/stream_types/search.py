"""Streams that are read by a search: filters from the settings, and a stable sort order."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from pixxel_api.errors import ApiError, BadRequest
from pixxel_api.pagination.concurrency import gather
from tap_pixxel.stream_types.base import PixxelStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pixxel_api.pagination.paging import Page

COLLECTIONS_PATH = "/v0/archives/collections"
FILTERS_HINT = "check the settings that filter the search"
"""What to do when a search is rejected."""
_TIME = "properties->>'datetime'"
_SORT_FIELDS = ((_TIME, "id"), (_TIME,))
"""Fields to sort by, the most stable order first."""

SortOrder = tuple[dict[str, str], ...]


def format_sort_by_schema(fields: Sequence[str]) -> SortOrder:
    """Return an ascending order in the form of the contract's schema: field to ASC or DESC."""
    return tuple({field: "ASC"} for field in fields)


def format_sort_by_prose(fields: Sequence[str]) -> SortOrder:
    """Return an ascending order in the form of the contract's prose, in lower case."""
    return tuple({"field": field, "direction": "asc"} for field in fields)


def reverse_sort_by_prose(order: SortOrder) -> SortOrder:
    """Return the descending order of an ascending one in the form of the contract's prose."""
    return tuple({**each, "direction": "desc"} for each in order)


class SearchStream(PixxelStream):
    """A list that is read by POSTing a search."""

    sort_param: ClassVar[str]
    """The endpoint's name for its sort parameter."""
    sort_forms: ClassVar[tuple[Callable[[Sequence[str]], SortOrder], ...]] = (format_sort_by_prose,)
    """The forms of the parameter that the contract shows, to be tried in this order."""

    @property
    def has_stable_order(self) -> bool:
        """Whether the endpoint sorts the list."""
        return bool(self.sort_order)

    def fetch_collection_ids(self) -> list[str]:
        """Return the ids of the archive's collections; log those of the settings it lacks."""
        fetch = partial(self.client.send_with_retries, "GET", COLLECTIONS_PATH)
        _, response = gather(self._prefetch_sort_order, fetch, check=self.check_stop)
        keys = map(self.key_of, response.rows("collections"))
        existing = [str(key) for key in keys if key]
        for name in self.settings.collections:
            if name not in existing:
                self.logger.warning(
                    "%s: the archive has no collection '%s'; check the setting 'collections'",
                    self.name,
                    name,
                )
        return existing

    def _prefetch_sort_order(self) -> None:
        """Prefetch the sort order, which is needed next; errors surface when it is read."""
        with suppress(ApiError):
            _ = self.sort_order

    def fetch_page(self, offset: int, limit: int) -> Page:
        """Search for a page."""
        return self.search_page(offset, limit, {})

    def search_page(self, offset: int, limit: int, filters: dict[str, Any]) -> Page:
        """Search for a page with more filters than those of the settings."""
        body = self.make_body(filters) | self.paging.query_for(offset, limit)
        response = self.client.send_with_retries(
            "POST", self.path, body=body, rows_key=self.records_key
        )
        return self.make_page(offset, response)

    def make_body(self, filters: dict[str, Any]) -> dict[str, Any]:
        """Return the body of the search without its paging; `filters` may replace the order."""
        sort = {self.sort_param: list(self.sort_order)} if self.sort_order else {}
        return self._active_filters() | sort | filters

    def filters(self) -> dict[str, Any]:
        """Return the filters of the settings, by the names that both searches use."""
        settings = self.settings
        start, end = settings.datetime.start, settings.datetime.end
        return {
            "collections": list(settings.collections),
            "bbox": list(settings.bbox or ()),
            "intersects": settings.intersects,
            "datetime": f"{start or '..'}/{end or '..'}" if start or end else None,
            "query": settings.query,
        }

    def _active_filters(self) -> dict[str, Any]:
        return {name: value for name, value in self.filters().items() if value}

    @cached_property
    def sort_order(self) -> SortOrder:
        """The most stable sort order that the endpoint accepts, found by trying; () for none."""
        rejection: BadRequest | None = None
        for order in (*(form(by) for form in self.sort_forms for by in _SORT_FIELDS), ()):
            sort = {self.sort_param: list(order)} if order else {}
            body = self._active_filters() | sort | self.paging.query_for(0, 1)
            try:
                self.send_request("POST", body=body)
            except BadRequest as error:
                rejection = error
                continue
            if rejection is not None and not order:
                self.logger.warning(
                    "%s: the API rejects the sort order; reading the list in the API's own order",
                    self.name,
                )
            return order
        raise rejection.add_hint(FILTERS_HINT) if rejection else AssertionError
