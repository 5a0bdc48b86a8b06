"""Build minimal items with one field, and check the result of their conversion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_pixxel.stac import to_item
from tap_pixxel.stac.parsers import Repaired

if TYPE_CHECKING:
    from tap_pixxel.stac.parsers import Parser

TIME = "2024-01-02T03:04:05Z"
ABSENT = object()
CATALOG = "b8e12380-00b5-4d38-8436-5e198b2f7190"


def make_item(**members: Any) -> dict[str, Any]:
    return {"id": "a", "properties": {"datetime": TIME}} | members


def convert_properties(**fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    stac, notes = to_item(make_item(properties={"datetime": TIME} | fields))
    return stac["properties"], {
        note.field.removeprefix("properties."): note.action for note in notes
    }


def convert_one_asset(**fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    asset = {"href": "https://a.invalid/x.bin"} | fields
    stac, notes = to_item(make_item(assets={"x": asset}))
    return stac["assets"]["x"], {
        note.field.removeprefix("assets.x."): note.action for note in notes
    }


def assert_members(result: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if value is ABSENT:
            assert name not in result
        else:
            assert result[name] == value
            assert type(result[name]) is type(value)


def repaired(value: Any) -> Repaired:
    """Make an expected `Repaired` with any action and reason."""
    return Repaired(value, "", "")


def assert_parses(parse: Parser, value: Any, expected: Any) -> None:
    """Compare the result of a parser with a value, a `repaired` value, or a class."""
    found = parse(value)
    if isinstance(found, Repaired):
        assert found.action
        assert found.reason
        found = repaired(found.value)
    if isinstance(expected, type):
        assert isinstance(found, expected)
    else:
        assert found == expected
        assert type(found) is type(expected)
