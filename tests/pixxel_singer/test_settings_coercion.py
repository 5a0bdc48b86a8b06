"""More on how texts become settings, and in which order mistakes are told."""

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
def test_blanks_around_a_text_and_its_case_do_not_matter(name: str, text: str, value: Any) -> None:
    assert coerce_types(SCHEMA, {name: text}) == {name: value}


def test_a_name_with_a_dash_has_a_variable_that_a_shell_can_set() -> None:
    assert env_name("TAP_PIXXEL_", "page-size") == "TAP_PIXXEL_PAGE_SIZE"


def test_mistakes_come_in_the_order_of_the_settings_names() -> None:
    lines = schema_errors(SCHEMA, {"token": "t", "size": 0, "names": 5, "rate": 0}, "TAP_")
    assert [line.split("'")[1] for line in lines] == ["names", "rate", "size"]


def test_a_missing_part_of_a_setting_is_named_with_its_setting() -> None:
    part = {"type": "object", "required": ["unit"], "properties": {"unit": {"type": "string"}}}
    schema = {"type": "object", "properties": {"flatten": part}}
    [line] = schema_errors(schema, {"flatten": {}}, "TAP_")
    assert line.startswith("Setting 'flatten.unit' is missing")
