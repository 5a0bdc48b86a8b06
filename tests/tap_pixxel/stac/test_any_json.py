"""Test that any JSON is converted without loss or rejected."""

from __future__ import annotations

import json
import marshal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from tap_pixxel.stac import (
    DROPPED,
    ConversionError,
    ConversionResult,
    catalog_to_item,
    to_collection,
    to_item,
)
from tests.tap_pixxel.stac import strategies
from tests.tap_pixxel.stac.semantic_checks import find_problems
from tests.tap_pixxel.stac.validation import needs_schemas, schema_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


many_examples = settings(max_examples=60, deadline=None, suppress_health_check=CHECKS)


CONSTANT = {"type", "stac_version", "stac_extensions"}


SECRET = "terces"[::-1]  # not written out, or hypothesis would find it here and use it


PERSONAL = {"created_by", "updated_by", "org_id"}


def convert_or_none(
    convert: Callable[[Any], ConversionResult], raw: Any
) -> ConversionResult | None:
    before = marshal.dumps(raw, 2)
    try:
        result = convert(raw)
    except ConversionError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        return None
    finally:
        assert marshal.dumps(raw, 2) == before, "the input was changed"
    return result


def iterate_leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from iterate_leaves(each, (*path, name))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from iterate_leaves(each, (*path, str(at)))
    elif value is not None:  # null is no value
        yield path, value


def find_lost_leaves(raw: Any, result: ConversionResult) -> list[str]:
    """Return the leaves of the input that are neither in the output nor in a note."""
    present = {(type(value) is bool, value) for _, value in iterate_leaves(result.stac)}
    actions = {note.field for note in result.notes}
    missing = []
    for path, value in iterate_leaves(raw):
        if (type(value) is bool, value) in present or (path[-1], value) == ("type", "image/tiff"):
            continue  # a media type is result more precise
        if not any(".".join(path[:end]) in actions for end in range(1, len(path) + 1)):
            missing.append(f"{'.'.join(path)}: {value!r}")
    return missing


def without_constants(raw: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in raw.items() if name not in CONSTANT | PERSONAL}


def assert_valid(result: ConversionResult, convert: Callable[[Any], ConversionResult]) -> None:
    stac = result.stac
    json.dumps(stac, allow_nan=False).encode()
    assert schema_errors(stac) == []
    if stac["type"] == "Feature":
        # The position of the raster is invented in these inputs.
        assert [each for each in find_problems(stac) if not each.startswith("_check_raster")] == []
    assert json.dumps(convert(stac).stac) == json.dumps(stac), "converting again changes it"
    assert SECRET not in repr(result), "a signature or a password is left"


@needs_schemas
@many_examples
@given(strategies.ITEMS)
def test_to_item_any_json_loses_nothing_or_raises(raw: dict[str, Any]) -> None:
    result = convert_or_none(to_item, raw)
    if result:
        assert_valid(result, to_item)
        assert find_lost_leaves(without_constants(raw), result) == []


@needs_schemas
@many_examples
@given(strategies.RECORDS)
def test_catalog_to_item_any_json_loses_nothing_or_raises(raw: dict[str, Any]) -> None:
    result = convert_or_none(catalog_to_item, raw)
    if result:
        assert_valid(result, to_item)
        own = without_constants(raw)
        assert find_lost_leaves(own | {"details": without_constants(raw["details"])}, result) == []


@needs_schemas
@many_examples
@given(strategies.COLLECTIONS)
def test_to_collection_any_json_loses_nothing_or_raises(raw: dict[str, Any]) -> None:
    result = convert_or_none(to_collection, raw)
    if result:
        assert_valid(result, to_collection)
        assert find_lost_leaves(without_constants(raw), result) == []


@many_examples
@given(strategies.GARBAGE)
def test_conversion_any_json_raises_in_one_line(raw: Any) -> None:
    for convert in (to_item, catalog_to_item, to_collection):
        convert_or_none(convert, raw)


@pytest.mark.parametrize("member", ["properties", "assets", "links", "geometry", "bbox", "odd"])
def test_to_item_deep_nesting_does_not_crash(member: str) -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    good = {"id": "a", "properties": {"datetime": "2024-01-01T00:00:00Z"}}
    for inner in (deep, {"x": deep}, {"x": {"href": "https://a.invalid/x", "bands": deep}}):
        raw = good | {member: inner}
        try:
            result = to_item(raw)
        except ConversionError:
            assert member == "properties"
            continue
        json.dumps(result.stac)
        assert member == "links" or any(note.field.startswith(member) for note in result.notes)
    result = to_item(good | {"assets": {"a": {"href": "https://a.invalid/x", "odd": deep}}})
    assert {note.action for note in result.notes} <= {DROPPED, "repaired"}
