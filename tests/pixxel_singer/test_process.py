"""Process setup and immediate exit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from tap_pixxel import __main__ as command
from tap_pixxel.tap import TapPixxel

_HANGING_THREAD_SCRIPT = """
import threading, time
from pixxel_singer.process import exit_now
threading.Thread(target=time.sleep, args=(60,)).start()
print("output", end="")
exit_now(3)
"""


def run_script(script: str, redirection: str = "") -> subprocess.CompletedProcess[str]:
    shell = ["sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, script]
    environment = {name: os.environ[name] for name in os.environ if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        shell, capture_output=True, text=True, check=False, timeout=60, env=environment
    )


def test_exit_now_flushes_stdout_without_joining_threads() -> None:
    start = time.monotonic()
    result = run_script(_HANGING_THREAD_SCRIPT)
    assert (result.returncode, result.stdout, result.stderr) == (3, "output", "")
    assert time.monotonic() - start < 30


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_exit_now_with_full_disk_logs_error_and_fails() -> None:
    result = run_script(
        "from pixxel_singer.process import exit_now; print('x', end=''); exit_now(0)", ">/dev/full"
    )
    assert (result.returncode, result.stderr) == (
        1,
        "standard output: No space left on device\n",
    )


def test_exit_now_with_closed_stdout_keeps_status() -> None:
    result = run_script(
        "from pixxel_singer.process import exit_now; print('x'); exit_now(3)", ">&-"
    )
    assert (result.returncode, result.stderr) == (3, "")


@pytest.mark.parametrize(("code", "status"), [(None, 0), (0, 0), (3, 3)])
def test_tap_main_exits_with_status_of_command(
    monkeypatch: pytest.MonkeyPatch, code: int | None, status: int
) -> None:
    def end() -> None:
        raise SystemExit(code)

    statuses: list[int] = []
    monkeypatch.setattr(TapPixxel, "cli", end)
    monkeypatch.setattr(command, "exit_now", statuses.append)
    monkeypatch.setattr(command, "freeze_gc", nullcontext)  # the test process continues
    command.main()
    assert statuses == [status]


def test_exit_now_runs_atexit_functions() -> None:
    result = run_script(
        "import atexit; from pixxel_singer.process import exit_now;"
        "atexit.register(print, 'flushed', flush=True); exit_now(0)"
    )
    assert (result.returncode, result.stdout) == (0, "flushed\n")
