#!/usr/bin/env python3
"""target-duckdb 0.8.0 with two fixes, as the loader of this project's meltano.yml.

target-duckdb lets DuckDB detect the dialect of its CSV files. DuckDB takes the first row of most
batches for a header and silently drops it (fixed upstream after 0.8.0, not yet released). It also
ignores ACTIVATE_VERSION, so that rows that a full table no longer contains would stay.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import target_duckdb as target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CSV_DIALECT = (
    "(FORMAT csv, AUTO_DETECT false, HEADER false, DELIMITER ',', QUOTE '\"', ESCAPE '\"', "
    "NEW_LINE '\\r\\n')"
)
_connect = target.duckdb_connect
_persist = target.persist_lines


class CsvDialectConnection:
    """DuckDB connection that sets the dialect of each CSV file that it loads."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, sql: str, *args: Any) -> Any:
        """Run a statement; add the dialect to a COPY into a temporary table."""
        if sql.startswith("COPY tmp_"):
            sql = sql[: sql.index(" WITH (")] + " " + _CSV_DIALECT
        return self._real.execute(sql, *args) if sql else None


def record_versions(lines: Iterable[str], versions: dict[str, int]) -> Iterator[str]:
    """Yield the messages, and record the version of each table that was read completely."""
    for line in lines:
        if line.startswith('{"type":"ACTIVATE_VERSION"'):
            message = json.loads(line)
            versions[message["stream"]] = message["version"]
        yield line


def persist_lines(
    connection: CsvDialectConnection, config: dict[str, Any], lines: Iterable[str]
) -> None:
    """Load the messages, then delete the rows that a completely read table no longer contains.

    tap-pixxel's versions are its start times in milliseconds since 1970: rows that were extracted
    before that time are not among the records of that run.
    """
    versions: dict[str, int] = {}
    _persist(connection, config, record_versions(lines, versions))
    for stream, version in versions.items():
        schema: dict[str, Any] = {"stream": stream, "schema": {}, "key_properties": []}
        table = target.DbSync(connection, config, schema).table_name(stream)
        started_at = datetime.fromtimestamp(version / 1000, UTC).replace(tzinfo=None)
        deleted = connection.execute(
            f"DELETE FROM {table} WHERE _sdc_extracted_at < ? RETURNING 1",  # noqa: S608 - the target's own table name
            (started_at,),
        ).fetchall()
        if deleted:
            target.LOGGER.info("Deleted %d rows missing from '%s' in the API", len(deleted), stream)


def connect(config: dict[str, Any]) -> CsvDialectConnection:
    """Connect to the DuckDB file of a configuration; create its folder."""
    if not config.get("path"):
        raise SystemExit("the setting 'path' is missing: set it to the DuckDB file to load into")
    Path(config["path"]).parent.mkdir(parents=True, exist_ok=True)
    return CsvDialectConnection(_connect(config))


target.duckdb_connect = connect
target.persist_lines = persist_lines

if __name__ == "__main__":
    target.main()
