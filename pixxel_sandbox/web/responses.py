"""Render rows as endpoints return them: one row, all rows, or a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import Request

from pixxel_sandbox.mutations import mutate_between_pages
from pixxel_sandbox.resources import RESOURCES
from pixxel_sandbox.runtime_state import SandboxState
from pixxel_sandbox.web.errors import bad_request, not_found
from pixxel_sandbox.web.pagination import ListPage, cut_page, list_in_default_order
from pixxel_sandbox.web.row_filters import RowFilters, filter_rows
from pixxel_sandbox.web.search_params import page_params_from_query

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

    from pixxel_sandbox.behavior import Behavior
    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.seed.generate import ResourceRow
    from pixxel_sandbox.workspace import Workspace

Endpoint = Callable[[SandboxState, Request], object]

DEFAULT_LIMIT = 10
UPDATED_AT = "updated_at"
"""The filter that the behavior may ignore, as only the lists of analytics have it."""


@dataclass(frozen=True)
class ListEndpoint:
    """An endpoint that lists the rows of a resource.

    Attributes:
        resource: The resource's name.
        filters: The filters of the query string.
        response_name: The list's name in the response, if it is not the resource's.
        limit: The rows of a page unless the request sets a limit.
    """

    resource: str
    filters: RowFilters = field(default_factory=dict)
    response_name: str = ""
    limit: int = DEFAULT_LIMIT

    @property
    def response_key(self) -> str:
        """The list's name in the response."""
        return self.response_name or self.resource


def get_or_404(state: SandboxState, resource: str, key: str, **fields: str) -> Json:
    """Return the JSON of a row.

    Raises:
        RequestRejected: The row does not exist, or its fields differ from those given.
    """
    row = state.workspace.find(resource, key)
    if row is None:
        raise not_found(resource, key)
    rendered = render_row(state.workspace, resource, row)
    if any(rendered.get(name) != value for name, value in fields.items()):
        raise not_found(resource, key)
    return rendered


def render_row(workspace: Workspace, resource: str, row: ResourceRow) -> Json:
    """Return a row's full JSON."""
    rendered = workspace.render(row)
    return workspace.render_order(rendered) if resource == "orders" else rendered


def render_list_row(workspace: Workspace, resource: str, row: ResourceRow) -> Json:
    """Return a row's JSON without the fields that lists omit."""
    rendered, omitted = render_row(workspace, resource, row), RESOURCES[resource].detail_fields
    if not omitted:
        return rendered
    return {name: value for name, value in rendered.items() if name not in omitted}


def render_page(state: SandboxState, resource: str, page: ListPage) -> list[Json]:
    """Render the rows of a page, then change the list as the behavior sets."""
    rendered = [render_list_row(state.workspace, resource, row) for row in page.page_rows]
    mutate_between_pages(state.workspace, resource, page.rows, page.page_rows, state.behavior)
    return rendered


def list_page(
    endpoint: ListEndpoint, state: SandboxState, request: Request, **parent: str
) -> object:
    """List a page of rows by offset; given a parent's field, only the rows of that parent."""
    params = page_params_from_query(request.query_params, endpoint.limit)
    page = cut_page(_select_rows(endpoint, state, request, parent), params, state.behavior)
    return {
        endpoint.response_key: render_page(state, endpoint.resource, page),
        "pagination": page.pagination(),
    }


def list_all(
    endpoint: ListEndpoint, state: SandboxState, request: Request, **parent: str
) -> object:
    """List all rows; given a parent's field, only the rows of that parent."""
    rows = _select_rows(endpoint, state, request, parent)
    return {
        endpoint.response_key: [
            render_list_row(state.workspace, endpoint.resource, row) for row in rows
        ]
    }


def _select_rows(
    endpoint: ListEndpoint, state: SandboxState, request: Request, parent: Mapping[str, str]
) -> Sequence[ResourceRow]:
    rows = state.visible_rows(
        endpoint.resource,
        list_in_default_order(state.workspace, endpoint.resource, state.behavior),
    )
    if parent:
        rows = [row for row in rows if isinstance(row, dict) and parent.items() <= row.items()]
    return _apply_filters(rows, endpoint.filters, request.query_params, state.behavior)


def _apply_filters(
    rows: Sequence[ResourceRow], filters: RowFilters, params: QueryParams, behavior: Behavior
) -> Sequence[ResourceRow]:
    if UPDATED_AT in filters and UPDATED_AT in params:
        if behavior.reject_query:
            raise bad_request(f"{UPDATED_AT} is not supported", field=UPDATED_AT)
        if behavior.empty_query:
            return []
        if behavior.ignore_query:
            filters = {name: make for name, make in filters.items() if name != UPDATED_AT}
    return filter_rows(rows, filters, params)
