"""The parsing of valid settings, and the messages for invalid ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from shapely.geometry import shape
from singer_sdk.exceptions import ConfigValidationError

from tap_pixxel.settings import (
    Interval,
    OwnedRange,
    TapSettings,
    find_setting_problems,
    read_settings,
)
from tap_pixxel.tap import TapPixxel

if TYPE_CHECKING:
    from pathlib import Path

BASE = {"api_token": "t", "api_url": "https://host", "page_size": 100, "concurrency": 4}


def parse(**settings: Any) -> TapSettings:
    switches = {
        "stac": True,
        "assume_cog": False,
        "delivered_assets": False,
        "workflow_details": False,
    }
    config = {**BASE, "lookback_seconds": 0, **switches, **settings}
    assert find_setting_problems(config) == []
    return read_settings(config)


def make_square(west: float, *, height: float | None = None) -> dict[str, Any]:
    corners = [(west, 0), (west + 1, 0), (west + 1, 1), (west, 1), (west, 0)]
    ring = [[*corner, height] if height else [*corner] for corner in corners]
    return {"type": "Polygon", "coordinates": [ring]}


def test_collections_named_twice_are_read_once() -> None:
    assert parse(collections=["a", " b ", "a"]).collections == ("a", "b")


def test_bbox_across_antimeridian_is_accepted() -> None:
    assert parse(bbox=[170, -10, -170, 10]).bbox == (170, -10, -170, 10)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024-02", "2024-02-01T00:00:00", "2024-02-29T23:59:59.999999"),
        ("2024-04", "2024-04-01T00:00:00", "2024-04-30T23:59:59.999999"),
        ("2024-04-05", "2024-04-05T00:00:00", "2024-04-05T23:59:59.999999"),
        ("/2024", None, "2024-12-31T23:59:59.999999"),
        ("2024/", "2024-01-01T00:00:00", None),
        ("2024 / ..", "2024-01-01T00:00:00", None),
        ("2024-04-05T06:00:00Z", "2024-04-05T06:00:00", "2024-04-05T06:00:00"),
    ],
)
def test_datetime_day_month_or_year_covers_all_of_it(
    text: str, start: str | None, end: str | None
) -> None:
    def full(stamp: str | None) -> str | None:
        return stamp and (f"{stamp}Z" if "." in stamp else f"{stamp}.000000Z")

    assert parse(datetime=text).datetime == Interval(full(start), full(end))


def test_owned_range_is_parsed_to_fixed_width_utc() -> None:
    owned = parse(owned_range="2024-01-01T01:00:00+01:00/..").owned_range
    assert owned == OwnedRange("2024-01-01T00:00:00.000000Z", None)
    assert parse(owned_range=" Undated").owned_range == OwnedRange(is_undated=True)
    assert parse().owned_range is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("2024-01-01", "must be two timestamps such as 2025-01-01/2025-02-01, or undated"),
        ("2024-01-01/s3cret", "must be two timestamps such as 2025-01-01/2025-02-01, or undated"),
        ("a/b/c", "must be two timestamps such as 2025-01-01/2025-02-01, or undated"),
        ("2024-02-01/2024-01-01", "is empty: its second timestamp, which is exclusive, must be"),
        ("2024-01-01/2024-01-01", "is empty: its second timestamp, which is exclusive, must be"),
    ],
)
def test_owned_range_invalid_is_named(value: str, problem: str) -> None:
    [line] = find_setting_problems({**BASE, "owned_range": value})
    assert line.startswith(f"Setting 'owned_range' {problem}")


def test_owned_range_after_datetime_is_refused() -> None:
    [line] = find_setting_problems({**BASE, "owned_range": "2025-01-01/..", "datetime": "2024"})
    assert line == "Setting 'owned_range' begins after the setting 'datetime' ends; change one"
    parse(owned_range="2024-12-31/..", datetime="2024")
    parse(owned_range="../2024-01-01", datetime="2024")


def test_intersects_with_leading_blank_line_is_accepted() -> None:
    assert parse(intersects="\n " + json.dumps(make_square(0))).intersects


def test_intersects_file_in_home_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "area.geojson").write_text(json.dumps(make_square(0)))
    assert parse(intersects="~/area.geojson").intersects


def test_intersects_heights_are_dropped() -> None:
    area = parse(intersects=json.dumps(make_square(0, height=100))).intersects
    assert area is not None
    assert {len(point) for point in area["coordinates"][0]} == {2}


def test_store_urls_are_stripped() -> None:
    urls = {" archive ": " https://host/container/ ", "lake": "file://host/mnt", "é": "s3://b"}
    assert parse(store_urls=urls).store_urls == {
        name.strip(): url.strip() for name, url in urls.items()
    }
    assert parse().store_urls == {}


def test_intersects_several_geometries_are_united() -> None:
    features = [
        {"type": "Feature", "properties": {}, "geometry": make_square(west)} for west in (0, 0.5, 7)
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features})
    area = parse(intersects=text).intersects
    assert area is not None
    assert area["type"] == "MultiPolygon"
    assert shape(area).area == pytest.approx(2.5)


TWICE = [make_square(0)["coordinates"], make_square(0.5)["coordinates"]]


INVALID_SETTINGS: list[tuple[str, dict[str, Any], str]] = [
    ("no token", {"api_token": None}, "Setting 'api_token' is missing"),
    ("empty token", {"api_token": " "}, "Setting 'api_token' is empty"),
    ("two words as a token", {"api_token": "s3cret s3cret"}, "Setting 'api_token'"),
    ("a line break in the token", {"api_token": "s3cret\r\nX: y"}, "Setting 'api_token'"),
    ("url without scheme", {"api_url": "s3cret.example"}, "Setting 'api_url' must be a URL"),
    ("url with a password", {"api_url": "https://u:s3cret@host"}, "Setting 'api_url' must be"),
    ("url with a user", {"api_url": "https://u@host"}, "must be a plain base URL"),
    ("url with a query", {"api_url": "https://host?s3cret=1"}, "must be a plain base URL"),
    ("url with a fragment", {"api_url": "https://host#s3cret"}, "must be a plain base URL"),
    ("url with port 0", {"api_url": "https://host:0"}, "Setting 'api_url' must be"),
    ("url without host", {"api_url": "https://"}, "Setting 'api_url' must be"),
    ("url of FTP", {"api_url": "ftp://host"}, "Setting 'api_url' must be"),
    ("url with /v0", {"api_url": "https://host/v0/"}, "must not end with /v0"),
    ("url with a bad port", {"api_url": "https://host:s3cret"}, "Setting 'api_url' must be a URL"),
    ("no date", {"start_date": "s3cret"}, "Setting 'start_date' must be a date"),
    ("month 13", {"start_date": "2025-13-01"}, "Setting 'start_date' must be a date"),
    ("south > north", {"bbox": [0, 10, 5, -10]}, "Setting 'bbox' has a south greater"),
    ("west > east", {"bbox": [10, 0, 5, 10]}, "Setting 'bbox' has a west greater"),
    ("three numbers", {"bbox": [1, 2, 3]}, "Setting 'bbox' must have four numbers"),
    ("latitude first", {"bbox": [12, 170, 13, 171]}, "Setting 'bbox' has a latitude outside"),
    ("longitude 200", {"bbox": [0, 0, 200, 10]}, "Setting 'bbox' has a longitude outside"),
    ("texts in bbox", {"bbox": ["s3cret", 1, 2, 3]}, "Setting 'bbox.0' must be a number"),
    ("bbox of NaN", {"bbox": [float("nan"), 0, 1, 1]}, "Setting 'bbox' must have four numbers"),
    ("unreadable GeoJSON", {"intersects": '{"type": "s3cret"'}, "Setting 'intersects' cannot"),
    ("no such type", {"intersects": '{"type": "Circle"}'}, "Setting 'intersects' cannot"),
    ("file of nobody", {"intersects": "~s3cret/x"}, "Setting 'intersects' must be GeoJSON"),
    (
        "no such file",
        {"intersects": "/no/s3cret.geojson"},
        "Setting 'intersects' must be GeoJSON",
    ),
    (
        "latitude first in GeoJSON",
        {"intersects": '{"type":"Point","coordinates":[12,170]}'},
        "longitude first",
    ),
    (
        "an empty geometry",
        {"intersects": '{"type":"GeometryCollection","geometries":[]}'},
        "has no geometry",
    ),
    (
        "a bow tie",
        {"intersects": '{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]}'},
        "crosses itself",
    ),
    (
        "box and area",
        {"bbox": [0, 0, 1, 1], "intersects": '{"type":"Point","coordinates":[1,2]}'},
        "'bbox' and 'intersects' exclude each other",
    ),
    ("no interval", {"datetime": "s3cret/.."}, "Setting 'datetime' must be a timestamp"),
    ("three times", {"datetime": "2024/2025/2026"}, "Setting 'datetime' must be a timestamp"),
    ("end before start", {"datetime": "2025/2024"}, "Setting 'datetime' ends before"),
    ("query of texts", {"query": {"gsd": "s3cret"}}, "Setting 'query.gsd' must be an object"),
    ("query as a list", {"query": ["s3cret"]}, "Setting 'query' must be an object"),
    ("empty query rule", {"query": {"gsd": {}}}, "Setting 'query' must map"),
    ("collections as a number", {"collections": 5}, "Setting 'collections' must be a list"),
    ("no collection", {"collections": []}, "Setting 'collections' is an empty list"),
    ("a blank collection", {"collections": [" "]}, "Setting 'collections' has an empty name"),
    ("page size 0", {"page_size": 0}, "Setting 'page_size' must be at least 1"),
    ("page size of a text", {"page_size": "s3cret"}, "Setting 'page_size' must be a whole number"),
    ("huge page size", {"page_size": 10**9}, "Setting 'page_size' must be at most"),
    ("no worker", {"concurrency": 0}, "Setting 'concurrency' must be at least 1"),
    ("no rate", {"requests_per_second": 0}, "Setting 'requests_per_second' must be more than 0"),
    (
        "rate of a text",
        {"requests_per_second": "s3cret"},
        "Setting 'requests_per_second' must be a number",
    ),
    (
        "endless rate",
        {"requests_per_second": float("inf")},
        "Setting 'requests_per_second' must be at most 1000",
    ),
    ("no time", {"request_timeout": -1}, "Setting 'request_timeout' must be more than 0"),
    ("looking ahead", {"lookback_seconds": -1}, "Setting 'lookback_seconds' must be at least 0"),
    ("two lines of agent", {"user_agent": "a\nb: s3cret"}, "Setting 'user_agent' must be one line"),
    (
        "overlapping parts",
        {"intersects": json.dumps({"type": "MultiPolygon", "coordinates": TWICE})},
        "crosses itself",
    ),
    ("a blank collection of catalogs", {"catalog_collection": " "}, "is empty; remove it"),
    *(
        ("store url", {"store_urls": {"a": url}}, "must map store names to plain base URLs")
        for url in (
            *("host/images", "https://", "https://host:99999/c", "https://host/a b"),
            *("https://host/c?sig=s3cret", "https://user:s3cret@host/c", "https://host/c#s3cret"),
        )
    ),
    ("stream map of a text", {"stream_maps": {"orders": "s3cret"}}, "Setting 'stream_maps"),
    (
        "stream map of an object",
        {"stream_maps": {"orders": {"total": {"kind": "s3cret"}}}},
        "Setting 'stream_maps",
    ),
    ("a blank store", {"store_urls": {" ": "https://host/a"}}, "has an empty store name"),
]


@pytest.mark.parametrize(
    ("settings", "line"),
    [bad[1:] for bad in INVALID_SETTINGS],
    ids=[bad[0] for bad in INVALID_SETTINGS],
)
def test_invalid_setting_is_named_without_its_value(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigValidationError) as raised:
        TapPixxel(config={"api_token": "t", "api_url": "https://host"} | settings)
    [problem] = raised.value.errors
    assert line in problem
    assert "s3cret" not in problem
