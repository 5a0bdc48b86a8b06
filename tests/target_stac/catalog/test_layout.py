"""Tests of the catalog's layout: collections, years, months, and the links between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.target_stac.exports import (
    assert_links_resolve,
    export,
    find_item_files,
    find_link,
    make_collection,
    make_item,
    read_documents,
    read_json,
    read_ndjson,
    set_properties,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

HOST = "https://stac.example.com/pixxel"


def test_catalog_links_have_titles_and_resolve_up_and_down(tmp_path: Path) -> None:
    export(tmp_path, set_properties(make_item("a"), title="First light"), make_collection("l2a"))
    root, month = (
        read_json(tmp_path / "catalog.json"),
        read_json(tmp_path / "l2a/2025/03/catalog.json"),
    )
    assert find_link(root, "child")["title"] == "Title of l2a"
    assert find_link(month, "item")["title"] == "First light"
    assert find_link(month, "item")["href"] == "./a.json"
    hrefs = {
        each["rel"]: each["href"] for each in read_json(tmp_path / "l2a/2025/03/a.json")["links"]
    }
    assert hrefs == {
        "root": "../../../catalog.json",
        "parent": "./catalog.json",
        "collection": "../../collection.json",
    }


def test_root_catalog_has_id_title_and_description_of_settings(tmp_path: Path) -> None:
    export(
        tmp_path, make_item("a"), catalog_id="mine", title="My images", description="All of them"
    )
    root = read_json(tmp_path / "catalog.json")
    assert (root["id"], root["title"], root["description"]) == ("mine", "My images", "All of them")
    assert "<title>My images" in (tmp_path / "preview.html").read_text()


def test_export_with_root_href_has_absolute_and_self_links(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("properties", "folder"),
    [
        ({"datetime": None, "start_datetime": "2025-01-31T23:59:59Z"}, "2025/01"),
        ({"datetime": "2025-03-01T00:30:00+05:30"}, "2025/02"),
        ({"datetime": "2025-02-28T23:30:00.5-01:00"}, "2025/03"),
        ({"datetime": "0999-12-31T00:00:00Z"}, "0999/12"),
    ],
)
def test_item_path_follows_datetime_or_start_in_utc(
    tmp_path: Path, properties: dict[str, Any], folder: str
) -> None:
    end = {"end_datetime": "2025-06-01T00:00:00Z"}
    export(tmp_path, set_properties(make_item("a"), **end | properties))
    assert find_item_files(tmp_path)["l2a/a"] == tmp_path / "l2a" / folder / "a.json"
    assert_links_resolve(tmp_path)
    before = snapshot(tmp_path)
    export(tmp_path)
    assert snapshot(tmp_path) == before


def test_day_too_long_for_one_catalog_is_divided_until_it_shrinks(tmp_path: Path) -> None:
    """The links to 5,000 items of one day take 1.2 MB."""
    items = [make_item(f"{'an-item-of-a-long-day' * 4}-{n:04}", assets={}) for n in range(5000)]
    export(tmp_path / "out", *items, formats=["catalog"])
    assert_links_resolve(tmp_path / "out")
    catalogs = [p for p, d in read_documents(tmp_path / "out") if d["type"] != "Feature"]
    assert max(path.stat().st_size for path in catalogs) < 1_000_000
    assert (tmp_path / "out/l2a/2025/03/07/0/catalog.json").exists()
    export(tmp_path / "out", *items[:20], formats=["catalog"], mode="overwrite")
    export(tmp_path / "fresh", *items[:20], formats=["catalog"])
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "fresh")


@pytest.mark.parametrize("root_href", [None, "https://stac.example.com"])
def test_month_too_long_for_one_catalog_is_divided_by_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root_href: str | None
) -> None:
    monkeypatch.setattr("target_stac.catalog.layout.MAX_LINK_BYTES", 1000)
    items = [make_item(f"{day:02}-{n}", f"2025-03-{day:02}") for day in (1, 9) for n in range(7)]
    steps = [items[:3], items[5:8], [items[3]], items[8:], items[4:5]]
    divided = []
    for step in steps:
        export(tmp_path / "steps", *step, root_href=root_href)
        assert_links_resolve(tmp_path / "steps", root_href=root_href)
        divided.append((tmp_path / "steps/l2a/2025/03/09/catalog.json").exists())
    assert (divided[0], divided[-1]) == (False, True)
    assert set(find_item_files(tmp_path / "steps")) == {f"l2a/{each['id']}" for each in items}
    ids = [
        document["id"]
        for path, document in read_documents(tmp_path / "steps")
        if "09" in path.parts
    ]
    assert "l2a-2025-03-09" in ids
    export(tmp_path / "once", *items, root_href=root_href)
    assert snapshot(tmp_path / "steps") == snapshot(tmp_path / "once")
