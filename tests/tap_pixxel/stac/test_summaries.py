# ruff: noqa: E501 - tables, one case per line
"""Test the conversion of a collection's summaries."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import to_collection
from tests.tap_pixxel.stac.minimal_items import ABSENT

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


RANGE = {"minimum": 0, "maximum": 50}


def convert_collection(**members: Any) -> dict[str, Any]:
    stac = to_collection({"id": "c"} | members).stac
    assert to_collection(stac).stac == stac
    return stac


SUMMARIES: list[tuple[Any, Any, dict[str, str]]] = [
    # the API's summaries, STAC's summaries, actions noted
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
    ({"eo:bands": [{"name": "B1", "center_wavelength": 493}]}, {"bands": [{"name": "B1", "eo:center_wavelength": 0.493}]}, {"eo:bands.0.center_wavelength": "converted"}),
    ({"odd": RANGE}, {"pixxel:odd": RANGE}, {}),
    ({"odd": {"minimum": 0.5, "maximum": "b"}}, {"pixxel:odd": {"minimum": 0.5, "maximum": "b"}}, {}),
    ({"odd": RANGE | {"mean": 5}}, {"pixxel:odd": [RANGE | {"mean": 5}]}, {}),
    ({"odd": {"minimum": True, "maximum": 1}}, {"pixxel:odd": [{"minimum": True, "maximum": 1}]}, {}),
    ({"odd": {"minimum": 0, "maximum": None}}, {"pixxel:odd": [{"minimum": 0, "maximum": None}]}, {}),
    ({"odd": {"minimum": None, "maximum": 1}}, {"pixxel:odd": [{"minimum": None, "maximum": 1}]}, {}),
    ({"odd": None, "odder": [], "oddest": {}, "gsd": [30]}, {"gsd": [30]}, {}),
    (None, ABSENT, {}),
    (5, ABSENT, {"summaries": "dropped"}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "actions"), SUMMARIES)
def test_summary_returns_expected(raw: Any, expected: Any, actions: dict[str, str]) -> None:
    stac, notes = to_collection(MINIMAL | {"summaries": raw})
    assert stac.get("summaries", ABSENT) == expected
    assert {note.field.removeprefix("summaries."): note.action for note in notes} == actions
    assert to_collection(stac) == (stac, [])
