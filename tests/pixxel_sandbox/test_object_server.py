"""Signed URLs are served as S3 serves objects, with ranges, errors and the faults of fetches."""

from __future__ import annotations

import re
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.exceptions import ChunkedEncodingError

from pixxel_sandbox import Sandbox

from .api_client import TIMEOUT, get
from .download_requests import (
    PATH,
    SIZE,
    digest_content,
    fetch,
    fetch_interrupted,
    get_download,
    instant_behavior,
    prepare_download,
    request_download,
    s3_error,
    sized_behavior,
)
from .write_requests import wait_until


@pytest.fixture
def sandbox(clean_sandbox: Sandbox) -> Sandbox:
    return clean_sandbox


def test_signed_url_has_request_host_and_is_new_each_time(sandbox: Sandbox) -> None:
    [catalog, *_] = sandbox.workspace.ids("catalogs")
    key = request_download(sandbox, catalog_ids=[catalog]).json()["id"]
    urls = {get_download(sandbox, key)["signed_url"] for _ in range(3)}
    assert len(urls) == 3
    assert {fetch(url).status_code for url in urls} == {200}
    parts = urlsplit(urls.pop())
    name = sandbox.workspace.get("catalogs", catalog)["details"]["id"]
    assert parts.path == f"/_sandbox/objects/{key}/{name}.zip"
    wait = float(parse_qs(parts.query)["expires"][0]) - time.time()
    assert 290 < wait < 300
    other = sandbox.url.replace("127.0.0.1", "localhost")
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    response = requests.get(f"{other}{PATH}/{key}", headers=headers, timeout=TIMEOUT)
    assert response.json()["signed_url"].startswith(other)


def test_signed_url_changed_or_expired_is_rejected(sandbox: Sandbox) -> None:
    url = prepare_download(sandbox)
    bare, _, signed = url.partition("?")
    later = re.sub(r"expires=\d+", "expires=9999999999", url)
    for wrong in (url[:-1], bare, later, f"{bare[:-4]}.tif?{signed}"):
        assert s3_error(fetch(wrong)) == (403, "SignatureDoesNotMatch")
    sandbox.behavior = instant_behavior(url_seconds=0)
    assert s3_error(fetch(prepare_download(sandbox))) == (403, "AccessDenied")
    sandbox.behavior = instant_behavior()
    assert fetch(url).status_code == 200
    gone = sandbox.workspace.insert("catalogs", {"task_id": "none"})
    url = prepare_download(sandbox, gone)
    sandbox.workspace.delete("catalogs", gone)
    assert s3_error(fetch(url)) == (404, "NoSuchKey")


def test_fetch_with_authorization_is_rejected_and_recorded(sandbox: Sandbox) -> None:
    url, asked = prepare_download(sandbox), len(sandbox.requests)
    response = fetch(url, Authorization=f"Bearer {sandbox.token}")
    assert s3_error(response) == (400, "InvalidArgument")
    assert fetch(url).status_code == 200
    assert [(each.status, each.has_authorization) for each in sandbox.fetches] == [
        (400, True),
        (200, False),
    ]
    assert sandbox.token not in repr(sandbox.fetches)
    assert len(sandbox.requests) == asked, "a fetch is not a request to the API"


PARTS = [
    ("bytes=0-", range(SIZE)),
    ("bytes=0-0", range(1)),
    ("bytes=990-", range(990, SIZE)),
    ("bytes=10-19", range(10, 20)),
    ("bytes=990-5000", range(990, SIZE)),
    ("bytes=-10", range(990, SIZE)),
]
WHOLE = ["bytes=20-10", "bytes=-", "bytes=0-1,5-6", "rows=1-2", "bytes=x-"]


def test_break_downloads_interrupts_fraction_of_fetches(sandbox: Sandbox) -> None:
    sandbox.behavior = sized_behavior(break_downloads=1)
    url, sizes = prepare_download(sandbox), set()
    for _ in range(5):
        with pytest.raises(ChunkedEncodingError):
            fetch(url)
        sizes.add(sandbox.fetches[-1].sent)
        assert sandbox.fetches[-1].status == 200
    assert max(sizes) < SIZE
    assert len(sizes) > 1
    sandbox.behavior.break_downloads = 0.5
    broken = 0
    for _ in range(30):
        try:
            assert len(fetch(url).content) == SIZE
        except ChunkedEncodingError:
            broken += 1
    assert 5 < broken < 25


def test_interrupt_fetches_resumed_returns_whole_object(sandbox: Sandbox) -> None:
    sandbox.behavior = sized_behavior(interrupt_fetches=10)
    one, two = sandbox.workspace.ids("catalogs")[:2]
    url, content, fetches = prepare_download(sandbox, one), b"", 0
    while len(content) < SIZE:
        content += fetch_interrupted(url, Range=f"bytes={len(content)}-")
        fetches += 1
    assert fetches == 11
    assert digest_content(content) == sandbox.digest(one)
    parts = [each.sent for each in sandbox.fetches]
    assert sum(parts) == SIZE
    assert max(parts) - min(parts) <= 11, "each part is as long as the others"
    assert fetch(prepare_download(sandbox, one)).status_code == 200, (
        "another download is the same object"
    )
    with pytest.raises(ChunkedEncodingError):
        fetch(prepare_download(sandbox, two))


