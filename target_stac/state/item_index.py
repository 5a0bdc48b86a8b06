"""Index the items of an export on disk, so that memory use does not grow with their number."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from target_stac.filenames import make_file_name, make_hashed_name
from target_stac.item_links import ItemSummary
from target_stac.records import NO_COLLECTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_TABLES = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE items (
  collection TEXT, id TEXT,
  name TEXT COLLATE NOCASE, day TEXT, title TEXT, start TEXT, end TEXT,
  west REAL, south REAL, east REAL, north REAL,
  origin_collection TEXT, origin_id TEXT,
  source INTEGER, offset INTEGER, length INTEGER,
  incoming INTEGER DEFAULT 0, write_pass INTEGER DEFAULT 0, catalog_path TEXT, sha256 TEXT,
  old_path TEXT, old_catalog_path TEXT, old_day TEXT,
  PRIMARY KEY (collection, id)) WITHOUT ROWID;
CREATE UNIQUE INDEX names ON items (name, collection);
CREATE INDEX days ON items (collection, day, start, id);
CREATE INDEX origins ON items (origin_collection, origin_id);
CREATE TABLE stale_files (path TEXT PRIMARY KEY, may_link INTEGER DEFAULT 1);
CREATE TABLE changed_months (collection TEXT, month TEXT, PRIMARY KEY (collection, month));
"""
_SUMMARY_COLUMNS = (
    *("day", "title", "start", "end", "west", "south", "east", "north"),
    *("origin_collection", "origin_id"),
)
_LOCATION_COLUMNS = ("source", "offset", "length")

INCOMING, LOCATED, UNLOCATED, TREE = range(4)
"""Sources of an item's JSON: this run's spool file, the previous export's ndjson files of items
with and without a geometry, or the item's own file in the previous catalog."""
NDJSON_FILES = {LOCATED: "items.ndjson", UNLOCATED: "unlocated.ndjson"}

FIRST_PASS, SECOND_PASS, BOTH_PASSES = range(3)
"""Passes of the catalog writer in which an item's file is written."""


class JsonLocation(NamedTuple):
    """Location of an item's JSON.

    Attributes:
        source: `INCOMING`, `LOCATED`, `UNLOCATED` or `TREE`.
        offset: Its first byte in the file.
        length: Its length in bytes.
    """

    source: int
    offset: int
    length: int


@dataclass(slots=True)
class IndexRow:
    """A row of the index: an item of the export.

    Attributes:
        folder: Folder of its collection.
        name: Name of its file without a suffix.
        incoming: Whether its file must be written.
        write_pass: `SECOND_PASS` if it is derived from an item whose file this run writes;
            `BOTH_PASSES` if such an item is in turn the origin of another; else `FIRST_PASS`.
        catalog_path: Path of the catalog that lists it.
        sha256: SHA-256 of its file; None if it has no file, or the hash is unknown.
        old_path: Path of its file before this run, None for a new item.
        old_catalog_path: Path of the catalog that listed it before this run.
    """

    collection: str
    id: str
    folder: str
    name: str
    summary: ItemSummary
    location: JsonLocation | None
    incoming: bool
    write_pass: int
    catalog_path: str | None
    sha256: str | None
    old_path: str | None
    old_catalog_path: str | None

    @property
    def path(self) -> str:
        """Path of its file after this run: folder of the collection, year, month."""
        return f"{self.folder}/{self.summary.day[:4]}/{self.summary.day[5:7]}/{self.name}.json"

    @property
    def has_moved(self) -> bool:
        """Whether its file or its link moves in this run."""
        return self.path != self.old_path or self.catalog_path != self.old_catalog_path


