"""Tests of collections: those of records, and those synthesised from items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_stac.catalog.collections import BboxUnion
from target_stac.validation import StacValidator
from tests.target_stac.exports import (
    FORMATS,
    Json,
    assert_links_resolve,
    export,
    find_differences,
    find_link,
    find_links,
    make_api_link,
    make_collection,
    make_derived_item,
    make_item,
    make_item_with_bbox,
    read_json,
    read_ndjson,
    read_stamps,
    set_properties,
)

if TYPE_CHECKING:
    from pathlib import Path

Box = tuple[float, float, float, float]


def read_collection(folder: Path) -> Json:
    """Read the collection of the catalog; assert that collections.ndjson has the same."""
    document = read_json(folder / "l2a/collection.json")
    [line] = read_ndjson(folder / "collections.ndjson")
    assert {k: v for k, v in document.items() if k != "links"} == {
        k: v for k, v in line.items() if k != "links"
    }
    return document


def test_collection_without_record_is_synthesised_from_items(tmp_path: Path) -> None:
    span = set_properties(
        make_item_with_bbox("b", [-5, 1, 6, 9]),
        datetime=None,
        start_datetime="2025-01-01T00:00:00Z",
        end_datetime="2025-12-01T00:00:00Z",
    )
    export(
        tmp_path, make_item_with_bbox("a", [-10, -1, 0, 5]), span, make_item_with_bbox("c", None)
    )
    document = read_collection(tmp_path)
    assert document["extent"] == {
        "spatial": {"bbox": [[-10, -1, 6, 9]]},
        "temporal": {"interval": [["2025-01-01T00:00:00Z", "2025-12-01T00:00:00Z"]]},
    }
    assert (document["id"], document["license"]) == ("l2a", "other")
    assert document["description"]
    assert_links_resolve(tmp_path)


def test_synthesised_collection_after_update_covers_new_items(tmp_path: Path) -> None:
    export(tmp_path, make_item_with_bbox("a", [0, 0, 1, 1]))
    export(tmp_path, make_item_with_bbox("b", [5, 5, 6, 6], day="2026-01-01"))
    assert read_collection(tmp_path)["extent"] == {
        "spatial": {"bbox": [[0, 0, 6, 6]]},
        "temporal": {"interval": [["2025-03-07T12:00:00Z", "2026-01-01T12:00:00Z"]]},
    }


def test_synthesised_collection_with_fractional_seconds_covers_all_times(tmp_path: Path) -> None:
    times = ("2025-03-07T12:00:00.5Z", "2025-03-07T12:00:00Z")
    export(tmp_path, *(set_properties(make_item(t[-3:]), datetime=t) for t in times))
    [interval] = read_collection(tmp_path)["extent"]["temporal"]["interval"]
    assert interval == ["2025-03-07T12:00:00Z", "2025-03-07T12:00:00.5Z"]


def test_synthesised_collection_with_later_record_is_replaced(tmp_path: Path) -> None:
    export(tmp_path, make_item("a"))
    received = make_collection("l2a", item_assets={"B001": {"type": "image/tiff"}})
    export(tmp_path, received)
    export(tmp_path, make_item("b"))
    document = read_collection(tmp_path)
    assert {k: v for k, v in document.items() if k != "links"} == {
        k: v for k, v in received.items() if k != "links"
    }
    [child] = find_links(read_json(tmp_path / "catalog.json"), "child")
    assert child["title"] == "Title of l2a"
    assert_links_resolve(tmp_path)


def test_collection_with_own_links_keeps_them(tmp_path: Path) -> None:
    license_link = {"rel": "license", "href": "https://example.com/license"}
    source_links = [{"rel": "items", "href": "https://api.example.com/items"}, license_link]
    export(tmp_path, make_collection("l2a", links=source_links), make_item("a"))
    document = read_collection(tmp_path)
    assert find_links(document, "license") == [license_link]
    assert find_links(document, "items") == []
    [line] = read_ndjson(tmp_path / "collections.ndjson")
    assert line["links"] == [license_link]


BOXES: list[tuple[str, list[Box], list[float]]] = [
    ("nothing", [], [-180, -90, 180, 90]),
    ("a point", [(5, 6, 5, 6)], [5, 6, 5, 6]),
    ("both sides of Greenwich", [(-10, 0, -5, 1), (5, 0, 10, 1)], [-10, 0, 10, 1]),
    ("both sides of the antimeridian", [(170, 0, 175, 1), (-175, 0, -170, 1)], [-175, 0, 175, 1]),
    ("across the antimeridian", [(170, 0, -170, 1)], [170, 0, -170, 1]),
    ("across and west of it", [(170, 0, -170, 1), (160, 0, 165, 2)], [160, 0, -170, 2]),
    ("across and east of it", [(170, 0, -170, 1), (-160, 0, -150, 2)], [170, 0, -150, 2]),
    ("across both meridians", [(170, 0, -170, 1), (-1, 0, 1, 1)], [-180, 0, 180, 1]),
    ("one box across both", [(170, -3, 20, 4)], [-180, -3, 180, 4]),
]


@pytest.mark.parametrize(("boxes", "box"), [b[1:] for b in BOXES], ids=[b[0] for b in BOXES])
def test_bbox_union_in_any_order_covers_all_bboxes(boxes: list[Box], box: list[float]) -> None:
    for order in (boxes, boxes[::-1]):
        union = BboxUnion()
        for each in order:
            union.add(each)
        assert union.bbox() == box


# --- derived from other collections ---------------------------------------------------------------

PIXXEL = {"name": "Pixxel", "roles": ["producer"], "url": "https://pixxel.space"}
LICENSE_LINK = {"rel": "license", "href": "https://example.com/license"}
OWNED_ITEM = make_derived_item("a-1", "a", collection="archive-owned")


def make_archive(**more: Any) -> Json:
    known = {"title": "Firefly, L1C", "license": "proprietary", "providers": [PIXXEL]}
    return make_collection("archive", **known | more, links=[LICENSE_LINK])


def read_owned(folder: Path) -> Json:
    return read_json(folder / "archive-owned/collection.json")


def test_collection_of_derived_items_is_named_after_origin_collection(tmp_path: Path) -> None:
    export(tmp_path, make_archive(), OWNED_ITEM, formats=FORMATS)
    document = read_owned(tmp_path)
    assert document["title"] == "Firefly, L1C, owned"
    assert document["description"] == "Items of archive-owned, derived from items of Firefly, L1C"
    assert (document["license"], document["providers"]) == ("proprietary", [PIXXEL])
    assert find_links(document, "license") == [LICENSE_LINK]
    assert find_link(document, "related") == {
        "rel": "related",
        "href": "../archive/collection.json",
        "type": "application/json",
        "title": "Firefly, L1C",
    }
    assert_links_resolve(tmp_path)
    lines = {line["id"]: line for line in read_ndjson(tmp_path / "collections.ndjson")}
    assert lines["archive-owned"]["title"] == document["title"]
    assert find_links(lines["archive-owned"], "related") == []  # relative: it leads nowhere here
    assert StacValidator("all", None).find_error("collection", document) is None


def test_collection_of_derived_items_follows_later_origin_record(tmp_path: Path) -> None:
    export(tmp_path, OWNED_ITEM)
    first = read_owned(tmp_path)
    assert (first["title"], first["license"]) == ("archive-owned", "other")
    assert find_links(first, "related") == []
    export(tmp_path, make_archive())
    export(tmp_path, make_archive(title="Renamed"))
    document = read_owned(tmp_path)
    assert document["title"] == "Renamed, owned"
    assert len(find_links(document, "related")) == 1
    stamps = read_stamps(tmp_path)
    export(tmp_path, make_archive(title="Renamed"))
    assert find_differences(read_stamps(tmp_path), stamps) == []


def test_collection_of_items_of_two_origins_has_rights_of_both(tmp_path: Path) -> None:
    links = [make_api_link("derived_from", "second", "b")]
    items = [OWNED_ITEM, make_item("b-1", collection="archive-owned", links=links)]
    second = make_collection("second", license="CC-BY-4.0", providers=[PIXXEL, {"name": "ESA"}])
    export(tmp_path, make_archive(), second, *items)
    document = read_owned(tmp_path)
    assert (document["title"], document["license"]) == ("archive-owned", "other")
    assert document["providers"] == [PIXXEL, {"name": "ESA"}]
    assert [link["title"] for link in find_links(document, "related")] == [
        "Firefly, L1C",
        "Title of second",
    ]


# --- temporal extent ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extent",
    [
        {"spatial": {"bbox": [[0, 0, 9, 9]]}, "temporal": {"interval": [[None, None]]}},
        {"spatial": {"bbox": [[0, 0, 9, 9]]}, "temporal": {"interval": []}},
        {"spatial": {"bbox": [[0, 0, 9, 9]]}},
    ],
)
def test_temporal_extent_that_record_lacks_is_that_of_items(tmp_path: Path, extent: Json) -> None:
    export(tmp_path, make_collection("l2a", extent=extent), make_item("a"))
    day = "2025-03-07T12:00:00Z"
    assert read_collection(tmp_path)["extent"] == {
        "spatial": {"bbox": [[0, 0, 9, 9]]},
        "temporal": {"interval": [[day, day]]},
    }
    export(tmp_path, make_item("b", "2026-01-01"))
    document = read_collection(tmp_path)
    assert document["extent"]["temporal"]["interval"] == [[day, "2026-01-01T12:00:00Z"]]
    assert document["title"] == "Title of l2a"


def test_extent_that_record_lacks_altogether_is_that_of_items(tmp_path: Path) -> None:
    without = make_collection("l2a")
    del without["extent"]
    export(tmp_path, without, make_item_with_bbox("a", [0, 0, 1, 1]))
    assert read_collection(tmp_path)["extent"]["spatial"]["bbox"] == [[0, 0, 1, 1]]


def test_temporal_extent_of_later_record_replaces_that_of_items(tmp_path: Path) -> None:
    nothing: Json = {"spatial": {"bbox": [[0, 0, 9, 9]]}, "temporal": {"interval": [[None, None]]}}
    export(tmp_path, make_collection("l2a", extent=nothing), make_item("a"))
    stated = {**nothing, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}}
    export(tmp_path, make_collection("l2a", extent=stated))
    export(tmp_path, make_item("b", "2026-01-01"))
    assert read_collection(tmp_path)["extent"] == stated
