"""Listings: the rows that a request asks for, in the order in which it gets them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

import msgspec

from pixxel_sandbox import criteria
from pixxel_sandbox.bookings import Catalog
from pixxel_sandbox.complaints import malformed
from pixxel_sandbox.criteria import Search, Window
from pixxel_sandbox.filters import Image, arrange, found, id_of, scene_of
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.habits import Habits
from pixxel_sandbox.imagery import Scene
from pixxel_sandbox.resources import RESOURCES
from pixxel_sandbox.times import instant
from pixxel_sandbox.workspace import Row, Workspace

OLDEST: Final = datetime(1, 1, 1, tzinfo=UTC)
Owners: TypeAlias = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Page:
    """One page of a listing, the whole of which is kept to say how long it is."""

    rows: Sequence[Row]
    window: Window

    @property
    def shown(self) -> Sequence[Row]:
        """The rows of this page."""
        return self.rows[self.window.offset : self.window.offset + self.window.limit]

    def pagination(self) -> Json:
        """Returns the page's place in the listing, as most lists state it."""
        window = self.window
        return {"limit": window.limit, "offset": window.offset, "total": len(self.rows)}


def page(rows: Sequence[Row], window: Window, habits: Habits) -> Page:
    """Cuts a page out of a listing; the server may have a smaller idea of a page."""
    cap = habits.max_limit or window.limit
    return Page(rows, replace(window, limit=min(window.limit, cap)))


def in_order(workspace: Workspace, resource: str, rows: list[Row], habits: Habits) -> list[Row]:
    """Puts rows into the order of a list without a sort parameter."""
    if RESOURCES[resource].newest_first:
        rows = sorted(rows, key=_created, reverse=True)
    if not habits.updates_reorder:
        return rows
    rank = {key: place for place, key in enumerate(workspace.moved(resource))}
    return sorted(rows, key=lambda row: rank.get(key_of(resource, row), -1))


def _created(row: Row) -> datetime:
    if isinstance(row, Scene):
        return instant(row.value("created")) or OLDEST
    fields = row.fields if isinstance(row, Catalog) else row
    return instant(fields.get("created_at")) or OLDEST


def key_of(resource: str, row: Row) -> str:
    """Returns the id of a row."""
    return str(row[RESOURCES[resource].key]) if isinstance(row, dict) else id_of(row)


def plain(workspace: Workspace, resource: str, habits: Habits) -> list[Row]:
    """Lists all rows of a resource in its default order."""

    def make() -> list[Row]:
        return in_order(workspace, resource, [*workspace.rows(resource)], habits)

    return workspace.memoised((resource, habits.updates_reorder), make)


@dataclass(frozen=True)
class Catalogue:
    """A resource that is searched by time, place and properties."""

    resource: str
    sort_field: str
    default_limit: int
    id_filters: tuple[str, ...]


ARCHIVE: Final = Catalogue("archive_items", "sortby", 10, ("ids", "collections"))
CATALOGS: Final = Catalogue(
    "catalogs", "sort_by", 2, ("ids", "collections", "item_ids", "order_ids", "order_item_ids")
)


def searched(
    workspace: Workspace, catalogue: Catalogue, body: Json, habits: Habits
) -> Sequence[Row]:
    """Lists the images that a search finds.

    Raises:
        Complaint: the search is malformed, or it asks for what the habits refuse.
    """
    asked = criteria.search(body, catalogue.id_filters, catalogue.sort_field)
    if habits.reject_query and "query" in body:
        raise malformed("query is not supported", field="query")
    if habits.reject_sort and catalogue.sort_field in body:
        raise malformed("sorting is not supported", field=catalogue.sort_field)
    if habits.empty_query and "query" in body:
        return []
    if habits.ignore_query:
        asked = replace(asked, conditions=())
    if habits.ignore_sort:
        asked = replace(asked, sorting=())
    fixed = {name: value for name, value in body.items() if name not in {"offset", "limit"}}
    key = (
        catalogue.resource,
        msgspec.json.encode(fixed),
        (habits.ignore_query, habits.ignore_sort, habits.updates_reorder),
    )
    return workspace.memoised(key, lambda: _find(workspace, catalogue, asked, habits))


def _find(
    workspace: Workspace, catalogue: Catalogue, asked: Search, habits: Habits
) -> Sequence[Row]:
    owners = _owners(workspace) if catalogue is CATALOGS else {}
    images = [
        image
        for image in workspace.images(catalogue.resource)
        if _named(image, asked, owners) and found(scene_of(image), asked)
    ]
    if asked.sorting:
        return arrange(images, asked.sorting)
    return in_order(workspace, catalogue.resource, [*images], habits)


def _named(image: Image, asked: Search, owners: Owners) -> bool:
    """Tells whether an image passes all filters that are lists of ids."""
    if not asked.id_filters:
        return True
    scene = scene_of(image)
    order, order_item = owners.get(_task_of(image), ("", ""))
    names = {
        "ids": id_of(image),
        "collections": scene.collection,
        "item_ids": scene.id,
        "order_ids": order,
        "order_item_ids": order_item,
    }
    return all(names[name] in wanted for name, wanted in asked.id_filters.items())


def _task_of(image: Row | None) -> str:
    return str(image.fields.get("task_id", "")) if isinstance(image, Catalog) else ""


def _owners(workspace: Workspace) -> Owners:
    """Maps each task to its order and order item; the task itself may misname the latter."""

    def make() -> Owners:
        return {
            task["id"]: (item.get("order_id", ""), item["id"])
            for item in workspace.rows("order_items")
            for task in item.get("tasks") or ()
        }

    return workspace.memoised("owners of tasks", make)


def catalogs_of_order_item(workspace: Workspace, order_item_id: str) -> list[str]:
    """Lists the ids of the catalogs that came of an order item."""

    def make() -> dict[str, list[str]]:
        owners, groups = _owners(workspace), dict[str, list[str]]()
        for image in workspace.images("catalogs"):
            groups.setdefault(owners.get(_task_of(image), ("", ""))[1], []).append(id_of(image))
        return groups

    return workspace.memoised("catalogs of order items", make).get(order_item_id, [])


def order_item_of_catalog(workspace: Workspace, catalog_id: str) -> str:
    """Returns the id of the order item a catalog came of, empty if there is none."""
    catalog = workspace.find("catalogs", catalog_id)
    return _owners(workspace).get(_task_of(catalog), ("", ""))[1]
