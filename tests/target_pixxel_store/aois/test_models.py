"""Records that want areas: what is understood, and what is told of the rest without its values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from target_pixxel_store.aois.polygon import equal_polygons, read_polygon
from target_pixxel_store.errors import RecordError
from tests.target_pixxel_store.aoi_service import AOIS, SATELLITE, SQUARE, Areas, ask, wish
from tests.target_pixxel_store.target_runner import schema

if TYPE_CHECKING:
    from tests.target_pixxel_store.intercepting_proxy import Between
    from tests.target_pixxel_store.target_runner import Json, Workplace

MARK = "v4lue-n0t-t0-be-ech0ed"
RING = SQUARE[0]
HOLE = [[10.1, 50.1], [10.2, 50.1], [10.2, 50.2], [10.1, 50.1]]


def polygon(*rings: Any, kind: str = "Polygon") -> Json:
    return {"type": kind, "coordinates": list(rings)}


def beginning_with(*position: Any) -> Json:
    return polygon([list(position), *RING[1:-1], list(position)])


BAD: dict[str, tuple[Json, str]] = {
    "no name": ({"name": None}, "has no 'name'"),
    "blank name": ({"name": "  "}, "has no 'name'"),
    "name of a wrong type": ({"name": [MARK]}, "'name' must be a string"),
    "no project": ({"project_id": None}, "has no 'project_id'"),
    "no satellite": ({"satellite_id": ""}, "has no 'satellite_id'"),
    "provider of a wrong type": ({"provider": 7}, "'provider' must be a string"),
    "description of a wrong type": ({"description": [MARK]}, "'description' must be a string"),
    "description with NUL": ({"description": f"{MARK}\0"}, "'description' must be printable"),
    "item_ids as a text": ({"item_ids": f'["{MARK}"]'}, "'item_ids' must be a list of strings"),
    "item_ids of a wrong type": ({"item_ids": [MARK, 7]}, "'item_ids' must be a list of strings"),
    "an empty item id": ({"item_ids": [MARK, " "]}, "has no 'item_ids'"),
    "a secret": ({"extra": {"client_secret": MARK}}, "contains 'client_secret'"),
    "no geometry": ({"geometry": None}, "has no 'geometry'"),
    "a feature of nothing": (
        {"geometry": {"type": "Feature", "geometry": None}}, "has no 'geometry'"),
    "text that is no JSON": ({"geometry": f"POLYGON (({MARK}))"}, "is a string that is not JSON"),
    "text that is nested deep": ({"geometry": "[" * 100_000}, "is a string that is not JSON"),
    "MultiPolygon": ({"geometry": polygon([RING], kind="MultiPolygon")}, "one GeoJSON Polygon"),
    "a list": ({"geometry": RING}, "must be one GeoJSON Polygon"),
    "a FeatureCollection": (
        {"geometry": {"type": "FeatureCollection", "features": []}}, "one GeoJSON Polygon"),
    "no rings": ({"geometry": polygon()}, "has no ring"),
    "a ring that is none": ({"geometry": polygon({"a": MARK})}, "not a list of positions"),
    "three positions": ({"geometry": polygon([*RING[:2], RING[0]])}, "fewer than 4 positions"),
    "an open ring": ({"geometry": polygon(RING[:-1])}, "is not closed"),
    "an open hole": ({"geometry": polygon(RING, [*HOLE[:3], [0, 0]])}, "is not closed"),
    "a text as longitude": ({"geometry": beginning_with(MARK, 50)}, "not longitude and latitude"),
    "a flag as longitude": ({"geometry": beginning_with(*[True, 50])}, "not longitude"),
    "a text of no finite number": (
        {"geometry": json.dumps(beginning_with(7, 50)).replace("7", "1e999")}, "'geometry'"),
    "one number": ({"geometry": beginning_with(50)}, "not longitude and latitude"),
    "metres": ({"geometry": beginning_with(500_000, 5_000_000)}, "outside of longitude"),
    "latitude first": ({"geometry": beginning_with(10, 90.01)}, "outside of longitude"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_fails_and_says_why_without_the_value(
    place: Workplace, between: Between, case: str
) -> None:
    between.otherwise = Areas()
    fields, why = BAD[case]
    ran = place.run(schema("aoi_requests", []), wish(**fields), on_error="continue")
    assert (ran.status, ran.kinds) == (3, ["failed"])
    assert why in ran.reasons[0]
    assert MARK not in json.dumps([ran.outcomes, ran.summary, str(ran.error)]) + ran.log
    assert not any(each.path == AOIS for each in between.asked)


def test_a_geometry_is_understood_in_its_several_forms(place: Workplace, between: Between) -> None:
    between.otherwise = Areas()
    high = polygon([[*position, 100.5] for position in RING], HOLE)
    forms: list[Any] = [
        polygon(RING, HOLE), json.dumps(polygon(RING, HOLE)), high,
        {"type": "Feature", "properties": {"a": 1}, "geometry": high},
        json.dumps({"type": "Feature", "properties": None, "geometry": high}),
    ]  # fmt: skip
    wishes = [wish(f"area {at}", geometry=form) for at, form in enumerate(forms)]
    ran = ask(place, *wishes, wish("open", provider="planetary"))
    assert ran.kinds == ["created"] * 6
    *sent, last = [each.body for each in between.asked if each.method == "POST"]
    assert [body["geometry"] for body in sent] == [polygon(RING, HOLE)] * 5
    assert (last["provider"], last["satellite_id"]) == ("planetary", SATELLITE)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400])
def test_what_is_no_degree_is_refused(number: float) -> None:
    with pytest.raises(RecordError, match="outside of longitude"):
        read_polygon(beginning_with(number, 50), "geometry")


@pytest.mark.parametrize(
    ("other", "same"),
    [(polygon(RING[::-1], HOLE), True), (polygon([*RING[2:], *RING[1:3]], HOLE), True),
     (polygon([[x + 1e-9, y] for x, y in RING], HOLE), True), (polygon(RING), False),
     (polygon([[x + 1e-5, y] for x, y in RING], HOLE), False), (polygon(HOLE, RING), False),
     (polygon(RING, HOLE[::-1]), True)],
)  # fmt: skip
def test_outlines_are_compared_and_not_their_spelling(other: Json, same: bool) -> None:  # noqa: FBT001
    one = read_polygon(polygon(RING, HOLE), "geometry")
    assert equal_polygons(one, read_polygon(other, "geometry")) is same
