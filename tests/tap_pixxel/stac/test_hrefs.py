"""Test that hrefs become absolute URLs."""

from __future__ import annotations

import pytest

from tap_pixxel.stac.hrefs import make_absolute

AT = "https://a.invalid/x/y"


HREFS: list[tuple[str, str | None, str | None]] = [
    # href, base, expected URL
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
def test_make_absolute_href_returns_expected(
    href: str, base: str | None, expected: str | None
) -> None:
    assert make_absolute(href, base) == expected
    if expected:
        assert make_absolute(expected) == expected
