"""Index the items and files of an export in a database, which the next run starts from."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_stac.filenames import make_file_name, make_hashed_name
from target_stac.item_links import ItemSummary
from target_stac.links import encode_json
from target_stac.records import NO_COLLECTION
from target_stac.settings import CATALOG, GEOPARQUET

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from target_stac.records import Json

INDEX_FILE = "index.sqlite"
APPLICATION_ID, VERSION = 0x53544143, 2
"""Of the database (`STAC`); the version changes with the tables."""
_PRAGMAS = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
"""
_TABLES = f"""
PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};
CREATE TABLE items (
  collection TEXT, id TEXT,
  name TEXT COLLATE NOCASE, day TEXT, title TEXT, start TEXT, end TEXT,
  west REAL, south REAL, east REAL, north REAL,
  origin_collection TEXT, origin_id TEXT, sha256 BLOB,
  file TEXT, offset INTEGER, length INTEGER,
  old_day TEXT, catalog_path TEXT,
  incoming INTEGER DEFAULT 0, changed INTEGER DEFAULT 0,
  PRIMARY KEY (collection, id)) WITHOUT ROWID;
CREATE UNIQUE INDEX names ON items (name, collection);
CREATE INDEX days ON items (collection, day, start, id);
CREATE INDEX origins ON items (origin_collection, origin_id) WHERE origin_id IS NOT NULL;
CREATE INDEX changes ON items (changed) WHERE changed;
CREATE TABLE features (collection TEXT, id TEXT, feature BLOB, PRIMARY KEY (collection, id));
CREATE TABLE collections (id TEXT PRIMARY KEY, folder TEXT, document BLOB) WITHOUT ROWID;
CREATE TABLE files (
  path TEXT PRIMARY KEY, format TEXT, collection TEXT, partition TEXT, sha256 BLOB,
  stale INTEGER DEFAULT 0) WITHOUT ROWID;
CREATE INDEX keys ON files (format, collection, partition);
CREATE TABLE omissions (
  format TEXT, collection TEXT, partition TEXT, path TEXT, items INTEGER, first_item TEXT,
  PRIMARY KEY (format, collection, partition, path)) WITHOUT ROWID;
CREATE TABLE columns (collection TEXT PRIMARY KEY, columns BLOB) WITHOUT ROWID;
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
_TEMPORARY_TABLES = """
CREATE TEMP TABLE changed_months (collection TEXT, month TEXT, PRIMARY KEY (collection, month));
CREATE TEMP TABLE lines (file TEXT, offset INTEGER, length INTEGER, collection TEXT, id TEXT);
"""
_ITEM_COLUMNS = (
    *("day", "title", "start", "end", "west", "south", "east", "north"),
    *("origin_collection", "origin_id", "sha256", "file", "offset", "length", "incoming"),
)
_SUMMARY_COLUMNS = "day, title, start, end, west, south, east, north, origin_collection, origin_id"
_ROW_COLUMNS = (
    "collection, id, name, file, offset, length, old_day, catalog_path, changed, "
    + _SUMMARY_COLUMNS
)
_MONTH, _OLD_MONTH = "substr(day, 1, 7)", "substr(old_day, 1, 7)"
SPOOL = ""
"""`JsonLocation.file` of an item that this run holds in its spool file."""
ITEM_FILE, DERIVED_ITEM_FILE, ROOT = "item", "derived", "root"
"""Formats of stale files that are items, or items derived from others; of the root catalog."""
SAME, CHANGED, NEW = 1, 2, 3
"""Values of `incoming`: how an item of this run differs from the previous export; else it is 0."""
# The condition has the form that the database index `days` serves.
_IN_PARTITION = "collection = ? AND day BETWEEN ? AND ? || '~'"
_MAX_DEPTH = 100
_DELETION_GROUPS = {ROOT: -_MAX_DEPTH, CATALOG: -_MAX_DEPTH, DERIVED_ITEM_FILE: 0, ITEM_FILE: 1}
_LAST_GROUP = 2


class JsonLocation(NamedTuple):
    """Location of an item's JSON.

    Attributes:
        file: Path of an ndjson file of the previous export, or `SPOOL`.
        offset: Its first byte in the file.
        length: Its length in bytes.
    """

    file: str
    offset: int
    length: int


class FileKey(NamedTuple):
    """What a file of the export holds.

    Attributes:
        format: A format of the settings, or `preview`.
        collection: Id of the collection; empty for all collections, and for items without one.
        partition: Year or month, such as `2025-03`, empty for all of the collection.
    """

    format: str
    collection: str = ""
    partition: str = ""


@dataclass(slots=True)
class IndexRow:
    """A row of the index: an item of the export.

    Attributes:
        folder: Folder of its collection.
        name: Name of its file without a suffix.
        location: Where its JSON is; None if only its own file in the previous catalog has it.
        old_day: The day that the previous export files it under, None for a new item.
        catalog_path: Path of the catalog that lists it; in the previous export, until the catalog
            is written.
        changed: Whether its file and its line in other formats must be written.
    """

    collection: str
    id: str
    folder: str
    name: str
    summary: ItemSummary
    location: JsonLocation | None
    old_day: str | None
    catalog_path: str | None
    changed: bool

    @property
    def path(self) -> str:
        """Path of its file after this run: folder of the collection, year, month."""
        return _item_path(self.folder, self.summary.day, self.name)

    @property
    def old_path(self) -> str | None:
        """Path of its file in the previous export, None for a new item."""
        return self.old_day and _item_path(self.folder, self.old_day, self.name)


def _item_path(folder: str, day: str, name: str) -> str:
    return f"{folder}/{day[:4]}/{day[5:7]}/{name}.json"


class ItemIndex:
    """A database of the export's items and files, and a spool file with JSON of this run's items.

    Args:
        folder: A local folder for both; a database of the previous export in it is continued.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / INDEX_FILE
        is_new = not self.path.exists()
        self._db = sqlite3.connect(self.path, isolation_level=None)
        self._db.executescript(_PRAGMAS + (_TABLES if is_new else "") + _TEMPORARY_TABLES)
        self._db.execute("BEGIN")
        # Two file objects: one for both would drop its buffer at each change of direction.
        self._spool_writer = (folder / "spool").open("wb")
        self._spool_reader = (folder / "spool").open("rb")
        self._spool_size = 0
        query = "SELECT id, folder FROM collections"
        self._folders: dict[str, str] = dict(self._db.execute(query).fetchall())

    def close(self) -> None:
        """Close the database and the spool file."""
        with suppress(OSError):  # of a full folder, where `add` has failed already
            self._spool_writer.close()
        self._spool_reader.close()
        self._db.close()

    # Filling

    def add(
        self,
        collection: str,
        identifier: str,
        summary: ItemSummary,
        body: bytes,
        *,
        is_incoming: bool = True,
        old_day: str | None = None,
        name: str | None = None,
    ) -> None:
        """Add an item; it replaces an earlier one with the same id, unless that is the same.

        Args:
            collection: Its collection.
            identifier: Its id.
            summary: Its summary.
            body: Its JSON without structural links.
            is_incoming: Whether it is of this run; else of the previous export.
            old_day: Day that its file in the previous catalog is under.
            name: Name of that file without its suffix.
        """
        key = (collection, identifier)
        digest = sha256(body).digest()
        query = "SELECT sha256, incoming FROM items WHERE collection = ? AND id = ?"
        known = self._db.execute(query, key).fetchone()
        is_new = known is None or known[1] == NEW
        if known is not None and known[0] == digest and is_incoming:
            query = "UPDATE items SET incoming = max(incoming, ?) WHERE collection = ? AND id = ?"
            self._db.execute(query, (SAME, *key))
            return
        values = (
            *(summary.day, summary.title, summary.start, summary.end),
            *(summary.bbox or (None,) * 4),
            *(summary.origin or (None,) * 2),
            *(
                digest,
                SPOOL,
                self._spool_size,
                len(body),
                is_incoming and (NEW if is_new else CHANGED),
            ),
        )
        self._spool_writer.write(body)
        self._spool_size += len(body)
        if known is None:
            self._insert(key, name or make_file_name(identifier), values, old_day)
            return
        changes = ", ".join(f"{column} = ?" for column in _ITEM_COLUMNS)
        self._db.execute(
            f"UPDATE items SET {changes}, changed = 1 WHERE collection = ? AND id = ?",  # noqa: S608
            (*values, *key),
        )
        self._db.execute("DELETE FROM features WHERE collection = ? AND id = ?", key)

    def _insert(
        self, key: tuple[str, str], name: str, values: tuple[object, ...], old_day: str | None
    ) -> None:
        marks = ", ".join("?" * (len(values) + 4))
        insert = (
            f"INSERT INTO items (collection, id, name, old_day, {', '.join(_ITEM_COLUMNS)}, "  # noqa: S608
            f"changed) VALUES ({marks}, 1)"
        )
        try:
            self._db.execute(insert, (*key, name, old_day, *values))
        except sqlite3.IntegrityError:  # the name of another item, apart from upper and lower case
            self._db.execute(insert, (*key, make_hashed_name(key[1]), old_day, *values))

    # Collections and settings

    def collection_folder(self, collection: str) -> str:
        """Return the folder of a collection, the same one each time."""
        if collection not in self._folders:
            name = make_file_name(collection) if collection else "no-collection"
            is_taken = name.lower() in map(str.lower, self._folders.values())
            self._folders[collection] = make_hashed_name(collection) if is_taken else name
        return self._folders[collection]

    def set_collection_folder(self, collection: str, name: str) -> bool:
        """Set the folder of a collection in the previous export; return whether it has no other."""
        return self._folders.setdefault(collection, name) == name

    def collection_folders(self) -> Collection[str]:
        """Return the folders of all collections."""
        return self._folders.values()

    def collection_path(self, collection: str) -> str:
        """Return the path of a collection's file."""
        name = "collection.json" if collection != NO_COLLECTION else "catalog.json"
        return f"{self.collection_folder(collection)}/{name}"

    def read_collections(self) -> dict[str, Json]:
        """Return the collections of the previous export without structural links, by id."""
        query = "SELECT id, document FROM collections"
        return {name: msgspec.json.decode(document) for name, document in self._db.execute(query)}

    def write_collections(self, collections: Mapping[str, Json]) -> None:
        """Replace the collections."""
        self._db.execute("DELETE FROM collections")
        self._db.executemany(
            "INSERT INTO collections VALUES (?, ?, ?)",
            (
                (name, self.collection_folder(name), encode_json(document))
                for name, document in collections.items()
            ),
        )

    def read_settings(self) -> dict[str, str | None]:
        """Return what the previous export was written with, by name."""
        return dict(self._db.execute("SELECT name, value FROM settings").fetchall())

    def write_settings(self, settings: Mapping[str, str | None]) -> None:
        """Replace what the export is written with."""
        self._db.execute("DELETE FROM settings")
        self._db.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())

    # Planning

    def keep_only_incoming(self) -> int:
        """Remove the items that this run did not receive, and mark their files as stale.

        Returns:
            The number of items removed.
        """
        removed = self.count("NOT incoming")
        for row in self._select_rows("NOT incoming"):
            self._mark_item_stale(row)
        self._db.executescript(
            f"""
            INSERT OR IGNORE INTO changed_months SELECT collection, {_OLD_MONTH} FROM items
              WHERE NOT incoming AND old_day IS NOT NULL;
            CREATE TEMP TABLE removed AS SELECT collection, id FROM items WHERE NOT incoming;
            UPDATE items SET changed = 1
              WHERE (origin_collection, origin_id) IN (SELECT collection, id FROM removed);
            DELETE FROM items WHERE (collection, id) IN (SELECT collection, id FROM removed);
            DELETE FROM features WHERE (collection, id) IN (SELECT collection, id FROM removed);
            BEGIN;
            """  # noqa: S608 - constants
        )
        return removed

    def mark_changed(self, *, everything: bool) -> None:
        """Mark the items and months to write.

        A month is written if an item was added to it, left it or changed in it, or if it has an
        item derived from an added or moved one.

        Args:
            everything: Whether to write all months and all their items.
        """
        moved = f"changed AND (old_day IS NULL OR {_OLD_MONTH} != {_MONTH})"
        self._db.executescript(
            f"""
            CREATE TEMP TABLE moving AS SELECT collection, id FROM items WHERE {moved};
            UPDATE items SET changed = 1
              WHERE (origin_collection, origin_id) IN (SELECT collection, id FROM moving);
            {"UPDATE items SET changed = 1;" if everything else ""}
            INSERT OR IGNORE INTO changed_months SELECT collection, {_MONTH} FROM items
              WHERE changed;
            INSERT OR IGNORE INTO changed_months SELECT collection, {_OLD_MONTH} FROM items
              WHERE {moved} AND old_day IS NOT NULL;
            BEGIN;
            """  # noqa: S608 - constants
        )

    def mark_all_items_stale(self) -> None:
        """Mark the files of all items: the export has no catalog any more."""
        for row in self._select_rows("old_day IS NOT NULL"):
            self._mark_item_stale(row)
        self._db.execute("UPDATE items SET catalog_path = NULL, old_day = NULL")

    def _mark_item_stale(self, row: IndexRow) -> None:
        if row.old_path is not None:
            kind = ITEM_FILE if row.summary.origin is None else DERIVED_ITEM_FILE
            self.mark_stale(row.old_path, kind)

    def remove_found(self, row: IndexRow) -> None:
        """Remove an item of which another file is found, and mark this one as stale."""
        self._mark_item_stale(row)
        query = "DELETE FROM items WHERE collection = ? AND id = ?"
        self._db.execute(query, (row.collection, row.id))

    def mark_stale(self, path: str, kind: str = ITEM_FILE) -> None:
        """Mark a file for deletion, unless an item of the export has that path in the end."""
        query = "INSERT OR REPLACE INTO files (path, format, stale) VALUES (?, ?, 1)"
        self._db.execute(query, (path, kind))

    # Files

    def renew_files(self, key: FileKey) -> None:
        """Mark the files of a key as stale, and forget what they omit.

        Those that `record_file` records later stay.
        """
        condition = "format = ? AND collection = ? AND partition = ?"
        self._db.execute(f"UPDATE files SET stale = 1 WHERE {condition}", key)  # noqa: S608 - a constant
        self._db.execute(f"DELETE FROM omissions WHERE {condition}", key)  # noqa: S608 - a constant

    def renew_dataset(self, name: str, collection: str) -> None:
        """Mark the files of a format and collection as stale, as `renew_files` does."""
        query = "SELECT DISTINCT partition FROM files WHERE format = ? AND collection = ?"
        for (partition,) in self._db.execute(query, (name, collection)).fetchall():
            self.renew_files(FileKey(name, collection, partition))

    def drop_formats(self, formats: Collection[str]) -> None:
        """Mark the files of all other formats as stale, and forget what they omit."""
        others = f"format NOT IN ({', '.join('?' * len(formats))})"
        self._db.execute(f"UPDATE files SET stale = 1 WHERE {others}", [*formats])  # noqa: S608 - marks
        self._db.execute(f"DELETE FROM omissions WHERE {others}", [*formats])  # noqa: S608 - marks

    def drop_partitions(self, formats: Collection[str], length: int) -> None:
        """Mark the files of formats as stale whose partition's name has another length."""
        marks = ", ".join("?" * len(formats))
        query = f"UPDATE files SET stale = 1 WHERE format IN ({marks}) AND length(partition) != ?"  # noqa: S608 - marks
        self._db.execute(query, [*formats, length])

    def drop_collections(self, names: Container[str]) -> None:
        """Mark the catalogs of all other collections as stale."""
        query = "SELECT DISTINCT collection FROM files WHERE format = ?"
        for (collection,) in self._db.execute(query, (CATALOG,)).fetchall():
            if collection not in names:
                self.renew_dataset(CATALOG, collection)

    def record_file(self, path: str, key: FileKey, digest: bytes | None) -> bool:
        """Record a file of the export, or a found one whose content is unknown.

        Returns:
            Whether the previous export has it with other content, or not at all.
        """
        query = "SELECT sha256 FROM files WHERE path = ?"
        known = self._db.execute(query, (path,)).fetchone()
        self._db.execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, 0)", (path, *key, digest)
        )
        return known is None or known[0] != digest

    def has_file(self, key: FileKey) -> bool:
        """Return whether the export has a file of a key."""
        query = "SELECT 1 FROM files WHERE format = ? AND collection = ? AND partition = ?"
        return self._db.execute(f"{query} AND NOT stale", key).fetchone() is not None

    def file_digest(self, path: str) -> bytes | None:
        """Return the SHA-256 of a file, None if it is unknown."""
        found = self._db.execute("SELECT sha256 FROM files WHERE path = ?", (path,)).fetchone()
        return found and found[0]  # type: ignore[no-any-return]  # SQL's columns

    def has_format(self, name: str) -> bool:
        """Return whether the export has a file of a format."""
        found = self._db.execute("SELECT 1 FROM files WHERE format = ? LIMIT 1", (name,)).fetchone()
        return found is not None

    def stale_files(self) -> list[tuple[str, int]]:
        """Return the path and group of the files to delete; the groups are to go in order.

        Catalogs go first, parents before children, and derived items before their origins: so no
        link leads down to a file that is gone.
        """
        stale = []
        for path, kind in self._db.execute("SELECT path, format FROM files WHERE stale"):
            group = _DELETION_GROUPS.get(kind, _LAST_GROUP)
            if group < 0:
                stale.append((path, group + path.count("/")))
            elif group == _LAST_GROUP or not self._has_path(path):
                stale.append((path, group))
        return sorted(stale, key=itemgetter(1, 0))

    def _has_path(self, path: str) -> bool:
        if not self.has_file(FileKey(ROOT)):
            return False
        name = path.rpartition("/")[2].removesuffix(".json")
        return any(row.path == path for row in self._select_rows("name = ?", name))

    # Recording

    def record_catalogs(self, rows: Iterable[IndexRow]) -> None:
        """Record the catalog that lists each of the rows, and whether it has changed."""
        self._db.executemany(
            "UPDATE items SET catalog_path = ?, changed = ? WHERE collection = ? AND id = ?",
            ((row.catalog_path, row.changed, row.collection, row.id) for row in rows),
        )

    def record_moved(self, row: IndexRow) -> None:
        """Mark the file that an item had before as stale if it has another one now."""
        if row.old_path != row.path:
            self._mark_item_stale(row)

    def record_lines(self, lines: Iterable[tuple[str, int, int, str, str]]) -> None:
        """Record the ndjson file, offset and length of the line of items, by collection and id.

        They become the locations of the items with `move_locations`.
        """
        self._db.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?)", lines)

    def move_locations(self) -> None:
        """Make the lines that were recorded the locations of their items."""
        self._db.execute(
            "UPDATE items SET file = lines.file, offset = lines.offset, length = lines.length "
            "FROM lines WHERE items.collection = lines.collection AND items.id = lines.id"
        )

    def record_omissions(self, key: FileKey, omissions: Iterable[tuple[str, int, str]]) -> None:
        """Record what a file cannot hold: path of a field, number of items, and the first item."""
        query = "INSERT INTO omissions VALUES (?, ?, ?, ?, ?, ?)"
        self._db.executemany(query, ((*key, *each) for each in omissions))

    def forget_omissions(self, name: str) -> None:
        """Forget what a format cannot hold."""
        self._db.execute("DELETE FROM omissions WHERE format = ?", (name,))

    def read_omissions(self) -> list[tuple[str, str, str, int, str]]:
        """Return what formats cannot hold: format, collection, field, number of items, the first.

        They are in the order of formats and collections.
        """
        # With min(), SQLite takes the first item from the row that has the minimum.
        query = (
            "SELECT format, collection, path, total, first_item FROM (SELECT format, collection, "
            "path, sum(items) AS total, min(partition), first_item FROM omissions "
            "GROUP BY 1, 2, 3) ORDER BY 1, 2"
        )
        return self._db.execute(query).fetchall()

    def record_columns(self, collection: str, columns: bytes | None) -> None:
        """Record the columns of a collection's GeoParquet; None if they are good for nothing."""
        query = "INSERT OR REPLACE INTO columns VALUES (?, ?)"
        self._db.execute(query, (collection, columns))

    def read_columns(self, collection: str) -> bytes | None:
        """Return the recorded columns of a collection, None if there are none."""
        query = "SELECT columns FROM columns WHERE collection = ?"
        found = self._db.execute(query, (collection,)).fetchone()
        return found and found[0]  # type: ignore[no-any-return]  # SQL's columns

    def items_without_feature(self) -> Iterator[tuple[str, str]]:
        """Yield collection and id of the items that the preview cannot draw."""
        query = "SELECT collection, id FROM features WHERE feature = x'' ORDER BY 1, 2"
        return self._db.execute(query)

    def record_features(self, features: Iterable[tuple[str, str, bytes]]) -> None:
        """Record the preview's features of items, after collection and id."""
        self._db.executemany("INSERT INTO features VALUES (?, ?, ?)", features)

    def clear_features(self) -> None:
        """Forget the preview's features."""
        self._db.execute("DELETE FROM features")

    def finish(self, *, has_lines: bool) -> None:
        """Close the database in the state in which the next run starts from it.

        Args:
            has_lines: Whether the export has ndjson, from which items can be read.
        """
        lost = "file IS NOT NULL" if not has_lines else f"file = '{SPOOL}'"
        self._db.executescript(
            f"""
            UPDATE items SET old_day = day, changed = 0, incoming = 0 WHERE changed OR incoming;
            UPDATE items SET file = NULL, offset = NULL, length = NULL WHERE {lost};
            DELETE FROM files WHERE stale;
            DELETE FROM columns
              WHERE collection NOT IN (SELECT collection FROM files WHERE format = '{GEOPARQUET}');
            """  # noqa: S608 - constants
        )
        self._db.close()

    # Queries

    def count(self, condition: str = "1") -> int:
        """Return the number of items that meet an SQL condition."""
        query = f"SELECT count(*) FROM items WHERE {condition}"  # noqa: S608 - constants
        return int(self._db.execute(query).fetchone()[0])

    def count_items(self, collection: str, partition: str) -> int:
        """Return the number of items of a collection, or of a part of it, as of `rows`."""
        query = f"SELECT count(*) FROM items WHERE {_IN_PARTITION}"  # noqa: S608 - constants
        return int(self._db.execute(query, (collection, partition, partition)).fetchone()[0])

    def count_incoming(self, kind: int) -> int:
        """Return the number of items of this run that are `SAME`, `CHANGED` or `NEW`."""
        return self.count(f"incoming = {kind:d}")

    def has_changes(self) -> bool:
        """Return whether `mark_changed` has marked anything."""
        return self._db.execute("SELECT 1 FROM changed_months LIMIT 1").fetchone() is not None

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
        query = f"SELECT DISTINCT {_MONTH} FROM items WHERE collection = ? ORDER BY 1"  # noqa: S608
        return [month for (month,) in self._db.execute(query, (collection,))]

    def partitions(self, length: int) -> list[tuple[str, str]]:
        """Return the collection and partition of all partitions that have items.

        Args:
            length: Length of a partition's name: 7 for months, 4 for years, 0 for the collection.
        """
        query = "SELECT DISTINCT collection, substr(day, 1, ?) FROM items ORDER BY 1, 2"
        return self._db.execute(query, (length,)).fetchall()

    def changed_months(self) -> list[tuple[str, str]]:
        """Return the collection and month of all months that must be written again."""
        return self.changed_partitions(7)

    def changed_partitions(self, length: int) -> list[tuple[str, str]]:
        """Return those of the `partitions` that must be written again, or have lost all items."""
        query = "SELECT DISTINCT collection, substr(month, 1, ?) FROM changed_months ORDER BY 1, 2"
        return self._db.execute(query, (length,)).fetchall()

    def rows(self, collection: str, partition: str = "") -> Iterator[IndexRow]:
        """Yield the items of a collection, or of a part of it, by time and id.

        Args:
            collection: Its id.
            partition: The year, month or day, `YYYY-MM-DD`; empty for all items.
        """
        return self._select_rows(_IN_PARTITION, collection, partition, partition)

    def summaries(self, collection: str) -> Iterator[ItemSummary]:
        """Yield the summaries of a collection's items, in any order."""
        query = f"SELECT {_SUMMARY_COLUMNS} FROM items WHERE collection = ?"  # noqa: S608 - constants
        return map(_parse_summary, self._db.execute(query, (collection,)))

    def changed_derived_rows(self) -> Iterator[IndexRow]:
        """Yield the changed items that are derived from others."""
        return self._select_rows("changed AND origin_id IS NOT NULL")

    def features(self) -> Iterator[tuple[str, str, bytes | None]]:
        """Yield collection, id and feature of the items with a geometry, the newest first."""
        return self._db.execute(
            "SELECT items.collection, items.id, feature FROM items LEFT JOIN features "
            "ON features.collection = items.collection AND features.id = items.id "
            "WHERE west IS NOT NULL ORDER BY day DESC, start DESC, items.collection, items.id"
        )

    def find_row(self, collection: str, identifier: str) -> IndexRow | None:
        """Return an item, None if the index has no such item."""
        return next(self._select_rows("collection = ? AND id = ?", collection, identifier), None)

    def newest_rows(self, limit: int) -> list[IndexRow]:
        """Return the first items with a geometry, in the order of `features`."""
        query = (
            "SELECT collection, id FROM items WHERE west IS NOT NULL "
            "ORDER BY day DESC, start DESC, collection, id LIMIT ?"
        )
        keys = self._db.execute(query, (limit,)).fetchall()
        return [row for key in keys for row in self._select_rows("collection = ? AND id = ?", *key)]

    def item_path(self, collection: str, identifier: str) -> str | None:
        """Return the path of an item's file, None if the index has no such item."""
        row = self.find_row(collection, identifier)
        return None if row is None else row.path

    def _select_rows(self, condition: str, *values: str) -> Iterator[IndexRow]:
        query = (
            f"SELECT {_ROW_COLUMNS} FROM items WHERE {condition} "  # noqa: S608 - constants
            "ORDER BY collection, day, start, id"
        )
        folder: tuple[str | None, str] = (None, "")
        for record in self._db.execute(query, values):
            if folder[0] != record[0]:
                folder = record[0], self.collection_folder(record[0])
            yield _parse_row(record, folder[1])

    def read_spooled(self, location: JsonLocation) -> bytes:
        """Return the JSON of an item in the spool file."""
        self._spool_writer.flush()
        return os.pread(self._spool_reader.fileno(), location.length, location.offset)


def _parse_row(record: tuple[object, ...], folder: str) -> IndexRow:
    # In the order of _ROW_COLUMNS.
    (collection, identifier, name, file, offset, length, old_day, catalog_path, changed,
     *summary) = record  # fmt: skip
    location = None if file is None else JsonLocation(file, offset, length)  # type: ignore[arg-type]  # SQL's columns
    return IndexRow(
        collection, identifier, folder, name, _parse_summary(summary), location,  # type: ignore[arg-type]
        old_day, catalog_path, bool(changed),  # type: ignore[arg-type]
    )  # fmt: skip


def _parse_summary(record: Sequence[object]) -> ItemSummary:
    # In the order of _SUMMARY_COLUMNS.
    day, title, start, end, west, south, east, north, origin_collection, origin_id = record
    bbox = None if west is None else (west, south, east, north)
    origin = None if origin_id is None else (origin_collection, origin_id)
    return ItemSummary(title, day, start, end, bbox, origin)  # type: ignore[arg-type]  # SQL's columns
