"""Real loaders: what the API has is in DuckDB and in PostgreSQL, also after a second sync."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.loaders.cluster import cluster
from tests.loaders.history import NAMES, History, held, history, known, schemas
from tests.loaders.warehouses import DuckDb, Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.loaders.warehouses import Json, Table, Warehouse
    from tests.tap_pixxel.syncs import SyncResult


@dataclass
class Loaded:
    """A warehouse into which both syncs were loaded.

    Attributes:
        first, second: Its tables after that sync.
        states: What the loader passed on.
    """

    warehouse: Warehouse
    first: dict[str, Table]
    second: dict[str, Table]
    states: list[Json]

    def expected(self, *runs: SyncResult) -> dict[str, dict[Any, Json]]:
        """What some syncs leave in this warehouse: the rows of each table, by their key."""
        lost = ("",) if self.warehouse.blank_is_null else ()
        return {
            name: {key: {k: v for k, v in row.items() if v not in lost} for key, row in of.items()}
            for name, of in held(*runs).items()
        }

    def order(self, key: str) -> Json:
        """An order after the second sync."""
        [found] = [row for row in self.second["orders"].rows if row["id"] == key]
        return found


@pytest.fixture(scope="module")
def past() -> History:
    return history()


@pytest.fixture(scope="session")
def server() -> Iterator[Path]:
    with cluster() as folder:
        yield folder


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def loaded(
    request: pytest.FixtureRequest, past: History, tmp_path_factory: pytest.TempPathFactory
) -> Loaded:
    warehouse: Warehouse
    if request.param == "duckdb":
        warehouse = DuckDb(tmp_path_factory.mktemp("warehouse"))
    else:
        warehouse = Postgres(request.getfixturevalue("server"), "pixxel")
    states = [warehouse.load(past.first.messages)]
    first = warehouse.tables(NAMES)
    states.append(warehouse.load(past.second.messages))
    return Loaded(warehouse, first, warehouse.tables(NAMES), states)


def by_key(table: Table, keys: list[str]) -> dict[Any, Json]:
    found = {tuple(row[key] for key in keys): known(row) for row in table.rows}
    assert len(found) == len(table.rows), "a key is there twice"
    return found


def test_every_value_of_a_first_sync_is_in_the_warehouse(loaded: Loaded, past: History) -> None:
    expected = loaded.expected(past.first)
    for name, schema in schemas(past.first).items():
        assert by_key(loaded.first[name], schema["key_properties"]) == expected[name], name
        assert len(loaded.first[name].rows) == past.counts[name], name


def test_a_second_sync_brings_what_changed_and_nothing_twice(loaded: Loaded, past: History) -> None:
    expected = loaded.expected(past.first, past.second)
    for name, schema in schemas(past.second).items():
        assert by_key(loaded.second[name], schema["key_properties"]) == expected[name], name
    assert loaded.order(past.order)["status"] == "REFUND"
    for name in ("archive_items", "catalogs", "aoi_assets"):
        assert len(past.second.records[name]) < len(past.first.records[name]), "incremental"
        assert len(loaded.second[name].rows) > len(loaded.first[name].rows), "and some are new"


def test_what_full_tables_lost_leaves_the_warehouse(loaded: Loaded, past: History) -> None:
    stores = {row["id"] for row in loaded.first["stores"].rows}
    assert {row["id"] for row in loaded.second["stores"].rows} == stores - {past.store}
    assert past.store in stores
    assert loaded.first["bandsets"].rows
    assert loaded.second["bandsets"].rows == []


def test_a_field_that_the_api_grows_is_in_extra(loaded: Loaded, past: History) -> None:
    assert loaded.order(past.order)["extra"]["loyalty"] == {"tier": 3}


def test_a_column_that_a_report_grows_is_a_column_of_its_type(loaded: Loaded) -> None:
    assert "cost_centre" not in loaded.first["order_report"].types
    report = loaded.second["order_report"]
    assert report.types["cost_centre"] == loaded.warehouse.types["number"]
    assert {row["cost_centre"] for row in report.rows} == {4711}


def test_the_first_fraction_in_a_column_of_a_report_is_not_rounded(
    loaded: Loaded, past: History
) -> None:
    areas = [row["area_sq_km"] for row in loaded.first["order_report"].rows]
    assert all(area == int(area) for area in areas if area is not None)
    report = loaded.second["order_report"].rows
    assert {row["area_sq_km"] for row in report if row["order_item_id"] == past.item} == {31.25}


def test_columns_have_the_types_of_the_schema(loaded: Loaded, past: History) -> None:
    for name, schema in schemas(past.second).items():
        for column, rule in schema["schema"]["properties"].items():
            [kind] = {*rule["type"]} - {"null"}
            expected = loaded.warehouse.types[rule.get("format", kind)]
            assert loaded.second[name].types[column] == expected, f"{name}.{column}"


def test_the_state_comes_back_as_the_tap_wrote_it(loaded: Loaded, past: History) -> None:
    assert loaded.states == [past.first.state, past.second.state]


def test_without_hard_delete_postgresql_marks_what_full_tables_lost(
    server: Path, past: History
) -> None:
    warehouse = Postgres(server, "marked", settings={})
    for run in (past.first, past.second):
        warehouse.load(each for each in run.messages if each.get("stream", "stores") == "stores")
    rows = warehouse.tables(["stores"])["stores"].rows
    assert len(rows) == past.counts["stores"]
    assert {row["id"] for row in rows if row["_sdc_deleted_at"]} == {past.store}