class ItemIndex:
    """A database of the export's items, and a spool file with the JSON of this run's items.

    Args:
        folder: An empty local folder for both.
    """

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")
        # Two file objects: one for both would drop its buffer at each change of direction.
        self._spool_writer = (folder / "spool").open("wb")
        self._spool_reader = (folder / "spool").open("rb")
        self._spool_size = 0
        self._folders: dict[str, str] = {}

    def close(self) -> None:
        """Close the database and the spool file."""
        with suppress(OSError):  # of a full folder, where `add_incoming` has failed already
            self._spool_writer.close()
        self._spool_reader.close()
        self._db.close()

    # Filling

    def add_incoming(
        self, collection: str, identifier: str, summary: ItemSummary, body: bytes
    ) -> None:
        """Add an item of this run; it replaces an earlier one with the same id."""
        location = JsonLocation(INCOMING, self._spool_size, len(body))
        self._spool_writer.write(body)
        self._spool_size += len(body)
        self._upsert(collection, identifier, summary, location, incoming=True)

    def add_from_ndjson(
        self, collection: str, identifier: str, summary: ItemSummary, location: JsonLocation
    ) -> None:
        """Add an item of the previous export's ndjson."""
        self._upsert(collection, identifier, summary, location)

    def add_from_tree(
        self,
        collection: str,
        identifier: str,
        summary: ItemSummary,
        *,
        path: str,
        catalog_path: str,
        sha256: str,
    ) -> None:
        """Add an item that a catalog of the previous export links to.

        If another catalog links to it as well, as after a killed run, the item of the later link
        replaces the earlier one, whose file becomes stale.
        """
        key = (collection, identifier)
        known = self._db.execute(
            "SELECT old_path, old_day FROM items WHERE collection = ? AND id = ?", key
        ).fetchone()
        if known is None:
            name = path.rpartition("/")[2].removesuffix(".json")
            self._upsert(collection, identifier, summary, JsonLocation(TREE, 0, 0), name=name)
        elif known[0] is not None and known[0] != path:
            self.mark_stale(known[0])
            self.mark_month_changed(collection, known[1][:7])
            self.mark_month_changed(collection, summary.day[:7])
        self._db.execute(
            "UPDATE items SET old_path = ?, old_catalog_path = ?, old_day = ?, sha256 = ? "
            "WHERE collection = ? AND id = ?",
            (path, catalog_path, summary.day, sha256, *key),
        )

    def _upsert(
        self,
        collection: str,
        identifier: str,
        summary: ItemSummary,
        location: JsonLocation,
        *,
        incoming: bool = False,
        name: str | None = None,
    ) -> None:
        values = (
            *(summary.day, summary.title, summary.start, summary.end),
            *(summary.bbox or (None,) * 4),
            *(summary.origin or (None,) * 2),
            *location,
            incoming,
        )
        columns = (*_SUMMARY_COLUMNS, *_LOCATION_COLUMNS, "incoming")
        changes = ", ".join(f"{column} = ?" for column in columns)
        key = (collection, identifier)
        if not self._db.execute(
            f"UPDATE items SET {changes} WHERE collection = ? AND id = ?",  # noqa: S608 - constants
            (*values, *key),
        ).rowcount:
            self._insert(key, name or make_file_name(identifier), columns, values)

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
        except sqlite3.IntegrityError:  # the name of another item, apart from upper and lower case
            self._db.execute(insert, (*key, make_hashed_name(key[1]), *values))

    def collection_folder(self, collection: str) -> str:
        """Return the folder of a collection, the same one each time."""
        if collection not in self._folders:
            name = make_file_name(collection) if collection else "no-collection"
            is_taken = name.lower() in map(str.lower, self._folders.values())
            self.set_collection_folder(
                collection, make_hashed_name(collection) if is_taken else name
            )
        return self._folders[collection]

    def set_collection_folder(self, collection: str, name: str) -> None:
        """Set the folder that a collection has in the previous export."""
        self._folders[collection] = name

    def collection_path(self, collection: str) -> str:
        """Return the path of a collection's file."""
        name = "collection.json" if collection != NO_COLLECTION else "catalog.json"
        return f"{self.collection_folder(collection)}/{name}"

    def mark_month_changed(self, collection: str, month: str) -> None:
        """Mark a month, `YYYY-MM`, whose catalogs must be written again."""
        self._db.execute("INSERT OR IGNORE INTO changed_months VALUES (?, ?)", (collection, month))

    def mark_stale(self, path: str) -> None:
        """Mark a file for deletion, unless an item of the export has that path in the end."""
        self._db.execute("INSERT OR IGNORE INTO stale_files (path) VALUES (?)", (path,))

    # Planning

    def keep_only_incoming(self) -> int:
        """Remove the items that this run did not receive, and mark their files as stale.

        Returns:
            The number of items removed.
        """
        removed = self.count("NOT incoming")
        self._db.executescript(
            """
            INSERT OR IGNORE INTO stale_files SELECT old_path, origin_id IS NOT NULL FROM items
              WHERE NOT incoming AND old_path IS NOT NULL;
            INSERT OR IGNORE INTO changed_months SELECT collection, substr(old_day, 1, 7) FROM items
              WHERE NOT incoming AND old_path IS NOT NULL;
            CREATE TEMP TABLE removed AS SELECT collection, id FROM items WHERE NOT incoming;
            UPDATE items SET incoming = 1
              WHERE (origin_collection, origin_id) IN (SELECT collection, id FROM removed);
            DELETE FROM items WHERE (collection, id) IN (SELECT collection, id FROM removed);
            BEGIN;
            """
        )
        return removed

    def mark_changed(self, *, everything: bool) -> None:
        """Mark the items and months to write.

        A month is written if an item was added to it, left it or changed in it, or if it has an
        item derived from an added or moved one. The file of a derived item is written in the
        second pass, after the file of its origin.

        Args:
            everything: Whether to write all months and all their items.
        """
        self._db.executescript(
            f"""
            UPDATE items SET incoming = 1 WHERE {everything:d} OR old_path IS NULL;
            CREATE TEMP TABLE moving AS SELECT collection, id FROM items
              WHERE old_path IS NULL OR substr(old_day, 1, 7) != substr(day, 1, 7);
            UPDATE items SET incoming = 1, write_pass = {SECOND_PASS}
              WHERE (origin_collection, origin_id) IN (SELECT collection, id FROM moving);
            UPDATE items SET write_pass = {BOTH_PASSES}
              WHERE write_pass != {FIRST_PASS}
              AND (collection, id) IN (SELECT collection, id FROM moving)
              AND (collection, id) IN
                (SELECT origin_collection, origin_id FROM items WHERE write_pass != {FIRST_PASS});
            INSERT OR IGNORE INTO changed_months SELECT collection, substr(day, 1, 7) FROM items
              WHERE incoming;
            INSERT OR IGNORE INTO changed_months SELECT collection, substr(old_day, 1, 7) FROM items
              WHERE substr(old_day, 1, 7) != substr(day, 1, 7);
            BEGIN;
            """  # noqa: S608 - constants
        )

    def record_catalogs(self, rows: Iterable[IndexRow]) -> None:
        """Record the catalog that lists each of the rows."""
        self._db.executemany(
            "UPDATE items SET catalog_path = ? WHERE collection = ? AND id = ?",
            ((row.catalog_path, row.collection, row.id) for row in rows),
        )

    def record_written(self, row: IndexRow) -> None:
        """Record that an item's file is at its path, with the row's SHA-256."""
        if row.old_path is not None and row.old_path != row.path:
            self.mark_stale(row.old_path)
        self._db.execute(
            "UPDATE items SET sha256 = ? WHERE collection = ? AND id = ?",
            (row.sha256, row.collection, row.id),
        )

    # Queries

    def count(self, condition: str = "1") -> int:
        """Return the number of items that meet an SQL condition."""
        query = f"SELECT count(*) FROM items WHERE {condition}"  # noqa: S608 - constants
        return int(self._db.execute(query).fetchone()[0])

    def collection_ids(self) -> list[str]:
        """Return the ids of the collections that have items."""
        query = "SELECT DISTINCT collection FROM items ORDER BY 1"
        return [name for (name,) in self._db.execute(query)]

    def has_items(self, collection: str) -> bool:
        """Return whether a collection has items."""
        query = "SELECT 1 FROM items WHERE collection = ? LIMIT 1"
        return self._db.execute(query, (collection,)).fetchone() is not None

    def months(self, collection: str) -> list[str]:
        """Return the months, `YYYY-MM`, in which a collection has items."""
        query = "SELECT DISTINCT substr(day, 1, 7) FROM items WHERE collection = ? ORDER BY 1"
        return [month for (month,) in self._db.execute(query, (collection,))]

    def changed_months(self) -> list[tuple[str, str]]:
        """Return the collection and month of all months that must be written again."""
        query = "SELECT collection, month FROM changed_months ORDER BY 1, 2"
        return self._db.execute(query).fetchall()

    def copy_incoming_to(self, other: ItemIndex) -> None:
        """Add the items that this run has received to another index; call before `mark_changed`."""
        for row in self._select_rows("incoming"):
            if row.location is not None:
                body = self.read_incoming(row.location)
                other.add_incoming(row.collection, row.id, row.summary, body)

    def rows_to_place(self) -> Iterator[IndexRow]:
        """Yield the items whose file is new or moves."""
        return self._select_rows("old_path IS NULL OR substr(old_day, 1, 7) != substr(day, 1, 7)")

    def has_path(self, path: str) -> bool:
        """Return whether an item of the export has this path."""
        name = path.rpartition("/")[2].removesuffix(".json")
        return any(row.path == path for row in self._select_rows("name = ?", name))

    def month_rows(self, collection: str, month: str) -> list[IndexRow]:
        """Return the items of a month, by time."""
        # The condition has the form that the database index `days` serves.
        condition = "collection = ? AND day BETWEEN ? || '-00' AND ? || '-99'"
        return list(self._select_rows(condition, collection, month, month))

    def rows(self, collection: str | None = None) -> Iterator[IndexRow]:
        """Yield all items, or those of a collection, by collection, time and id."""
        if collection is None:
            return self._select_rows("1")
        return self._select_rows("collection = ?", collection)

    def has_item(self, collection: str, identifier: str) -> bool:
        """Return whether the index has an item."""
        return self.item_path(collection, identifier) is not None

    def item_path(self, collection: str, identifier: str) -> str | None:
        """Return the path of an item's file, None if the index has no such item."""
        rows = self._select_rows("collection = ? AND id = ?", collection, identifier)
        return next((row.path for row in rows), None)

    def _select_rows(self, condition: str, *values: str) -> Iterator[IndexRow]:
        query = f"SELECT * FROM items WHERE {condition} ORDER BY collection, day, start, id"  # noqa: S608
        folder: tuple[str | None, str] = (None, "")
        for record in self._db.execute(query, values):
            if folder[0] != record[0]:
                folder = record[0], self.collection_folder(record[0])
            yield _parse_row(record, folder[1])

    def stale_files(self, *, linking: bool = False) -> list[str]:
        """Return the paths of the files to delete.

        Args:
            linking: Whether to return only files that may link to other files to delete.
        """
        query = f"SELECT path FROM stale_files WHERE may_link OR {not linking:d} ORDER BY 1"  # noqa: S608
        return [path for (path,) in self._db.execute(query)]

    def read_incoming(self, location: JsonLocation) -> bytes:
        """Return the JSON of an item that this run received."""
        self._spool_writer.flush()
        return os.pread(self._spool_reader.fileno(), location.length, location.offset)


def _parse_row(record: tuple[object, ...], folder: str) -> IndexRow:
    # In the order of the columns in _TABLES.
    (collection, identifier, name, day, title, start, end, west, south, east, north,
     origin_collection, origin_id, source, offset, length, incoming, write_pass, catalog_path,
     sha256, old_path, old_catalog_path, _) = record  # fmt: skip
    bbox = None if west is None else (west, south, east, north)
    origin = None if origin_id is None else (origin_collection, origin_id)
    summary = ItemSummary(title, day, start, end, bbox, origin)  # type: ignore[arg-type]  # SQL's columns
    location = None if source is None else JsonLocation(source, offset, length)  # type: ignore[arg-type]
    return IndexRow(
        collection, identifier, folder, name, summary, location,  # type: ignore[arg-type]
        bool(incoming), write_pass, catalog_path, sha256,  # type: ignore[arg-type]
        old_path, old_catalog_path,  # type: ignore[arg-type]
    )  # fmt: skip
