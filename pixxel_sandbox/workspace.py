"""The workspace: all rows that the sandbox serves, held in memory, and methods to change them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from pixxel_sandbox.resources import RESOURCES
from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.archive_collections import COLLECTIONS, COLLECTIONS_BY_ID
from pixxel_sandbox.seed.archive_items import (
    ITEM_MEMBERS,
    ItemRow,
    apply_changes,
    generate_item,
    render_item,
)
from pixxel_sandbox.seed.generate import ResourceRow, generate_rows
from pixxel_sandbox.seed.orders import CatalogRow, ImageRow, image_id
from pixxel_sandbox.seed.rng import draw_uuid, rng_for

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from datetime import datetime

    from pixxel_sandbox.json_types import Json

CachedValue = TypeVar("CachedValue")

CACHE_SIZE = 64
LIST_ONLY_FIELDS = frozenset({"tasks", "validation_errors"})
"""Fields of order items that are missing where an order repeats its items."""
TASK_COUNTS = {"order_tasks": "order_items", "job_tasks": "jobs"}
"""The resources whose rows hold tasks, by the name of the count of those tasks."""


class Change(NamedTuple):
    """A change of a row; `kind` is insert, update or delete."""

    kind: str
    resource: str
    id: str


class Workspace:
    """The rows of a sandbox, generated from a seed; its methods are safe for threads.

    Args:
        seed: Decides every row; the same seed generates the same bytes.
        items: The number of archive items; the other resources are sized from it.

    Attributes:
        changes: All changes since the start, in order.
        lock: Held while a response is made; hold it to make several changes at once.
        rng: The random generator of the changes.
        analytics_rng: The same for AOIs and workflows, so that neither depends on the other.
        version: A number that grows with every change.
        user_id: The id of the user whom the token belongs to.
    """

    def __init__(self, seed: int = 1, items: int = 200) -> None:
        self.lock = threading.RLock()
        self.changes: list[Change] = []
        self.rng = rng_for(seed, "changes")
        self.analytics_rng = rng_for(seed, "changes of analyses")
        self.version = 0
        self._number = items
        self._cache: dict[tuple[int, Hashable], Any] = {}
        data = generate_rows(seed, items)
        self.user_id = data.user_id
        self._analytics_resources = data.analytics_resources
        self._tables: dict[str, dict[str, ResourceRow]] = {
            name: {row_key(name, row): row for row in rows} for name, rows in data.rows.items()
        }
        self._updated: dict[str, dict[str, None]] = {name: {} for name in RESOURCES}

    def ids(self, resource: str) -> list[str]:
        """Return the ids of a resource, in the order of insertion."""
        with self.lock:
            return list(self._tables[resource])

    def find(self, resource: str, key: str) -> ResourceRow | None:
        """Return a row as the sandbox stores it, None if it does not exist."""
        return self._tables[resource].get(key)

    def get(self, resource: str, key: str) -> Json:
        """Return a row as the API returns it, with the fields that a list may omit.

        Raises:
            KeyError: The row does not exist.
        """
        with self.lock:
            row: Json = msgspec.json.decode(
                msgspec.json.encode(self.render(self._tables[resource][key]))
            )
            return row

    def render(self, row: ResourceRow) -> Json:
        """Return a row's full JSON, ready for msgspec to encode."""
        if isinstance(row, ItemRow):
            return render_item(row, "archive")
        if isinstance(row, CatalogRow):
            return {"details": render_item(row.item, "catalog"), **row.fields}
        return row

    def render_order(self, order: Json) -> Json:
        """Return an order with its order items."""
        return {"order_items": self._items_by_order().get(order["id"], []), **order}

    def _items_by_order(self) -> dict[str, list[Json]]:
        return self.cached("order items of orders", self._group_order_items)

    def _group_order_items(self) -> dict[str, list[Json]]:
        groups: dict[str, list[Json]] = {}
        for row in self.rows("order_items"):
            short = {name: value for name, value in row.items() if name not in LIST_ONLY_FIELDS}
            groups.setdefault(row.get("order_id", ""), []).append(short)
        return groups

    def order_of_catalog(self, catalog: CatalogRow) -> tuple[str, str]:
        """Return the ids of a catalog's order and order item, both empty if it has none.

        They come from the order item that holds the catalog's task, since the task itself may name
        another order item.
        """
        task_id = str(catalog.fields.get("task_id", ""))
        return self.cached("orders of tasks", self._map_tasks).get(task_id, ("", ""))

    def _map_tasks(self) -> dict[str, tuple[str, str]]:
        return {
            task["id"]: (item.get("order_id", ""), item["id"])
            for item in self.rows("order_items")
            for task in item.get("tasks") or ()
        }

    def order_item_of_catalog(self, catalog_id: str) -> str:
        """Return the id of a catalog's order item, empty if it has none."""
        catalog = self.find("catalogs", catalog_id)
        return self.order_of_catalog(catalog)[1] if isinstance(catalog, CatalogRow) else ""

    def catalogs_of_order_item(self, order_item_id: str) -> list[str]:
        """Return the ids of the catalogs that an order item has."""
        groups = self.cached("catalogs of order items", self._group_catalogs)
        return groups.get(order_item_id, [])

    def _group_catalogs(self) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for row in self.image_rows("catalogs"):
            if isinstance(row, CatalogRow):
                groups.setdefault(self.order_of_catalog(row)[1], []).append(image_id(row))
        return groups

    def rows(self, resource: str) -> list[Json]:
        """Return the rows of a resource that is stored as JSON, in the order of insertion."""
        return [row for row in self._tables[resource].values() if isinstance(row, dict)]

    def image_rows(self, resource: str) -> list[ImageRow]:
        """Return the rows of `archive_items` or `catalogs`, in the order of insertion."""
        return [row for row in self._tables[resource].values() if not isinstance(row, dict)]

    def updated_ids(self, resource: str) -> list[str]:
        """Return the ids of updated rows, the last updated last."""
        return list(self._updated[resource])

    def cached(self, key: Hashable, make: Callable[[], CachedValue]) -> CachedValue:
        """Return the cached value of a key; it is made again after every change."""
        dated = (self.version, key)
        if dated not in self._cache:
            stale = [old for old in self._cache if old[0] != self.version]
            for old in stale if len(self._cache) < CACHE_SIZE else list(self._cache):
                del self._cache[old]
            self._cache[dated] = make()
        value: CachedValue = self._cache[dated]
        return value

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each resource, and of tasks in order items and jobs."""
        with self.lock:
            counts = {name: len(table) for name, table in self._tables.items()}
            for name, resource in TASK_COUNTS.items():
                counts[name] = sum(len(row.get("tasks") or ()) for row in self.rows(resource))
            return counts

    def insert(self, resource: str, row: Json, *, first: bool = False) -> str:
        """Insert a row.

        A row of JSON is stored as given, with a random id if it has none. An archive item is given
        as item members (`properties` among them), and members that are not given are generated. A
        catalog's `details` are given in the same way.

        Args:
            resource: One of `RESOURCES`.
            row: The new row.
            first: Whether the row comes before all others in the order of insertion.

        Returns:
            The row's id.
        """
        with self.lock:
            return self._put(resource, self._make_row(resource, dict(row)), "insert", first=first)

    def make_item(self, collection: str, acquired: datetime | None = None) -> ItemRow:
        """Make a new item without inserting it into the archive.

        Args:
            collection: The id of its collection; of an unknown one, the first is taken.
            acquired: When it was acquired; drawn if not given.
        """
        with self.lock:
            self._number += 1
            known = collection if collection in COLLECTIONS_BY_ID else COLLECTIONS[0].id
            return generate_item(self.rng, self._number, known, acquired)

    def insert_copy(self, resource: str, key: str, *, first: bool = False) -> str:
        """Insert a copy of a row with a new id, created and updated now."""
        with self.lock:
            row = self._copy_row(resource, self._tables[resource][key])
            return self._put(resource, row, "insert", first=first)

    def update(self, resource: str, key: str, **fields: object) -> None:
        """Change fields of a row, and its update time unless that is given.

        A field that is set to `MISSING` is removed. Of an archive item, the names of item members
        (`geometry`, `assets` ...) change those, any other name changes a property, and
        `properties` may hold several. A catalog's `details` are changed in the same way, or set
        to null.

        Raises:
            KeyError: The row does not exist.
        """
        with self.lock:
            row = self._tables[resource][key]
            stamp = RESOURCES[resource].updated_field
            dated = {stamp: timestamp_formats.now(), **fields} if stamp else fields
            self._put(resource, _changed_row(row, dated), "update")

    def delete(self, resource: str, key: str) -> None:
        """Remove a row.

        Raises:
            KeyError: The row does not exist.
        """
        with self.lock:
            del self._tables[resource][key]
            self._updated[resource].pop(key, None)
            self._record_change("delete", resource, key)

    def _put(self, resource: str, row: ResourceRow, kind: str, *, first: bool = False) -> str:
        key = row_key(resource, row)
        table = self._tables[resource]
        if first and key not in table:
            self._tables[resource] = {key: row, **table}
        else:
            table[key] = row
        if kind == "update":
            self._updated[resource].pop(key, None)
            self._updated[resource][key] = None
        self._record_change(kind, resource, key)
        return key

    def _record_change(self, kind: str, resource: str, key: str) -> None:
        self.version += 1
        self.changes.append(Change(kind, resource, key))

    def _make_row(self, resource: str, row: Json) -> ResourceRow:
        if resource == "archive_items":
            item = self.make_item(row.get("collection", COLLECTIONS[0].id))
            item.merge(row)
            return item
        row.setdefault(RESOURCES[resource].key, self._draw_id(resource))
        if resource == "catalogs":
            details = row.pop("details", {})
            if isinstance(details, ItemRow):
                return CatalogRow(row, details)
            item = self.make_item(details.get("collection", COLLECTIONS[0].id))
            item.merge(details)
            return CatalogRow(row, item)
        return row

    def _draw_id(self, resource: str) -> str:
        return draw_uuid(self.analytics_rng if resource in self._analytics_resources else self.rng)

    def _copy_row(self, resource: str, row: ResourceRow) -> ResourceRow:
        moment = timestamp_formats.now()
        if isinstance(row, ItemRow):
            copy = row.copy()
            self._number += 1
            satellite, _, *rest = row.id.split("_")
            copy.id = "_".join((satellite, f"{self._number + 1000:06d}", *rest))
            copy.created = copy.updated = moment
            for name in ("created", "updated"):
                copy.property_changes.pop(name, None)
            return copy
        new = {RESOURCES[resource].key: self._draw_id(resource)}
        new |= {"created_at": moment, "updated_at": moment}
        if isinstance(row, CatalogRow):
            return CatalogRow({**row.fields, **new}, row.item.copy())
        return {**row, **new}


def row_key(resource: str, row: ResourceRow) -> str:
    """Return the id of a row."""
    return str(row[RESOURCES[resource].key]) if isinstance(row, dict) else image_id(row)


def _changed_row(row: ResourceRow, fields: Json) -> ResourceRow:
    """Return a changed copy of a row, since the row itself may be part of a response."""
    if isinstance(row, ItemRow):
        copy = row.copy()
        members = {name: value for name, value in fields.items() if name in ITEM_MEMBERS}
        props = {name: value for name, value in fields.items() if name not in ITEM_MEMBERS}
        copy.merge({**members, "properties": {**props, **props.pop("properties", {})}})
        return copy
    if isinstance(row, CatalogRow):
        copy = row.item.copy()
        if fields.get("details") is not None:
            copy.merge(fields.pop("details"))
        return CatalogRow(apply_changes(row.fields, fields), copy)
    return apply_changes(row, fields)
