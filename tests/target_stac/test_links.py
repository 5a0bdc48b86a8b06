"""Tests of derived_from links, which become relative if the export has both items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.target_stac.exports import (
    Json,
    assert_links_resolve,
    export,
    find_item_files,
    find_link,
    make_api_link,
    make_derived_item,
    make_item,
    read_json,
    read_ndjson,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

ABSOLUTE = make_api_link("derived_from", "archive", "origin")["href"]
ORIGIN = make_item("origin", collection="archive")
HOST = "https://stac.example.com"


def read_derived_from(folder: Path, name: str = "l2a/child") -> str:
    """Return the derived_from href of an item's file; assert that ndjson has an absolute one."""
    [line] = [each for each in read_ndjson(folder / "items.ndjson") if each["id"] == name[4:]]
    assert find_link(line, "derived_from")["href"].endswith("/origin")
    return str(find_link(read_json(find_item_files(folder)[name]), "derived_from")["href"])


@pytest.mark.parametrize("objects", [[ORIGIN, make_derived_item("child", "origin")],
                                     [make_derived_item("child", "origin"), ORIGIN]])  # fmt: skip
def test_derived_from_link_in_any_record_order_is_relative(
    tmp_path: Path, objects: list[Json]
) -> None:
    export(tmp_path, *objects)
    assert read_derived_from(tmp_path) == "../../../archive/2025/03/origin.json"
    assert_links_resolve(tmp_path)
    line = read_ndjson(tmp_path / "items.ndjson")[-1]
    assert find_link(line, "derived_from") == make_api_link("derived_from", "archive", "origin")


def test_derived_from_link_without_origin_is_absolute_until_origin_is_exported(
    tmp_path: Path,
) -> None:
    export(tmp_path, make_derived_item("child", "origin"), make_item("other", "2024-01-01"))
    assert read_derived_from(tmp_path) == ABSOLUTE
    export(tmp_path, ORIGIN)
    assert read_derived_from(tmp_path) == "../../../archive/2025/03/origin.json"
    assert_links_resolve(tmp_path)


def test_derived_from_link_to_moved_origin_is_updated(tmp_path: Path) -> None:
    export(tmp_path, ORIGIN, make_derived_item("child", "origin", day="2025-01-05"))
    export(tmp_path, make_item("origin", "2023-02-01", collection="archive"))
    assert read_derived_from(tmp_path) == "../../../archive/2023/02/origin.json"
    assert_links_resolve(tmp_path)


def test_derived_from_link_to_removed_origin_is_restored(tmp_path: Path) -> None:
    export(tmp_path, ORIGIN, make_derived_item("child", "origin"))
    export(tmp_path, make_derived_item("child", "origin"), mode="overwrite")
    assert read_derived_from(tmp_path) == ABSOLUTE
    assert_links_resolve(tmp_path)


def test_derived_from_link_with_root_href_is_absolute_and_updated(tmp_path: Path) -> None:
    export(tmp_path, make_derived_item("child", "origin"), root_href=HOST)
    assert read_derived_from(tmp_path) == ABSOLUTE
    export(tmp_path, ORIGIN, root_href=HOST)
    for day in ("2025-03-07", "2023-02-01"):
        export(tmp_path, make_item("origin", day, collection="archive"), root_href=HOST)
        path = f"{HOST}/archive/{day[:7].replace('-', '/')}/origin.json"
        line = read_ndjson(tmp_path / "items.ndjson")[-1]
        for document in (line, read_json(find_item_files(tmp_path)["l2a/child"])):
            assert find_link(document, "derived_from")["href"] == path
        assert_links_resolve(tmp_path, root_href=HOST)


def test_derived_from_links_in_chains_and_cycles_resolve(tmp_path: Path) -> None:
    def make(name: str, origin: str) -> Json:
        return make_item(
            name, collection="archive", links=[make_api_link("derived_from", "archive", origin)]
        )

    objects = [make("c", "b"), make("b", "a"), make("x", "y"), make("y", "x"), make("z", "z")]
    export(tmp_path / "one", *objects, make_item("a", collection="archive"))
    assert_links_resolve(tmp_path / "one")
    files = find_item_files(tmp_path / "one")
    for name, origin in ("cb", "ba", "xy", "yx", "zz"):
        hrefs = find_link(read_json(files[f"archive/{name}"]), "derived_from")["href"]
        assert hrefs == f"./{origin}.json"
    export(tmp_path / "two", *objects[:2])
    export(tmp_path / "two", *objects[2:])
    export(tmp_path / "two", make_item("a", collection="archive"))
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


@pytest.mark.parametrize(
    "link_object",
    [
        {"rel": "derived_from", "href": "https://example.com/origin"},
        {"rel": "derived_from", "href": "https://example.com/collections/archive/items/"},
        {"rel": "derived_from"},
        {"rel": "derived_from", "href": 7},
        {"href": "https://example.com/x"},
    ],
)
def test_derived_from_link_of_other_form_is_unchanged(
    tmp_path: Path, link_object: dict[str, Any]
) -> None:
    absolute = str(link_object.get("href")).startswith("https:")
    export(tmp_path, ORIGIN, make_item("child", links=[link_object]))
    before = snapshot(tmp_path)
    assert link_object in read_json(find_item_files(tmp_path)["l2a/child"])["links"]
    assert (link_object in read_ndjson(tmp_path / "items.ndjson")[-1]["links"]) == absolute
    export(tmp_path, ORIGIN, make_item("child", links=[link_object]))
    assert snapshot(tmp_path) == before


def test_derived_from_link_with_reserved_characters_resolves(tmp_path: Path) -> None:
    child = make_item("child", links=[make_api_link("derived_from", "an%20archive", "x%2Fy%3F")])
    export(tmp_path, make_item("x/y?", collection="an archive"), child)
    assert_links_resolve(tmp_path)
    target = find_item_files(tmp_path)["an archive/x/y?"]
    relative = find_link(read_json(find_item_files(tmp_path)["l2a/child"]), "derived_from")["href"]
    assert relative.endswith(target.name)