def test_error_page_returns_html_with_status_200(sandbox: Sandbox) -> None:
    sandbox.behavior = sized_behavior(error_page=1)
    response = fetch(prepare_download(sandbox), Range="bytes=5-")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.text.startswith("<html>")
    assert sandbox.fetches[0].sent == len(response.content)


def test_ignore_range_returns_whole_object(sandbox: Sandbox) -> None:
    sandbox.behavior = sized_behavior(ignore_range=True)
    for header in ("bytes=500-", f"bytes={SIZE}-"):
        response = fetch(prepare_download(sandbox), Range=header)
        assert (response.status_code, len(response.content)) == (200, SIZE)


def test_download_rate_throttles_fetch_without_blocking_others(sandbox: Sandbox) -> None:
    sandbox.behavior = sized_behavior(100_000, download_rate=200_000)
    url, done = prepare_download(sandbox), []
    began = time.monotonic()
    slow = threading.Thread(target=lambda: done.append(fetch(url).content))
    slow.start()
    wait_until(lambda: sandbox.fetches and sandbox.fetches[0].sent)
    assert get(sandbox, "/ping") == "pong"
    assert not done
    slow.join()
    assert 0.4 < time.monotonic() - began < 5
    assert len(done[0]) == 100_000


def test_fetch_stops_when_client_disconnects(sandbox: Sandbox) -> None:
    sandbox.behavior = sized_behavior(100_000_000, download_rate=1_000_000)
    with requests.get(prepare_download(sandbox), stream=True, timeout=TIMEOUT) as response:
        assert next(response.iter_content(10)).startswith(b"PK\3\4")
    sent = 0

    def rests() -> bool:
        nonlocal sent
        before, sent = sent, sandbox.fetches[0].sent
        time.sleep(0.12)
        return before == sent > 0

    wait_until(rests)
    assert sent < 2_000_000


def test_sandbox_stop_aborts_fetches() -> None:
    with Sandbox(items=5, behavior=sized_behavior(100_000_000, download_rate=1_000_000)) as sandbox:
        url = prepare_download(sandbox)
        slow = requests.get(url, stream=True, timeout=TIMEOUT)
        sandbox.behavior = sized_behavior(100_000_000)
        idle = requests.get(url, stream=True, timeout=TIMEOUT)
        began = time.monotonic()
    assert time.monotonic() - began < 0.9
    for response in (slow, idle):
        with response, pytest.raises((ChunkedEncodingError, requests.ConnectionError)):
            assert response.content


@pytest.mark.parametrize(("header", "places"), PARTS)
def test_fetch_with_range_returns_that_part(sandbox: Sandbox, header: str, places: range) -> None:
    sandbox.behavior = sized_behavior()
    url = prepare_download(sandbox)
    response = fetch(url, Range=header)
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {places.start}-{places.stop - 1}/{SIZE}"
    assert response.content == fetch(url).content[places.start : places.stop]
    assert int(response.headers["Content-Length"]) == len(places)
    noted = sandbox.fetches[0]
    assert (noted.method, noted.range, noted.status) == ("GET", header, 206)
    assert noted.sent == len(places)


def test_fetch_with_invalid_range_returns_all_and_beyond_end_416(sandbox: Sandbox) -> None:
    sandbox.behavior = sized_behavior()
    url = prepare_download(sandbox)
    for header in WHOLE:
        response = fetch(url, Range=header)
        assert (response.status_code, len(response.content)) == (200, SIZE), header
    for header in (f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"):
        response = fetch(url, Range=header)
        assert s3_error(response) == (416, "InvalidRange"), header
        assert response.headers["Content-Range"] == f"bytes */{SIZE}"


def test_fetch_with_outdated_if_range_returns_whole_object(sandbox: Sandbox) -> None:
    sandbox.behavior = sized_behavior()
    url = prepare_download(sandbox)
    etag = fetch(url).headers["ETag"]
    known = {"Range": "bytes=500-", "If-Range": etag}
    assert fetch(url, **known).status_code == 206
    assert sandbox.fetches[-1].if_range == etag
    sandbox.behavior.download_bytes = SIZE + 1
    response = fetch(url, **known)
    assert (response.status_code, len(response.content)) == (200, SIZE + 1)
    assert response.headers["ETag"] != etag
    assert "Content-Range" not in response.headers


def test_head_returns_headers_without_body(sandbox: Sandbox) -> None:
    sandbox.behavior = sized_behavior(break_downloads=1, error_page=1, interrupt_fetches=5)
    url = prepare_download(sandbox)
    response = fetch(url, "HEAD")
    assert (response.status_code, response.content) == (200, b"")
    assert (response.headers["Content-Length"], sandbox.fetches[0].sent) == (str(SIZE), 0)
    assert fetch(url + "0", "HEAD").status_code == 403
    assert sandbox.fetches[1].sent == 0
    sandbox.behavior = sized_behavior()
    whole = fetch(url)
    same = ("Content-Length", "Content-Type", "Content-Disposition", "ETag", "Accept-Ranges")
    assert [response.headers[name] for name in same] == [whole.headers[name] for name in same]
