"""Real loaders: DuckDB and PostgreSQL hold the API's rows after a first and a second sync."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from demo import load_duckdb
from tests.loaders.sync_history import (
    STREAM_NAMES,
    SyncHistory,
    drop_nulls_and_metadata,
    expected_rows,
    last_schemas,
    run_two_syncs,
)
from tests.loaders.warehouses import DuckDb, Postgres

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loaders.warehouses import Json, Table, Warehouse
    from tests.tap_pixxel.syncs import SyncResult


@dataclass
class LoadedWarehouse:
    """A warehouse into which both syncs were loaded.

    Attributes:
        warehouse: The warehouse.
        first_tables: Its tables after the first sync.
        second_tables: Its tables after the second sync.
        states: Last STATE that the loader emitted, for each sync.
    """

    warehouse: Warehouse
    first_tables: dict[str, Table]
    second_tables: dict[str, Table]
    states: list[Json]

    def expected_rows(self, *runs: SyncResult) -> dict[str, dict[Any, Json]]:
        """Return the rows that syncs leave in this warehouse, by table and key."""
        dropped = ("",) if self.warehouse.blank_becomes_null else ()
        return {
            name: {
                key: {k: v for k, v in row.items() if v not in dropped} for key, row in rows.items()
            }
            for name, rows in expected_rows(*runs).items()
        }

    def find_order(self, key: str) -> Json:
        """Return an order as it is after the second sync."""
        [found] = [row for row in self.second_tables["orders"].rows if row["id"] == key]
        return found


@pytest.fixture(scope="module")
def history() -> SyncHistory:
    return run_two_syncs()


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def loaded(
    request: pytest.FixtureRequest, history: SyncHistory, tmp_path_factory: pytest.TempPathFactory
) -> LoadedWarehouse:
    warehouse: Warehouse
    if request.param == "duckdb":
        warehouse = DuckDb(tmp_path_factory.mktemp("warehouse"))
    else:
        warehouse = Postgres(request.getfixturevalue("postgres_folder"), "pixxel")
    states = [warehouse.load(history.first.messages)]
    first = warehouse.read_tables(STREAM_NAMES)
    states.append(warehouse.load(history.second.messages))
    return LoadedWarehouse(warehouse, first, warehouse.read_tables(STREAM_NAMES), states)


def index_by_key(table: Table, keys: list[str]) -> dict[Any, Json]:
    found = {tuple(row[key] for key in keys): drop_nulls_and_metadata(row) for row in table.rows}
    assert len(found) == len(table.rows), "duplicate key"
    return found


def test_warehouse_after_first_sync_holds_every_value(
    loaded: LoadedWarehouse, history: SyncHistory
) -> None:
    expected = loaded.expected_rows(history.first)
    for name, schema in last_schemas(history.first).items():
        rows = index_by_key(loaded.first_tables[name], schema["key_properties"])
        assert rows == expected[name], name
        assert len(loaded.first_tables[name].rows) == history.first_counts[name], name


def test_warehouse_after_second_sync_holds_changes_without_duplicates(
    loaded: LoadedWarehouse, history: SyncHistory
) -> None:
    expected = loaded.expected_rows(history.first, history.second)
    for name, schema in last_schemas(history.second).items():
        rows = index_by_key(loaded.second_tables[name], schema["key_properties"])
        assert rows == expected[name], name
    assert loaded.find_order(history.order_id)["status"] == "REFUND"
    for name in ("archive_items", "catalogs", "aoi_assets"):
        emitted = [len(run.records[name]) for run in (history.first, history.second)]
        assert emitted[1] < emitted[0], "the second sync is incremental"
        loaded_rows = [len(of[name].rows) for of in (loaded.first_tables, loaded.second_tables)]
        assert loaded_rows[1] > loaded_rows[0], "the second sync inserts rows"


def test_warehouse_full_table_loses_rows_deleted_in_api(
    loaded: LoadedWarehouse, history: SyncHistory
) -> None:
    before = {row["id"] for row in loaded.first_tables["stores"].rows}
    after = {row["id"] for row in loaded.second_tables["stores"].rows}
    assert after == before - {history.deleted_store_id}
    assert history.deleted_store_id in before
    assert loaded.first_tables["bandsets"].rows
    assert loaded.second_tables["bandsets"].rows == []


def test_warehouse_new_api_field_is_in_extra(loaded: LoadedWarehouse, history: SyncHistory) -> None:
    assert loaded.find_order(history.order_id)["extra"]["loyalty"] == {"tier": 3}


def test_warehouse_new_report_column_is_in_fields(
    loaded: LoadedWarehouse, history: SyncHistory
) -> None:
    first, second = (each["order_report"] for each in (loaded.first_tables, loaded.second_tables))
    assert first.types == second.types
    emitted = {record["row_key"] for record in history.second.records["order_report"]}
    rows = [row["fields"] for row in second.rows if row["row_key"] in emitted]
    assert {row["Cost Centre"] for row in rows} == {"4711"}
    changed = [row for row in rows if row["Order Item ID"] == history.order_item_id]
    assert {row["Area (sq km)"] for row in changed} == {"31.25"}


def test_warehouse_columns_have_types_of_schema(
    loaded: LoadedWarehouse, history: SyncHistory
) -> None:
    for name, schema in last_schemas(history.second).items():
        for column, rule in schema["schema"]["properties"].items():
            [kind] = {*rule["type"]} - {"null"}
            expected = loaded.warehouse.column_types[rule.get("format", kind)]
            assert loaded.second_tables[name].types[column] == expected, f"{name}.{column}"


def test_loader_emits_state_unchanged(loaded: LoadedWarehouse, history: SyncHistory) -> None:
    assert loaded.states == [history.first.state, history.second.state]


def test_duckdb_without_path_is_one_line() -> None:
    command = [sys.executable, load_duckdb.__file__]
    result = subprocess.run(command, input=b"", capture_output=True, check=False)
    assert result.returncode == 1
    assert result.stderr == (
        b"the setting 'path' is missing: set it to the DuckDB file to load into\n"
    )


def test_postgres_without_hard_delete_marks_deleted_rows(
    postgres_folder: Path, history: SyncHistory
) -> None:
    warehouse = Postgres(postgres_folder, "soft_delete", settings={})
    for run in (history.first, history.second):
        warehouse.load(each for each in run.messages if each.get("stream", "stores") == "stores")
    rows = warehouse.read_tables(["stores"])["stores"].rows
    assert len(rows) == history.first_counts["stores"]
    assert {row["id"] for row in rows if row["_sdc_deleted_at"]} == {history.deleted_store_id}
