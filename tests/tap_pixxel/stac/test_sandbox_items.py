"""Test the conversion of everything that the sandbox returns."""

from __future__ import annotations

import json
from typing import Any

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
