"""Row filters: the query-string filters of lists of plain rows, as tables."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from starlette.datastructures import QueryParams

from pixxel_sandbox.criteria import number, span, words
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.times import instant
from pixxel_sandbox.workspace import Row

Test: TypeAlias = Callable[[Json], bool]
MakeTest: TypeAlias = Callable[[QueryParams, str], Test]
Filters: TypeAlias = Mapping[str, MakeTest]


def _among(field: str) -> MakeTest:
    """The row's field is one of the words given."""

    def make(params: QueryParams, name: str) -> Test:
        wanted = words(params, name) or frozenset()
        return lambda row: row.get(field) in wanted

    return make


def _within(field: str, read: Callable[[object], float | datetime | None]) -> MakeTest:
    """The row's field lies in the range given, as ``first/last`` with either end open."""

    def make(params: QueryParams, name: str) -> Test:
        asked = span(params[name], name, read)

        def test(row: Json) -> bool:
            value = read(row.get(field))
            return value is not None and asked.holds(value, value)

        return test

    return make


def _exactly(field: str) -> MakeTest:
    """The row's field is the text given, commas and all."""

    def make(params: QueryParams, name: str) -> Test:
        wanted = params[name]
        return lambda row: row.get(field) == wanted

    return make


def _number(value: object) -> float | None:
    return number(str(value))


ORDER_FILTERS: Final[Filters] = {"user_id": _among("user_id")}
ORDER_ITEM_FILTERS: Final[Filters] = {
    "user_id": _among("user_id"),
    "type": _among("type"),
    "status": _among("status"),
    "order_ids": _among("order_id"),
    "project_ids": _among("project_id"),
    "ids": _among("id"),
    "created_by": _among("created_by"),
    "created_at": _within("created_at", instant),
    "area": _within("area", _number),
}

INDEX_FILTERS: Final[Filters] = {
    "satellite_id": _among("satellite_id"),
    "type": _among("type"),
    "expression_type": _among("expression_type"),
    "index_id": _among("id"),
}
AOI_FILTERS: Final[Filters] = {
    "created_at": _within("created_at", instant),
    "updated_at": _within("updated_at", instant),
    "aoi_id": _among("aoi_id"),
    "aoi_name": _exactly("name"),
    "project_ids": _among("project_id"),
}
VISUALIZATION_FILTERS: Final[Filters] = {
    "user_id": _among("user_id"),
    "index_id": _among("index_id"),
    "visualization_id": _among("id"),
}
WORKFLOW_FILTERS: Final[Filters] = {
    "project_id": _among("project_id"),
    "id": _among("id"),
    "name": _exactly("name"),
    "created_by": _among("created_by"),
    "created_on": _within("created_at", instant),
    "updated_at": _within("updated_at", instant),
}
RUN_FILTERS: Final[Filters] = {
    "id": _among("id"),
    "status": _among("status"),
    "created_by": _among("created_by"),
    "created_on": _within("created_at", instant),
}
"""The filters of insights and of jobs."""


def passing(rows: Sequence[Row], filters: Filters, params: QueryParams) -> Sequence[Row]:
    """Lists the rows that pass all the filters given; no filter given is no filter.

    Raises:
        Complaint: a range cannot be read.
    """
    tests = [make(params, name) for name, make in filters.items() if name in params]
    if not tests:
        return rows
    return [row for row in rows if isinstance(row, dict) and all(test(row) for test in tests)]
