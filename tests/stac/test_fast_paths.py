"""What is quick for the common case gives what the long way gives."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixxel_api.timestamps import normalize_timestamp
from pixxel_sandbox import Workspace
from tap_pixxel.stac import ConversionError, to_item
from tap_pixxel.stac.assets import templates
from tap_pixxel.stac.assets.convert import _convert_cached, _convert_sorted_cached
from tap_pixxel.stac.assets.templates import _make_template
from tap_pixxel.stac.datetimes import is_chronological, parse_datetime
from tap_pixxel.stac.geometry import fast_path, repair
from tap_pixxel.stac.parsers import Repaired

if TYPE_CHECKING:
    from datetime import datetime

TIME = "2024-01-02T03:04:05Z"
DIGITS = st.sampled_from([0, 1, 2, 6, 12])
MIDDLES = st.one_of(
    st.sampled_from([-540.0, -180.0, 0.0, 179.9, 180.0, -179.5, 540.0]), st.floats(-190, 190)
)


@st.composite
def four_corners(draw: st.DrawFn) -> list[list[float]]:
    """Corners on an ellipse, in order or not, in longitudes of any turn."""
    lon, lat, size = draw(MIDDLES), draw(st.floats(-90, 90)), draw(st.floats(1e-3, 45))
    angles = draw(st.lists(st.floats(0, math.tau), min_size=4, max_size=4))
    if draw(st.integers(0, 3)):
        angles.sort(reverse=draw(st.booleans()))
    digits, wraps, high = draw(DIGITS), draw(st.booleans()), draw(st.booleans())
    ring = []
    for angle in angles:
        x, y = lon + size * math.cos(angle), lat + size * math.sin(angle) / 2
        x = (x + 180) % 360 - 180 if wraps else x
        ring.append([round(x, digits), round(y, digits), *([412.5] if high else [])])
    return [*ring, ring[0]]


@settings(max_examples=1000, deadline=None)
@given(four_corners())
def test_a_quadrilateral_comes_out_as_the_library_would_have_it(ring: list[list[float]]) -> None:
    geometry = {"type": "Polygon", "coordinates": [ring]}
    quick = fast_path.repair_quadrilateral(geometry)
    if quick is not None:
        assert repr(quick) == repr(repair.repair_geometry(geometry, lambda *_: None))


@pytest.mark.parametrize(
    "ring",
    [
        pytest.param([[179, 0], [180, -1], [-179, 0], [180, 1]], id="corners on the antimeridian"),
        pytest.param([[179, -0.1], [-179.999998, 0], [179, 0.1], [178, 0]], id="hardly over it"),
        pytest.param([[-170, 80], [-60, 80], [60, 80], [170, 80]], id="round the pole"),
        pytest.param([[0], [2, 0], [2, 2], [0, 2]], id="no positions"),
    ],
)
def test_what_rounding_could_turn_round_is_left_to_the_library(ring: list[list[float]]) -> None:
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    assert fast_path.repair_quadrilateral(geometry) is None


@pytest.mark.parametrize("height", [[], [412.5]])
def test_a_quadrilateral_over_the_antimeridian_is_cut_the_quick_way(height: list[float]) -> None:
    corners = [[179.5, -60.5], [-179.5, -60.5], [-179.5, -59.5], [179.5, -59.5], [179.5, -60.5]]
    made = fast_path.repair_quadrilateral(
        {"type": "Polygon", "coordinates": [[c + height for c in corners]]}
    )
    assert made is not None
    assert made["type"] == "MultiPolygon"


@settings(deadline=None)
@given(st.datetimes(), st.sampled_from(["+00:00", "+05:30", "-11:00", "", "z", " "]))
def test_a_stamp_is_read_as_by_the_api_library(stamp: datetime, offset: str) -> None:
    text = f"{stamp.isoformat()}{offset}"
    read = parse_datetime(text)
    try:
        expected = normalize_timestamp(text.strip().upper())
    except ValueError:
        assert type(read) is not Repaired
    else:
        assert read.value == expected


@given(st.datetimes(), st.datetimes())
def test_stamps_are_in_order_as_their_times_are(one: datetime, two: datetime) -> None:
    assert is_chronological(f"{one.isoformat()}Z", f"{two.isoformat()}Z") == (one <= two)


def test_what_is_remembered_of_an_asset_is_not_taken_for_one_like_it() -> None:
    made = []
    for value in (0, 0.0, -0.0, False, None, math.nan, "0", "\ud800"):
        asset: Any = {"href": "https://data.invalid/a.tif", "odd": value}
        raw = {"id": "a", "properties": {"datetime": TIME}, "assets": {"a": asset}}
        made.append(repr(to_item(raw)))
        assert repr(to_item(raw)) == made[-1]
    assert len(set(made)) == len(made)


HREFS = st.sampled_from(
    [
        "https://data.invalid/7/B001.tif",
        "https://data.invalid/8/B001.tif?sig=s3cret",
        "../B001.tif",
        "",
        'https://data.invalid/a"b',
        None,
        5,
    ]
)
PLAIN_HREFS = st.integers(0, 99).map(lambda number: f"s3://images/{number}/B001.tif")
KEYS = st.sampled_from(["B001", "B002", "thumbnail", "mask", "größe", 'a"b', "href"])
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["image/tiff", "image/jpeg", " ", None]),
        "title": st.sampled_from(["B1", "größe", 'with "href":"s3://a/b" in it', ""]),
        "roles": st.sampled_from([["data"], ["overview"], "data"]),
        "eo:bands": st.sampled_from(
            [[{"name": "B1", "center_wavelength": 493}], [{"center_wavelength": 0.8}], [], {}]
        ),
        "alternate": st.just({"s3": {"href": "s3://images/other.tif"}}),
    },
)


@st.composite
def assets_of_two_images(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The assets of two images, mostly alike but for their hrefs."""
    bodies = draw(st.dictionaries(KEYS, BODIES, min_size=1, max_size=6))
    hrefs = draw(st.sampled_from([PLAIN_HREFS, st.one_of(PLAIN_HREFS, HREFS)]))
    first = draw(st.booleans())

    def asset(body: dict[str, Any]) -> dict[str, Any]:
        href = {"href": draw(hrefs)}
        return href | body if first else body | href

    return [{key: asset(body) for key, body in bodies.items()} for _ in range(2)]


