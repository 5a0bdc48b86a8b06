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
from tests.stac import strategies
from tests.stac.checks import problems
from tests.stac.validation import needs_schemas, schema_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
often = settings(max_examples=300, deadline=None, suppress_health_check=CHECKS)
CONSTANT = {"type", "stac_version", "stac_extensions"}
SECRET = "terces"[::-1]  # not written out, or hypothesis would find it here and use it
PERSONAL = {"created_by", "updated_by", "org_id"}


def attempt(convert: Callable[[Any], ConversionResult], raw: Any) -> ConversionResult | None:
    before = marshal.dumps(raw, 2)
    try:
        made = convert(raw)
    except ConversionError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        return None
    finally:
        assert marshal.dumps(raw, 2) == before, "the input was changed"
    return made


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, (*path, name))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from leaves(each, (*path, str(at)))
    elif value is not None:  # null is no value
        yield path, value


def lost(raw: Any, made: ConversionResult) -> list[str]:
    """Leaves of the input that are neither in the output nor covered by a note."""
    present = {(type(value) is bool, value) for _, value in leaves(made.stac)}
    noted = {note.field for note in made.notes}
    missing = []
    for path, value in leaves(raw):
        if (type(value) is bool, value) in present or (path[-1], value) == ("type", "image/tiff"):
            continue  # a media type is made more precise
        if not any(".".join(path[:end]) in noted for end in range(1, len(path) + 1)):
            missing.append(f"{'.'.join(path)}: {value!r}")
    return missing


def without_constants(raw: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in raw.items() if name not in CONSTANT | PERSONAL}


def assert_good(made: ConversionResult, convert: Callable[[Any], ConversionResult]) -> None:
    stac = made.stac
    json.dumps(stac, allow_nan=False).encode()
    assert schema_errors(stac) == []
    if stac["type"] == "Feature":
        # Where a raster lies is the input's word, and these inputs make it up.
        assert [each for each in problems(stac) if not each.startswith("_raster")] == []
    assert json.dumps(convert(stac).stac) == json.dumps(stac), "converting again changes it"
    assert SECRET not in repr(made), "a signature or a password is left"


@needs_schemas
@often
@given(strategies.ITEMS)
def test_any_item_is_converted_without_loss_or_refused(raw: dict[str, Any]) -> None:
    made = attempt(to_item, raw)
    if made:
        assert_good(made, to_item)
        assert lost(without_constants(raw), made) == []


@needs_schemas
@often
@given(strategies.RECORDS)
def test_any_catalog_record_is_converted_without_loss_or_refused(raw: dict[str, Any]) -> None:
    made = attempt(catalog_to_item, raw)
    if made:
        assert_good(made, to_item)
        own = without_constants(raw)
        assert lost(own | {"details": without_constants(raw["details"])}, made) == []


@needs_schemas
@often
@given(strategies.COLLECTIONS)
def test_any_collection_is_converted_without_loss_or_refused(raw: dict[str, Any]) -> None:
    made = attempt(to_collection, raw)
    if made:
        assert_good(made, to_collection)
        assert lost(without_constants(raw), made) == []


@often
@given(strategies.GARBAGE)
def test_anything_else_is_refused_in_one_line(raw: Any) -> None:
    for convert in (to_item, catalog_to_item, to_collection):
        attempt(convert, raw)


@pytest.mark.parametrize("member", ["properties", "assets", "links", "geometry", "bbox", "odd"])
def test_nesting_beyond_every_readers_reach_is_no_crash(member: str) -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    good = {"id": "a", "properties": {"datetime": "2024-01-01T00:00:00Z"}}
    for inner in (deep, {"x": deep}, {"x": {"href": "https://a.invalid/x", "bands": deep}}):
        raw = good | {member: inner}
        try:
            made = to_item(raw)
        except ConversionError:
            assert member == "properties"
            continue
        json.dumps(made.stac)
        assert member == "links" or any(note.field.startswith(member) for note in made.notes)
    made = to_item(good | {"assets": {"a": {"href": "https://a.invalid/x", "odd": deep}}})
    assert {note.action for note in made.notes} <= {DROPPED, "repaired"}
