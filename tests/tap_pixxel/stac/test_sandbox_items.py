"""Test the conversion of everything that the sandbox returns."""

from __future__ import annotations

import json
from typing import Any

import pystac
import pytest

from pixxel_sandbox import Workspace
from tap_pixxel.stac import ConversionResult, catalog_to_item, to_collection, to_item
from tests.tap_pixxel.stac.semantic_checks import find_problems
from tests.tap_pixxel.stac.validation import needs_schemas, pystac_offline, schema_errors

__all__ = ["pystac_offline"]

SEEDS = (1, 7, 42)


ITEMS = 80  # two cycles of the sandbox's irregularities


def convert_all(seed: int) -> list[tuple[str, dict[str, Any], ConversionResult]]:
    workspace = Workspace(seed=seed, items=ITEMS)
    converters: dict[str, Any] = {
        "archive_items": to_item,
        "catalogs": catalog_to_item,
        "collections": to_collection,
    }
    result = []
    for resource, convert in converters.items():
        for key in workspace.ids(resource):
            raw = workspace.get(resource, key)
            result.append((resource, raw, convert(raw)))
    return result


@needs_schemas
@pytest.mark.parametrize("seed", SEEDS)
def test_sandbox_objects_become_valid_stac(seed: int) -> None:
    for resource, raw, (stac, _) in convert_all(seed):
        assert schema_errors(stac) == [], raw["id"]
        if resource != "collections":
            assert find_problems(stac) == [], raw["id"]


@pytest.mark.parametrize("seed", SEEDS)
def test_sandbox_objects_converted_again_are_unchanged(seed: int) -> None:
    for resource, _, (stac, _) in convert_all(seed):
        again = to_collection(stac) if resource == "collections" else to_item(stac)
        assert json.dumps(again.stac) == json.dumps(stac)
        assert again.notes == []


@needs_schemas
@pytest.mark.usefixtures("pystac_offline")
def test_sandbox_objects_are_valid_in_pystac() -> None:
    result = convert_all(1)
    for resource, _, (stac, _) in [*result[:12], *result[-17:]]:
        reader: Any = pystac.Collection if resource == "collections" else pystac.Item
        read = reader.from_dict(stac)
        assert len(read.validate()) == 1 + len(stac["stac_extensions"])
        if resource != "collections":
            assert {a: asset.href for a, asset in read.assets.items()} == {
                a: asset["href"] for a, asset in stac["assets"].items()
            }


def test_sandbox_owned_items_are_apart_from_archive() -> None:
    result = convert_all(1)
    archive = {stac["id"] for resource, _, (stac, _) in result if resource == "archive_items"}
    owned = [stac for resource, _, (stac, _) in result if resource == "catalogs"]
    assert len({stac["id"] for stac in owned}) == len(owned)
    assert not archive & {stac["id"] for stac in owned}
    assert all(stac["collection"].endswith("-owned") for stac in owned)
    assert all(stac["properties"]["order:status"] == "succeeded" for stac in owned)
