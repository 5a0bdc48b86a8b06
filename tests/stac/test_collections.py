# ruff: noqa: E501 - tables, a case a line
from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import ConversionError, to_collection
from tap_pixxel.stac.links import find_href
from tests.stac.singles import GONE, TIME

WORLD = [-180, -90, 180, 90]


def extent(boxes: Any, intervals: Any) -> dict[str, Any]:
    return {"spatial": {"bbox": boxes}, "temporal": {"interval": intervals}}


PLAIN = {"id": "c", "description": "D", "license": "MIT", "extent": extent([WORLD], [[None, None]])}
SCHEMA = "https://stac-extensions.github.io/{}/schema.json".format
RANGE = {"minimum": 0, "maximum": 50}


def made(**members: Any) -> dict[str, Any]:
    stac = to_collection({"id": "c"} | members).stac
    assert to_collection(stac).stac == stac
    return stac


def test_a_bare_collection_gets_what_stac_requires() -> None:
    stac = made(stac_version="0.1.0", description=" ")
    assert stac["stac_version"] == "1.1.0"
    assert (stac["description"], stac["license"]) == ("c", "other")
    assert stac["extent"] == extent([WORLD], [[None, None]])
    assert made(title="T")["description"] == "T"


@pytest.mark.parametrize(
    ("license_", "links"),
    [
        ("https://a.invalid/terms", ["https://a.invalid/terms"]),
        ("see https://[nowhere", []),
    ],
)
def test_a_license_that_is_a_link_is_linked(license_: str, links: list[str]) -> None:
    stac = made(license=license_)
    assert stac["license"] == "other"
    assert [each["href"] for each in stac["links"] if each["rel"] == "license"] == links


def test_the_first_link_of_a_kind_that_can_be_used_is_used() -> None:
    both = [{"rel": "canonical", "href": each} for each in ("//[nowhere", "https://a.invalid/c")]
    assert find_href(both, "canonical", "https://api.invalid/") == "https://a.invalid/c"


def test_summaries_are_lists_or_ranges() -> None:
    raw = {
        "gsd": 30, "platform": ["TD1"], "mission": None, "instruments": [],
        "eo:cloud_cover": {"min": 0, "max": 50}, "view:off_nadir": {"minimum": 1, "maximum": 2},
        "eo:odd": 1, "odd": "x", "eo:bands": [{"name": "B1", "center_wavelength": 493}],
    }  # fmt: skip
    stac = made(summaries=raw)
    assert stac["summaries"] == {
        "bands": [{"name": "B1", "eo:center_wavelength": 0.493}],
        "gsd": [30], "platform": ["TD1"], "eo:cloud_cover": {"minimum": 0, "maximum": 50},
        "view:off_nadir": {"minimum": 1, "maximum": 2}, "pixxel:eo_odd": [1], "pixxel:odd": ["x"],
    }  # fmt: skip
    assert [url.split("/")[3] for url in stac["stac_extensions"]] == ["eo", "view"]


SUMMARIES: list[tuple[Any, Any, dict[str, str]]] = [
    # the API's summaries, STAC's, what is noted
    ({"gsd": [30]}, {"gsd": [30]}, {}),
    ({"gsd": 30}, {"gsd": [30]}, {"gsd": "converted"}),
    ({"gsd": ["30", None, -5]}, {"gsd": [30]}, {"gsd": "converted"}),
    ({"gsd": [-5]}, {"pixxel:gsd": [-5]}, {"gsd": "kept as pixxel:"}),
    ({"gsd": -5}, {"pixxel:gsd": [-5]}, {"gsd": "kept as pixxel:"}),
    ({"instruments": [["a"], "b"]}, {"instruments": ["a", "b"]}, {"instruments": "converted"}),
    ({"eo:cloud_cover": RANGE}, {"eo:cloud_cover": RANGE}, {}),
    ({"eo:cloud_cover": {"min": 0, "max": 50}}, {"eo:cloud_cover": RANGE}, {"eo:cloud_cover": "repaired"}),
    ({"eo:cloud_cover": RANGE | {"maximum": "50"}}, {"eo:cloud_cover": RANGE}, {"eo:cloud_cover": "repaired"}),
    ({"eo:cloud_cover": {"minimum": 0}}, {"pixxel:eo_cloud_cover": [{"minimum": 0}]}, {"eo:cloud_cover": "kept as pixxel:"}),
    ({"eo:cloud_cover": RANGE | {"mean": 5}}, {"pixxel:eo_cloud_cover": [RANGE | {"mean": 5}]}, {"eo:cloud_cover": "kept as pixxel:"}),
    ({"eo:cloud_cover": RANGE | {"maximum": 101}}, {"pixxel:eo_cloud_cover": RANGE | {"maximum": 101}}, {"eo:cloud_cover": "kept as pixxel:"}),
    ({"proj:centroid": {"lat": 1, "lon": 2}}, {"proj:centroid": [{"lat": 1, "lon": 2}]}, {}),
    ({"odd": RANGE}, {"pixxel:odd": RANGE}, {}),
    ({"odd": {"minimum": 0.5, "maximum": "b"}}, {"pixxel:odd": {"minimum": 0.5, "maximum": "b"}}, {}),
    ({"odd": RANGE | {"mean": 5}}, {"pixxel:odd": [RANGE | {"mean": 5}]}, {}),
    ({"odd": {"minimum": True, "maximum": 1}}, {"pixxel:odd": [{"minimum": True, "maximum": 1}]}, {}),
    ({"odd": {"minimum": 0, "maximum": None}}, {"pixxel:odd": [{"minimum": 0, "maximum": None}]}, {}),
    ({"odd": {"minimum": None, "maximum": 1}}, {"pixxel:odd": [{"minimum": None, "maximum": 1}]}, {}),
    ({"odd": None, "odder": [], "oddest": {}, "gsd": [30]}, {"gsd": [30]}, {}),
    (None, GONE, {}),
    (5, GONE, {"summaries": "dropped"}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "noted"), SUMMARIES)
