"""Fields one by one: what each reader passes on, mends, or finds unusable."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import projection
from tap_pixxel.stac.datetimes import is_chronological, parse_datetime
from tap_pixxel.stac.extensions import _parse_histogram, _parse_nonzero, _parse_software, parse_doi
from tap_pixxel.stac.parsers import EMPTY, MAX_UINT64, Dropped, Invalid, Repaired, sanitize_json
from tap_pixxel.stac.signed_urls import strip_signature

AFFINE = [10.0, 0.0, 500.0, 0.0, -10.0, 100.0]
HISTOGRAM = {"count": 3, "min": 0, "max": 9, "buckets": [1, 1.0, 1]}
GOOD: list[tuple[Any, Any, Any]] = [
    (projection.parse_code, "EPSG:4326", "EPSG:4326"),
    (projection.parse_code, "IAU_2015:30100", "IAU_2015:30100"),
    (projection.parse_wkt2, 'PROJCRS["a"]', 'PROJCRS["a"]'),
    (projection.parse_shape, [1, 2], [1, 2]),
    (projection.parse_shape, [5, 5], [5, 5]),
    (projection.parse_shape, [MAX_UINT64, 1], [MAX_UINT64, 1]),
    (projection.parse_transform, AFFINE, AFFINE),
    (projection.parse_transform, [*AFFINE, 0, 0, 1], [*AFFINE, 0, 0, 1]),
    (projection.parse_transform, [-10, 5, 500, 5, -10, 100], [-10, 5, 500, 5, -10, 100]),
    (projection.parse_centroid, {"lat": 90, "lon": -180}, {"lat": 90, "lon": -180}),
    (projection.parse_projected_bbox, [1, 2, 3, 4], [1, 2, 3, 4]),
    (projection.parse_projected_bbox, [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]),
    (parse_doi, "10.1234/abc", "10.1234/abc"),
    (_parse_software, {"a": "1"}, {"a": "1"}),
    (_parse_histogram, HISTOGRAM, {**HISTOGRAM, "buckets": [1, 1, 1]}),
    (_parse_nonzero, -1, -1),
    (parse_datetime, "2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
    (parse_datetime, "2025-01-01T00:00:00.5Z", "2025-01-01T00:00:00.5Z"),
]
MENDED: list[tuple[Any, Any, Any]] = [
    (projection.parse_code, 1, "EPSG:1"),
    (projection.parse_code, MAX_UINT64, f"EPSG:{MAX_UINT64}"),
    (projection.parse_code, "4326", "EPSG:4326"),
    (projection.parse_code, "epsg::4326", "EPSG:4326"),
    (projection.parse_code, "urn:ogc:def:crs:EPSG:9.9:4326", "EPSG:4326"),
    (projection.parse_code, " IAU_2015:30100 ", "IAU_2015:30100"),
    (projection.parse_wkt2, ' PROJCRS["a"] ', 'PROJCRS["a"]'),
    (projection.parse_transform, [500.0, 10.0, 0.0, 100.0, 0.0, -10.0], AFFINE),
    (projection.parse_centroid, {"lat": "1", "lon": 2, "z": 3}, {"lat": 1, "lon": 2}),
    (parse_doi, " doi:10.1234/abc ", "10.1234/abc"),
    (parse_datetime, "2025-01-01 01:30:00+01:30", "2025-01-01T00:00:00.000000Z"),
    (parse_datetime, "2025-01-01", "2025-01-01T00:00:00.000000Z"),
    (parse_datetime, " 2025-01-01t00:00:00z ", "2025-01-01T00:00:00.000000Z"),
]
BAD: list[tuple[Any, Any, Any]] = [
    (projection.parse_code, 0, Invalid),
    (projection.parse_code, MAX_UINT64 + 1, Invalid),
    (projection.parse_code, 1.5, Invalid),
    (projection.parse_code, "nonsense", Invalid),
    (projection.parse_code, " ", EMPTY),
    (projection.parse_wkt2, 5, Invalid),
    (projection.parse_wkt2, " ", EMPTY),
    (projection.parse_wkt2, "PROJCS[]", Dropped),
    (projection.parse_wkt2, "nonsense", Invalid),
    (projection.parse_wkt2, 'PROJCRS["\u00e4"]', Invalid),
    (projection.parse_shape, [0, 5], Invalid),
    (projection.parse_shape, [1.5, 5], Invalid),
    (projection.parse_shape, [1, 2, 3], Invalid),
    (projection.parse_shape, [1, 1e30], Invalid),
    (projection.parse_transform, [1, 2], Invalid),
    (projection.parse_transform, [0, 10, 500, 0, -10, 100], Invalid),
    (projection.parse_transform, [10, 10, 500, 0, -10, 100], Invalid),
    (projection.parse_transform, [10, -20, 500, 0, -10, 100], Invalid),
    (projection.parse_transform, [10, 0, 500, 10, -10, 100], Invalid),
    (projection.parse_transform, [10, 0, 500, -20, -10, 100], Invalid),
    (projection.parse_transform, [500, 10, 0, 100, 0, -10, 0, 0, 1], Invalid),
    (projection.parse_transform, [*AFFINE, 0, 0, 2], Invalid),
    (projection.parse_centroid, {"lat": 91, "lon": 0}, Invalid),
    (projection.parse_centroid, {"lat": -91, "lon": 0}, Invalid),
    (projection.parse_centroid, {"lat": 0, "lon": 181}, Invalid),
    (projection.parse_centroid, {"lat": 0, "lon": -181}, Invalid),
    (projection.parse_centroid, {"lat": 0}, Invalid),
    (projection.parse_centroid, [1, 2], Invalid),
    (projection.parse_projected_bbox, [1, 2, 3], Invalid),
    (parse_doi, 5, Invalid),
    (parse_doi, "", EMPTY),
    (parse_doi, "11.1234/abc", Invalid),
    (_parse_software, ["a"], Invalid),
    (_parse_software, {"a": 1}, Invalid),
    (_parse_software, {"\u00e4": "1"}, Invalid),
    (_parse_software, {}, EMPTY),
    (_parse_histogram, [], Invalid),
    (_parse_histogram, {**HISTOGRAM, "more": 1}, Invalid),
    (_parse_histogram, {**HISTOGRAM, "buckets": [1, 1]}, Invalid),
    (_parse_histogram, {**HISTOGRAM, "buckets": 3}, Invalid),
    (_parse_histogram, {**HISTOGRAM, "buckets": [1, 1, 1.5]}, Invalid),
    (_parse_histogram, {**HISTOGRAM, "min": "0"}, Invalid),
    (_parse_histogram, {**HISTOGRAM, "max": None}, Invalid),
    (_parse_nonzero, 0, Invalid),
    (sanitize_json, (1,), Dropped),
    (parse_datetime, 5, Invalid),
    (parse_datetime, "2025-13-01T00:00:00Z", Invalid),
    (parse_datetime, " ", EMPTY),
]


@pytest.mark.parametrize(("read", "value", "expected"), GOOD)
def test_what_is_good_is_passed_on(read: Any, value: Any, expected: Any) -> None:
    assert read(value) == expected


@pytest.mark.parametrize(("read", "value", "expected"), MENDED)
def test_what_can_be_mended_is_mended_and_told(read: Any, value: Any, expected: Any) -> None:
    found = read(value)
    assert isinstance(found, Repaired)
    assert found.value == expected
    assert found.reason


@pytest.mark.parametrize(("read", "value", "expected"), BAD)
def test_what_a_field_cannot_hold_is_not_in_it(read: Any, value: Any, expected: Any) -> None:
    found = read(value)
    if isinstance(expected, type):
        assert isinstance(found, expected)
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("link", "bare"),
    [
        ("https://a.invalid/x#part", "https://a.invalid/x#part"),
        ("https://a.invalid/x?a=1#part", "https://a.invalid/x?a=1#part"),
        ("https://a.invalid/x?sig=1&se=2#part", "https://a.invalid/x#part"),
        ("https://a.invalid/x?Signature=1&Expires=2&a=1", "https://a.invalid/x?a=1"),
        ("https://user:word@a.invalid/x", "https://a.invalid/x"),
        ("https://a.invalid/x?expires=2", "https://a.invalid/x?expires=2"),
    ],
)
def test_a_link_loses_its_signature_and_nothing_else(link: str, bare: str) -> None:
    assert strip_signature(link) == bare


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z", True),
        ("2025-01-01T00:00:01Z", "2025-01-01T00:00:00Z", False),
        ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00.5Z", True),
        ("2025-01-01T00:00:00.5Z", "2025-01-01T00:00:00Z", False),
        ("2025-01-01T00:00:00.0Z", "2025-01-01T00:00:00Z", True),
    ],
)
def test_times_of_other_precision_are_compared_as_times(
    start: str,
    end: str,
    expected: bool,  # noqa: FBT001
) -> None:
    assert is_chronological(start, end) is expected
