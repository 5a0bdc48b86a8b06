"""Logging setup: level and format, uncaught errors of threads, and progress."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from rich.logging import RichHandler
from singer_sdk.logging import StructuredFormatter

from pixxel_singer import log_setup, progress
from pixxel_singer.log_setup import align_columns, log_uncaught_exceptions, set_up_logging
from pixxel_singer.progress import StreamProgress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _restore_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("SINGER_SDK_LOG_CONFIG", raising=False)
    handlers, level = list(logging.root.handlers), logging.root.level
    yield
    logging.root.handlers, logging.root.level = handlers, level


def test_thread_hook_without_exception_logs_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At interpreter exit Python may pass None instead of the exception."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    log_uncaught_exceptions(logging.getLogger("plugin"))
    threading.excepthook(threading.ExceptHookArgs((ValueError, None, None, None)))
    assert not caplog.records


@pytest.mark.parametrize(
    ("environment", "level"),
    [
        ({}, "INFO"),
        ({"LOGLEVEL": "debug"}, "DEBUG"),
        ({"TAP_LOGLEVEL": "ERROR", "LOGLEVEL": "DEBUG"}, "ERROR"),
        ({"TAP_LOGLEVEL": "loud"}, "INFO"),
    ],
)
def test_log_level_of_plugin_precedes_common_level(environment: dict[str, str], level: str) -> None:
    set_up_logging("TAP_", environment)
    assert logging.getLevelName(logging.root.level) == level
    assert isinstance(logging.root.handlers[0].formatter, StructuredFormatter)


def test_interactive_logs_are_short_lines_from_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_setup, "is_interactive", lambda: True)
    set_up_logging("TAP_", {})
    assert logging.root.level == logging.WARNING
    [handler] = logging.root.handlers
    assert isinstance(handler, RichHandler)


def test_sdk_log_config_replaces_default_setup(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "logging.yaml"
    path.write_text(
        "version: 1\n"
        "disable_existing_loggers: false\n"
        "formatters: {plain: {format: 'MARK %(message)s'}}\n"
        "handlers: {err: {class: logging.StreamHandler, formatter: plain}}\n"
        "root: {level: INFO, handlers: [err]}\n"
    )
    monkeypatch.setenv("SINGER_SDK_LOG_CONFIG", str(path))
    set_up_logging("TAP_")
    formatter = logging.root.handlers[0].formatter
    assert formatter is not None
    assert formatter._fmt == "MARK %(message)s"


def test_uncaught_thread_error_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    log_uncaught_exceptions(logging.getLogger("tests.uncaught"))

    def fail() -> None:
        raise RuntimeError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert "unexpected error, please report it" in caplog.messages


def test_progress_interactive_counts_records_per_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "is_interactive", lambda: True)
    with StreamProgress() as stream_progress:
        stream_progress.advance("orders", 3)
        stream_progress.advance("stores", 1)
        stream_progress.advance("orders", 4)
        bars = stream_progress._progress
    assert bars is not None
    assert {task.description: task.completed for task in bars.tasks} == {"orders": 7, "stores": 1}


def test_progress_not_interactive_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with StreamProgress() as stream_progress:
        stream_progress.advance("orders", 3)
    assert capfd.readouterr() == ("", "")


def test_aligned_columns_have_width_of_longest_cell() -> None:
    rows = [("a", "10", "x"), ("abc", "5", "")]
    assert align_columns(rows, "<><") == ["a    10  x", "abc   5"]
    assert align_columns([], "<") == []
