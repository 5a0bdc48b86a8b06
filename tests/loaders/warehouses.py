"""Warehouses, filled through their Singer targets in this process, and read back as JSON."""

from __future__ import annotations

import io
import json
import signal
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import duckdb
import psycopg
from psycopg import sql

from demo import load_duckdb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Json = dict[str, Any]


@dataclass
class Table:
    """A table of a warehouse.

    Attributes:
        types: The types of its columns.
        rows: Its rows as JSON, with what the loader adds.
    """

    types: dict[str, str]
    rows: list[Json]


class Warehouse(Protocol):
    """What a loader fills.

    Attributes:
        types: What the loader makes of a column, by the format or type of its schema.
        blank_is_null: Whether the loader makes null of an empty text.
    """

    types: ClassVar[dict[str, str]]
    blank_is_null: ClassVar[bool]

    def load(self, messages: Iterable[Json]) -> Json:
        """Load messages; give the last STATE that the loader passed on."""
        ...

    def tables(self, names: Iterable[str]) -> dict[str, Table]:
        """Read tables."""
        ...


@dataclass
class DuckDb:
    """DuckDB, through target-duckdb as the demo mends it."""

    blank_is_null: ClassVar = True
    types: ClassVar = {
        "string": "VARCHAR",
        "date-time": "TIMESTAMP",
        "date": "VARCHAR",
        "number": "DOUBLE",
        "integer": "HUGEINT",
        "boolean": "BOOLEAN",
        "object": "JSON",
        "array": "JSON",
    }

    folder: Path

    def load(self, messages: Iterable[Json]) -> Json:
        config = {
            "default_target_schema": "main",
            "add_metadata_columns": True,
            "batch_size_rows": 20,
            "temp_dir": str(self.folder),
        }
        out = io.StringIO()
        with self._connect() as db, redirect_stdout(out):
            load_duckdb.persist(load_duckdb.Connection(db), config, lines_of(messages))
        return _last(out)

    def tables(self, names: Iterable[str]) -> dict[str, Table]:
        with self._connect() as db:
            return {name: self._table(db.table(name)) for name in names}

    def _table(self, found: duckdb.DuckDBPyRelation) -> Table:
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        readers = [json.loads if each == "JSON" else plain for each in types.values()]
        rows = [
            {
                name: value if value is None else read(value)
                for name, read, value in zip(types, readers, row, strict=True)
            }
            for row in found.fetchall()
        ]
        return Table(types, rows)

    def _connect(self) -> closing[duckdb.DuckDBPyConnection]:
        return closing(duckdb.connect(str(self.folder / "warehouse.duckdb")))


@dataclass
class Postgres:
    """PostgreSQL, through target-postgres.

    Attributes:
        folder: Where the server's socket is.
        schema: The schema that is loaded into.
        settings: More settings of the target.
    """

    blank_is_null: ClassVar = False
    types: ClassVar = {
        "string": "text",
        "date-time": "timestamp without time zone",
        "date": "date",
        "number": "numeric",
        "integer": "bigint",
        "boolean": "boolean",
        "object": "jsonb",
        "array": "ARRAY",
    }

    folder: Path
    schema: str
    settings: Json = field(default_factory=lambda: {"hard_delete": True})

    def load(self, messages: Iterable[Json]) -> Json:
        from target_postgres.target import TargetPostgres  # noqa: PLC0415 - takes seconds

        config = {
            "sqlalchemy_url": f"postgresql+psycopg://loader@/postgres?host={self.folder}",
            "default_target_schema": self.schema,
            **self.settings,
        }
        out = io.StringIO()
        with _as_it_was(), redirect_stdout(out):
            target = TargetPostgres(config=config)
            target.listen(io.StringIO("\n".join(lines_of(messages))))
            target.target_connector._engine.dispose()
        return _last(out)

    def tables(self, names: Iterable[str]) -> dict[str, Table]:
        with psycopg.connect(host=str(self.folder), user="loader", dbname="postgres") as db:
            return {name: self._table(db, name) for name in names}

    def _table(self, db: psycopg.Connection[tuple[Any, ...]], name: str) -> Table:
        query = (
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
        )
        types = dict(db.execute(query, [self.schema, name]).fetchall())
        found = db.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(self.schema, name)))
        return Table(types, [dict(zip(types, map(plain, row), strict=True)) for row in found])


def lines_of(messages: Iterable[Json]) -> list[str]:
    """Write messages as the tap does, which the demo's loader goes by."""
    return [json.dumps(message, separators=(",", ":")) for message in messages]


def plain(value: Any) -> Any:
    """Write what a database gave as the tap writes it."""
    if isinstance(value, datetime):
        return f"{value.isoformat(timespec='microseconds')}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Take back what a target of the SDK changes in its process: who handles signals."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _last(out: io.StringIO) -> Json:
    state: Json = json.loads(out.getvalue().splitlines()[-1])
    return state
