#!/usr/bin/env python3
"""target-duckdb 0.8.0 with two repairs, as the loader of this project's meltano.yml.

It leaves the dialect of its CSV files to DuckDB's sniffer, which takes the first row of most
batches for a header and drops it without a word (mended upstream after 0.8.0, not yet released);
and it passes over ACTIVATE_VERSION, so that what a full table no longer holds would stay.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import target_duckdb as target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DIALECT = (
    "(FORMAT csv, AUTO_DETECT false, HEADER false, DELIMITER ',', QUOTE '\"', ESCAPE '\"', "
    "NEW_LINE '\\r\\n')"
)
_connect = target.duckdb_connect
_persist = target.persist_lines


class Connection:
    """A DuckDB connection that states the dialect of each CSV file it loads."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, sql: str, *args: Any) -> Any:
        """Run a statement; a COPY into a temporary table gets the dialect."""
        if sql.startswith("COPY tmp_"):
            sql = sql[: sql.index(" WITH (")] + " " + _DIALECT
        return self._real.execute(sql, *args) if sql else None


def activated(lines: Iterable[str], versions: dict[str, int]) -> Iterator[str]:
    """Pass messages on, noting the version of each table that was read to its end."""
    for line in lines:
        if line.startswith('{"type":"ACTIVATE_VERSION"'):
            message = json.loads(line)
            versions[message["stream"]] = message["version"]
        yield line


def persist(connection: Connection, config: dict[str, Any], lines: Iterable[str]) -> None:
    """Load the messages, then delete what a full table read to its end no longer has.

    tap-pixxel's versions are the milliseconds since 1970 at its start: rows extracted before were
    not among the records of that sweep.
    """
    versions: dict[str, int] = {}
    _persist(connection, config, activated(lines, versions))
    for stream, version in versions.items():
        schema: dict[str, Any] = {"stream": stream, "schema": {}, "key_properties": []}
        table = target.DbSync(connection, config, schema).table_name(stream)
        began = datetime.fromtimestamp(version / 1000, UTC).replace(tzinfo=None)
        gone = connection.execute(
            f"DELETE FROM {table} WHERE _sdc_extracted_at < ? RETURNING 1",  # noqa: S608 - its name
            (began,),
        ).fetchall()
        if gone:
            target.LOGGER.info("Deleted %d rows that '%s' no longer has", len(gone), stream)


target.duckdb_connect = lambda config: Connection(_connect(config))
target.persist_lines = persist

if __name__ == "__main__":
    target.main()
