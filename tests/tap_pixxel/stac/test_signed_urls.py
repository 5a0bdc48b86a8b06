"""Test that URLs lose what gives access to whoever holds them, and nothing else."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tap_pixxel.stac.signed_urls import is_signature, strip_signature, strip_signatures

AT = "https://a.invalid/x"
SECRET = (
    "key", "api_key", "apikey", "x-api-key", "subscription-key", "accessKey", "jwt", "auth",
    "authorization", "hmac", "password", "passwd", "pwd", "token", "access_token", "authToken",
    "sas-token", "auth[token]", "client_secret", "credential", "sig", "Signature", " sig ",
    "X-Amz-Date", "x-amz-foo", "AWSAccessKeyId", "X-Goog-Date", "GoogleAccessId", "Key-Pair-Id",
    "Policy", "x-oss-credential", "OSSAccessKeyId", "q-ak", "hdnts", "hdnea", "__token__",
    "connectId", "jsessionid", "PHPSESSID", "session_id",
)  # fmt: skip
COMPANIONS = (
    "sv", "st", "se", "sp", "sr", "ss", "srt", "spr", "sip", "si", "skoid", "sktid", "skt", "ske",
    "sks", "skv", "sigx", "sd", "sdu", "Expires", "KeyName", "URLPrefix", "token_path",
)  # fmt: skip
ORDINARY = (
    "a", "keyword", "keyframe", "monkey", "author", "authority", "design", "signal", "sigma",
    "policies", "tokens", "page_token", "nextToken", "$skiptoken", "sort-key", "partition_key",
    "spectral_signature", "versionId", "x-oss-process", "response-content-type", "pass", "hash",
)  # fmt: skip


@pytest.mark.parametrize("name", SECRET)
def test_strip_signature_secret_param_is_removed(name: str) -> None:
    for each in (name, f"%{ord(name[0]):02x}{name[1:]}"):
        assert strip_signature(f"{AT}?a=1&{each}=s/e;c?r,e~t&b=2") == f"{AT}?a=1&b=2"


@pytest.mark.parametrize(
    ("signed", "bare"),
    [
        (f"{AT}?key=s", AT),
        (f"{AT}#key=s/e&a=1", f"{AT}#a=1"),
        (f"{AT}#/route?key=s", f"{AT}#/route"),
        (f"{AT};key=s/y;a=1?b=2", f"{AT}/y;a=1?b=2"),
        ("https://a.invalid/key=s~e,t/x", AT),
        (
            "https://b.invalid?url=https://a.invalid/x?key=s&a=1",
            "https://b.invalid?url=" + AT + "&a=1",
        ),
        ("https://b.invalid/https://a.invalid/x?key=s", f"https://b.invalid/{AT}"),
        (f"{AT}?a=b;key=s", f"{AT}?a=b"),
        ("https://user:word@a.invalid/x", AT),
        ("https://user:w@rd@a.invalid/x", AT),
        ("https://b.invalid?url=https://user:word@a.invalid/x", f"https://b.invalid?url={AT}"),
        (f"{AT}?sig=1&se=2#part", f"{AT}#part"),
        (f"{AT}?token=exp=1~acl=/*~hmac=2", AT),
        (f"{AT}?edge=exp=1~acl=/a/*~hmac=2", f"{AT}?edge=exp=1~acl=/a"),
        (f"{AT}?a%3D1%26sig%3D2", f"{AT}?a%3D1"),
        (f"{AT}?sig%3D2", AT),
        (f"{AT}%3Fsig%3D2/y", f"{AT}/y"),
        ("token=1&a=2", "a=2"),
        ("/x/token=1", "/x"),
    ],
)
def test_strip_signature_url_returns_expected(signed: str, bare: str) -> None:
    assert strip_signature(signed) == bare


@pytest.mark.parametrize("name", ORDINARY)
def test_strip_signature_ordinary_param_stays(name: str) -> None:
    inner = f"{AT};{name}=1/y?b=%2B+%ff&{name}=a=b==#{name}=3"
    for url in (inner, f"{AT}?url={quote(inner, safe='')}&c=1", f"{AT}/{quote(inner, safe='')}"):
        assert strip_signature(url) == url
        assert strip_signature(f"{url}&sig=1") == url


@pytest.mark.parametrize("name", COMPANIONS)
def test_strip_signature_companion_param_is_removed_only_with_a_secret(name: str) -> None:
    assert strip_signature(f"{AT}?{name}=1/2&a=2&sig=3") == f"{AT}?a=2"
    assert strip_signature(f"{AT}?{name}=1/2&a=2") == f"{AT}?{name}=1/2&a=2"


@pytest.mark.parametrize("levels", range(1, 5))
def test_strip_signature_nested_url_loses_its_secret(levels: int) -> None:
    signed, bare = f"https://us:er@a.invalid/x?sig=1&a=1;{levels}", f"{AT}?a=1;{levels}"
    for _ in range(levels):
        signed = f"https://b.invalid/p?url={quote(signed, safe='')}&b=2"
        bare = f"https://b.invalid/p?url={quote(bare, safe='')}&b=2"
    assert strip_signature(signed) == bare
    assert strip_signature(bare) == bare


@pytest.mark.parametrize("levels", [10, 1000])
def test_strip_signature_nested_too_deep_is_removed_if_it_has_a_secret(levels: int) -> None:
    for nested in ("?a=" * levels, "a=" * levels, "%" + "25" * levels + "3F"):
        assert "sesame" not in strip_signature(f"{AT}?a={nested}sig=sesame")
        assert strip_signature(f"{AT}?a={nested}b=1") == f"{AT}?a={nested}b=1"


@pytest.mark.parametrize(
    "url",
    [AT, f"{AT}?", f"{AT}#", f"{AT}?&a=1&&b", f"{AT}?mail=a@b.invalid", "https://a.invalid/~me/@x"],
)
def test_strip_signature_url_without_secret_stays(url: str) -> None:
    assert strip_signature(url) == url


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("X-Amz-Date=1&X-Amz-Signature=2", True),
        ("sv=1&se=2&sig=3", True),
        ("hdnts=1", True),
        ("sv=1&se=2", False),
        ("sig=1&a=2", False),
        ("sig=1#a", False),
        ("", False),
    ],
)
def test_is_signature_query_returns_expected(query: str, expected: bool) -> None:  # noqa: FBT001
    assert is_signature(query) is expected


def test_strip_signatures_text_keeps_its_words() -> None:
    text = 'key=5, "{}" <{}>: sig=1 of\n{} is old'
    signed = f"{AT}?sig=1"
    assert strip_signatures(text.format(signed, signed, signed)) == text.format(AT, AT, AT)
