"""Test the conversion of links."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import to_item
from tests.tap_pixxel.stac.minimal_items import make_item


def test_links_structural_and_duplicate_links_are_dropped() -> None:
    via = {"rel": "via", "href": "https://a.invalid/v"}
    raw = make_item(
        links=[{"rel": "self", "href": "/i/a.json"}, via, via, {"rel": "x", "href": "b"}, 5]
    )
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


HREF = "https://a.invalid/v"


ABOUT = {"rel": "about", "href": HREF}


LINKS: list[tuple[Any, Any, dict[str, str]]] = [
    # the API's link, STAC's link, actions noted
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


@pytest.mark.parametrize(("raw", "expected", "actions"), LINKS)
def test_link_returns_expected(raw: Any, expected: Any, actions: dict[str, str]) -> None:
    stac, notes = to_item(make_item(links=[raw]))
    assert stac["links"] == ([expected] if expected else [])
    assert {note.field: note.action for note in notes} == actions


COLLECTION = "https://api.pixxel.space/v0/archives/collections/c"


def test_links_relative_href_is_resolved_against_first_valid_self() -> None:
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
    stac, _ = to_item(make_item(links=stated))
    hrefs = [link["href"] for link in stac["links"] if link["rel"] == "about"]
    assert hrefs == ["https://api.pixxel.space/i/b"]
