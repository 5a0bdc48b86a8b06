"""A command's process begins quickly and ends at once."""

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

_HANGING = """
import threading, time
from pixxel_singer.process import exit_now
threading.Thread(target=time.sleep, args=(60,)).start()
print("said", end="")
exit_now(3)
"""
_LASTING = """
import gc
from pixxel_singer.process import freeze_gc
with freeze_gc():
    assert not gc.isenabled()
assert gc.isenabled() and gc.get_freeze_count()
"""


def run(script: str, redirected: str = "") -> subprocess.CompletedProcess[str]:
    shell = ["sh", "-c", f'exec "$0" -c "$1" {redirected}', sys.executable, script]
    buffered = {name: os.environ[name] for name in os.environ if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        shell, capture_output=True, text=True, check=False, timeout=60, env=buffered
    )


def test_memory_is_told_of_large_buffers_only_where_it_is_glibcs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *option: told.append(option))
    monkeypatch.setattr("ctypes.CDLL", lambda _: library)
    for name in ("glibc", ""):
        monkeypatch.setattr("platform.libc_ver", lambda name=name: (name, ""))
        return_large_buffers()
    assert told == [(-3, 1 << 18)]


def test_a_thread_that_hangs_is_not_waited_for_and_what_was_said_is_out() -> None:
    began = time.monotonic()
    ran = run(_HANGING)
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, "said", "")
    assert time.monotonic() - began < 30


def test_what_a_full_disk_has_lost_is_told_and_no_success() -> None:
    ran = run(
        "from pixxel_singer.process import exit_now; print('x', end=''); exit_now(0)", ">/dev/full"
    )
    assert (ran.returncode, ran.stderr) == (1, "standard output: No space left on device\n")


def test_without_a_standard_output_there_is_nothing_to_lose() -> None:
    ran = run("from pixxel_singer.process import exit_now; print('x'); exit_now(3)", ">&-")
    assert (ran.returncode, ran.stderr) == (3, "")


def test_what_others_do_at_the_end_is_done() -> None:
    ran = run(
        "import atexit; from pixxel_singer.process import exit_now;"
        "atexit.register(print, 'flushed', flush=True); exit_now(0)"
    )
    assert (ran.returncode, ran.stdout) == (0, "flushed\n")


def test_what_is_imported_for_good_is_kept_from_the_collector_which_then_goes_on() -> None:
    ran = run(_LASTING)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(("code", "status"), [(None, 0), (0, 0), (3, 3)])
def test_the_tap_leaves_with_the_status_that_its_command_ends_with(
    monkeypatch: pytest.MonkeyPatch, code: int | None, status: int
) -> None:
    def end() -> None:
        raise SystemExit(code)

    left: list[int] = []
    monkeypatch.setattr(TapPixxel, "cli", end)
    monkeypatch.setattr(command, "exit_now", left.append)
    monkeypatch.setattr(command, "freeze_gc", nullcontext)  # a test's process goes on
    command.main()
    assert left == [status]
