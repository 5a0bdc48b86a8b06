from __future__ import annotations

import json
from typing import Any

import pystac
import pytest

from pixxel_sandbox import Workspace
from tap_pixxel.stac import ConversionResult, catalog_to_item, to_collection, to_item
from tests.stac.checks import problems
from tests.stac.validation import needs_schemas, pystac_offline, schema_errors

__all__ = ["pystac_offline"]

SEEDS = (1, 7, 42)
ITEMS = 80  # two cycles of the sandbox's irregularities


def converted(seed: int) -> list[tuple[str, dict[str, Any], ConversionResult]]:
    workspace = Workspace(seed=seed, items=ITEMS)
    converters: dict[str, Any] = {
        "archive_items": to_item,
        "catalogs": catalog_to_item,
        "collections": to_collection,
    }
    made = []
    for resource, convert in converters.items():
        for key in workspace.ids(resource):
            raw = workspace.get(resource, key)
            made.append((resource, raw, convert(raw)))
    return made


@needs_schemas
@pytest.mark.parametrize("seed", SEEDS)
def test_all_that_the_sandbox_emits_becomes_valid_stac_with_the_right_meaning(seed: int) -> None:
    for resource, raw, (stac, _) in converted(seed):
        assert schema_errors(stac) == [], raw["id"]
        if resource != "collections":
            assert problems(stac) == [], raw["id"]


@pytest.mark.parametrize("seed", SEEDS)
def test_converting_again_changes_nothing_and_has_nothing_to_say(seed: int) -> None:
    for resource, _, (stac, _) in converted(seed):
        again = to_collection(stac) if resource == "collections" else to_item(stac)
        assert json.dumps(again.stac) == json.dumps(stac)
        assert again.notes == []


@needs_schemas
@pytest.mark.usefixtures("pystac_offline")
def test_pystac_reads_and_validates_them() -> None:
    made = converted(1)
    for resource, _, (stac, _) in [*made[:12], *made[-17:]]:
        reader: Any = pystac.Collection if resource == "collections" else pystac.Item
        read = reader.from_dict(stac)
        assert len(read.validate()) == 1 + len(stac["stac_extensions"])
        if resource != "collections":
            assert {a: asset.href for a, asset in read.assets.items()} == {
                a: asset["href"] for a, asset in stac["assets"].items()
            }


def test_the_archive_and_what_the_workspace_owns_do_not_mix() -> None:
    made = converted(1)
    archive = {stac["id"] for resource, _, (stac, _) in made if resource == "archive_items"}
    owned = [stac for resource, _, (stac, _) in made if resource == "catalogs"]
    assert len({stac["id"] for stac in owned}) == len(owned)
    assert not archive & {stac["id"] for stac in owned}
    assert all(stac["collection"].endswith("-owned") for stac in owned)
    assert all(stac["properties"]["order:status"] == "succeeded" for stac in owned)
