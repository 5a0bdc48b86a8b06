"""Readers one by one: of common fields, wavelengths, providers, media types and links."""

from __future__ import annotations

from functools import partial
from math import nan
from typing import Any

import pytest

from tap_pixxel.stac.assets.media_types import COG, GEOTIFF, find_suffix, parse_media_type
from tap_pixxel.stac.assets.wavelengths import parse_fwhm, parse_wavelength
from tap_pixxel.stac.hrefs import make_absolute
from tap_pixxel.stac.parsers import EMPTY, Dropped, Invalid
from tap_pixxel.stac.providers import parse_providers
from tap_pixxel.stac.signed_urls import strip_signature
from tests.stac.singles import assert_reads, mended, of_asset

P = {"name": "P"}
WHOLE = P | {
    "roles": ["producer", "licensor", "processor", "host"],
    "url": "https://a.invalid/",
    "description": "d",
    "novel": 1,
}


READINGS: list[tuple[Any, Any, Any]] = [
    # reader, value, what comes out
    (parse_wavelength, 0.0001, 0.0001),
    (parse_wavelength, 0, Dropped),
    (parse_wavelength, 19.9, 19.9),
    (parse_wavelength, "0.5", mended(0.5)),
    (parse_wavelength, 100, mended(0.1)),
    (parse_wavelength, "493", mended(0.493)),
    (parse_wavelength, 19999, mended(19.999)),
    (parse_wavelength, 20, Dropped),
    (parse_wavelength, 99.9, Dropped),
    (parse_wavelength, 20000, Dropped),
    (parse_wavelength, "x", Invalid),
    (parse_fwhm, 0.0003, 0.0003),
    (parse_fwhm, 1.0, 1.0),
    (parse_fwhm, "0.5", mended(0.5)),
    (parse_fwhm, 1.5, mended(0.0015)),
    (parse_fwhm, 0, Dropped("0 means unknown")),
    (parse_fwhm, 0.0002, Dropped),
    (parse_fwhm, 1000.1, Dropped),
    (parse_fwhm, -1, Dropped),
    (parse_fwhm, "x", Invalid),
    (partial(parse_fwhm, in_nanometres=True), 5, mended(0.005)),
    (partial(parse_fwhm, in_nanometres=True), 0.5, mended(0.0005)),
    (partial(parse_fwhm, in_nanometres=True), 0.01, 0.01),
    (partial(parse_fwhm, centre=0.5), 0.4, 0.4),
    (partial(parse_fwhm, centre=0.5), 0.5, mended(0.0005)),
    (parse_providers, [P], [P]),
    (parse_providers, [WHOLE], [WHOLE]),
    (parse_providers, P, mended([P])),
    (parse_providers, [{"name": " P ", "description": " d "}], mended([P | {"description": "d"}])),
    (parse_providers, [P | {"roles": " Host "}], mended([P | {"roles": ["host"]}])),
    (parse_providers, [P | {"roles": ["boss"]}], mended([P])),
    (parse_providers, [P | {"roles": ["host", None]}], mended([P | {"roles": ["host"]}])),
    (parse_providers, [P | {"url": 5, "odd": None}], mended([P])),
    (parse_providers, [P | {"url": "https://a.invalid/?sig=1"}], mended([P | {"url": "https://a.invalid/"}])),
    (parse_providers, [P | {"processing:level": "L2A"}], mended([P])),
    (parse_providers, [P | {"odd": [nan]}], mended([P | {"odd": [None]}])),
    (parse_providers, [5, P, {"url": "https://a.invalid/"}, {"name": " "}], mended([P])),
    (parse_providers, [{"url": "https://a.invalid/"}], Invalid),
    (parse_providers, [], EMPTY),
    (parse_providers, 5, Invalid),
    (parse_media_type, "image/png", "image/png"),
    (parse_media_type, " image/png ", mended("image/png")),
    (parse_media_type, "image/tiff", GEOTIFF),
    (parse_media_type, "image/tif", GEOTIFF),
    (parse_media_type, "image/geotiff", GEOTIFF),
    (parse_media_type, "image/vnd.stac.geotiff", GEOTIFF),
    (parse_media_type, GEOTIFF, GEOTIFF),
    (parse_media_type, COG, COG),
    (parse_media_type, "image/tiff; application = geotiff", "image/tiff; application = geotiff"),
    (parse_media_type, " image/tiff ", GEOTIFF),
    (parse_media_type, "image/TIFF", mended(GEOTIFF)),
    (parse_media_type, "image/tiff ;", mended(GEOTIFF)),
    (parse_media_type, "image/tiff;profile=cloud-optimized", mended(COG)),
    (parse_media_type, " ", EMPTY),
    (parse_media_type, 5, Invalid),
    (find_suffix, "https://a.invalid/x.tif", "tif"),
    (find_suffix, "https://a.invalid/x.y.TIFF?z=1.png#z.pdf", "tiff"),
    (find_suffix, "https://a.invalid/x#y.png?z", ""),
    (find_suffix, "https://a.invalid/x.exe", ""),
]  # fmt: skip


