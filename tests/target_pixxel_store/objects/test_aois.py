"""Records of AOI requests: the accepted forms, and errors without the values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from target_pixxel_store.errors import RecordError
from target_pixxel_store.geometry.polygon import equal_polygons, read_polygon
from tests.target_pixxel_store.objects.aoi_service import (
    AOIS_PATH,
    FakeAoiService,
    run_aoi_requests,
)
from tests.target_pixxel_store.objects.object_requests import SATELLITE, SQUARE, aoi_request
from tests.target_pixxel_store.target_harness import schema

if TYPE_CHECKING:
    from tests.target_pixxel_store.intercepting_proxy import InterceptingProxy
    from tests.target_pixxel_store.target_harness import Json, TargetHarness

MARKER = "v4lue-n0t-t0-be-ech0ed"
RING = SQUARE[0]
HOLE = [[10.1, 50.1], [10.2, 50.1], [10.2, 50.2], [10.1, 50.1]]


def polygon(*rings: Any, kind: str = "Polygon") -> Json:
    return {"type": kind, "coordinates": list(rings)}


def polygon_starting_at(*position: Any) -> Json:
    return polygon([list(position), *RING[1:-1], list(position)])


INVALID_FIELDS: dict[str, tuple[Json, str]] = {
    "no name": ({"name": None}, "has no 'name'"),
    "blank name": ({"name": "  "}, "has no 'name'"),
    "name of a wrong type": ({"name": [MARKER]}, "'name' must be a string"),
    "no project": ({"project_id": None}, "has no 'project_id'"),
    "no satellite": ({"satellite_id": ""}, "has no 'satellite_id'"),
    "provider of a wrong type": ({"provider": 7}, "'provider' must be a string"),
    "description of a wrong type": ({"description": [MARKER]}, "'description' must be a string"),
    "description with NUL": ({"description": f"{MARKER}\0"}, "'description' must be printable"),
    "item_ids as a text": ({"item_ids": f'[{{"a": "{MARKER}"}}]'}, "must be a list of strings"),
    "item_ids as invalid JSON": ({"item_ids": f'["{MARKER}'}, "is a string that is not JSON"),
    "item_ids of a wrong type": ({"item_ids": [MARKER, 7]}, "'item_ids' must be a list of strings"),
    "an empty item id": ({"item_ids": [MARKER, " "]}, "has no 'item_ids'"),
    "a secret": ({"extra": {"client_secret": MARKER}}, "contains 'client_secret'"),
    "no geometry": ({"geometry": None}, "has no 'geometry'"),
    "feature without geometry": (
        {"geometry": {"type": "Feature", "geometry": None}},
        "has no 'geometry'",
    ),
    "invalid JSON text": ({"geometry": f"POLYGON (({MARKER}))"}, "is a string that is not JSON"),
    "deeply nested text": ({"geometry": "[" * 100_000}, "is a string that is not JSON"),
    "MultiPolygon": ({"geometry": polygon([RING], kind="MultiPolygon")}, "one GeoJSON Polygon"),
    "a list": ({"geometry": RING}, "must be one GeoJSON Polygon"),
    "a FeatureCollection": (
        {"geometry": {"type": "FeatureCollection", "features": []}},
        "one GeoJSON Polygon",
    ),
    "no rings": ({"geometry": polygon()}, "has no ring"),
    "ring is an object": ({"geometry": polygon({"a": MARKER})}, "not a list of positions"),
    "three positions": ({"geometry": polygon([*RING[:2], RING[0]])}, "fewer than 4 positions"),
    "an open ring": ({"geometry": polygon(RING[:-1])}, "is not closed"),
    "an open hole": ({"geometry": polygon(RING, [*HOLE[:3], [0, 0]])}, "is not closed"),
    "text as longitude": (
        {"geometry": polygon_starting_at(MARKER, 50)},
        "not longitude and latitude",
    ),
    "boolean as longitude": ({"geometry": polygon_starting_at(*[True, 50])}, "not longitude"),
    "infinite number in text": (
        {"geometry": json.dumps(polygon_starting_at(7, 50)).replace("7", "1e999")},
        "'geometry'",
    ),
    "one number": ({"geometry": polygon_starting_at(50)}, "not longitude and latitude"),
    "metres": ({"geometry": polygon_starting_at(500_000, 5_000_000)}, "outside of longitude"),
    "latitude first": ({"geometry": polygon_starting_at(10, 90.01)}, "outside of longitude"),
}


@pytest.mark.parametrize("case", INVALID_FIELDS)
def test_aoi_record_invalid_field_fails_without_value(
    harness: TargetHarness, proxy: InterceptingProxy, case: str
) -> None:
    proxy.intercept = FakeAoiService()
    fields, reason = INVALID_FIELDS[case]
    result = harness.run(schema("aoi_requests", []), aoi_request(**fields), on_error="continue")
    assert (result.status, result.kinds) == (3, ["failed"])
    assert reason in result.reasons[0]
    assert (
        MARKER not in json.dumps([result.outcomes, result.summary, str(result.error)]) + result.log
    )
    assert not any(each.path == AOIS_PATH for each in proxy.requests)


def test_aoi_geometry_each_form_accepted(harness: TargetHarness, proxy: InterceptingProxy) -> None:
    proxy.intercept = FakeAoiService()
    polygon_3d = polygon([[*position, 100.5] for position in RING], HOLE)
    forms: list[Any] = [
        polygon(RING, HOLE), json.dumps(polygon(RING, HOLE)), polygon_3d,
        {"type": "Feature", "properties": {"a": 1}, "geometry": polygon_3d},
        json.dumps({"type": "Feature", "properties": None, "geometry": polygon_3d}),
    ]  # fmt: skip
    aoi_requests = [aoi_request(f"area {at}", geometry=form) for at, form in enumerate(forms)]
    result = run_aoi_requests(harness, *aoi_requests, aoi_request("open", provider="planetary"))
    assert result.kinds == ["created"] * 6
    *sent, last = [each.body for each in proxy.requests if each.method == "POST"]
    assert [body["geometry"] for body in sent] == [polygon(RING, HOLE)] * 5
    assert (last["provider"], last["satellite_id"]) == ("planetary", SATELLITE)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400])
def test_read_polygon_invalid_degree_rejected(number: float) -> None:
    with pytest.raises(RecordError, match="outside of longitude"):
        read_polygon(polygon_starting_at(number, 50), "geometry")


@pytest.mark.parametrize(
    ("other", "same"),
    [(polygon(RING[::-1], HOLE), True), (polygon([*RING[2:], *RING[1:3]], HOLE), True),
     (polygon([[x + 1e-9, y] for x, y in RING], HOLE), True), (polygon(RING), False),
     (polygon([[x + 1e-5, y] for x, y in RING], HOLE), False), (polygon(HOLE, RING), False),
     (polygon(RING, HOLE[::-1]), True)],
)  # fmt: skip
def test_equal_polygons_compares_shape(other: Json, same: bool) -> None:  # noqa: FBT001
    first = read_polygon(polygon(RING, HOLE), "geometry")
    assert equal_polygons(first, read_polygon(other, "geometry")) is same
