"""Signed URLs are served as S3 does: whole, in parts, slowly, broken off, or not at all."""

import io
import re
import threading
import time
import zipfile
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.exceptions import ChunkedEncodingError

from pixxel_sandbox import Sandbox
from pixxel_sandbox.generated_zip import BLOCK_BYTES, MIN_ZIP_BYTES

from .client import TIMEOUT, get
from .fetching import PATH, SIZE, ask, bulk, digest_of, fetch, got, look, plain, ready, refused
from .writes import until


@pytest.fixture
def sandbox(emptied: Sandbox) -> Sandbox:
    return emptied


@pytest.mark.parametrize(
    "size", [MIN_ZIP_BYTES, MIN_ZIP_BYTES + 1, MIN_ZIP_BYTES + BLOCK_BYTES, 3 * BLOCK_BYTES + 5]
)
def test_an_object_may_be_of_any_size(sandbox: Sandbox, size: int) -> None:
    sandbox.behavior = bulk(size)
    one, two = sandbox.workspace.ids("catalogs")[:2]
    content = fetch(ready(sandbox, one)).content
    assert len(content) == size
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        [member] = archive.infolist()
    assert member.file_size == size - MIN_ZIP_BYTES
    assert sandbox.digest(one) == digest_of(content)
    if member.file_size:
        assert sandbox.digest(two) != sandbox.digest(one)


def test_a_url_is_of_the_sandbox_as_it_was_reached_and_fresh_each_time(sandbox: Sandbox) -> None:
    [catalog, *_] = sandbox.workspace.ids("catalogs")
    key = ask(sandbox, catalog_ids=[catalog]).json()["id"]
    urls = {look(sandbox, key)["signed_url"] for _ in range(3)}
    assert len(urls) == 3
    assert {fetch(url).status_code for url in urls} == {200}
    parts = urlsplit(urls.pop())
    name = sandbox.workspace.get("catalogs", catalog)["details"]["id"]
    assert parts.path == f"/_sandbox/objects/{key}/{name}.zip"
    wait = float(parse_qs(parts.query)["expires"][0]) - time.time()
    assert 290 < wait < 300
    other = sandbox.url.replace("127.0.0.1", "localhost")
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    answer = requests.get(f"{other}{PATH}/{key}", headers=headers, timeout=TIMEOUT)
    assert answer.json()["signed_url"].startswith(other)


def test_a_url_that_was_changed_or_is_too_old_is_refused(sandbox: Sandbox) -> None:
    url = ready(sandbox)
    bare, _, signed = url.partition("?")
    later = re.sub(r"expires=\d+", "expires=9999999999", url)
    for wrong in (url[:-1], bare, later, f"{bare[:-4]}.tif?{signed}"):
        assert refused(fetch(wrong)) == (403, "SignatureDoesNotMatch")
    sandbox.behavior = plain(url_seconds=0)
    assert refused(fetch(ready(sandbox))) == (403, "AccessDenied")
    sandbox.behavior = plain()
    assert fetch(url).status_code == 200
    gone = sandbox.workspace.insert("catalogs", {"task_id": "none"})
    url = ready(sandbox, gone)
    sandbox.workspace.delete("catalogs", gone)
    assert refused(fetch(url)) == (404, "NoSuchKey")


def test_a_token_that_is_sent_along_is_refused_and_noted(sandbox: Sandbox) -> None:
    url, asked = ready(sandbox), len(sandbox.requests)
    answer = fetch(url, Authorization=f"Bearer {sandbox.token}")
    assert refused(answer) == (400, "InvalidArgument")
    assert fetch(url).status_code == 200
    assert [(each.status, each.has_authorization) for each in sandbox.fetches] == [
        (400, True),
        (200, False),
    ]
    assert sandbox.token not in repr(sandbox.fetches)
    assert len(sandbox.requests) == asked, "a fetch is no request to the API"


PARTS = [
    ("bytes=0-", range(SIZE)),
    ("bytes=0-0", range(1)),
    ("bytes=990-", range(990, SIZE)),
    ("bytes=10-19", range(10, 20)),
    ("bytes=990-5000", range(990, SIZE)),
    ("bytes=-10", range(990, SIZE)),
]
WHOLE = ["bytes=20-10", "bytes=-", "bytes=0-1,5-6", "rows=1-2", "bytes=x-"]


@pytest.mark.parametrize(("header", "places"), PARTS)
def test_a_part_is_what_was_asked_for(sandbox: Sandbox, header: str, places: range) -> None:
    sandbox.behavior = bulk()
    url = ready(sandbox)
    answer = fetch(url, Range=header)
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {places.start}-{places.stop - 1}/{SIZE}"
    assert answer.content == fetch(url).content[places.start : places.stop]
    assert int(answer.headers["Content-Length"]) == len(places)
    noted = sandbox.fetches[0]
    assert (noted.method, noted.range, noted.status) == ("GET", header, 206)
    assert noted.sent == len(places)


