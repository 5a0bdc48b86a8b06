"""A delivery puts an object into the store's bucket, with the store's credentials or not at all."""

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from pixxel_sandbox import Behavior, S3Server, Sandbox
from pixxel_sandbox.delivery.s3_server import find_rclone

from .client import get
from .writes import deliver, ended, make_store, store_of, until

needs_rclone = pytest.mark.skipif(
    find_rclone() is None, reason="rclone, which speaks S3, is missing"
)


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3"), ("deliveries", "analysis")) as server:
        yield server


@pytest.fixture
def sandbox(buckets: S3Server) -> Iterator[Sandbox]:
    pair = {"access_key_id": buckets.key_id, "secret_access_key": buckets.secret}
    with Sandbox(
        items=60,
        behavior=Behavior(delivery_seconds=0.02),
        endpoints={"S3": buckets.url},
        secrets={"analysis": pair},
    ) as started:
        yield started


PLACES = [
    (None, None, ""),
    ("raw", "a/b", "raw/a/b/"),
    ("/raw/", "/a/b/", "raw/a/b/"),
    ("raw//x", "", "raw/x/"),
    ("weiß", "日本 +%20", "weiß/日本 +%20/"),
]


@needs_rclone
@pytest.mark.parametrize(("prefix", "path", "folder"), PLACES)
def test_the_object_lies_at_prefix_path_and_target_path(
    sandbox: Sandbox, buckets: S3Server, prefix: str | None, path: str | None, folder: str
) -> None:
    configs = {"bucket": "deliveries", "region": "eu-central-1"}
    configs |= {} if prefix is None else {"path_prefix": prefix}
    store = store_of(sandbox, buckets, configs=configs)
    [catalog, *_] = sandbox.workspace.ids("catalogs")
    [row] = deliver(sandbox, [catalog], store, **({} if path is None else {"path": path}))
    assert ended(sandbox, row["delivery_id"]) == "SUCCESS"
    content = (buckets.folder / "deliveries" / folder / row["target_path"]).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [entry] = archive.infolist()
        details = json.loads(archive.read(entry))
    assert entry.date_time == (1980, 1, 1, 0, 0, 0), "the same at any time"
    assert details["id"] == sandbox.workspace.get("catalogs", catalog)["details"]["id"]
    [again] = deliver(sandbox, [catalog], store, path="again")
    assert ended(sandbox, again["delivery_id"]) == "SUCCESS"
    second = configs.get("path_prefix", "").strip("/").replace("//", "/")
    other = buckets.folder / "deliveries" / second / "again" / row["target_path"]
    assert other.read_bytes() == content, "the same catalog, the same bytes"


REFUSALS: list[dict[str, Any]] = [
    {"secrets": {"access_key_id": "sandbox-key", "secret_access_key": "wrong"}},
    {"secrets": {"access_key_id": "unknown-key", "secret_access_key": "wrong"}},
    {"configs": {"bucket": "nonesuch", "region": "r"}},
    {"configs": {"bucket": "not a bucket", "region": "r"}},
    {"configs": {"bucket": "deliveries", "region": "r\n"}},
    {"configs": {"bucket": "deliveries", "region": "r", "path_prefix": "x" * 10_000}},
    {"configs": {"bucket": "deliveries", "region": "r", "path_prefix": "../.."}},
]


@needs_rclone
@pytest.mark.parametrize("changes", REFUSALS, ids=lambda changes: str(changes)[:60])
def test_a_bucket_that_refuses_fails_the_delivery(
    sandbox: Sandbox, buckets: S3Server, changes: dict[str, Any]
) -> None:
    before = sorted(buckets.folder.rglob("*"))
    store = store_of(sandbox, buckets, **changes)
    [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[-1:], store)
    assert ended(sandbox, row["delivery_id"]) == "FAILED"
    assert sorted(buckets.folder.rglob("*")) == before


@needs_rclone
def test_a_seeded_store_has_a_bucket_when_its_credentials_are_given(
    sandbox: Sandbox, buckets: S3Server
) -> None:
    for store in sandbox.workspace.rows("stores"):
        [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], store["id"])
        assert ended(sandbox, row["delivery_id"]) == "SUCCESS"
        written = buckets.folder / "analysis" / "pixxel" / row["target_path"]
        assert written.exists()
        assert len(list(written.parent.iterdir())) == 1


@needs_rclone
def test_a_seeded_store_without_credentials_has_no_bucket(buckets: S3Server) -> None:
    behavior = Behavior(delivery_seconds=0)
    with Sandbox(items=20, endpoints={"S3": buckets.url}, behavior=behavior) as sandbox:
        [row] = deliver(
            sandbox, sandbox.workspace.ids("catalogs")[:1], sandbox.workspace.ids("stores")[0]
        )
        assert ended(sandbox, row["delivery_id"]) == "SUCCESS"
        assert not list(buckets.folder.rglob(row["target_path"].rpartition("/")[0]))


