"""Select the rows that a request asks for, sort them, and cut a page of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pixxel_sandbox.resources import RESOURCES
from pixxel_sandbox.seed.archive_items import ItemRow
from pixxel_sandbox.seed.orders import CatalogRow, ImageRow, image_id, item_of
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp
from pixxel_sandbox.web.errors import bad_request
from pixxel_sandbox.web.item_filters import matches_search, sort_images
from pixxel_sandbox.web.search_params import PageParams, Search, check_sort_form, parse_search
from pixxel_sandbox.workspace import Workspace, row_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixxel_sandbox.behavior import Behavior
    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.seed.generate import ResourceRow

OLDEST = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ListPage:
    """One page of a list.

    Attributes:
        rows: All rows of the list.
        params: The part of them that the page shows.
    """

    rows: Sequence[ResourceRow]
    params: PageParams

    @property
    def page_rows(self) -> Sequence[ResourceRow]:
        """The rows of this page."""
        return self.rows[self.params.offset : self.params.offset + self.params.limit]

    def pagination(self) -> Json:
        """Return the page's `pagination` object, as most lists have it."""
        return {"limit": self.params.limit, "offset": self.params.offset, "total": len(self.rows)}


def cut_page(rows: Sequence[ResourceRow], params: PageParams, behavior: Behavior) -> ListPage:
    """Return a page of a list, with the server's own limit if that is smaller."""
    limit = min(params.limit, behavior.max_limit or params.limit)
    return ListPage(rows, replace(params, limit=limit))


def apply_default_order(
    workspace: Workspace, resource: str, rows: list[ResourceRow], behavior: Behavior
) -> list[ResourceRow]:
    """Sort rows as a list without a sort parameter does."""
    if RESOURCES[resource].newest_first:
        rows = sorted(rows, key=_creation_time, reverse=True)
    if not behavior.updates_reorder:
        return rows
    rank = {key: position for position, key in enumerate(workspace.updated_ids(resource))}
    return sorted(rows, key=lambda row: rank.get(row_key(resource, row), -1))


def _creation_time(row: ResourceRow) -> datetime:
    if isinstance(row, ItemRow):
        return parse_timestamp(row.get_property("created")) or OLDEST
    fields = row.fields if isinstance(row, CatalogRow) else row
    return parse_timestamp(fields.get("created_at")) or OLDEST


def list_in_default_order(
    workspace: Workspace, resource: str, behavior: Behavior
) -> list[ResourceRow]:
    """Return all rows of a resource in its default order."""

    def sort() -> list[ResourceRow]:
        return apply_default_order(workspace, resource, [*workspace.rows(resource)], behavior)

    return workspace.cached((resource, behavior.updates_reorder), sort)


@dataclass(frozen=True)
class SearchableResource:
    """A resource that is searched by time, place and properties.

    Attributes:
        resource: The resource's name.
        sort_field: The field of the request's body that holds the order.
        default_limit: The rows of a page unless the request sets a limit.
        id_filters: The fields of the request's body that hold lists of ids.
    """

    resource: str
    sort_field: str
    default_limit: int
    id_filters: tuple[str, ...]


ARCHIVE = SearchableResource("archive_items", "sortby", 10, ("ids", "collections"))
CATALOGS = SearchableResource(
    "catalogs", "sort_by", 2, ("ids", "collections", "item_ids", "order_ids", "order_item_ids")
)


def search_rows(
    workspace: Workspace, searchable: SearchableResource, body: Json, behavior: Behavior
) -> Sequence[ResourceRow]:
    """Return the rows that a search finds.

    Raises:
        RequestRejected: The search is malformed, or uses what the behavior rejects.
    """
    search = parse_search(body, searchable.id_filters, searchable.sort_field)
    if behavior.reject_query and "query" in body:
        raise bad_request("query is not supported", field="query")
    if behavior.reject_sort and searchable.sort_field in body:
        raise bad_request("sorting is not supported", field=searchable.sort_field)
    if searchable is CATALOGS:
        check_sort_form(
            body.get("sort_by", []), schema=behavior.strict_sort, prose=behavior.prose_sort
        )
    if behavior.empty_query and "query" in body:
        return []
    if behavior.ignore_query:
        search = replace(search, conditions=())
    if behavior.ignore_sort:
        search = replace(search, sorting=())
    criteria = {name: value for name, value in body.items() if name not in {"offset", "limit"}}
    key = (
        searchable.resource,
        msgspec.json.encode(criteria),
        (behavior.ignore_query, behavior.ignore_sort, behavior.updates_reorder),
    )
    return workspace.cached(key, lambda: _find_rows(workspace, searchable, search, behavior))


def _find_rows(
    workspace: Workspace, searchable: SearchableResource, search: Search, behavior: Behavior
) -> Sequence[ResourceRow]:
    images = [
        image
        for image in workspace.image_rows(searchable.resource)
        if _matches_ids(workspace, image, search) and matches_search(item_of(image), search)
    ]
    if search.sorting:
        return sort_images(images, search.sorting)
    return apply_default_order(workspace, searchable.resource, [*images], behavior)


def _matches_ids(workspace: Workspace, image: ImageRow, search: Search) -> bool:
    """Return whether an image passes all filters that are lists of ids."""
    if not search.id_filters:
        return True
    item, order_ids = item_of(image), ("", "")
    if isinstance(image, CatalogRow):
        order_ids = workspace.order_of_catalog(image)
    values = {
        "ids": image_id(image),
        "collections": item.collection,
        "item_ids": item.id,
        "order_ids": order_ids[0],
        "order_item_ids": order_ids[1],
    }
    return all(values[name] in accepted for name, accepted in search.id_filters.items())