def test_a_summary(raw: Any, expected: Any, noted: dict[str, str]) -> None:
    stac, notes = to_collection(PLAIN | {"summaries": raw})
    assert stac.get("summaries", GONE) == expected
    assert {note.field.removeprefix("summaries."): note.action for note in notes} == noted
    assert to_collection(stac) == (stac, [])


def test_bands_in_summaries_state_their_extensions() -> None:
    raw = {"bands": [{"name": "B1", "raster:scale": 2}]}
    assert made(summaries=raw)["stac_extensions"] == [SCHEMA("raster/v2.0.0")]


def test_providers_keep_the_roles_that_stac_knows() -> None:
    raw = [{"name": "P", "roles": ["Producer", None, "boss"], "url": "nowhere"}, {"roles": []}]
    assert made(providers=raw)["providers"] == [{"name": "P", "roles": ["producer"]}]


def test_item_assets_need_two_members() -> None:
    raw = {"a": {"title": "A"}, "b": {"title": "B", "eo:bands": [{"center_wavelength": 493}]}}
    stac = made(item_assets=raw)
    bands = [{"eo:center_wavelength": 0.493}]
    assert stac["item_assets"] == {"b": {"title": "B", "bands": bands}}


def test_other_members_are_kept_and_times_are_stacs() -> None:
    stac = made(created_at="2022-11-14T12:55:49Z", novel=1)
    assert (stac["created"], stac["pixxel:novel"]) == ("2022-11-14T12:55:49Z", 1)
    api = "https://api.pixxel.space/v0/archives/collections/c"
    assert [(link["rel"], link["href"]) for link in stac["links"]] == [("canonical", api)]


API = "https://api.pixxel.space/v0/archives/collections/c"
CANONICAL = {"rel": "canonical", "href": API, "type": "application/json"}
EO, SCI = SCHEMA("eo/v2.0.0"), SCHEMA("scientific/v1.0.0")
TIFF = {"title": "A", "type": "image/tiff"}
ASSET = {"title": "A", "eo:cloud_cover": 5}
MEMBERS: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    # members of the API's collection, what becomes different in STAC's, what is noted
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
    ({"item_assets": {"a": TIFF}}, {"item_assets": {"a": TIFF | {"type": "image/tiff; application=geotiff"}}}, {}),
    ({"item_assets": {"a": {"title": "A"}}}, {}, {"item_assets.a": "dropped"}),
    ({"item_assets": {"a": 5}}, {}, {"item_assets.a": "dropped"}),
    ({"item_assets": {"\ud800": ASSET}}, {}, {"item_assets.\ud800": "dropped"}),
    ({"item_assets": [ASSET]}, {}, {"item_assets": "dropped"}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "noted"), MEMBERS)
def test_a_member(raw: dict[str, Any], expected: dict[str, Any], noted: dict[str, str]) -> None:
    plain = to_collection(PLAIN).stac
    stac, notes = to_collection(PLAIN | raw)
    assert plain.keys() <= stac.keys()
    assert {name: each for name, each in stac.items() if each != plain.get(name, GONE)} == expected
    assert {note.field: note.action for note in notes} == noted
    assert len(notes) == len(noted)


def test_a_collection_begins_with_what_people_read() -> None:
    stac = to_collection(
        {"keywords": ["k"], "license": "MIT", "description": "D", "title": "T", "id": "c"}
    ).stac
    assert list(stac)[3:7] == ["id", "title", "description", "license"]
    assert "title" not in to_collection(PLAIN).stac


def test_a_slash_behind_the_apis_address_does_not_count() -> None:
    assert to_collection(PLAIN, api_url="https://api.pixxel.space/") == to_collection(PLAIN)


def test_no_id_no_collection() -> None:
    refused: list[Any] = [[], {}, {"id": " "}]
    for raw in refused:
        with pytest.raises(ConversionError, match="collection without an id"):
            to_collection(raw)
