"""The members of an item: what each says, and what is noted where it says something else."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import ConversionError, catalog_to_item, to_item
from tests.stac.singles import CATALOG, TIME, item

API = "https://api.pixxel.space/v0"
ARCHIVE = f"{API}/archives/collections"


def links(made: dict[str, Any]) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in made["links"]}


MEMBERS: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    # members of the API's item, members of STAC's, what is noted
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


@pytest.mark.parametrize(("raw", "expected", "noted"), MEMBERS)
def test_a_member(raw: dict[str, Any], expected: dict[str, Any], noted: dict[str, str]) -> None:
    stac, notes = to_item(item(**raw), in_archive=False)
    assert {name: stac[name] for name in expected} == expected
    assert {note.field: note.action for note in notes} == noted


@pytest.mark.parametrize("key", [2**64, -(2**64), True, 1.5, " ", None])
def test_what_is_no_id_makes_no_item(key: Any) -> None:
    with pytest.raises(ConversionError, match="no id"):
        to_item(item(id=key))


def test_a_collection_that_has_no_name_is_kept_as_a_property() -> None:
    stac, notes = to_item(item(collection=["c"]))
    assert "collection" not in stac
    assert stac["properties"]["pixxel:collection"] == ["c"]
    assert [(note.field, note.action) for note in notes] == [("collection", "kept as pixxel:")]


def test_an_item_without_a_geometry_or_a_collection_says_nothing_of_a_bbox_or_one() -> None:
    assert not {"bbox", "collection"} & to_item(item()).stac.keys()


def test_no_member_of_an_item_is_repeated_among_its_properties() -> None:
    point = {"type": "Point", "coordinates": [1, 2]}
    members = {"type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "links": []}
    raw = item(**members, geometry=point, bbox=[1, 2, 1, 2], assets={}, collection="c")
    stac, notes = to_item(raw)
    assert stac["properties"] == {"datetime": TIME, "order:status": "orderable"}
    assert (stac["geometry"], stac["bbox"]) == (point, [1, 2, 1, 2])
    assert notes == []


def test_a_slash_behind_the_apis_address_does_not_count() -> None:
    raw = item(collection="c")
    assert to_item(raw, api_url="https://api.pixxel.space/") == to_item(raw)


def test_only_items_of_the_archive_can_be_ordered_and_have_an_address_there() -> None:
    raw = item(collection="c")
    archived, other = to_item(raw).stac, to_item(raw, in_archive=False).stac
    assert archived["properties"]["order:status"] == "orderable"
    assert links(archived) == {"collection": f"{ARCHIVE}/c", "canonical": f"{ARCHIVE}/c/items/a"}
    assert "order:status" not in other["properties"]
    raw["properties"]["order:status"] = "pending"
    stated = to_item(raw, in_archive=False).stac["properties"]
    assert stated == {"datetime": TIME, "pixxel:order_status": "pending"}
    assert links(other) == {"collection": f"{ARCHIVE}/c"}


def test_another_providers_item_keeps_the_address_of_its_collection() -> None:
    stated = {"rel": "collection", "href": "https://a.invalid/c"}
    raw = item(collection="c", links=[stated])
    assert links(to_item(raw, in_archive=False).stac) == {"collection": "https://a.invalid/c"}
    assert links(to_item(raw).stac)["collection"] == f"{ARCHIVE}/c"


def owned(*stated: dict[str, str], **fields: Any) -> dict[str, str]:
    """The links of an owned item that was converted before."""
    fields = {"datetime": TIME, "pixxel:catalog_id": "k"} | fields
    return links(to_item(item(collection="mine", properties=fields, links=list(stated))).stac)


def test_an_owned_item_names_the_collection_that_it_was_taken_from() -> None:
    stated = {"rel": "collection", "href": "https://a.invalid/c"}
    assert owned(stated) == {"collection": "https://a.invalid/c"}
    assert owned(**{"pixxel:collection": "c"}) == {"collection": f"{ARCHIVE}/c"}
    assert owned(**{"pixxel:collection": 5}) == {"collection": f"{ARCHIVE}/mine"}
    raw = item(collection="d", properties={"datetime": TIME, "pixxel:collection": "c"})
    assert links(to_item(raw).stac)["collection"] == f"{ARCHIVE}/d"


def test_an_item_keeps_the_canonical_address_that_it_states() -> None:
    raw = item(collection="c", links=[{"rel": "canonical", "href": "https://a.invalid/i"}])
    stac = to_item(raw).stac
    assert [link["href"] for link in stac["links"]] == [f"{ARCHIVE}/c", "https://a.invalid/i"]


def test_what_an_owned_items_details_call_its_own_address_is_the_archives() -> None:
    """Links of another kind, and what is none, are treated as everywhere."""
    stated = [
        {"rel": "canonical", "href": "https://a.invalid/i"},
        {"rel": "about", "href": "https://a.invalid/about"},
        5,
    ]
    details = item(collection="c", links=stated)
    stac, notes = catalog_to_item({"id": CATALOG, "details": details})
    assert links(stac) == {
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


def test_relative_links_are_resolved_against_where_the_item_says_it_is() -> None:
    raw = item(
        links=[{"rel": "self", "href": "https://a.invalid/x/i.json"}],
        assets={"b": {"href": "b.bin"}},
    )
    assert to_item(raw).stac["assets"]["b"]["href"] == "https://a.invalid/x/b.bin"


LICENSES: list[tuple[dict[str, Any], list[str]]] = [
    # what a license says, the addresses in its links
    ({"license": "see https://a.invalid/terms"}, []),
    ({"license": "https://a.invalid/terms"}, ["https://a.invalid/terms"]),
    ({"license": "https://a.invalid:99999/terms"}, []),
    ({"license": "all of it"}, []),
    ({"license": "mailto:terms@a.invalid"}, []),
    ({"license": "MIT", "pixxel:license": "https://a.invalid/terms"}, []),
    ({"pixxel:license": ["://"], "license": "other"}, []),
]


@pytest.mark.parametrize(("stated", "expected"), LICENSES)
def test_a_license_has_a_link_where_its_text_is_one(
    stated: dict[str, Any], expected: list[str]
) -> None:
    stac, _ = to_item(item(properties={"datetime": TIME} | stated))
    assert [link["href"] for link in stac["links"]] == expected


def test_a_doi_of_several_parts_keeps_its_slashes_in_its_link() -> None:
    stac, _ = to_item(item(properties={"datetime": TIME, "sci:doi": "10.1234/a/b&c"}))
    assert links(stac)["cite-as"] == "https://doi.org/10.1234/a/b%26c"