def test_a_bucket_server_that_says_nothing_and_does_not_end_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "rclone"
    program.write_text(f"#!/bin/sh\ntrap '' TERM\necho $$ > {tmp_path}/pid\nexec sleep 30\n")
    program.chmod(0o700)
    monkeypatch.setattr("pixxel_sandbox.delivery.s3_server.find_rclone", lambda: str(program))
    monkeypatch.setattr("pixxel_sandbox.delivery.s3_server.START_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr("pixxel_sandbox.delivery.s3_server.STOP_TIMEOUT_SECONDS", 0.05)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="does not serve S3"):
        S3Server(tmp_path / "s3").__enter__()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert time.monotonic() - began < 25, "it sleeps for 30 s"


def test_secrets_and_endpoints_belong_to_something() -> None:
    with pytest.raises(ValueError, match="unknown stores: nonesuch"):
        Sandbox(items=5, secrets={"nonesuch": {}})
    for wrong in ({"FTP": "http://127.0.0.1"}, {"S3": "127.0.0.1:9000"}):
        with pytest.raises(ValueError, match="endpoints"):
            Sandbox(items=5, endpoints=wrong)


@needs_rclone
def test_the_server_keeps_its_secret_and_ends_with_its_block(tmp_path: Path) -> None:
    with S3Server(tmp_path, ("one",), secret='a"secret') as server:
        process = Path("/proc")
        lines = [path.read_bytes() for path in process.glob("[0-9]*/cmdline") if _ours(path)]
        assert any(str(tmp_path).encode() in line for line in lines) or not process.exists()
        assert not any(b'a"secret' in line for line in lines)
        assert 'a"secret' not in repr(server)
        assert list(tmp_path.iterdir()) == [tmp_path / "one"]
        with Sandbox(
            items=5, endpoints={"S3": server.url}, behavior=Behavior(delivery_seconds=0)
        ) as sandbox:
            configs = {"bucket": "one", "region": "r"}
            store = store_of(sandbox, server, configs=configs)
            [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], store)
            assert ended(sandbox, row["delivery_id"]) == "SUCCESS"
        port = int(server.url.rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    with S3Server() as server:
        folder = server.folder
        assert folder.is_dir()
    assert not folder.exists()


def _ours(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.getuid() and bool(path.read_bytes())
    except OSError:
        return False


@needs_rclone
def test_the_server_ends_when_what_started_it_is_killed() -> None:
    code = (
        "import sys\n"
        "from pixxel_sandbox import S3Server\n"
        "with S3Server() as server: print(server.url, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        port = int(process.stdout.readline().rpartition(":")[2])
        process.kill()

    def look() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    until(look)


def test_without_rclone_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixxel_sandbox.delivery.s3_server.find_rclone", lambda: None)
    with pytest.raises(FileNotFoundError, match="rclone is not installed"), S3Server():
        pass


def test_a_server_that_does_not_start_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "rclone"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("pixxel_sandbox.delivery.s3_server.find_rclone", lambda: str(program))
    with pytest.raises(RuntimeError, match="does not serve"), S3Server():
        pass


def test_a_bucket_that_hangs_holds_up_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with Sandbox(
            items=20, endpoints={"S3": url}, behavior=Behavior(delivery_seconds=0)
        ) as sandbox:
            store = make_store(sandbox)["id"]
            [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], store)
            deaf.accept()[0].close()
            connection, _ = deaf.accept()  # the second try; it waits for an answer
            with connection:
                before = time.monotonic()
                get(sandbox, "/v0/stores")
                assert time.monotonic() - before < 1
                status = sandbox.workspace.get("deliveries", row["delivery_id"])["status"]
                assert status == "IN_PROGRESS"


class Cloud(BaseHTTPRequestHandler):
    """Stands for Google's and Azure's storage: takes what is put, and gives a token."""

    puts: list[tuple[str, str]]

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.puts.append((self.path, self.headers.get("Authorization", "")))
        self._answer(201, b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b'{"access_token": "drawn", "expires_in": 3600}')

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"one"')
        self.end_headers()
        self.wfile.write(content)


KEY = {"private_key": "none", "private_key_id": "none", "client_email": "a@example.com"}
CLOUDS = {
    "AZBLOB": ({}, "/deliveries/", "Bearer drawn"),
    "GCS": (
        {"secrets": {"project_id": "p", "service_account_credentials": json.dumps(KEY)}},
        "/deliveries/",
        "",
    ),
}


@pytest.mark.parametrize("kind", CLOUDS)
def test_google_and_azure_are_put_to_where_they_are_imitated(kind: str) -> None:
    changes, folder, token = CLOUDS[kind]
    puts: list[tuple[str, str]] = []
    handler = type("Taking", (Cloud,), {"puts": puts})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with Sandbox(
            items=20, endpoints={kind: url}, behavior=Behavior(delivery_seconds=0)
        ) as sandbox:
            store = make_store(sandbox, kind, **changes)["id"]
            [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], store)
            assert ended(sandbox, row["delivery_id"]) == "SUCCESS"
        server.shutdown()
        thread.join()
    [(path, authorization)] = puts
    assert path.startswith(folder)
    assert unquote(path.partition("?")[0]).endswith(row["target_path"])
    assert authorization.startswith(token)


def test_a_key_that_cannot_be_read_fails_the_delivery() -> None:
    with Sandbox(
        items=20, endpoints={"GCS": "http://127.0.0.1:9"}, behavior=Behavior(delivery_seconds=0)
    ) as sandbox:
        secrets = {"project_id": "p", "service_account_credentials": "not JSON"}
        store = make_store(sandbox, "GCS", secrets=secrets)["id"]
        [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], store)
        assert ended(sandbox, row["delivery_id"]) == "FAILED"
