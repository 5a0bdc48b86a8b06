"""Warehouses that Singer targets fill in this process, and that are read back as JSON."""

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
    """Contents of a table.

    Attributes:
        types: Type of each column.
        rows: Rows as JSON, including the columns that the loader adds.
    """

    types: dict[str, str]
    rows: list[Json]


class Warehouse(Protocol):
    """A database that a loader fills.

    Attributes:
        column_types: Type of a column, by the format or type of its schema.
        blank_becomes_null: Whether the loader turns empty texts into null.
    """

    column_types: ClassVar[dict[str, str]]
    blank_becomes_null: ClassVar[bool]

    def load(self, messages: Iterable[Json]) -> Json:
        """Load messages; return the last STATE that the loader emitted."""
        ...

    def read_tables(self, names: Iterable[str]) -> dict[str, Table]:
        """Read tables."""
        ...


@dataclass
class DuckDb:
    """DuckDB, filled by target-duckdb with the demo's fixes."""

    blank_becomes_null: ClassVar = True
    column_types: ClassVar = {
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
            load_duckdb.persist_lines(
                load_duckdb.CsvDialectConnection(db), config, encode_messages(messages)
            )
        return _parse_last_state(out)

    def read_tables(self, names: Iterable[str]) -> dict[str, Table]:
        with self._connect() as db:
            return {name: self._read_table(db.table(name)) for name in names}

    def _read_table(self, found: duckdb.DuckDBPyRelation) -> Table:
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        readers = [json.loads if each == "JSON" else to_json_value for each in types.values()]
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
    """PostgreSQL, filled by target-postgres.

    Attributes:
        folder: Folder of the server's socket.
        schema: Schema of the tables.
        settings: Additional settings of the target.
    """

    blank_becomes_null: ClassVar = False
    column_types: ClassVar = {
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
        from target_postgres.target import TargetPostgres  # noqa: PLC0415 - the import takes seconds

        config = {
            "sqlalchemy_url": f"postgresql+psycopg://loader@/postgres?host={self.folder}",
            "default_target_schema": self.schema,
            **self.settings,
        }
        out = io.StringIO()
        with _restore_signal_handlers(), redirect_stdout(out):
            target = TargetPostgres(config=config)
            target.listen(io.StringIO("\n".join(encode_messages(messages))))
            target.target_connector._engine.dispose()
        return _parse_last_state(out)

    def read_tables(self, names: Iterable[str]) -> dict[str, Table]:
        with psycopg.connect(host=str(self.folder), user="loader", dbname="postgres") as db:
            return {name: self._read_table(db, name) for name in names}

    def _read_table(self, db: psycopg.Connection[tuple[Any, ...]], name: str) -> Table:
        query = (
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
        )
        types = dict(db.execute(query, [self.schema, name]).fetchall())
        found = db.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(self.schema, name)))
        return Table(
            types, [dict(zip(types, map(to_json_value, row), strict=True)) for row in found]
        )


def encode_messages(messages: Iterable[Json]) -> list[str]:
    """Encode messages as the tap does, which the demo's loader relies on."""
    return [json.dumps(message, separators=(",", ":")) for message in messages]


def to_json_value(value: Any) -> Any:
    """Convert a database's value to the JSON value that the tap writes."""
    if isinstance(value, datetime):
        return f"{value.isoformat(timespec='microseconds')}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [to_json_value(each) for each in value]
    return value


@contextmanager
def _restore_signal_handlers() -> Iterator[None]:
    """Restore the signal handlers that a target of the SDK replaces in its process."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _parse_last_state(out: io.StringIO) -> Json:
    state: Json = json.loads(out.getvalue().splitlines()[-1])
    return state
