"""The items of an export and what is known of each, on disk, so that memory stays flat."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from target_stac.names import file_name, hashed_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NO_COLLECTION = ""
"""Stands for the collection of items that name none."""

_TABLES = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE items (
  collection TEXT, id TEXT,
  name TEXT COLLATE NOCASE, day TEXT, title TEXT, start TEXT, end TEXT,
  west REAL, south REAL, east REAL, north REAL,
  from_collection TEXT, from_id TEXT,
  source INTEGER, offset INTEGER, length INTEGER,
  incoming INTEGER DEFAULT 0, late INTEGER DEFAULT 0, leaf TEXT, sha256 TEXT,
  old_path TEXT, old_leaf TEXT, old_day TEXT,
  PRIMARY KEY (collection, id)) WITHOUT ROWID;
CREATE UNIQUE INDEX names ON items (name, collection);
CREATE INDEX days ON items (collection, day, start, id);
CREATE INDEX origins ON items (from_collection, from_id);
CREATE TABLE stale (path TEXT PRIMARY KEY, tied INTEGER DEFAULT 1);
CREATE TABLE touched (collection TEXT, month TEXT, PRIMARY KEY (collection, month));
"""
_FACTS = (
    *("day", "title", "start", "end", "west", "south", "east", "north"),
    *("from_collection", "from_id"),
)
_PLACE = ("source", "offset", "length")


class Place(NamedTuple):
    """Where an item's JSON lies: in which file, from which byte, how many bytes."""

    source: int
    offset: int
    length: int


SPOOL, LOCATED, UNLOCATED, TREE = range(4)
"""Sources: what this run has brought, the two files of ndjson, or the item's file in the tree."""


LATE, LATE_AND_ORIGIN = 1, 2
"""When an item's file is written: after the others, or with them and once more after them."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an item's link in a catalog says of it, and what its collection's extent is made of.

    Attributes:
        day: It is filed under, `YYYY-MM-DD`.
        start, end: When it was acquired, RFC 3339 in UTC; the same for a moment.
        bbox: West, south, east, north in degrees; None without a geometry.
        origin: Collection and id of the item that it is derived from.
    """

    title: str
    day: str
    start: str
    end: str
    bbox: tuple[float, float, float, float] | None
    origin: tuple[str, str] | None


@dataclass(slots=True)
class Row:
    """An item of the export.

    Attributes:
        late: `LATE` when it is derived from an item whose file this run puts down;
            `LATE_AND_ORIGIN` when another late one is derived from it in turn; else 0.
        leaf: Path of the catalog that lists it.
        sha256: Of its file, as far as it is known; None when it has none.
        old_path, old_leaf: Where its file and its link lay before this run, None for a new one.
    """

    collection: str
    id: str
    folder: str
    name: str
    facts: Facts
    place: Place | None
    incoming: bool
    late: int
    leaf: str | None
    sha256: str | None
    old_path: str | None
    old_leaf: str | None

    @property
    def path(self) -> str:
        """Where its file belongs: folder of the collection, year, month."""
        return f"{self.folder}/{self.facts.day[:4]}/{self.facts.day[5:7]}/{self.name}.json"

    @property
    def moved(self) -> bool:
        """Whether its file or its link belongs elsewhere than it lies."""
        return self.path != self.old_path or self.leaf != self.old_leaf


