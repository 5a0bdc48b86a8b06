"""The tree: folders by collection, year and month, links between them; the files beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.exit_codes import ExitCode
from tests.target_stac.exports import (
    DATA,
    EXPORT_ERRORS,
    assert_links_resolve,
    export,
    find_item_files,
    find_link,
    find_links,
    make_api_link,
    make_collection,
    make_item,
    make_item_with_bbox,
    read_command_log,
    read_documents,
    read_json,
    read_ndjson,
    run_target,
    set_properties,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

HOST = "https://stac.example.com/pixxel"


def test_a_sync_becomes_a_tree_ndjson_and_geoparquet(tmp_path: Path) -> None:
    lines = (DATA / "small.singer").read_bytes()
    result = run_target(lines, tmp_path / "out", formats=["catalog", "ndjson", "geoparquet"])
    assert read_command_log(result, "error") == []
    assert result.returncode == ExitCode.OK
    assert sorted(snapshot(tmp_path / "out")) == [
        "catalog.json",
        "collections.ndjson",
        "geoparquet/l1c.parquet",
        "geoparquet/l2a.parquet",
        "items.ndjson",
        "l1c/2024/12/catalog.json",
        "l1c/2024/12/winter.json",
        "l1c/2024/catalog.json",
        "l1c/collection.json",
        "l2a/2025/03/april-1st-in-india.json",
        "l2a/2025/03/catalog.json",
        "l2a/2025/03/march.json",
        "l2a/2025/04/april.json",
        "l2a/2025/04/catalog.json",
        "l2a/2025/catalog.json",
        "l2a/collection.json",
        "preview.html",
    ]
    assert_links_resolve(tmp_path / "out")


def test_catalogs_are_named_after_collection_year_and_month(tmp_path: Path) -> None:
    export(tmp_path, make_item("a"), make_collection("l2a"))
    ids = {str(p.relative_to(tmp_path)): d["id"] for p, d in read_documents(tmp_path)}
    assert ids == {
        "catalog.json": "stac",
        "l2a/collection.json": "l2a",
        "l2a/2025/catalog.json": "l2a-2025",
        "l2a/2025/03/catalog.json": "l2a-2025-03",
        "l2a/2025/03/a.json": "a",
    }


def test_links_have_titles_and_lead_up_and_down(tmp_path: Path) -> None:
    export(tmp_path, set_properties(make_item("a"), title="First light"), make_collection("l2a"))
    root, month = (
        read_json(tmp_path / "catalog.json"),
        read_json(tmp_path / "l2a/2025/03/catalog.json"),
    )
    assert find_link(root, "child")["title"] == "Title of l2a"
    assert find_link(month, "item")["title"] == "First light"
    assert find_link(month, "item")["href"] == "./a.json"
    found = {
        each["rel"]: each["href"] for each in read_json(tmp_path / "l2a/2025/03/a.json")["links"]
    }
    assert found == {
        "root": "../../../catalog.json",
        "parent": "./catalog.json",
        "collection": "../../collection.json",
    }


def test_the_root_says_what_the_settings_say(tmp_path: Path) -> None:
    export(
        tmp_path, make_item("a"), catalog_id="mine", title="My images", description="All of them"
    )
    root = read_json(tmp_path / "catalog.json")
    assert (root["id"], root["title"], root["description"]) == ("mine", "My images", "All of them")
    assert "<title>My images" in (tmp_path / "preview.html").read_text()


def test_a_published_export_has_absolute_links_and_links_to_itself(tmp_path: Path) -> None:
    export(
        tmp_path,
        make_item("a b"),
        make_item("b", collection=None),
        make_collection("l2a"),
        root_href=f"{HOST}/",
    )
    assert_links_resolve(tmp_path, root_href=HOST)
    for path, document in read_documents(tmp_path):
        assert find_link(document, "self")["href"] == f"{HOST}/{path.relative_to(tmp_path)}"
    for name in ("items.ndjson", "collections.ndjson"):
        for document in read_ndjson(tmp_path / name):
            assert all(each["href"].startswith(HOST) for each in document["links"])


@pytest.mark.parametrize(("first", "then"), [(None, HOST), (HOST, None), (HOST, f"{HOST}2")])
def test_an_update_may_not_change_where_the_export_is_published(
    tmp_path: Path, first: str | None, then: str | None
) -> None:
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    export(out, make_item("a"), root_href=first)
    before = snapshot(out)
    with pytest.raises(EXPORT_ERRORS, match="another 'root_href'"):
        export(out, make_item("b"), root_href=then)
    assert snapshot(out) == before
    export(out, make_item("a"), root_href=then, mode="overwrite")
    export(fresh, make_item("a"), root_href=then)
    assert snapshot(out) == snapshot(fresh)


def test_items_without_a_collection_have_a_catalog_of_their_own(tmp_path: Path) -> None:
    export(
        tmp_path,
        make_item("a", collection=None),
        make_item("b", collection=None) | {"collection": None},
    )
    assert read_json(tmp_path / "no-collection/catalog.json")["type"] == "Catalog"
    assert set(find_item_files(tmp_path)) == {"/a", "None/b"}
    assert find_links(read_json(tmp_path / "no-collection/2025/03/a.json"), "collection") == []
    assert not (tmp_path / "collections.ndjson").read_bytes()
    assert_links_resolve(tmp_path)
    before = snapshot(tmp_path)
    export(tmp_path, make_item("a", collection=None))
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("properties", "folder"),
    [
        ({"datetime": None, "start_datetime": "2025-01-31T23:59:59Z"}, "2025/01"),
        ({"datetime": "2025-03-01T00:30:00+05:30"}, "2025/02"),
        ({"datetime": "2025-02-28T23:30:00.5-01:00"}, "2025/03"),
        ({"datetime": "0999-12-31T00:00:00Z"}, "0999/12"),
    ],
)
def test_an_item_is_filed_under_its_time_or_start_in_utc(
    tmp_path: Path, properties: dict[str, Any], folder: str
) -> None:
    end = {"end_datetime": "2025-06-01T00:00:00Z"}
    export(tmp_path, set_properties(make_item("a"), **end | properties))
    assert find_item_files(tmp_path)["l2a/a"] == tmp_path / "l2a" / folder / "a.json"
    assert_links_resolve(tmp_path)
    before = snapshot(tmp_path)
    export(tmp_path)
    assert snapshot(tmp_path) == before


def test_items_without_a_geometry_are_in_a_file_of_their_own_and_counted(
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


def test_an_item_that_is_located_later_changes_files(tmp_path: Path) -> None:
    export(tmp_path, make_item_with_bbox("a", None), make_item_with_bbox("b", [1, 2, 3, 4]))
    export(tmp_path, make_item_with_bbox("a", [1, 2, 3, 4]))
    assert not (tmp_path / "unlocated.ndjson").exists()
    assert [each["id"] for each in read_ndjson(tmp_path / "items.ndjson")] == ["a", "b"]
    export(tmp_path, make_item_with_bbox("a", None), make_item_with_bbox("b", None))
    assert not (tmp_path / "items.ndjson").exists()
    assert [each["id"] for each in read_ndjson(tmp_path / "unlocated.ndjson")] == ["a", "b"]


def test_ndjson_has_no_relative_link_where_an_absolute_one_came(tmp_path: Path) -> None:
    came = [
        make_api_link("collection", "l2a"),
        make_api_link("self", "l2a", "a"),
        make_api_link("parent", "l2a"),
        {"rel": "about", "href": "./readme.html"},
        {"rel": "license", "href": "https://example.com/license"},
    ]
    export(tmp_path, make_item("a", links=came))
    [line] = read_ndjson(tmp_path / "items.ndjson")
    assert line["links"] == [came[0], came[4]]


def test_ndjson_has_collections_beside_items(tmp_path: Path) -> None:
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


def test_what_an_item_has_of_its_own_is_kept(tmp_path: Path) -> None:
    odd = make_item("a", assets={}) | {"x:y": {"z": [1, 2.5, None, "é\u2028"]}}
    export(tmp_path, odd)
    [line] = read_ndjson(tmp_path / "items.ndjson")
    file = read_json(find_item_files(tmp_path)["l2a/a"])
    for kept in (line, file):
        assert {k: v for k, v in kept.items() if k != "links"} == {
            k: v for k, v in odd.items() if k != "links"
        }


def test_an_item_collection_holds_all_items(tmp_path: Path) -> None:
    export(
        tmp_path,
        make_item("a"),
        make_item_with_bbox("b", None),
        formats=["catalog", "itemcollection"],
    )
    found = read_json(tmp_path / "itemcollection.json")
    assert found["type"] == "FeatureCollection"
    assert [each["id"] for each in found["features"]] == ["a", "b"]


def test_an_item_collection_of_too_many_items_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_stac.export.MAX_ITEM_COLLECTION", 2)
    export(tmp_path, make_item("a"), make_item("b"), formats=["itemcollection"], mode="overwrite")
    before = snapshot(tmp_path)
    formats = ["catalog", "itemcollection"]
    with pytest.raises(
        EXPORT_ERRORS, match="3 items, but an ItemCollection may have at most 2; remove"
    ):
        export(tmp_path, make_item("a"), make_item("b"), make_item("c"), formats=formats)
    assert snapshot(tmp_path) == before


def test_nothing_is_made_of_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As when a tap fails before its first record."""
    assert export(tmp_path, formats=["catalog", "ndjson", "geoparquet"]) == ExitCode.OK
    assert snapshot(tmp_path) == {}
    assert "received no STAC Items or Collections; nothing written" in caplog.messages
