"""Showing: rows as endpoints show them, one of them, all of them, or a page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import QueryParams
from starlette.requests import Request

from pixxel_sandbox import criteria, drift
from pixxel_sandbox.complaints import malformed, unknown
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.front import Desk
from pixxel_sandbox.habits import Habits
from pixxel_sandbox.listings import Page, page, plain
from pixxel_sandbox.resources import RESOURCES
from pixxel_sandbox.rowfilters import Filters, passing
from pixxel_sandbox.unpaged import in_lists
from pixxel_sandbox.workspace import Row, Workspace

Endpoint = Callable[[Desk, Request], object]

DEFAULT_LIMIT: Final = 10
CHANGED: Final = "updated_at"
"""The filter that a service may not heed: no list before those of analytics had it."""


@dataclass(frozen=True)
class Listing:
    """A list of plain rows.

    Attributes:
        resource: what is listed.
        filters: the filters of the query string.
        name: the list's name in the answer; the resource's, unless it is given.
        limit: how many rows a page has where the request does not say.
    """

    resource: str
    filters: Filters = field(default_factory=dict)
    name: str = ""
    limit: int = DEFAULT_LIMIT

    @property
    def key(self) -> str:
        """The list's name in the answer."""
        return self.name or self.resource


def known(desk: Desk, resource: str, key: str, **fields: str) -> Json:
    """Shows one row, whose fields are those given.

    Raises:
        Complaint: there is no such row.
    """
    row = desk.workspace.find(resource, key)
    if row is None:
        raise unknown(resource, key)
    shown = render(desk.workspace, resource, row)
    if any(shown.get(name) != value for name, value in fields.items()):
        raise unknown(resource, key)
    return shown


def render(workspace: Workspace, resource: str, row: Row) -> Json:
    """Returns a row's full JSON."""
    shown = workspace.render(row)
    return workspace.render_order(shown) if resource == "orders" else shown


def in_a_list(workspace: Workspace, resource: str, row: Row) -> Json:
    """Returns a row's JSON without what it shows only where it is asked for alone."""
    shown, alone = render(workspace, resource, row), RESOURCES[resource].alone
    return {name: value for name, value in shown.items() if name not in alone} if alone else shown


def served(desk: Desk, resource: str, asked: Page) -> list[Json]:
    """Renders a page, after which the list may move on."""
    rendered = [in_a_list(desk.workspace, resource, row) for row in asked.shown]
    drift.page_was_served(desk.workspace, resource, asked, desk.habits)
    return rendered


def paged(listing: Listing, desk: Desk, request: Request, **parent: str) -> object:
    """Lists rows by offset; with a parent those that name it."""
    window = criteria.window_of_query(request.query_params, listing.limit)
    asked = page(_asked(listing, desk, request, parent), window, desk.habits)
    return {listing.key: served(desk, listing.resource, asked), "pagination": asked.pagination()}


def entire(listing: Listing, desk: Desk, request: Request, **parent: str) -> object:
    """Lists rows in one answer; with a parent those that name it."""
    rows = _asked(listing, desk, request, parent)
    return {listing.key: [in_a_list(desk.workspace, listing.resource, row) for row in rows]}


def _asked(
    listing: Listing, desk: Desk, request: Request, parent: Mapping[str, str]
) -> Sequence[Row]:
    rows = in_lists(desk, listing.resource, plain(desk.workspace, listing.resource, desk.habits))
    if parent:
        rows = [row for row in rows if isinstance(row, dict) and parent.items() <= row.items()]
    return _passing(rows, listing.filters, request.query_params, desk.habits)


def _passing(
    rows: Sequence[Row], filters: Filters, params: QueryParams, habits: Habits
) -> Sequence[Row]:
    if CHANGED in filters and CHANGED in params:
        if habits.reject_query:
            raise malformed(f"{CHANGED} is not supported", field=CHANGED)
        if habits.empty_query:
            return []
        if habits.ignore_query:
            filters = {name: make for name, make in filters.items() if name != CHANGED}
    return passing(rows, filters, params)