class Index:
    """A table of the export's items, in a file of its own, and the JSON that this run brings.

    Args:
        folder: An empty local folder for both.
    """

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")
        # Two files: one that is read and written drops its buffer at each change of direction.
        self._spool = (folder / "spool").open("wb")
        self._spooled = (folder / "spool").open("rb")
        self._end = 0
        self._folders: dict[str, str] = {}

    def close(self) -> None:
        """Close the files."""
        self._spool.close()
        self._spooled.close()
        self._db.close()

    # Filling

    def bring(self, collection: str, identifier: str, facts: Facts, body: bytes) -> None:
        """Take in an item of this run; the last one of an id counts."""
        place = Place(SPOOL, self._end, len(body))
        self._spool.write(body)
        self._end += len(body)
        self._put(collection, identifier, facts, place, incoming=True)

    def find_lying(self, collection: str, identifier: str, facts: Facts, place: Place) -> None:
        """Take in an item that the ndjson of the last run has."""
        self._put(collection, identifier, facts, place)

    def find_linked(
        self, collection: str, identifier: str, facts: Facts, *, path: str, leaf: str, sha256: str
    ) -> None:
        """Take in an item that a catalog of the last run links to.

        When another catalog links to it too, as after a run that was killed, the later one counts
        and the other file is stale.
        """
        key = (collection, identifier)
        known = self._db.execute(
            "SELECT old_path, old_day FROM items WHERE collection = ? AND id = ?", key
        ).fetchone()
        if known is None:
            name = path.rpartition("/")[2].removesuffix(".json")
            self._put(collection, identifier, facts, Place(TREE, 0, 0), name=name)
        elif known[0] is not None and known[0] != path:
            self.discard(known[0])
            self.touch(collection, known[1][:7])
            self.touch(collection, facts.day[:7])
        self._db.execute(
            "UPDATE items SET old_path = ?, old_leaf = ?, old_day = ?, sha256 = ? "
            "WHERE collection = ? AND id = ?",
            (path, leaf, facts.day, sha256, *key),
        )

    def _put(
        self,
        collection: str,
        identifier: str,
        facts: Facts,
        place: Place,
        *,
        incoming: bool = False,
        name: str | None = None,
    ) -> None:
        values = (
            *(facts.day, facts.title, facts.start, facts.end),
            *(facts.bbox or (None,) * 4),
            *(facts.origin or (None,) * 2),
            *place,
            incoming,
        )
        columns = (*_FACTS, *_PLACE, "incoming")
        changes = ", ".join(f"{column} = ?" for column in columns)
        key = (collection, identifier)
        if not self._db.execute(
            f"UPDATE items SET {changes} WHERE collection = ? AND id = ?",  # noqa: S608 - our names
            (*values, *key),
        ).rowcount:
            self._insert(key, name or file_name(identifier), columns, values)

    def _insert(
        self,
        key: tuple[str, str],
        name: str,
        columns: tuple[str, ...],
        values: tuple[object, ...],
    ) -> None:
        marks = ", ".join("?" * (len(columns) + 3))
        insert = (
            f"INSERT INTO items (collection, id, name, {', '.join(columns)}) "  # noqa: S608
            f"VALUES ({marks})"
        )
        try:
            self._db.execute(insert, (*key, name, *values))
        except sqlite3.IntegrityError:  # another's name, but for upper and lower case
            self._db.execute(insert, (*key, hashed_name(key[1]), *values))

    def folder(self, collection: str) -> str:
        """Name the folder of a collection, the same one each time."""
        if collection not in self._folders:
            name = file_name(collection) if collection else "no-collection"
            taken = name.lower() in map(str.lower, self._folders.values())
            self.keep_folder(collection, hashed_name(collection) if taken else name)
        return self._folders[collection]

    def keep_folder(self, collection: str, name: str) -> None:
        """Note the folder that a collection has."""
        self._folders[collection] = name

    def touch(self, collection: str, month: str) -> None:
        """Note that a month, `YYYY-MM`, must be written anew."""
        self._db.execute("INSERT OR IGNORE INTO touched VALUES (?, ?)", (collection, month))

    def discard(self, path: str) -> None:
        """Note a file to be removed, unless it turns out to be one of the export."""
        self._db.execute("INSERT OR IGNORE INTO stale (path) VALUES (?)", (path,))

    # Planning

    def keep_only_incoming(self) -> int:
        """Forget the items that this run has not brought; their files are stale.

        Returns:
            How many they are.
        """
        gone = self.count("NOT incoming")
        self._db.executescript(
            """
            INSERT OR IGNORE INTO stale SELECT old_path, from_id IS NOT NULL FROM items
              WHERE NOT incoming AND old_path IS NOT NULL;
            INSERT OR IGNORE INTO touched SELECT collection, substr(old_day, 1, 7) FROM items
              WHERE NOT incoming AND old_path IS NOT NULL;
            CREATE TEMP TABLE gone AS SELECT collection, id FROM items WHERE NOT incoming;
            UPDATE items SET incoming = 1
              WHERE (from_collection, from_id) IN (SELECT collection, id FROM gone);
            DELETE FROM items WHERE (collection, id) IN (SELECT collection, id FROM gone);
            BEGIN;
            """
        )
        return gone

    def plan(self, *, everything: bool) -> None:
        """Work out which months must be written anew.

        They are those that an item came to, left or changed in, and those of items derived from
        one that came or moved. The files of these are late: they wait for that one's.

        Args:
            everything: All of them, and all their items.
        """
        self._db.executescript(
            f"""
            UPDATE items SET incoming = 1 WHERE {everything:d} OR old_path IS NULL;
            CREATE TEMP TABLE moving AS SELECT collection, id FROM items
              WHERE old_path IS NULL OR substr(old_day, 1, 7) != substr(day, 1, 7);
            UPDATE items SET incoming = 1, late = {LATE}
              WHERE (from_collection, from_id) IN (SELECT collection, id FROM moving);
            UPDATE items SET late = {LATE_AND_ORIGIN}
              WHERE late AND (collection, id) IN (SELECT collection, id FROM moving)
              AND (collection, id) IN (SELECT from_collection, from_id FROM items WHERE late);
            INSERT OR IGNORE INTO touched SELECT collection, substr(day, 1, 7) FROM items
              WHERE incoming;
            INSERT OR IGNORE INTO touched SELECT collection, substr(old_day, 1, 7) FROM items
              WHERE substr(old_day, 1, 7) != substr(day, 1, 7);
            BEGIN;
            """  # noqa: S608 - our own words
        )

    def file(self, rows: Iterable[Row]) -> None:
        """Note the catalog that lists each of the rows."""
        self._db.executemany(
            "UPDATE items SET leaf = ? WHERE collection = ? AND id = ?",
            ((row.leaf, row.collection, row.id) for row in rows),
        )

    def written(self, row: Row) -> None:
        """Note that an item's file lies where it belongs, and what it holds."""
        if row.old_path is not None and row.old_path != row.path:
            self.discard(row.old_path)
        self._db.execute(
            "UPDATE items SET sha256 = ? WHERE collection = ? AND id = ?",
            (row.sha256, row.collection, row.id),
        )

    # Asking

    def count(self, where: str = "1") -> int:
        """Count the items that a condition holds for."""
        query = f"SELECT count(*) FROM items WHERE {where}"  # noqa: S608 - our own words
        return int(self._db.execute(query).fetchone()[0])

    def collections(self) -> list[str]:
        """Name the collections that have items."""
        query = "SELECT DISTINCT collection FROM items ORDER BY 1"
        return [name for (name,) in self._db.execute(query)]

    def located(self) -> list[str]:
        """Name the collections that have items with a geometry."""
        query = "SELECT DISTINCT collection FROM items WHERE west IS NOT NULL ORDER BY 1"
        return [name for (name,) in self._db.execute(query)]

    def months(self, collection: str) -> list[str]:
        """Name the months, `YYYY-MM`, that a collection has items of."""
        query = "SELECT DISTINCT substr(day, 1, 7) FROM items WHERE collection = ? ORDER BY 1"
        return [month for (month,) in self._db.execute(query, (collection,))]

    def touched(self) -> list[tuple[str, str]]:
        """Name collection and month of all that must be written anew."""
        return self._db.execute("SELECT collection, month FROM touched ORDER BY 1, 2").fetchall()

    def moving(self) -> Iterator[Row]:
        """Give the items whose file the tree does not have yet where it belongs."""
        return self._rows("old_path IS NULL OR substr(old_day, 1, 7) != substr(day, 1, 7)", ())

    def holds(self, path: str) -> bool:
        """Tell whether a path is that of an item of the export."""
        name = path.rpartition("/")[2].removesuffix(".json")
        return any(row.path == path for row in self._rows("name = ?", (name,)))

    def month(self, collection: str, month: str) -> list[Row]:
        """Give the items of a month, by time."""
        return list(
            self._rows(
                "collection = ? AND day BETWEEN ? || '-00' AND ? || '-99'",  # as the index has it
                (collection, month, month),
            )
        )

    def rows(self, collection: str | None = None) -> Iterator[Row]:
        """Give all items, or those of a collection, by collection, time and id."""
        if collection is None:
            return self._rows("1", ())
        return self._rows("collection = ?", (collection,))

    def has(self, collection: str, identifier: str) -> bool:
        """Tell whether an item is among those known."""
        return self.path_of(collection, identifier) is not None

    def path_of(self, collection: str, identifier: str) -> str | None:
        """Say where an item's file belongs, None when the export has no such item."""
        found = self._rows("collection = ? AND id = ?", (collection, identifier))
        return next((row.path for row in found), None)

    def _rows(self, where: str, values: tuple[str, ...]) -> Iterator[Row]:
        query = f"SELECT * FROM items WHERE {where} ORDER BY collection, day, start, id"  # noqa: S608
        folder: tuple[str | None, str] = (None, "")
        for found in self._db.execute(query, values):
            if folder[0] != found[0]:
                folder = found[0], self.folder(found[0])
            yield _row(found, folder[1])

    def stale(self, *, tied: bool = False) -> list[str]:
        """Name the files to be removed; or only those that may link to others of them."""
        query = f"SELECT path FROM stale WHERE tied OR {not tied:d} ORDER BY 1"  # noqa: S608
        return [path for (path,) in self._db.execute(query)]

    def spooled(self, place: Place) -> bytes:
        """Read an item's JSON that this run has brought."""
        self._spool.flush()
        return os.pread(self._spooled.fileno(), place.length, place.offset)


def _row(found: tuple[object, ...], folder: str) -> Row:
    # As the columns stand in _TABLES.
    (collection, identifier, name, day, title, start, end, west, south, east, north,
     from_collection, from_id, source, offset, length, incoming, late, leaf, sha256,
     old_path, old_leaf, _) = found  # fmt: skip
    bbox = None if west is None else (west, south, east, north)
    origin = None if from_id is None else (from_collection, from_id)
    facts = Facts(title, day, start, end, bbox, origin)  # type: ignore[arg-type]  # SQL's columns
    place = None if source is None else Place(source, offset, length)  # type: ignore[arg-type]
    return Row(
        collection, identifier, folder, name, facts, place,  # type: ignore[arg-type]
        bool(incoming), late, leaf, sha256, old_path, old_leaf,  # type: ignore[arg-type]
    )  # fmt: skip
