"""Tests of the ndjson files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyogrio  # type: ignore[import-untyped]  # untyped

from tests.target_stac.exports import (
    EXAMPLE_ITEMS,
    assert_links_resolve,
    export,
    make_api_link,
    make_collection,
    make_item,
    make_item_with_bbox,
    read_ndjson,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
    assert "3 items in 1 collections, 2 of them without a geometry" in caplog.text
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


def test_ndjson_export_has_collections_file(tmp_path: Path) -> None:
    export(
        tmp_path,
        make_item("a"),
        make_collection("z"),
        make_item("b", collection="k"),
        make_collection("l2a"),
    )
    assert [each["id"] for each in read_ndjson(tmp_path / "collections.ndjson")] == [
        "k",
        "l2a",
        "z",
    ]
