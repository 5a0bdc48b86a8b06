"""StopFlag outside the main thread, and StopRequested under `except Exception`."""

from __future__ import annotations

import contextlib
import signal
import threading

import pytest

from pixxel_singer.signals import StopFlag, StopRequested


def test_install_handlers_outside_main_thread_does_nothing() -> None:
    """A program may create a plugin in a thread."""
    before = signal.getsignal(signal.SIGTERM)
    errors: list[BaseException] = []

    def install() -> None:
        try:
            StopFlag().install_handlers()
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=install)
    thread.start()
    thread.join()
    assert errors == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_stop_request_is_not_caught_as_exception() -> None:
    flag = StopFlag()
    flag._handle_signal(signal.SIGTERM, None)

    with pytest.raises(StopRequested), contextlib.suppress(Exception):
        flag.check()
