"""Fetching from servers that do what a sandbox does not: only the file is kept, safely named."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_pixxel_store.downloads import transfer as fetching
from target_pixxel_store.downloads.partial_file import PartialFile, RemoteFile
from target_pixxel_store.downloads.response_checks import (
    MAX_FILENAME_BYTES,
    filename_from,
    magic_number_error,
    safe_filename,
)
from target_pixxel_store.downloads.transfer import Fetcher
from target_pixxel_store.errors import RecordError, SignedUrlRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answer = Callable[["Handler"], None]

ZIP = b"PK\3\4" + bytes(range(256)) * 40
SECRET = "a-signature-as-good-as-a-password"


class Handler(BaseHTTPRequestHandler):
    """Answers by the server's table: the path's first part says how."""

    answers: dict[str, Answer]
    asked: list[Handler]

    def do_GET(self) -> None:
        self.asked.append(self)
        self.answers[self.path.split("/")[1]](self)

    def send(self, body: bytes = ZIP, status: int = 200, **headers: str | None) -> None:
        """Send a body; None leaves a header out."""
        plain = {"Content_Length": str(len(body)), "ETag": '"one"'}
        self.send_response(status)
        for name, value in (plain | headers).items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serving(**answers: Answer) -> Iterator[tuple[str, list[Handler]]]:
    """Serve answers; give the URL, and the requests so far."""
    asked: list[Handler] = []
    handler = type("H", (Handler,), {"answers": answers, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def in_turn(*answers: Answer) -> Answer:
    """Answer each request in another way."""
    left = list(answers)

    def answer(handler: Handler) -> None:
        left.pop(0)(handler)

    return answer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "BACKOFF", fetching.BACKOFF._replace(first=0.001))


def fetched(url: str, folder: Path, timeout: float = 5.0) -> tuple[str, bytes]:
    """Fetch a file; give its name and its bytes."""
    fetcher = Fetcher(connections=1, read_timeout=timeout, user_agent="tests", check=lambda: None)
    try:
        with PartialFile(folder / "part") as part:
            whole = fetcher.fetch(url, part, lambda whole: whole, lambda *_: None, lambda: None)
            return whole.name, part.path.read_bytes()
    finally:
        fetcher.close()


def refused(answer: Answer, folder: Path, name: str = "a.zip", timeout: float = 5.0) -> str:
    """Tell why a file is given up."""
    with serving(x=answer) as (url, _), pytest.raises(RecordError) as error:
        fetched(f"{url}/x/{name}?sig={SECRET}", folder, timeout)
    assert list(folder.iterdir()) == []
    assert SECRET not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("disposition", "path", "name"),
    [
        (None, "images/a%20b.zip", "a b.zip"),
        ('attachment; filename="c.zip"', "a.zip", "c.zip"),
        ("attachment; filename=c.zip", "a.zip", "c.zip"),
        ("attachment; filename*=UTF-8''gr%C3%BCn.zip", "a.zip", "grün.zip"),
        ('attachment; filename="grün.zip"', "a.zip", "grün.zip"),
        ('attachment; filename="../../etc/cron.d/x.zip"', "a.zip", "x.zip"),
        ("attachment; filename*=UTF-8''..%2F..%2Fx.zip", "a.zip", "x.zip"),
        ('attachment; filename="..\\\\..\\\\x.zip"', "a.zip", "x.zip"),
        ('attachment; filename=".."', "a.zip", "a.zip"),
        ('attachment; filename="/"', "a.zip", "a.zip"),
        ('attachment; filename=".hidden.zip"', "a.zip", "hidden.zip"),
        ("inline", "%2e%2e%2f%2e%2e%2fa.zip", "a.zip"),
        (None, "a%00%07b.zip", "ab.zip"),
        (None, "a:b*.zip", "a_b_.zip"),
        (None, "", ""),
        (None, "..", ""),
    ],
)
def test_a_name_stays_in_its_folder(disposition: str | None, path: str, name: str) -> None:
    headers = {"Content-Disposition": disposition} if disposition else {}
    as_sent = {key: value.encode().decode("latin-1") for key, value in headers.items()}
    assert filename_from(as_sent, f"https://host/{path}?sig=x/y.tif") == name


@pytest.mark.parametrize("name", ["x" * 999 + ".zip", "ü" * 500 + ".tif", "a." + "y" * 999])
def test_a_long_name_is_cut_and_keeps_its_extension(name: str) -> None:
    made = safe_filename(name)
    assert 100 < len(made.encode()) <= MAX_FILENAME_BYTES
    assert Path(made).suffix == (Path(name).suffix if len(Path(name).suffix) < 9 else "") or (
        made == name[:MAX_FILENAME_BYTES]
    )


@pytest.mark.parametrize(
    ("name", "head", "good"),
    [
        ("a.zip", b"PK\3\4....", True), ("a.ZIP", b"PK\5\6....", True),
        ("a.zip", b"<html>", False), ("a.zip", b"", False), ("a.zip", b" PK\3\4", True),
        ("a.tif", b"II*\0", True), ("a.tiff", b"MM\0*", True), ("a.tif", b"II+\0", True),
        ("a.tif", b"PK\3\4", False), ("a.json", b' \n{"a"', True), ("a.geojson", b"[", True),
        ("a.json", b"\xef\xbb\xbf{", True), ("a.json", b"<?xml", False), ("a.bin", b"<?xml", True),
    ],
)  # fmt: skip
def test_a_file_begins_as_its_name_says(name: str, head: bytes, *, good: bool) -> None:
    assert (magic_number_error(name, head) is None) == good


@pytest.mark.parametrize(
    ("name", "kind", "good"),
    [
        ("a.zip", "application/zip", True), ("a.zip", "binary/octet-stream", True),
        ("a.zip", None, True), ("a.zip", "text/html; charset=utf-8", False),
        ("a.zip", "application/xml", False), ("a.zip", "application/json", False),
        ("a.zip", "text/plain", False), ("a.html", "text/html", False),
        ("a.json", "application/geo+json", True), ("a.json", "text/plain", True),
        ("a.json", "application/xml", False), ("a.xml", "application/xml", True),
    ],
)  # fmt: skip
def test_the_type_of_an_answer_must_be_that_of_the_file(
    tmp_path: Path, name: str, kind: str | None, *, good: bool
) -> None:
    body = b"{}" if name.endswith("json") else ZIP

    def answer(handler: Handler) -> None:
        handler.send(body, Content_Type=kind)

    if good:
        with serving(x=answer) as (url, _):
            assert fetched(f"{url}/x/{name}", tmp_path) == (name, body)
    else:
        assert "the response is " in refused(answer, tmp_path, name)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda one: one.send(b"<html>"), "does not start like a .zip file"),
        (lambda one: one.send(b""), "does not start like a .zip file"),
        (lambda one: one.send(Content_Length=None), "no valid Content-Length"),
        (lambda one: one.send(Content_Length="-1"), "no valid Content-Length"),
        (lambda one: one.send(status=503), "returned status 503"),
        (lambda one: one.send(status=204), "returned status 204"),
        (lambda one: one.send(status=206, Content_Range="bytes 5-9/10"), "file changed"),
        (lambda one: one.send(status=302, Location="/x/again.zip"), "redirects too often"),
        (lambda one: one.send(status=302, Location="ftp://host/a.zip"), "is not a valid URL"),
    ],
)
def test_what_is_no_file_is_not_kept(tmp_path: Path, answer: Answer, why: str) -> None:
    assert why in refused(answer, tmp_path)


def test_more_bytes_than_were_said_are_refused(tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send(b"", Content_Length="100", Transfer_Encoding="chunked", Connection="close")
        handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(ZIP), ZIP))

    assert "is longer than its Content-Length" in refused(answer, tmp_path)


def test_a_connection_that_is_silent_counts_as_broken(tmp_path: Path) -> None:
    gone = threading.Event()

    def answer(handler: Handler) -> None:
        handler.send(b"", Content_Length="9999")
        gone.wait(5)

    try:
        assert "no data came in time" in refused(answer, tmp_path, timeout=0.05)
    finally:
        gone.set()


@pytest.mark.parametrize("url", ["nonsense", "ftp://host/a.zip", "http://", "http://[::1/a.zip"])
def test_a_signed_url_that_is_none_is_told_without_quoting_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(RecordError, match="its signed URL is not a valid URL"):
        fetched(f"{url}?sig={SECRET}", tmp_path)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_url_that_is_refused_is_not_tried_again(tmp_path: Path, status: int) -> None:
    with serving(x=lambda one: one.send(status=status)) as (url, asked):
        with pytest.raises(SignedUrlRefused) as error:
            fetched(f"{url}/x/a.zip", tmp_path)
    assert (error.value.status, len(asked)) == (status, 1)


def resumed(
    folder: Path, whole: RemoteFile, upto: int, *answers: Answer
) -> tuple[bytes, list[dict[str, str]]]:
    """Go on with a part; give the file, and the headers of each request."""
    with PartialFile(folder / "part") as part:
        part.restart(whole)
        part.append(ZIP[:upto])
    with serving(x=in_turn(*answers)) as (url, asked):
        _, content = fetched(f"{url}/x/a.zip", folder)
    return content, [dict(each.headers) for each in asked]


def rest(start: int, etag: str | None = '"one"', total: int = len(ZIP)) -> Answer:
    """Answer with what follows."""
    said = f"bytes {start}-{total - 1}/{total}"
    return lambda one: one.send(ZIP[start:], 206, Content_Range=said, ETag=etag)


def test_a_part_is_gone_on_with_where_it_ends(tmp_path: Path) -> None:
    whole = RemoteFile("a.zip", len(ZIP), '"one"')
    content, [asked] = resumed(tmp_path, whole, 1000, rest(1000))
    assert content == ZIP
    assert (asked["Range"], asked["If-Range"]) == ("bytes=1000-", '"one"')
    assert asked["Accept-Encoding"] == "identity"


def test_without_an_etag_the_date_of_the_file_binds_the_rest(tmp_path: Path) -> None:
    date = "Wed, 01 Jan 2025 00:00:00 GMT"
    whole = RemoteFile("a.zip", len(ZIP), "", date)
    content, [asked] = resumed(tmp_path, whole, 1000, rest(1000, None))
    assert (content, asked["If-Range"]) == (ZIP, date)


def test_a_part_that_nothing_binds_is_not_gone_on_with(tmp_path: Path) -> None:
    content, [asked] = resumed(tmp_path, RemoteFile("a.zip", len(ZIP)), 1000, Handler.send)
    assert content == ZIP
    assert "Range" not in asked


def test_a_weak_etag_binds_nothing(tmp_path: Path) -> None:
    answer = in_turn(
        lambda one: one.send(ZIP[:500], ETag='W/"one"', Content_Length=str(len(ZIP))),
        lambda one: one.send(ETag='W/"one"'),
    )
    with serving(x=answer) as (url, asked):
        assert fetched(f"{url}/x/a.zip", tmp_path)[1] == ZIP
    assert "Range" not in asked[1].headers


@pytest.mark.parametrize(
    "wrong",
    [rest(1000, '"two"'), rest(900), rest(1100), rest(1000, total=len(ZIP) + 1),
     lambda one: one.send(b"", 416), lambda one: one.send(ZIP[1000:], 206)],
    ids=["other ETag", "earlier start", "later start", "other size", "beyond the end", "no range"],
)  # fmt: skip
def test_a_rest_that_does_not_fit_begins_the_file_anew(tmp_path: Path, wrong: Answer) -> None:
    whole = RemoteFile("a.zip", len(ZIP), '"one"')
    content, asked = resumed(tmp_path, whole, 1000, wrong, Handler.send)
    assert content == ZIP
    assert ["Range" in headers for headers in asked] == [True, False]


def test_a_whole_part_needs_no_request(tmp_path: Path) -> None:
    content, asked = resumed(tmp_path, RemoteFile("a.zip", len(ZIP), '"one"'), len(ZIP))
    assert (content, asked) == (ZIP, [])


def test_a_part_with_a_damaged_note_begins_anew(tmp_path: Path) -> None:
    whole = RemoteFile("a.zip", len(ZIP), '"one"')
    for damage in (b"", b"{", b'{"whole": 1}'):
        with PartialFile(tmp_path / "part") as part:
            part.restart(whole)
            part.append(ZIP[:1000])
        (tmp_path / "part.json").write_bytes(damage)
        with PartialFile(tmp_path / "part") as part:
            assert (part.remote_file, part.size) == (None, 0)


def test_what_is_behind_the_part_that_is_surely_on_disk_is_not_trusted(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part") as part:
        part.restart(RemoteFile("a.zip", len(ZIP), '"one"'))
        part.append(ZIP[:1000])
    with (tmp_path / "part").open("ab") as file:
        file.write(bytes(500))  # as after a crash of the machine
    with PartialFile(tmp_path / "part") as part:
        assert part.size == 1000
    assert (tmp_path / "part").read_bytes() == ZIP[:1000]


def test_two_runs_do_not_write_one_part(tmp_path: Path) -> None:
    with (
        PartialFile(tmp_path / "part"),
        pytest.raises(RecordError, match="another run is downloading it"),
    ):
        PartialFile(tmp_path / "part").__enter__()


def test_a_part_is_private_and_not_written_through_a_link(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part") as part:
        part.restart(RemoteFile("a.zip", 5, '"one"'))
        part.append(b"PK")
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="cannot write its file"):
        PartialFile(tmp_path / "link").__enter__()
    assert not (tmp_path / "elsewhere").exists()


def test_a_redirect_is_followed_and_carries_nothing_of_a_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(folder / "netrc"))

    def lead(handler: Handler) -> None:
        handler.send(b"", 307, Location="/y/b", Set_Cookie="session=1; Path=/")

    with serving(x=lead, y=Handler.send) as (url, asked):
        name, content = fetched(f"{url}/x/a.zip", tmp_path)
    assert (name, content) == ("a.zip", ZIP), "the name is that of the signed URL"
    for each in asked:
        assert not {"authorization", "cookie"} & {name.lower() for name in each.headers}


def test_no_log_of_any_level_has_the_url(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = in_turn(
        lambda one: one.send(ZIP[:500], Content_Length=str(len(ZIP))),
        lambda one: one.send(b"", 503),
        lambda one: one.send(b"", 307, Location=f"/x/b.zip?sig={SECRET}"),
        rest(500),
    )
    with serving(x=answer) as (url, _):
        assert fetched(f"{url}/x/a.zip?sig={SECRET}", tmp_path)[1] == ZIP
    assert "the connection was lost after 500 bytes" in caplog.text
    assert SECRET not in caplog.text
    assert "a.zip" not in caplog.text
