"""Process setup and immediate exit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from pixxel_singer.process import return_large_buffers
from tap_pixxel import __main__ as command
from tap_pixxel.tap import TapPixxel

_HANGING_THREAD_SCRIPT = """
import threading, time
from pixxel_singer.process import exit_now
threading.Thread(target=time.sleep, args=(60,)).start()
print("output", end="")
exit_now(3)
"""
_FREEZE_GC_SCRIPT = """
import gc
from pixxel_singer.process import freeze_gc
with freeze_gc():
    assert not gc.isenabled()
assert gc.isenabled() and gc.get_freeze_count() and gc.get_threshold()[0] == 50_000
"""


def run_script(script: str, redirection: str = "") -> subprocess.CompletedProcess[str]:
    shell = ["sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, script]
    environment = {name: os.environ[name] for name in os.environ if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        shell, capture_output=True, text=True, check=False, timeout=60, env=environment
    )


def test_return_large_buffers_configures_only_glibc(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *option: calls.append(option))
    monkeypatch.setattr("ctypes.CDLL", lambda _: library)
    for name in ("glibc", ""):
        monkeypatch.setattr("platform.libc_ver", lambda name=name: (name, ""))
        return_large_buffers()
    assert calls == [(-3, 1 << 18)]


def test_exit_now_flushes_stdout_without_joining_threads() -> None:
    start = time.monotonic()
    result = run_script(_HANGING_THREAD_SCRIPT)
    assert (result.returncode, result.stdout, result.stderr) == (3, "output", "")
    assert time.monotonic() - start < 30


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


def test_exit_now_runs_atexit_functions() -> None:
    result = run_script(
        "import atexit; from pixxel_singer.process import exit_now;"
        "atexit.register(print, 'flushed', flush=True); exit_now(0)"
    )
    assert (result.returncode, result.stdout) == (0, "flushed\n")


def test_freeze_gc_freezes_objects_and_enables_gc() -> None:
    result = run_script(_FREEZE_GC_SCRIPT)
    assert (result.returncode, result.stderr) == (0, "")


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