def test_ranges_that_say_nothing_get_all_and_those_beyond_nothing(sandbox: Sandbox) -> None:
    sandbox.behavior = bulk()
    url = ready(sandbox)
    for header in WHOLE:
        answer = fetch(url, Range=header)
        assert (answer.status_code, len(answer.content)) == (200, SIZE), header
    for header in (f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"):
        answer = fetch(url, Range=header)
        assert refused(answer) == (416, "InvalidRange"), header
        assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


def test_a_part_of_an_object_that_changed_is_the_whole_of_it(sandbox: Sandbox) -> None:
    sandbox.behavior = bulk()
    url = ready(sandbox)
    etag = fetch(url).headers["ETag"]
    known = {"Range": "bytes=500-", "If-Range": etag}
    assert fetch(url, **known).status_code == 206
    assert sandbox.fetches[-1].if_range == etag
    sandbox.behavior.download_bytes = SIZE + 1
    answer = fetch(url, **known)
    assert (answer.status_code, len(answer.content)) == (200, SIZE + 1)
    assert answer.headers["ETag"] != etag
    assert "Content-Range" not in answer.headers


def test_a_head_tells_all_and_sends_nothing(sandbox: Sandbox) -> None:
    sandbox.behavior = bulk(break_downloads=1, error_page=1, interrupt_fetches=5)
    url = ready(sandbox)
    answer = fetch(url, "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert (answer.headers["Content-Length"], sandbox.fetches[0].sent) == (str(SIZE), 0)
    assert fetch(url + "0", "HEAD").status_code == 403
    assert sandbox.fetches[1].sent == 0
    sandbox.behavior = bulk()
    whole = fetch(url)
    same = ("Content-Length", "Content-Type", "Content-Disposition", "ETag", "Accept-Ranges")
    assert [answer.headers[name] for name in same] == [whole.headers[name] for name in same]


def test_a_connection_breaks_within_the_body(sandbox: Sandbox) -> None:
    sandbox.behavior = bulk(break_downloads=1)
    url, sizes = ready(sandbox), set()
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


def test_the_first_fetches_break_and_resuming_gets_the_whole(sandbox: Sandbox) -> None:
    sandbox.behavior = bulk(interrupt_fetches=10)
    one, two = sandbox.workspace.ids("catalogs")[:2]
    url, content, fetches = ready(sandbox, one), b"", 0
    while len(content) < SIZE:
        content += got(url, Range=f"bytes={len(content)}-")
        fetches += 1
    assert fetches == 11
    assert digest_of(content) == sandbox.digest(one)
    parts = [each.sent for each in sandbox.fetches]
    assert sum(parts) == SIZE
    assert max(parts) - min(parts) <= 11, "each part is as long as the others"
    assert fetch(ready(sandbox, one)).status_code == 200, "another download is the same object"
    with pytest.raises(ChunkedEncodingError):
        fetch(ready(sandbox, two))


def test_a_page_may_come_instead_of_the_object(sandbox: Sandbox) -> None:
    sandbox.behavior = bulk(error_page=1)
    answer = fetch(ready(sandbox), Range="bytes=5-")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<html>")
    assert sandbox.fetches[0].sent == len(answer.content)


def test_a_range_may_be_ignored(sandbox: Sandbox) -> None:
    sandbox.behavior = bulk(ignore_range=True)
    for header in ("bytes=500-", f"bytes={SIZE}-"):
        answer = fetch(ready(sandbox), Range=header)
        assert (answer.status_code, len(answer.content)) == (200, SIZE)


def test_a_fetch_may_be_slow_and_hinders_nobody_else(sandbox: Sandbox) -> None:
    sandbox.behavior = bulk(100_000, download_rate=200_000)
    url, done = ready(sandbox), []
    began = time.monotonic()
    slow = threading.Thread(target=lambda: done.append(fetch(url).content))
    slow.start()
    until(lambda: sandbox.fetches and sandbox.fetches[0].sent)
    assert get(sandbox, "/ping") == "pong"
    assert not done
    slow.join()
    assert 0.4 < time.monotonic() - began < 5
    assert len(done[0]) == 100_000


def test_a_fetch_ends_with_the_client(sandbox: Sandbox) -> None:
    sandbox.behavior = bulk(100_000_000, download_rate=1_000_000)
    with requests.get(ready(sandbox), stream=True, timeout=TIMEOUT) as answer:
        assert next(answer.iter_content(10)).startswith(b"PK\3\4")
    sent = 0

    def rests() -> bool:
        nonlocal sent
        before, sent = sent, sandbox.fetches[0].sent
        time.sleep(0.12)
        return before == sent > 0

    until(rests)
    assert sent < 2_000_000


def test_a_fetch_does_not_keep_a_sandbox_from_its_end() -> None:
    with Sandbox(items=5, behavior=bulk(100_000_000, download_rate=1_000_000)) as sandbox:
        url = ready(sandbox)
        slow = requests.get(url, stream=True, timeout=TIMEOUT)
        sandbox.behavior = bulk(100_000_000)
        idle = requests.get(url, stream=True, timeout=TIMEOUT)
        began = time.monotonic()
    assert time.monotonic() - began < 0.9
    for answer in (slow, idle):
        with answer, pytest.raises((ChunkedEncodingError, requests.ConnectionError)):
            assert answer.content
