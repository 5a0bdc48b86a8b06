"""Tests of the hrefs that may become links of the page."""

from __future__ import annotations

import pytest

from target_stac.formats.preview.asset_links import make_asset_link, make_file_link


@pytest.mark.parametrize(
    ("path", "href"),
    [
        ("c/a.json", "./c/a.json"),
        ("./c/a.json", "./c/a.json"),
        ("c/50% #1?.json", "./c/50%25%20%231%3F.json"),
        ("c/\\\\host\\a.json", "./c/%5C%5Chost%5Ca.json"),
        ("./urn:x/a.json", "./urn%3Ax/a.json"),
        ("", None),
        ("/etc/passwd", None),
        ("//host/a.json", None),
        ("\\\\host\\a.json", None),
        ("\tjavascript:alert(1)", None),
        ("JavaScript:alert(1)", None),
        ("data:text/html,x", None),
    ],
)
def test_file_link_of_unsafe_path_has_no_href(path: str, href: str | None) -> None:
    assert make_file_link(path) == (href or path, href is not None)


@pytest.mark.parametrize(
    ("href", "link"),
    [
        ("https://example.com/a?b=c&d=%20#e", "https://example.com/a?b=c&d=%20#e"),
        ("https://a.example.com:8080?X-Sig=%2F+", "https://a.example.com:8080?X-Sig=%2F+"),
        ("https://example.com/a b", "https://example.com/a%20b"),
        ("https://user@example.com/\u00e9", "https://user@example.com/%C3%A9"),
        ("HTTP://example.com/\u00e9\n", "HTTP://example.com/%C3%A9%0A"),
        ("./t.png", "./l2a/a b/t.png".replace(" ", "%20")),
        ("t%20u.png", "./l2a/a%20b/t%20u.png"),
        ("https:evil", None),
        ("https://[", None),
        ("s3://bucket/key", None),
        ("file:///etc/passwd", None),
        ("//host/x.png", None),
        (".//host/x.png", "./l2a/a%20b//host/x.png"),
        ("https://example.com/" + "x" * 5000, None),
    ],
)
def test_asset_link_of_unsafe_href_has_no_href(href: str, link: str | None) -> None:
    text, is_safe = make_asset_link(href, "l2a/a b/a b.json")
    assert (text if is_safe else None) == link
    assert is_safe or text[:4096] == href[:4096]


def test_asset_link_without_item_path_has_no_relative_href() -> None:
    assert make_asset_link("./t.png", None) == ("./t.png", False)
    assert make_asset_link(".//host/t.png", "a.json") == (".//host/t.png", True)
