"""Test the members of items, and partial items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings

from tap_pixxel.stac import (
    ConversionError,
    catalog_to_item,
    catalog_to_partial_item,
    to_item,
    to_partial_item,
)
from tests.tap_pixxel.stac import strategies
from tests.tap_pixxel.stac.minimal_items import CATALOG, TIME, make_item

if TYPE_CHECKING:
    from collections.abc import Callable

API = "https://api.pixxel.space/v0"


ARCHIVE = f"{API}/archives/collections"


def links_by_rel(result: dict[str, Any]) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in result["links"]}


MEMBERS: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    # members of the API's item, members of STAC's, actions noted
    ({"id": 5}, {"id": "5"}, {"id": "converted"}),
    ({"id": " a "}, {"id": "a"}, {"id": "converted"}),
    ({"id": "\ud800"}, {"id": "\ufffd"}, {"id": "converted"}),
    ({"id": -(2**64) + 1}, {"id": str(-(2**64) + 1)}, {"id": "converted"}),
    ({"collection": 5}, {"collection": "5"}, {"collection": "converted"}),
    ({"collection": " c "}, {"collection": "c"}, {"collection": "converted"}),
    ({"type": "Feature"}, {"type": "Feature"}, {}),
    ({"type": "Thing"}, {"type": "Feature"}, {"type": "dropped"}),
    ({"type": 5}, {"type": "Feature"}, {"type": "dropped"}),
    ({"stac_version": "0.9"}, {"stac_version": "1.1.0"}, {}),
    ({"stac_version": 1}, {"stac_version": "1.1.0"}, {"stac_version": "dropped"}),
    ({"stac_extensions": ["eo"]}, {"stac_extensions": []}, {}),
    ({"stac_extensions": "eo"}, {"stac_extensions": []}, {"stac_extensions": "dropped"}),
    ({"assets": [5]}, {"assets": {}}, {"assets": "dropped"}),
    ({"links": {}}, {"links": []}, {"links": "dropped"}),
]


@pytest.mark.parametrize(("raw", "expected", "actions"), MEMBERS)
def test_to_item_member_returns_expected(
    raw: dict[str, Any], expected: dict[str, Any], actions: dict[str, str]
) -> None:
    stac, notes = to_item(make_item(**raw), in_archive=False)
    assert {name: stac[name] for name in expected} == expected
    assert {note.field: note.action for note in notes} == actions


def test_to_item_invalid_collection_is_kept_as_property() -> None:
    stac, notes = to_item(make_item(collection=["c"]))
    assert "collection" not in stac
    assert stac["properties"]["pixxel:collection"] == ["c"]
    assert [(note.field, note.action) for note in notes] == [("collection", "kept as pixxel:")]


def test_to_item_members_are_not_repeated_in_properties() -> None:
    point = {"type": "Point", "coordinates": [1, 2]}
    members = {"type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "links": []}
    raw = make_item(**members, geometry=point, bbox=[1, 2, 1, 2], assets={}, collection="c")
    stac, notes = to_item(raw)
    assert stac["properties"] == {"datetime": TIME, "order:status": "orderable"}
    assert (stac["geometry"], stac["bbox"]) == (point, [1, 2, 1, 2])
    assert notes == []


def test_to_item_in_archive_is_orderable_with_canonical_link() -> None:
    raw = make_item(collection="c")
    archived, other = to_item(raw).stac, to_item(raw, in_archive=False).stac
    assert archived["properties"]["order:status"] == "orderable"
    assert links_by_rel(archived) == {
        "collection": f"{ARCHIVE}/c",
        "canonical": f"{ARCHIVE}/c/items/a",
    }
    assert "order:status" not in other["properties"]
    raw["properties"]["order:status"] = "pending"
    stated = to_item(raw, in_archive=False).stac["properties"]
    assert stated == {"datetime": TIME, "pixxel:order_status": "pending"}
    assert links_by_rel(other) == {"collection": f"{ARCHIVE}/c"}


def test_to_item_other_provider_keeps_collection_link() -> None:
    stated = {"rel": "collection", "href": "https://a.invalid/c"}
    raw = make_item(collection="c", links=[stated])
    assert links_by_rel(to_item(raw, in_archive=False).stac) == {
        "collection": "https://a.invalid/c"
    }
    assert links_by_rel(to_item(raw).stac)["collection"] == f"{ARCHIVE}/c"


def convert_owned_links(*stated: dict[str, str], **fields: Any) -> dict[str, str]:
    """Return the links of an owned item that is converted again, by relation."""
    fields = {"datetime": TIME, "pixxel:catalog_id": "k"} | fields
    return links_by_rel(
        to_item(make_item(collection="mine", properties=fields, links=list(stated))).stac
    )


def test_to_item_owned_links_to_original_collection() -> None:
    stated = {"rel": "collection", "href": "https://a.invalid/c"}
    assert convert_owned_links(stated) == {"collection": "https://a.invalid/c"}
    assert convert_owned_links(**{"pixxel:collection": "c"}) == {"collection": f"{ARCHIVE}/c"}
    assert convert_owned_links(**{"pixxel:collection": 5}) == {"collection": f"{ARCHIVE}/mine"}
    raw = make_item(collection="d", properties={"datetime": TIME, "pixxel:collection": "c"})
    assert links_by_rel(to_item(raw).stac)["collection"] == f"{ARCHIVE}/d"


def test_catalog_to_item_canonical_link_of_details_is_dropped() -> None:
    """Other links, and values that are not links, are converted as usual."""
    stated = [
        {"rel": "canonical", "href": "https://a.invalid/i"},
        {"rel": "about", "href": "https://a.invalid/about"},
        5,
    ]
    details = make_item(collection="c", links=stated)
    stac, notes = catalog_to_item({"id": CATALOG, "details": details})
    assert links_by_rel(stac) == {
        "collection": f"{ARCHIVE}/c",
        "derived_from": f"{ARCHIVE}/c/items/a",
        "via": f"{API}/catalogs/{CATALOG}",
        "about": "https://a.invalid/about",
    }
    assert {note.field: note.action for note in notes} == {
        "details.links.0": "dropped",
        "details.links.2": "dropped",
    }
    again = to_item(stac)
    assert again.stac == stac
    assert again.notes == []


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ([], "item without an id: not an object"),
        ({}, "item without an id: no id"),
        *(
            ({"id": key}, "item without an id: no id")
            for key in (True, 2**64, -(2**64), 1.5, " ", None)
        ),
        (
            make_item(assets=msgspec.Raw(b'{"a": {"href"')),
            "item 'a': assets that cannot be read",
        ),
        ({"id": "a\nb"}, "item 'a\\nb': no datetime, start or end that can be read"),
        (
            make_item(id="a" * 101, properties=[]),
            f"item '{'a' * 100}': no datetime, start or end that can be read",
        ),
        (make_item(properties=[]), "item 'a': no datetime, start or end that can be read"),
        (
            make_item(properties={"datetime": "x"}),
            "item 'a': no datetime, start or end that can be read",
        ),
    ],
)
def test_to_item_invalid_raises_with_id_and_reason(raw: Any, why: str) -> None:
    with pytest.raises(ConversionError) as refused:
        to_item(raw)
    assert str(refused.value) == why


TIMES = {"datetime", "start_datetime", "end_datetime"}


NAMES = frozenset(
    {"proj:code", "platform", "gsd", "eo:cloud_cover", "view:off_nadir", "processing:level"}
)


def convert_or_reason(make: Callable[[Any], Any], raw: Any) -> Any:
    """Return the result of a conversion, or the message of its error."""
    try:
        return make(raw)
    except ConversionError as error:
        return str(error)


def select_part(stac: dict[str, Any]) -> dict[str, Any]:
    properties = {n: v for n, v in stac["properties"].items() if n in NAMES | TIMES}
    return {n: v for n, v in stac.items() if n in {"geometry", "bbox"}} | {"properties": properties}


@settings(max_examples=60, deadline=None)
@given(strategies.RECORDS)
def test_catalog_to_partial_item_any_record_equals_part_of_item(raw: dict[str, Any]) -> None:
    assert repr(
        sort_members(convert_or_reason(lambda each: catalog_to_partial_item(each, NAMES), raw))
    ) == repr(
        sort_members(convert_or_reason(lambda each: select_part(catalog_to_item(each).stac), raw))
    )


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        {"id": "a"},
        {"id": "a", "details": {}},
        {"id": "a", "details": {"id": "b"}},
    ],
)
def test_partial_item_invalid_raises_as_conversion(raw: Any) -> None:
    for convert_partial, convert_whole in (
        (lambda each: to_partial_item(each, NAMES), to_item),
        (lambda each: catalog_to_partial_item(each, NAMES), catalog_to_item),
    ):
        reason = convert_or_reason(convert_partial, raw)
        assert isinstance(reason, str)
        assert reason == convert_or_reason(convert_whole, raw)


def sort_members(result: Any) -> Any:
    """Sort the members of objects, whose order does not matter."""
    if isinstance(result, dict):
        return {name: sort_members(result[name]) for name in sorted(result)}
    return result


def test_to_partial_item_names_include_aliases() -> None:
    early, late = "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"
    point = {"type": "Point", "coordinates": [1, 2]}
    stated = {
        "datetime": late, "startdatetime": early, "enddatetime": late, "gsd": "5",
        "platform": "FF01", "proj:epsg": 4326, "rd:product_level": "LV2A", "order:status": "x",
    }  # fmt: skip
    raw = {"id": "a", "geometry": point, "properties": stated}
    times = {"datetime": late, "start_datetime": early, "end_datetime": late}
    names = frozenset({"gsd", "proj:code"})
    expected = {"gsd": 5, "proj:code": "EPSG:4326"}
    assert to_partial_item(raw, names) == {
        "geometry": point,
        "bbox": [1, 2, 1, 2],
        "properties": times | expected,
    }
    record = {"id": "k", "details": raw}
    assert catalog_to_partial_item(record, names) == to_partial_item(raw, names)
    bare = to_partial_item({"id": "a", "properties": stated}, frozenset())
    assert bare == {"geometry": None, "properties": times}


def test_to_item_canonical_link_is_kept() -> None:
    raw = make_item(collection="c", links=[{"rel": "canonical", "href": "https://a.invalid/i"}])
    stac = to_item(raw).stac
    assert [link["href"] for link in stac["links"]] == [f"{ARCHIVE}/c", "https://a.invalid/i"]
