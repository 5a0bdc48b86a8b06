"""Singles: the smallest item that shows one field, and what became of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_pixxel.stac import to_item
from tap_pixxel.stac.parsers import Repaired

if TYPE_CHECKING:
    from tap_pixxel.stac.parsers import Parser

TIME = "2024-01-02T03:04:05Z"
GONE = object()
CATALOG = "b8e12380-00b5-4d38-8436-5e198b2f7190"


def item(**members: Any) -> dict[str, Any]:
    return {"id": "a", "properties": {"datetime": TIME}} | members


def of_properties(**fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    stac, notes = to_item(item(properties={"datetime": TIME} | fields))
    return stac["properties"], {
        note.field.removeprefix("properties."): note.action for note in notes
    }


def of_asset(**fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    asset = {"href": "https://a.invalid/x.bin"} | fields
    stac, notes = to_item(item(assets={"x": asset}))
    return stac["assets"]["x"], {
        note.field.removeprefix("assets.x."): note.action for note in notes
    }


def assert_has(made: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if value is GONE:
            assert name not in made
        else:
            assert made[name] == value
            assert type(made[name]) is type(value)


def mended(value: Any) -> Repaired:
    """Stand for a value that was changed, whatever is said of it."""
    return Repaired(value, "", "")


def assert_reads(read: Parser, value: Any, expected: Any) -> None:
    """Compare what a reader makes of a value with a value, a `mended` one, or a way to fail."""
    found = read(value)
    if isinstance(found, Repaired):
        assert found.action
        assert found.reason
        found = mended(found.value)
    if isinstance(expected, type):
        assert isinstance(found, expected)
    else:
        assert found == expected
        assert type(found) is type(expected)
