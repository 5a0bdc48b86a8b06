from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import to_item
from tests.stac.singles import TIME, item


def test_a_collection_and_its_link_come_together() -> None:
    stac, _ = to_item(item(collection="td/1"))
    api = "https://api.pixxel.space/v0/archives/collections/td%2F1"
    links = {link["rel"]: link["href"] for link in stac["links"]}
    assert links == {"collection": api, "canonical": f"{api}/items/a"}
    assert [link["type"] for link in stac["links"]] == ["application/json", "application/geo+json"]
    alone, notes = to_item(item(links=[{"rel": "collection", "href": "/c"}]))
    assert alone["links"] == []
    assert [note.action for note in notes] == ["dropped"]


def test_structural_links_go_others_stay_once_and_a_doi_gets_its_link() -> None:
    via = {"rel": "via", "href": "https://a.invalid/v"}
    raw = item(links=[{"rel": "self", "href": "/i/a.json"}, via, via, {"rel": "x", "href": "b"}, 5])
    raw["properties"]["sci:doi"] = "10.1234/a(b)"
    stac, notes = to_item(raw, api_url="https://api.invalid/")
    assert [(link["rel"], link["href"]) for link in stac["links"]] == [
        ("cite-as", "https://doi.org/10.1234/a%28b%29"),
        ("via", "https://a.invalid/v"),
        ("x", "https://api.invalid/i/b"),
    ]
    assert {note.field: note.action for note in notes} == {
        "links.0": "dropped", "links.3": "converted", "links.4": "dropped",
    }  # fmt: skip


def test_a_license_that_is_an_address_gets_its_link() -> None:
    stac, _ = to_item(item(properties={"datetime": TIME, "license": "https://a.invalid/terms"}))
    assert stac["links"] == [{"rel": "license", "href": "https://a.invalid/terms"}]


@pytest.mark.parametrize(
    ("port", "kept"), [("80", True), ("8080", True), ("45123", True), ("65535", True),
                       ("65536", False), ("99999", False)]
)  # fmt: skip
def test_a_link_may_have_any_port_that_there_is(port: str, kept: bool) -> None:  # noqa: FBT001 - a table
    href = f"http://127.0.0.1:{port}/v0/x"
    stac, notes = to_item(item(links=[{"rel": "about", "href": href}]))
    assert (href in [link["href"] for link in stac["links"]]) is kept
    assert ("links.0" in [note.field for note in notes]) is not kept


HREF = "https://a.invalid/v"
ABOUT = {"rel": "about", "href": HREF}
LINKS: list[tuple[Any, Any, dict[str, str]]] = [
    # a link of the API, of STAC, what is noted
    (ABOUT, ABOUT, {}),
    (ABOUT | {"rel": " about "}, ABOUT, {"links.0": "converted"}),
    (ABOUT | {"href": f"{HREF}?sig=secret"}, ABOUT, {"links.0": "converted"}),
    (
        ABOUT | {"href": "/v"},
        ABOUT | {"href": "https://api.pixxel.space/v"},
        {"links.0": "converted"},
    ),
    (ABOUT | {"hreflang": "en"}, ABOUT, {"links.0.hreflang": "dropped"}),
    (ABOUT | {"type": "text/html", "title": None}, ABOUT | {"type": "text/html"}, {}),
    (ABOUT | {"title": " T "}, ABOUT | {"title": "T"}, {"links.0.title": "converted"}),
    (ABOUT | {"type": 5}, ABOUT, {"links.0.type": "dropped"}),
    (ABOUT | {"headers": {}}, ABOUT, {"links.0.headers": "dropped"}),
    ({"rel": "about"}, None, {"links.0": "dropped"}),
    ({"href": HREF}, None, {"links.0": "dropped"}),
    (ABOUT | {"rel": 5}, None, {"links.0": "dropped"}),
    (ABOUT | {"href": " "}, None, {"links.0": "dropped"}),
    ([], None, {"links.0": "dropped"}),
    *(
        (ABOUT | {"rel": rel}, None, {"links.0": "dropped"})
        for rel in ("self", "root", "parent", "collection", "child", "item", "next", "prev")
    ),
]


@pytest.mark.parametrize(("raw", "expected", "noted"), LINKS)
def test_a_link(raw: Any, expected: Any, noted: dict[str, str]) -> None:
    stac, notes = to_item(item(links=[raw]))
    assert stac["links"] == ([expected] if expected else [])
    assert {note.field: note.action for note in notes} == noted


COLLECTION = "https://api.pixxel.space/v0/archives/collections/c"
AGAIN: list[tuple[dict[str, Any], list[str]]] = [
    # what the API's link says, what is noted
    ({}, []),
    ({"type": "application/json"}, []),
    ({"type": "application/geo+json"}, []),
    ({"type": "text/html"}, ["links.0"]),
    ({"title": "T"}, ["links.0"]),
    ({"href": f" {COLLECTION}"}, ["links.0"]),
    ({"rel": " collection"}, ["links.0"]),
]


@pytest.mark.parametrize(("more", "noted"), AGAIN)
def test_a_link_that_is_there_already_goes_with_a_word_where_it_says_more(
    more: dict[str, Any], noted: list[str]
) -> None:
    raw = {"rel": "collection", "href": COLLECTION} | more
    stac, notes = to_item(item(collection="c", links=[raw]))
    assert [link["rel"] for link in stac["links"]] == ["collection", "canonical"]
    assert [note.field for note in notes if note.action == "converted"] == noted


def test_links_are_resolved_against_the_first_address_that_can_be_used() -> None:
    stated = [
        5,
        {"rel": "other", "href": "https://other.invalid/"},
        {"rel": "self"},
        {"rel": "self", "href": 5},
        {"rel": "self", "href": " "},
        {"rel": "self", "href": "/i/a.json"},
        {"rel": "self", "href": "https://later.invalid/"},
        {"rel": "about", "href": "b"},
    ]
    stac, _ = to_item(item(links=stated))
    hrefs = [link["href"] for link in stac["links"] if link["rel"] == "about"]
    assert hrefs == ["https://api.pixxel.space/i/b"]
