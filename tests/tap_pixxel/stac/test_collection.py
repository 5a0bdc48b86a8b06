# ruff: noqa: E501 - tables, one case per line
"""Test the conversion of collections."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import ConversionError, to_collection
from tap_pixxel.stac.links import find_href
from tests.tap_pixxel.stac.minimal_items import ABSENT, TIME

WORLD = [-180, -90, 180, 90]


def make_extent(boxes: Any, intervals: Any) -> dict[str, Any]:
    return {"spatial": {"bbox": boxes}, "temporal": {"interval": intervals}}


MINIMAL = {
    "id": "c",
    "description": "D",
    "license": "MIT",
    "extent": make_extent([WORLD], [[None, None]]),
}


SCHEMA = "https://stac-extensions.github.io/{}/schema.json".format


def convert_collection(**members: Any) -> dict[str, Any]:
    stac = to_collection({"id": "c"} | members).stac
    assert to_collection(stac).stac == stac
    return stac


def test_find_href_two_links_returns_first_valid() -> None:
    both = [{"rel": "canonical", "href": each} for each in ("//[nowhere", "https://a.invalid/c")]
    assert find_href(both, "canonical", "https://api.invalid/") == "https://a.invalid/c"


API = "https://api.pixxel.space/v0/archives/collections/c"


CANONICAL = {"rel": "canonical", "href": API, "type": "application/json"}


EO, SCI = SCHEMA("eo/v2.0.0"), SCHEMA("scientific/v1.0.0")


TIFF = {"title": "A", "type": "image/tiff"}


ASSET = {"title": "A", "eo:cloud_cover": 5}


MEMBERS: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    # members of the API's collection, members that differ in STAC's, actions noted
    ({}, {}, {}),
    ({"type": "Collection", "stac_version": "0.1.0", "stac_extensions": ["eo"]}, {}, {}),
    ({"type": "Catalog"}, {}, {"type": "dropped"}),
    ({"type": 5}, {}, {"type": "dropped"}),
    ({"stac_version": 1}, {}, {"stac_version": "dropped"}),
    ({"stac_extensions": "eo"}, {}, {"stac_extensions": "dropped"}),
    ({"stac_extensions": {}}, {}, {}),
    ({"id": " c "}, {}, {"id": "converted"}),
    ({"description": None, "title": "T"}, {"title": "T", "description": "T"}, {"description": "repaired"}),
    ({"title": "T"}, {"title": "T"}, {}),
    ({"license": None}, {"license": "other"}, {"license": "repaired"}),
    ({"license": " "}, {"license": "other"}, {"license": "dropped"}),
    ({"license": "all of it"}, {"license": "other", "pixxel:license": "all of it"}, {"license": "kept as pixxel:"}),
    ({"license": "https://a.invalid/t"}, {"license": "other", "pixxel:license": "https://a.invalid/t", "links": [{"rel": "license", "href": "https://a.invalid/t"}, CANONICAL]}, {"license": "kept as pixxel:"}),
    ({"license": "https://a.invalid:99999/t"}, {"license": "other", "pixxel:license": "https://a.invalid:99999/t"}, {"license": "kept as pixxel:"}),
    ({"license": "mailto:t@a.invalid"}, {"license": "other", "pixxel:license": "mailto:t@a.invalid"}, {"license": "kept as pixxel:"}),
    ({"pixxel:license": "https://a.invalid/t"}, {"pixxel:license": "https://a.invalid/t"}, {}),
    ({"license": "other", "pixxel:license": ["://"]}, {"license": "other", "pixxel:license": ["://"]}, {}),
    ({"created_at": TIME, "updated_at": TIME}, {"created": TIME, "updated": TIME}, {}),
    ({"created_at": "soon"}, {"pixxel:created_at": "soon"}, {"created_at": "kept as pixxel:"}),
    ({"x": 1, "pixxel:x": 2}, {"pixxel:x": 2, "pixxel:x_2": 1}, {"x": "kept as pixxel:"}),
    ({"novel": None, "keywords": None}, {}, {}),
    ({"sci:doi": "10.1234/a/b"}, {"sci:doi": "10.1234/a/b", "stac_extensions": [SCI], "links": [{"rel": "cite-as", "href": "https://doi.org/10.1234/a/b"}, CANONICAL]}, {}),
    ({"links": [CANONICAL | {"href": "https://a.invalid/c"}]}, {"links": [CANONICAL | {"href": "https://a.invalid/c"}]}, {}),
    ({"assets": {"a": ASSET | {"href": "a"}}}, {"assets": {"a": ASSET | {"href": "https://api.pixxel.space/a"}}, "stac_extensions": [EO]}, {"assets.a.href": "converted"}),
    ({"item_assets": {"a": ASSET}}, {"item_assets": {"a": ASSET}, "stac_extensions": [EO]}, {}),
    ({"item_assets": {"a": ASSET | {"href": "a"}}}, {"item_assets": {"a": ASSET}, "stac_extensions": [EO]}, {"item_assets.a.href": "dropped"}),
    ({"item_assets": {"a": ASSET | {"title": " A "}}}, {"item_assets": {"a": ASSET}, "stac_extensions": [EO]}, {"item_assets.a.title": "converted"}),
    ({"item_assets": {"a": TIFF}}, {"item_assets": {"a": TIFF | {"type": "image/tiff; application=geotiff"}}}, {"item_assets.a.type": "converted"}),
    ({"item_assets": {"a": {"title": "A"}}}, {}, {"item_assets.a": "dropped"}),
    ({"item_assets": {"a": 5}}, {}, {"item_assets.a": "dropped"}),
    ({"item_assets": {"\ud800": ASSET}}, {}, {"item_assets.\ud800": "dropped"}),
    ({"item_assets": [ASSET]}, {}, {"item_assets": "dropped"}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "actions"), MEMBERS)
def test_to_collection_member_returns_expected(
    raw: dict[str, Any], expected: dict[str, Any], actions: dict[str, str]
) -> None:
    plain = to_collection(MINIMAL).stac
    stac, notes = to_collection(MINIMAL | raw)
    assert plain.keys() <= stac.keys()
    assert {
        name: each for name, each in stac.items() if each != plain.get(name, ABSENT)
    } == expected
    assert {note.field: note.action for note in notes} == actions
    assert len(notes) == len(actions)


def test_to_collection_without_id_raises() -> None:
    refused: list[Any] = [[], {}, {"id": " "}]
    for raw in refused:
        with pytest.raises(ConversionError, match="collection without an id"):
            to_collection(raw)
