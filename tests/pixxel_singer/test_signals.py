"""The stop flag beyond the main thread and beyond `except Exception`."""

from __future__ import annotations

import contextlib
import signal
import threading

import pytest

from pixxel_singer.signals import StopFlag, StopRequested


def test_outside_the_main_thread_the_signals_are_left_alone() -> None:
    """A plugin may be made in a thread of somebody's program."""
    before = signal.getsignal(signal.SIGTERM)
    failed: list[BaseException] = []

    def listen() -> None:
        try:
            StopFlag().install_handlers()
        except ValueError as error:
            failed.append(error)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert failed == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_no_handler_of_errors_holds_a_stop_back() -> None:
    flag = StopFlag()
    flag._handle_signal(signal.SIGTERM, None)

    with pytest.raises(StopRequested), contextlib.suppress(Exception):
        flag.check()
