"""The S3 server starts and stops with its block, and hides its secret."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pixxel_sandbox import Behavior, S3Server, Sandbox
from pixxel_sandbox.delivery.s3_server import find_rclone

from .write_requests import deliver, make_store_in, wait_for_end, wait_until

needs_rclone = pytest.mark.skipif(find_rclone() is None, reason="rclone is not installed")


def test_s3_server_that_hangs_at_start_is_killed(
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


@needs_rclone
def test_s3_server_hides_secret_and_stops_with_block(tmp_path: Path) -> None:
    with S3Server(tmp_path, ("one",), secret='a"secret') as server:
        process = Path("/proc")
        lines = [
            path.read_bytes() for path in process.glob("[0-9]*/cmdline") if _is_own_process(path)
        ]
        assert any(str(tmp_path).encode() in line for line in lines) or not process.exists()
        assert not any(b'a"secret' in line for line in lines)
        assert 'a"secret' not in repr(server)
        assert list(tmp_path.iterdir()) == [tmp_path / "one"]
        with Sandbox(
            items=5, endpoints={"S3": server.url}, behavior=Behavior(delivery_seconds=0)
        ) as sandbox:
            configs = {"bucket": "one", "region": "r"}
            store = make_store_in(sandbox, server, configs=configs)
            [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], store)
            assert wait_for_end(sandbox, row["delivery_id"]) == "SUCCESS"
        port = int(server.url.rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    with S3Server() as server:
        folder = server.folder
        assert folder.is_dir()
    assert not folder.exists()


def _is_own_process(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.getuid() and bool(path.read_bytes())
    except OSError:
        return False


@needs_rclone
def test_s3_server_stops_when_parent_is_killed() -> None:
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

    wait_until(look)
