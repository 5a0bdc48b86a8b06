"""The workspace: every row the sandbox serves, in memory, and the ways to change them."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import msgspec

from pixxel_sandbox import times
from pixxel_sandbox.analytics import analytics
from pixxel_sandbox.bookings import Catalog, bookings
from pixxel_sandbox.chance import identifier, stream
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.imagery import MEMBERS, Scene, item, scene, scenes, written_over
from pixxel_sandbox.premises import premises
from pixxel_sandbox.resources import RESOURCES
from pixxel_sandbox.series import BY_ID, SERIES, document

Row: TypeAlias = Scene | Catalog | Json
Made = TypeVar("Made")

MEMO_SIZE: Final = 64
LIST_ONLY: Final = frozenset({"tasks", "validation_errors"})
"""Fields of order items that the order they belong to does not repeat."""
TASKS: Final = {"order_tasks": "order_items", "job_tasks": "jobs"}
"""What holds tasks, by the name under which they are counted."""


class Change(NamedTuple):
    """One thing that happened to a row: kind is insert, update or delete."""

    kind: str
    resource: str
    id: str


class Workspace:
    """The seeded state of a sandbox. Its methods may be called from any thread.

    Args:
        seed: decides every row; the same seed makes the same bytes.
        items: how many archive items; the other resources are sized from it.

    Attributes:
        log: everything that changed since the start, in order.
        lock: held while an answer is made; hold it to make several changes at once.
        rng: the random stream of the changes.
        analyses: the same for areas and workflows, so that neither depends on the other.
        version: grows with every change.
        user: the id of the user whom the token belongs to.
    """

    def __init__(self, seed: int = 1, items: int = 200) -> None:
        self.lock = threading.RLock()
        self.log: list[Change] = []
        self.rng = stream(seed, "changes")
        self.analyses = stream(seed, "changes of analyses")
        self.version = 0
        self._number = items
        self._memo: dict[tuple[int, Hashable], Any] = {}
        archive, rooms = scenes(seed, items), premises(seed)
        books = bookings(seed, archive, rooms.places)
        self.user = rooms.places.users[0]
        self._tables: dict[str, dict[str, Row]] = {
            "collections": {series.id: document(series) for series in SERIES},
            "archive_items": {row.id: row for row in archive},
            "orders": {row["id"]: row for row in books.orders},
            "order_items": {row["id"]: row for row in books.order_items},
            "catalogs": {row.fields["id"]: row for row in books.catalogs},
            "deliveries": {row["delivery_id"]: row for row in books.deliveries},
            "stores": {row["id"]: row for row in rooms.stores},
            "bandsets": {row["id"]: row for row in rooms.bandsets},
            "projects": {row["id"]: row for row in rooms.projects},
        }
        analysed = analytics(seed, archive, rooms.places, books.order_items)
        self._tables |= {
            name: {_key_of(name, row): row for row in rows} for name, rows in analysed.items()
        }
        self._analysed = frozenset(analysed)
        self._moved: dict[str, dict[str, None]] = {name: {} for name in RESOURCES}

    def ids(self, resource: str) -> list[str]:
        """Lists the ids of a resource, in the order of insertion."""
        with self.lock:
            return list(self._tables[resource])

    def find(self, resource: str, key: str) -> Row | None:
        """Returns the row as the sandbox keeps it, None if there is none."""
        return self._tables[resource].get(key)

    def get(self, resource: str, key: str) -> Json:
        """Returns a row as the API shows it, with what a list may leave out.

        Raises:
            KeyError: there is no such row.
        """
        with self.lock:
            shown: Json = msgspec.json.decode(
                msgspec.json.encode(self.render(self._tables[resource][key]))
            )
            return shown

    def render(self, row: Row) -> Json:
        """Returns a row's full JSON, ready for msgspec to encode."""
        if isinstance(row, Scene):
            return item(row, "archive")
        if isinstance(row, Catalog):
            return {"details": item(row.scene, "catalog"), **row.fields}
        return row

    def render_order(self, order: Json) -> Json:
        """Returns an order with its items in it."""
        return {"order_items": self._embedded().get(order["id"], []), **order}

    def _embedded(self) -> dict[str, list[Json]]:
        return self.memoised("order items of orders", self._group_order_items)

    def _group_order_items(self) -> dict[str, list[Json]]:
        groups: dict[str, list[Json]] = {}
        for row in self.rows("order_items"):
            short = {name: value for name, value in row.items() if name not in LIST_ONLY}
            groups.setdefault(row.get("order_id", ""), []).append(short)
        return groups

    def rows(self, resource: str) -> list[Json]:
        """Lists the rows of a resource that is kept as plain JSON, in the order of insertion."""
        return [row for row in self._tables[resource].values() if isinstance(row, dict)]

    def images(self, resource: str) -> list[Scene | Catalog]:
        """Lists the rows of ``archive_items`` or ``catalogs``, in the order of insertion."""
        return [row for row in self._tables[resource].values() if not isinstance(row, dict)]

    def moved(self, resource: str) -> list[str]:
        """Lists the ids of updated rows, the last updated last."""
        return list(self._moved[resource])

    def memoised(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Returns what was made under a key, made again after every change."""
        dated = (self.version, key)
        if dated not in self._memo:
            stale = [old for old in self._memo if old[0] != self.version]
            for old in stale if len(self._memo) < MEMO_SIZE else list(self._memo):
                del self._memo[old]
            self._memo[dated] = make()
        made: Made = self._memo[dated]
        return made

    def counts(self) -> dict[str, int]:
        """Counts the rows of every resource, and the tasks within order items and jobs."""
        with self.lock:
            counts = {name: len(table) for name, table in self._tables.items()}
            for name, resource in TASKS.items():
                counts[name] = sum(len(row.get("tasks") or ()) for row in self.rows(resource))
            return counts

    def insert(self, resource: str, row: Json, *, first: bool = False) -> str:
        """Puts a new row into a resource.

        A plain row is kept as it is given; an id is drawn where it has none. An archive item is
        given as item members, ``properties`` among them; what it does not state is made up, and so
        are a catalog's ``details``, which are given in the same way.

        Args:
            resource: one of RESOURCES.
            row: the new row.
            first: whether the row comes before all others in the order of insertion.

        Returns:
            The row's id.
        """
        with self.lock:
            return self._put(resource, self._new(resource, dict(row)), "insert", first=first)

    def insert_twin(self, resource: str, key: str, *, first: bool = False) -> str:
        """Puts in a copy of a row, with an id of its own, created and updated now."""
        with self.lock:
            twin = self._twin(resource, self._tables[resource][key])
            return self._put(resource, twin, "insert", first=first)

    def update(self, resource: str, key: str, **fields: object) -> None:
        """Changes fields of a row, and the time of its update unless that is given.

        A field set to ``MISSING`` is left out of the row. Of an archive item the names of item
        members (``geometry``, ``assets`` ...) change those, any other name changes a property,
        and ``properties`` may hold several; a catalog's ``details`` are changed in the same way,
        or null from now on.

        Raises:
            KeyError: there is no such row.
        """
        with self.lock:
            row = self._tables[resource][key]
            stamp = RESOURCES[resource].updated
            dated = {stamp: times.now(), **fields} if stamp else fields
            self._put(resource, _changed(row, dated), "update")

    def delete(self, resource: str, key: str) -> None:
        """Removes a row.

        Raises:
            KeyError: there is no such row.
        """
        with self.lock:
            del self._tables[resource][key]
            self._moved[resource].pop(key, None)
            self._note("delete", resource, key)

    def _put(self, resource: str, row: Row, kind: str, *, first: bool = False) -> str:
        key = _key_of(resource, row)
        table = self._tables[resource]
        if first and key not in table:
            self._tables[resource] = {key: row, **table}
        else:
            table[key] = row
        if kind == "update":
            self._moved[resource].pop(key, None)
            self._moved[resource][key] = None
        self._note(kind, resource, key)
        return key

    def _note(self, kind: str, resource: str, key: str) -> None:
        self.version += 1
        self.log.append(Change(kind, resource, key))

    def _new(self, resource: str, row: Json) -> Row:
        if resource == "archive_items":
            made = self._scene(row.get("collection", SERIES[0].id))
            made.merge(row)
            return made
        row.setdefault(RESOURCES[resource].key, self._identifier(resource))
        if resource == "catalogs":
            details = row.pop("details", {})
            made = self._scene(details.get("collection", SERIES[0].id))
            made.merge(details)
            return Catalog(row, made)
        return row

    def _identifier(self, resource: str) -> str:
        return identifier(self.analyses if resource in self._analysed else self.rng)

    def _scene(self, collection: str) -> Scene:
        self._number += 1
        return scene(self.rng, self._number, collection if collection in BY_ID else SERIES[0].id)

    def _twin(self, resource: str, row: Row) -> Row:
        moment = times.now()
        if isinstance(row, Scene):
            twin = row.copy()
            self._number += 1
            satellite, _, *rest = row.id.split("_")
            twin.id = "_".join((satellite, f"{self._number + 1000:06d}", *rest))
            twin.created = twin.updated = moment
            for name in ("created", "updated"):
                twin.changes.pop(name, None)
            return twin
        stamps = {RESOURCES[resource].key: self._identifier(resource)}
        stamps |= {"created_at": moment, "updated_at": moment}
        if isinstance(row, Catalog):
            return Catalog({**row.fields, **stamps}, row.scene.copy())
        return {**row, **stamps}


def _key_of(resource: str, row: Row) -> str:
    if isinstance(row, Scene):
        return row.id
    fields = row.fields if isinstance(row, Catalog) else row
    return str(fields[RESOURCES[resource].key])


def _changed(row: Row, fields: Json) -> Row:
    """Returns a row with fields changed; the row itself may be on its way out, and stays as is."""
    if isinstance(row, Scene):
        copy = row.copy()
        members = {name: value for name, value in fields.items() if name in MEMBERS}
        props = {name: value for name, value in fields.items() if name not in MEMBERS}
        copy.merge({**members, "properties": {**props, **props.pop("properties", {})}})
        return copy
    if isinstance(row, Catalog):
        copy = row.scene.copy()
        if fields.get("details") is not None:
            copy.merge(fields.pop("details"))
        return Catalog(written_over(row.fields, fields), copy)
    return written_over(row, fields)
