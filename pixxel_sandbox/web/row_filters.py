"""The query-string filters of lists, as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from starlette.datastructures import QueryParams

from pixxel_sandbox.json_types import Json
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp
from pixxel_sandbox.web.search_params import parse_number, parse_range, read_string_list

if TYPE_CHECKING:
    from datetime import datetime

    from pixxel_sandbox.seed.generate import ResourceRow

RowPredicate: TypeAlias = Callable[[Json], bool]
PredicateFactory: TypeAlias = Callable[[QueryParams, str], RowPredicate]
RowFilters: TypeAlias = Mapping[str, PredicateFactory]


def _is_one_of(field: str) -> PredicateFactory:
    """Return a filter: the field equals one of the values given."""

    def make(params: QueryParams, name: str) -> RowPredicate:
        accepted = read_string_list(params, name) or frozenset()
        return lambda row: row.get(field) in accepted

    return make


def _is_in_range(field: str, read: Callable[[object], float | datetime | None]) -> PredicateFactory:
    """Return a filter: the field is in the range given, `first/last` of which one may be open."""

    def make(params: QueryParams, name: str) -> RowPredicate:
        accepted = parse_range(params[name], name, read)

        def test(row: Json) -> bool:
            value = read(row.get(field))
            return value is not None and accepted.overlaps(value, value)

        return test

    return make


def _equals(field: str) -> PredicateFactory:
    """Return a filter: the field equals the value given, which may contain commas."""

    def make(params: QueryParams, name: str) -> RowPredicate:
        accepted = params[name]
        return lambda row: row.get(field) == accepted

    return make


def _parse_number(value: object) -> float | None:
    return parse_number(str(value))


ORDER_FILTERS: RowFilters = {"user_id": _is_one_of("user_id")}
ORDER_ITEM_FILTERS: RowFilters = {
    "user_id": _is_one_of("user_id"),
    "type": _is_one_of("type"),
    "status": _is_one_of("status"),
    "order_ids": _is_one_of("order_id"),
    "project_ids": _is_one_of("project_id"),
    "ids": _is_one_of("id"),
    "created_by": _is_one_of("created_by"),
    "created_at": _is_in_range("created_at", parse_timestamp),
    "area": _is_in_range("area", _parse_number),
}

INDEX_FILTERS: RowFilters = {
    "satellite_id": _is_one_of("satellite_id"),
    "type": _is_one_of("type"),
    "expression_type": _is_one_of("expression_type"),
    "index_id": _is_one_of("id"),
}
AOI_FILTERS: RowFilters = {
    "created_at": _is_in_range("created_at", parse_timestamp),
    "updated_at": _is_in_range("updated_at", parse_timestamp),
    "aoi_id": _is_one_of("aoi_id"),
    "aoi_name": _equals("name"),
    "project_ids": _is_one_of("project_id"),
}
VISUALIZATION_FILTERS: RowFilters = {
    "user_id": _is_one_of("user_id"),
    "index_id": _is_one_of("index_id"),
    "visualization_id": _is_one_of("id"),
}
WORKFLOW_FILTERS: RowFilters = {
    "project_id": _is_one_of("project_id"),
    "id": _is_one_of("id"),
    "name": _equals("name"),
    "created_by": _is_one_of("created_by"),
    "created_on": _is_in_range("created_at", parse_timestamp),
    "updated_at": _is_in_range("updated_at", parse_timestamp),
}
RUN_FILTERS: RowFilters = {
    "id": _is_one_of("id"),
    "status": _is_one_of("status"),
    "created_by": _is_one_of("created_by"),
    "created_on": _is_in_range("created_at", parse_timestamp),
}
"""The filters of insights and of jobs."""


def filter_rows(
    rows: Sequence[ResourceRow], filters: RowFilters, params: QueryParams
) -> Sequence[ResourceRow]:
    """Return the rows that pass all filters of a query string.

    Raises:
        RequestRejected: A range is invalid.
    """
    tests = [make(params, name) for name, make in filters.items() if name in params]
    if not tests:
        return rows
    return [row for row in rows if isinstance(row, dict) and all(test(row) for test in tests)]