@settings(max_examples=600, deadline=None)
@given(assets_of_two_images())
def test_assets_as_text_come_out_as_the_same_objects_do(both: list[dict[str, Any]]) -> None:
    for assets in both:
        item = {"id": "a", "collection": "c", "properties": {"datetime": TIME}, "assets": assets}
        text = msgspec.Raw(msgspec.json.encode(assets))
        expected, notes = to_item(item)
        found, said = to_item({**item, "assets": text})
        assert json.dumps(msgspec.json.decode(msgspec.json.encode(found))) == json.dumps(expected)
        assert said == notes


def test_assets_too_long_to_be_remembered_are_converted_each_time() -> None:
    """Memory stays flat, whatever an asset says."""
    remembering = (_convert_cached, _convert_sorted_cached, _make_template)
    before = [each.cache_info().currsize for each in remembering]
    long = {"href": "https://a.invalid/x.bin", "description": "x" * templates.MAX_CACHED_BYTES}
    item = {"id": "a", "properties": {"datetime": TIME}, "assets": {"x": long}}
    expected = to_item(item).stac
    assert expected["assets"]["x"]["description"] == long["description"]
    text = msgspec.Raw(msgspec.json.encode(item["assets"]))
    found = to_item({**item, "assets": text}).stac
    assert msgspec.json.decode(msgspec.json.encode(found)) == expected
    assert [each.cache_info().currsize for each in remembering] == before


def test_assets_that_are_alike_but_for_their_hrefs_stay_text() -> None:
    """Also those of the sandbox, as they come."""
    workspace = Workspace(seed=3, items=40)
    for key in workspace.ids("archive_items"):
        raw = workspace.get("archive_items", key)
        raw["properties"].setdefault("datetime", TIME)
        raw["properties"]["datetime"] = raw["properties"]["datetime"] or TIME
        text = msgspec.Raw(msgspec.json.encode(raw["assets"]))
        expected = to_item(raw).stac
        found = to_item({**raw, "assets": text}).stac
        assert isinstance(found["assets"], msgspec.Raw)
        assert json.dumps(msgspec.json.decode(msgspec.json.encode(found))) == json.dumps(expected)


def test_assets_that_nobody_can_read_make_no_item() -> None:
    item = {"id": "a", "properties": {"datetime": TIME}, "assets": msgspec.Raw(b'{"a": {"href"')}
    with pytest.raises(ConversionError, match="assets that cannot be read"):
        to_item(item)
