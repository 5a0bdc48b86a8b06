"""A command's process begins quickly and ends at once."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import nullcontext

import pytest

from tap_pixxel import __main__ as command
from tap_pixxel.tap import TapPixxel

_HANGING = """
import threading, time
from pixxel_singer.process import leave
threading.Thread(target=time.sleep, args=(60,)).start()
print("said", end="")
leave(3)
"""
_LASTING = """
import gc
from pixxel_singer.process import lasting
with lasting():
    assert not gc.isenabled()
assert gc.isenabled() and gc.get_freeze_count()
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_thread_that_hangs_is_not_waited_for_and_what_was_said_is_out() -> None:
    began = time.monotonic()
    ran = run(_HANGING)
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, "said", "")
    assert time.monotonic() - began < 30


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
    monkeypatch.setattr(command, "leave", left.append)
    monkeypatch.setattr(command, "lasting", nullcontext)  # a test's process goes on
    command.main()
    assert left == [status]
