"""Deliveries into the buckets of stores, with the stores' credentials."""

from __future__ import annotations

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from pixxel_sandbox import Behavior, S3Server, Sandbox
from pixxel_sandbox.delivery.s3_server import find_rclone

from .api_client import get
from .write_requests import deliver, make_store, make_store_in, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_rclone = pytest.mark.skipif(find_rclone() is None, reason="rclone is not installed")


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3"), ("deliveries", "analysis")) as server:
        yield server


@pytest.fixture
def sandbox(s3_server: S3Server) -> Iterator[Sandbox]:
    pair = {"access_key_id": s3_server.key_id, "secret_access_key": s3_server.secret}
    with Sandbox(
        items=60,
        behavior=Behavior(delivery_seconds=0.02),
        endpoints={"S3": s3_server.url},
        secrets={"analysis": pair},
    ) as started:
        yield started


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
def test_delivery_denied_by_bucket_fails(
    sandbox: Sandbox, s3_server: S3Server, changes: dict[str, Any]
) -> None:
    before = sorted(s3_server.folder.rglob("*"))
    store = make_store_in(sandbox, s3_server, **changes)
    [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[-1:], store)
    assert wait_for_end(sandbox, row["delivery_id"]) == "FAILED"
    assert sorted(s3_server.folder.rglob("*")) == before


@needs_rclone
def test_seeded_store_with_credentials_receives_object(
    sandbox: Sandbox, s3_server: S3Server
) -> None:
    for store in sandbox.workspace.rows("stores"):
        [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], store["id"])
        assert wait_for_end(sandbox, row["delivery_id"]) == "SUCCESS"
        written = s3_server.folder / "analysis" / "pixxel" / row["target_path"]
        assert written.exists()
        assert len(list(written.parent.iterdir())) == 1


def test_delivery_to_hanging_bucket_does_not_block_requests() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with Sandbox(
            items=20, endpoints={"S3": url}, behavior=Behavior(delivery_seconds=0)
        ) as sandbox:
            store = make_store(sandbox)["id"]
            [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], store)
            deaf.accept()[0].close()
            connection, _ = deaf.accept()  # the second try; no response is sent
            with connection:
                before = time.monotonic()
                get(sandbox, "/v0/stores")
                assert time.monotonic() - before < 1
                status = sandbox.workspace.get("deliveries", row["delivery_id"])["status"]
                assert status == "IN_PROGRESS"


class FakeCloud(BaseHTTPRequestHandler):
    """An imitation of Google's and Azure's storage: accepts objects, and issues tokens."""

    puts: list[tuple[str, str]]

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.puts.append((self.path, self.headers.get("Authorization", "")))
        self._respond(201, b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._respond(200, b'{"access_token": "drawn", "expires_in": 3600}')

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def _respond(self, status: int, content: bytes) -> None:
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
def test_delivery_to_google_or_azure_writes_to_endpoint(kind: str) -> None:
    changes, folder, token = CLOUDS[kind]
    puts: list[tuple[str, str]] = []
    handler = type("Taking", (FakeCloud,), {"puts": puts})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with Sandbox(
            items=20, endpoints={kind: url}, behavior=Behavior(delivery_seconds=0)
        ) as sandbox:
            store = make_store(sandbox, kind, **changes)["id"]
            [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], store)
            assert wait_for_end(sandbox, row["delivery_id"]) == "SUCCESS"
        server.shutdown()
        thread.join()
    [(path, authorization)] = puts
    assert path.startswith(folder)
    assert unquote(path.partition("?")[0]).endswith(row["target_path"])
    assert authorization.startswith(token)


def test_delivery_with_invalid_google_key_fails() -> None:
    with Sandbox(
        items=20, endpoints={"GCS": "http://127.0.0.1:9"}, behavior=Behavior(delivery_seconds=0)
    ) as sandbox:
        secrets = {"project_id": "p", "service_account_credentials": "not JSON"}
        store = make_store(sandbox, "GCS", secrets=secrets)["id"]
        [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], store)
        assert wait_for_end(sandbox, row["delivery_id"]) == "FAILED"
