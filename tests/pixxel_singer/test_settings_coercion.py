"""Coercion of texts, names of variables, and the order of errors."""

from __future__ import annotations

from typing import Any

import pytest

from pixxel_singer.settings import coerce_types, env_name, schema_errors
from tests.pixxel_singer.test_settings import SCHEMA


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("token", " t\n", "t"),
        ("names", ' ["a"] ', ["a"]),
        ("on", "TRUE", True),
        ("on", "Off", False),
    ],
)
def test_coerce_types_ignores_spaces_and_case(name: str, text: str, value: Any) -> None:
    assert coerce_types(SCHEMA, {name: text}) == {name: value}


def test_env_name_replaces_dash() -> None:
    assert env_name("TAP_PIXXEL_", "page-size") == "TAP_PIXXEL_PAGE_SIZE"


def test_schema_errors_are_sorted_by_setting() -> None:
    lines = schema_errors(SCHEMA, {"token": "t", "size": 0, "names": 5, "rate": 0}, "TAP_")
    assert [line.split("'")[1] for line in lines] == ["names", "rate", "size"]


def test_missing_member_error_names_its_setting() -> None:
    part = {"type": "object", "required": ["unit"], "properties": {"unit": {"type": "string"}}}
    schema = {"type": "object", "properties": {"flatten": part}}
    [line] = schema_errors(schema, {"flatten": {}}, "TAP_")
    assert line.startswith("Setting 'flatten.unit' is missing")
