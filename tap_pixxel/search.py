"""The two searches, of archive and catalogs: filters from the settings, and a stable order."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from pixxel_api.errors import ApiError, BadRequest
from pixxel_api.pagination.concurrency import gather
from tap_pixxel.base import PixxelStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixxel_api.pagination.paging import Page

COLLECTIONS = "/v0/archives/collections"
ADVICE = "check the settings that filter it"
"""What to do when a search is refused."""
_BY_TIME = {"field": "properties->>'datetime'", "direction": "asc"}  # the contract's own form
_BY_ID = {"field": "id", "direction": "asc"}
_ORDERS: tuple[tuple[dict[str, str], ...], ...] = ((_BY_TIME, _BY_ID), (_BY_TIME,), ())


class SearchStream(PixxelStream):
    """A list that is read by POSTing a search."""

    sort_key: ClassVar[str]
    """What the endpoint calls its sort parameter."""

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Read the list, telling first which of the settings' collections there are not."""
        if self.settings.collections:
            try:
                self.listed_collections()
            except ApiError as error:  # images may be searched all the same
                self.logger.info("%s: 'collections' is not checked: %s", self.name, error)
        yield from super().get_records(context)

    def listed_collections(self) -> list[str]:
        """Name the archive's collections, warning of those of the settings that are not there."""
        read = partial(self.client.send_with_retries, "GET", COLLECTIONS)
        _, answer = gather(self._ask_ahead, read, check=self._pixxel.stop.check)
        keys = map(self.key_of, answer.rows("collections"))
        there = [str(key) for key in keys if key]
        for name in self.settings.collections:
            if name not in there:
                self.logger.warning(
                    "%s: the archive has no collection '%s'; check the setting 'collections'",
                    self.name,
                    name,
                )
        return there

    def _ask_ahead(self) -> None:
        """Ask already for the order, which is wanted next; what fails is told when it is used."""
        with suppress(ApiError):
            _ = self.order

    def fetch(self, offset: int, limit: int) -> Page:
        """Search for the page at an offset."""
        return self.search(offset, limit, {})

    def search(self, offset: int, limit: int, more: dict[str, Any]) -> Page:
        """Search for a page, with more filters than those of the settings."""
        body = self.body(more) | self.paging.query_for(offset, limit)
        answer = self.client.send_with_retries(
            "POST", self.path, body=body, rows_key=self.records_key
        )
        return self.page(offset, answer)

    def body(self, more: dict[str, Any]) -> dict[str, Any]:
        """Give the search's body without its paging."""
        body = self._given_filters() | more
        if self.order:
            body[self.sort_key] = list(self.order)
        return body

    def filters(self) -> dict[str, Any]:
        """Give the filters of the settings, as both searches name them."""
        settings = self.settings
        start, end = settings.acquired.start, settings.acquired.end
        return {
            "collections": list(settings.collections),
            "bbox": list(settings.bbox or ()),
            "intersects": settings.intersects,
            "datetime": f"{start or '..'}/{end or '..'}" if start or end else None,
            "query": settings.query,
        }

    def _given_filters(self) -> dict[str, Any]:
        return {name: value for name, value in self.filters().items() if value}

    @cached_property
    def order(self) -> tuple[dict[str, str], ...]:
        """The most stable order that the endpoint takes; asks it once."""
        refused: BadRequest | None = None
        for order in _ORDERS:
            sort = {self.sort_key: list(order)} if order else {}
            body = self._given_filters() | sort | self.paging.query_for(0, 1)
            try:
                self.ask("POST", body=body)
            except BadRequest as error:
                refused = error
                continue
            if refused is not None:
                self.logger.warning(
                    "%s: the API does not sort as asked; reading in the order it gives", self.name
                )
            return order
        raise refused.add_hint(ADVICE) if refused else AssertionError
