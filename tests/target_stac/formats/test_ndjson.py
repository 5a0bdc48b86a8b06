"""Tests of the ndjson files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyogrio  # type: ignore[import-untyped]  # untyped
import pytest

from target_stac.state.manifest import MANIFEST_FILE
from tests.target_stac.exports import (
    CATALOG_AND_NDJSON,
    EXAMPLE_ITEMS,
    assert_links_resolve,
    export,
    find_differences,
    make_api_link,
    make_item,
    make_item_with_bbox,
    read_ndjson,
    read_stamps,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_ogr_reads_items_of_ndjson(example_export: Path) -> None:
    frame = pyogrio.read_dataframe(example_export / "items.ndjson", layer="items")
    assert sorted(frame["id"]) == sorted(each["id"] for each in EXAMPLE_ITEMS if each["geometry"])
    assert frame.crs == "EPSG:4326"
    assert pyogrio.read_info(example_export / "items.ndjson")["driver"] == "GeoJSONSeq"


def test_ndjson_items_meet_pgstac_requirements(example_export: Path) -> None:
    """Each has a geometry, a collection in collections.ndjson, and a unique id."""
    collections = {each["id"] for each in read_ndjson(example_export / "collections.ndjson")}
    lines = [each for each in read_ndjson(example_export / "items.ndjson") if "collection" in each]
    assert all(each["geometry"] and each["collection"] in collections for each in lines)
    assert len({(each["collection"], each["id"]) for each in lines}) == len(lines)


def test_items_without_geometry_are_in_unlocated_ndjson_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    export(
        tmp_path,
        make_item_with_bbox("a", None),
        make_item_with_bbox("b", [1, 2, 3, 4]),
        make_item_with_bbox("c", None),
    )
    assert [each["id"] for each in read_ndjson(tmp_path / "unlocated.ndjson")] == ["a", "c"]
    assert [each["id"] for each in read_ndjson(tmp_path / "items.ndjson")] == ["b"]
    assert "2 items without a geometry" in caplog.text
    assert_links_resolve(tmp_path)


def test_item_with_later_geometry_moves_to_other_ndjson_file(tmp_path: Path) -> None:
    export(tmp_path, make_item_with_bbox("a", None), make_item_with_bbox("b", [1, 2, 3, 4]))
    export(tmp_path, make_item_with_bbox("a", [1, 2, 3, 4]))
    assert not (tmp_path / "unlocated.ndjson").exists()
    assert [each["id"] for each in read_ndjson(tmp_path / "items.ndjson")] == ["a", "b"]
    export(tmp_path, make_item_with_bbox("a", None), make_item_with_bbox("b", None))
    assert not (tmp_path / "items.ndjson").exists()
    assert [each["id"] for each in read_ndjson(tmp_path / "unlocated.ndjson")] == ["a", "b"]


def test_ndjson_item_with_absolute_collection_link_has_no_relative_links(tmp_path: Path) -> None:
    source_links = [
        make_api_link("collection", "l2a"),
        make_api_link("self", "l2a", "a"),
        make_api_link("parent", "l2a"),
        {"rel": "about", "href": "./readme.html"},
        {"rel": "license", "href": "https://example.com/license"},
    ]
    export(tmp_path, make_item("a", links=source_links))
    [line] = read_ndjson(tmp_path / "items.ndjson")
    assert line["links"] == [source_links[0], source_links[4]]


DATED_ITEMS = [
    make_item("a", "2024-12-31"),
    make_item("b", "2025-01-01"),
    make_item("c", "2025-11-30"),
    make_item_with_bbox("d", None, day="2025-11-29"),
    make_item("e", "2025-11-30", collection="l1c"),
    make_item("f", "2025-01-05", collection=None),
]
FILES = {
    "none": {"items": "fecab", "unlocated": "d"},
    "year": {
        "ndjson/l1c/year=2025/items": "e",
        "ndjson/l2a/year=2024/items": "a",
        "ndjson/l2a/year=2025/items": "bc",
        "ndjson/l2a/year=2025/unlocated": "d",
        "ndjson/no-collection/year=2025/items": "f",
    },
    "month": {
        "ndjson/l1c/year=2025/month=11/items": "e",
        "ndjson/l2a/year=2024/month=12/items": "a",
        "ndjson/l2a/year=2025/month=01/items": "b",
        "ndjson/l2a/year=2025/month=11/items": "c",
        "ndjson/l2a/year=2025/month=11/unlocated": "d",
        "ndjson/no-collection/year=2025/month=01/items": "f",
    },
}
"""The ids in each file by partition."""


def read_ids(folder: Path) -> dict[str, str]:
    """Return the ids in each file of items, by its path without the suffix."""
    return {
        str(path.relative_to(folder)).removesuffix(".ndjson"): "".join(
            each["id"] for each in read_ndjson(path)
        )
        for path in folder.rglob("*.ndjson")
        if path.name != "collections.ndjson"
    }


@pytest.mark.parametrize("formats", [CATALOG_AND_NDJSON, ["ndjson"]], ids="+".join)
def test_partitions_of_ndjson_follow_setting(tmp_path: Path, formats: list[str]) -> None:
    export(tmp_path / "all", *DATED_ITEMS, formats=["ndjson"])
    lines = {each["id"]: each for each in read_ndjson(tmp_path / "all/items.ndjson")}
    for partition in (*FILES, *reversed(FILES)):
        export(tmp_path / "out", *DATED_ITEMS, formats=formats, partition=partition)
        assert {n: sorted(x) for n, x in read_ids(tmp_path / "out").items()} == {
            n: sorted(x) for n, x in FILES[partition].items()
        }
        for path in (tmp_path / "out").rglob("items.ndjson"):
            assert all(each == lines[each["id"]] for each in read_ndjson(path))


@pytest.mark.parametrize("formats", [CATALOG_AND_NDJSON, ["ndjson"]], ids="+".join)
def test_update_writes_only_changed_partitions_of_ndjson(
    tmp_path: Path, formats: list[str]
) -> None:
    settings: dict[str, Any] = {"formats": formats, "partition": "month"}
    export(tmp_path, *DATED_ITEMS, **settings)
    before = read_stamps(tmp_path)
    export(tmp_path, make_item("b", "2025-01-01", title="B"), **settings)
    assert find_ndjson_changes(before, tmp_path) == ["l2a/year=2025/month=01/items.ndjson"]
    before = read_stamps(tmp_path)
    export(tmp_path, make_item("b", "2025-11-30"), **settings)
    assert find_ndjson_changes(before, tmp_path) == [
        "l2a/year=2025/month=01/items.ndjson",  # is gone
        "l2a/year=2025/month=11/items.ndjson",
    ]
    assert not (tmp_path / "ndjson/l2a/year=2025/month=01").exists()


def find_ndjson_changes(before: dict[str, tuple[int, int]], folder: Path) -> list[str]:
    changed = find_differences(read_stamps(folder), before)
    return [name.removeprefix("ndjson/") for name in changed if name.startswith("ndjson/")]


@pytest.mark.parametrize("formats", [CATALOG_AND_NDJSON, ["ndjson"]], ids="+".join)
@pytest.mark.parametrize("root_href", [None, "https://stac.example.com"])
def test_update_of_partitions_without_manifest_equals_one_with_it(
    tmp_path: Path, formats: list[str], root_href: str | None
) -> None:
    settings: dict[str, Any] = {"formats": formats, "partition": "year", "root_href": root_href}
    for name in ("one", "two"):
        export(tmp_path / name, *DATED_ITEMS, **settings)
    (tmp_path / "one" / MANIFEST_FILE).unlink()
    for objects in ([make_item("b", "2024-01-01"), make_item("z", "2020-01-01")], []):
        for name in ("one", "two"):
            export(tmp_path / name, *objects, **settings)
        assert find_differences(snapshot(tmp_path / "one"), snapshot(tmp_path / "two")) == []
