"""Tests of the types of columns, and of the values that they hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from target_stac.formats.geoparquet import columns
from target_stac.formats.geoparquet.columns import MAX_DEPTH, Columns


def count(*rows: dict[str, Any]) -> Columns:
    table = Columns()
    table.count(rows)
    return table


def fit(table: Columns, row: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    omitted: list[str] = []
    return table.fit(row, omitted.append), omitted


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([1, 2], pa.int64()),
        ([1, 2.5], pa.float64()),
        ([True, None], pa.bool_()),
        (["a", "b", 1], pa.string()),
        ([1, 2.5, "a", "b"], pa.float64()),  # integers are numbers: two and two, numbers first
        (["a", 1, 2.5, 3], pa.float64()),
        ([["a"], [None]], pa.list_(pa.string())),
        ([[]], pa.list_(pa.string())),
        ([[1], [2.5]], pa.list_(pa.float64())),
        ([{"a": 1}, {"b": "x"}], pa.struct({"a": pa.int64(), "b": pa.string()})),
        ([{}, None], pa.string()),
        ([None], None),
    ],
    ids=str,
)
def test_column_has_type_of_most_values(values: list[Any], type_: pa.DataType | None) -> None:
    schema = count(*({"own:field": value} for value in values)).schema()
    if type_ is None:
        assert schema.field("own:field").type == pa.string()
    else:
        assert schema.field("own:field").type == type_


@pytest.mark.parametrize(
    ("name", "value", "type_"),
    [
        ("title", 5, pa.string()),
        ("gsd", 30, pa.float64()),
        ("proj:shape", [1.5], pa.list_(pa.int64())),
        ("datetime", None, pa.timestamp("us", "UTC")),
        ("proj:geometry", {"type": "Point", "coordinates": [1, 2]}, pa.binary()),
        ("assets", {"a": {"title": 1}}, pa.struct({"a": pa.struct({"title": pa.string()})})),
        ("assets", {"a": {}}, pa.struct({"a": pa.struct({"href": pa.string()})})),
        ("assets", {"a": "text"}, pa.struct({"a": pa.struct({"href": pa.string()})})),
    ],
    ids=str,
)
def test_column_in_stac_tables_has_its_type_whatever_its_values(
    name: str, value: Any, type_: pa.DataType
) -> None:
    assert count({name: value}).schema().field(name).type == type_


def test_tables_types_do_not_apply_in_objects_that_they_lack() -> None:
    schema = count({"own:thing": {"title": 5}}).schema()
    assert schema.field("own:thing").type == pa.struct({"title": pa.int64()})


def test_values_that_do_not_fit_become_none_and_are_named() -> None:
    table = count(
        *({"n": 1, "text": "a", "own": {"x": 1}, "list": [1], "flag": True} for _ in range(3)),
        {"n": 2**64, "text": 1, "own": "b", "list": ["c", 2, {}], "flag": 0},
    )
    row, omitted = fit(table, {"n": 2**64, "text": 1, "own": "b", "list": ["c", 2, {}], "flag": 0})
    assert row == {"n": None, "text": None, "own": None, "list": [None, 2, None], "flag": None}
    assert omitted == ["n", "text", "own", "list[]", "list[]", "flag"]


def test_whole_number_fits_column_of_integers() -> None:
    table = count({"file:size": 1})
    assert fit(table, {"file:size": 1e3}) == ({"file:size": 1000}, [])
    assert fit(table, {"file:size": 1.5}) == ({"file:size": None}, ["file:size"])


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-02-13T17:10:59.653013Z", datetime(2024, 2, 13, 17, 10, 59, 653013, UTC)),
        ("2024-02-13T17:10:59.6530139Z", datetime(2024, 2, 13, 17, 10, 59, 653013, UTC)),
        ("2024-02-13t17:10:59z", datetime(2024, 2, 13, 17, 10, 59, tzinfo=UTC)),
        ("2024-02-13T17:10:59+02:00", datetime(2024, 2, 13, 15, 10, 59, tzinfo=UTC)),
        ("2024-02-13T17:10:59", datetime(2024, 2, 13, 17, 10, 59, tzinfo=UTC)),
        ("9999-12-31T23:59:59-01:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times_are_utc_in_microseconds(text: str, time: datetime | None) -> None:
    omitted = [] if time else ["created"]
    assert fit(count({"created": text}), {"created": text}) == ({"created": time}, omitted)


@pytest.mark.parametrize(
    "geometry",
    ["POINT (1 2)", {}, {"type": "Point"}, {"type": "Point", "coordinates": ["a", "b"]}],
    ids=str,
)
def test_invalid_projected_geometry_is_none(geometry: Any) -> None:
    row = {"proj:geometry": geometry}
    assert fit(count(row), row) == ({"proj:geometry": None}, ["proj:geometry"])


def test_nesting_beyond_limit_is_omitted() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH + 5):
        value = [value]
    table = count({"own:deep": value})
    row, [path] = fit(table, {"own:deep": value})
    assert path == "own:deep" + "[]" * MAX_DEPTH
    assert str(row["own:deep"]).count("[") == MAX_DEPTH


def test_columns_beyond_limit_are_omitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_COLUMNS", 6)
    table = count({f"own:{n}": n for n in range(10)})
    row, omitted = fit(table, {f"own:{n}": n for n in range(10)})
    assert list(row) + omitted == [f"own:{n}" for n in range(10)]
    assert omitted
