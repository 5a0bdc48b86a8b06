# ruff: noqa: E501 - tables, a case a line
from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import NotAnItem, to_collection, to_item
from tap_pixxel.stac.links import href_of

WORLD = [-180, -90, 180, 90]


def extent(boxes: Any, intervals: Any) -> dict[str, Any]:
    return {"spatial": {"bbox": boxes}, "temporal": {"interval": intervals}}


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
    ("raw", "expected"),
    [
        ([[0, 0, 1, 1], [2, 2, 3, 3]], [[0, 0, 3, 3], [0, 0, 1, 1], [2, 2, 3, 3]]),
        ([["170", 0, 180, 1], [-180, 0, -170, 1]], [[170, 0, -170, 1], [170, 0, 180, 1], [-180, 0, -170, 1]]),
        ([170, 0, -170, 1], [[170, 0, -170, 1]]),
        ([[0, 0, 1, 1], "x"], [[0, 0, 1, 1]]),
        ([], [WORLD]),
        ("x", [WORLD]),
    ],
)  # fmt: skip
def test_bounding_boxes(raw: Any, expected: Any) -> None:
    assert made(extent=extent(raw, [[None, None]]))["extent"]["spatial"]["bbox"] == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([["2023-01-01T00:00:00Z", ".."]], [["2023-01-01T00:00:00Z", None]]),
        ([["", "2023-01-01 00:00:00+00:00"]], [[None, "2023-01-01T00:00:00.000000Z"]]),
        (["2023-01-01T00:00:00Z", None], [["2023-01-01T00:00:00Z", None]]),
        ([["2024-01-01T00:00:00Z", "2023-01-01T00:00:00Z"]], [[None, None]]),
    ],
)
def test_intervals(raw: Any, expected: Any) -> None:
    assert made(extent=extent([WORLD], raw))["extent"]["temporal"]["interval"] == expected


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
    assert href_of(both, "canonical", "https://api.invalid/") == "https://a.invalid/c"


def test_a_missing_extent_is_that_of_the_items() -> None:
    def item(lon: float, time: str) -> dict[str, Any]:
        point = {"type": "Point", "coordinates": [lon, 5]}
        return to_item({"id": "i", "geometry": point, "properties": {"datetime": time}}).stac

    items = [item(7, "2024-01-01T00:00:00Z"), item(3, "2023-01-01T00:00:00Z")]
    items.insert(
        1, to_item({"id": "nowhere", "properties": {"datetime": "2023-06-01T00:00:00Z"}}).stac
    )
    stac = to_collection({"id": "c"}, iter(items)).stac
    whole = extent([[3, 5, 7, 5]], [["2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z"]])
    assert stac["extent"] == whole


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


def test_no_id_no_collection() -> None:
    refused: list[Any] = [[], {}, {"id": " "}]
    for raw in refused:
        with pytest.raises(NotAnItem, match="collection without an id"):
            to_collection(raw)