@pytest.mark.parametrize(("read", "value", "expected"), READINGS)
def test_a_reading(read: Any, value: Any, expected: Any) -> None:
    assert_reads(read, value, expected)


TYPES = {
    "tif": GEOTIFF, "tiff": GEOTIFF, "jpg": "image/jpeg", "jpeg": "image/jpeg",
    "png": "image/png", "json": "application/json", "geojson": "application/geo+json",
    "xml": "application/xml", "hdr": "text/plain", "txt": "text/plain", "html": "text/html",
    "pdf": "application/pdf", "zip": "application/zip",
}  # fmt: skip


def test_the_suffix_of_an_asset_tells_its_type_where_none_is_stated() -> None:
    for ending, kind in TYPES.items():
        made, _ = of_asset(href=f"https://a.invalid/x.{ending}")
        assert made["type"] == kind


SIGNING = (
    "x-amz-date", "X-Goog-Date", "sig", "Signature", "token", "access_token", "api_key", "apikey",
    "AWSAccessKeyId", "GoogleAccessId", "Key-Pair-Id", "Policy", " sig ",
)  # fmt: skip
BESIDE = (
    "sv", "st", "se", "sp", "sr", "ss", "srt", "spr", "sip", "skoid", "sktid", "skt", "ske", "sks",
    "skv", "sigx", "sd", "sdu", "Expires",
)  # fmt: skip


@pytest.mark.parametrize("name", SIGNING)
def test_a_parameter_that_signs_a_link_goes(name: str) -> None:
    assert strip_signature(f"https://a.invalid/x?a=1&{name}=2&{name}x=3") in {
        f"https://a.invalid/x?a=1&{name}x=3",
        "https://a.invalid/x?a=1",  # of a family of names
    }


@pytest.mark.parametrize("name", BESIDE)
def test_what_belongs_to_a_signature_goes_with_it_alone(name: str) -> None:
    assert strip_signature(f"https://a.invalid/x?{name}=1&a=2&sig=3") == "https://a.invalid/x?a=2"
    assert (
        strip_signature(f"https://a.invalid/x?{name}=1&a=2") == f"https://a.invalid/x?{name}=1&a=2"
    )


AT = "https://a.invalid/x/y"
HREFS: list[tuple[str, str | None, str | None]] = [
    # a link, what it stands in, the link as an absolute one
    (f" {AT} ", None, AT),
    ("HTTPS://a.invalid/x", None, "HTTPS://a.invalid/x"),
    ("mailto:a@b.invalid", None, "mailto:a@b.invalid"),
    ("file:///x", None, "file:///x"),
    (f"{AT}?a=1#b#c", None, f"{AT}?a=1#b%23c"),
    (f"{AT}#", None, f"{AT}#"),
    (f"{AT}?sig=1#b", None, f"{AT}#b"),
    (f"{AT}/a b|é", None, f"{AT}/a%20b%7C%C3%A9"),
    (f"{AT}/100%/%41", None, f"{AT}/100%25/%41"),
    (f"{AT}/\ud800", None, f"{AT}/%5Cud800"),
    ("https://a.invalid?a=1", None, "https://a.invalid?a=1"),
    ("https://a.invalid:/x", None, "https://a.invalid:/x"),
    ("b", None, None),
    (" ", AT, None),
    ("b", AT, "https://a.invalid/x/b"),
    ("/b", AT, "https://a.invalid/b"),
    ("//b.invalid/c", AT, "https://b.invalid/c"),
    ("?b=1", AT, f"{AT}?b=1"),
    ("../b", "s3://bucket/x/y/z", "s3://bucket/x/b"),
    ("s3://bucket/b", AT, "s3://bucket/b"),
    ("b", "https://[bad/", None),
    ("https://[bad/", None, "https://%5Bbad/"),
    ("https://a.invalid:65536/x", None, None),
    ("https://a.invalid:65535/é", None, "https://a.invalid:65535/%C3%A9"),
    ("1s3://bucket/b", None, None),
]


@pytest.mark.parametrize(("href", "base", "expected"), HREFS)
def test_a_link_becomes_an_absolute_one_that_every_reader_takes(
    href: str, base: str | None, expected: str | None
) -> None:
    assert make_absolute(href, base) == expected
    if expected:
        assert make_absolute(expected) == expected
