"""Tests of the progress of a task: bars for a person, a line now and then in a log."""

from __future__ import annotations

import io
import logging
from collections import deque
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from pixxel_singer import progress
from pixxel_singer.progress import StageProgress

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGER = logging.getLogger("tests.progress")


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what a terminal shows."""
    shown = io.StringIO()
    monkeypatch.setattr(progress, "is_interactive", lambda: True)
    monkeypatch.setattr(progress, "_log_console", lambda: Console(file=shown, width=100))
    return shown


def read_messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_stages_on_a_terminal_have_a_bar_each(
    screen: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), StageProgress(LOGGER, log_seconds=0) as shown:
        assert list(shown.track("items", 4, "abc")) == ["a", "b", "c"]
        shown.start("foot\x1bprints", 2)
        shown.advance()
    first, second = screen.getvalue().splitlines()[-2:]
    assert first.startswith("items ")
    assert "100%" in first  # the next stage has started, so it is done
    assert second.startswith(r"foot\x1bprints ")
    assert "100%" in second
    assert read_messages(caplog) == []


def test_failed_stage_on_a_terminal_stays_where_it_is(screen: io.StringIO) -> None:
    def read_items() -> Iterator[int]:
        yield 1
        raise InterruptedError

    with pytest.raises(InterruptedError), StageProgress(LOGGER) as shown:
        deque(shown.track("items", 4, read_items()), maxlen=0)
    assert " 25%" in screen.getvalue().splitlines()[-1]


def test_stages_in_a_log_have_lines(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), StageProgress(LOGGER, log_seconds=0) as shown:
        for _ in shown.track("items of the catalog", 12_345, range(2)):
            pass
        shown.start("footprints", 9)
        shown.advance()
    assert read_messages(caplog) == [
        "1 of 12,345 items of the catalog",
        "2 of 12,345 items of the catalog",
        "1 of 9 footprints",
    ]


def test_stages_in_a_log_that_are_quick_have_no_lines(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), StageProgress(LOGGER, log_seconds=3600) as shown:
        assert len(list(shown.track("items", 100_000, range(100_000)))) == 100_000
    assert read_messages(caplog) == []


def test_bars_leave_standard_output_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output has Singer messages, which must not become lines above the bars."""
    shown = io.StringIO()
    monkeypatch.setattr(progress, "is_interactive", lambda: True)
    console = Console(file=shown, width=100, force_terminal=True)
    monkeypatch.setattr(progress, "_log_console", lambda: console)
    with StageProgress(LOGGER) as stages:
        stages.start("items", 1)
        print('{"bookmarks": {}}')  # noqa: T201
    assert capsys.readouterr().out == '{"bookmarks": {}}\n'
    assert "bookmarks" not in shown.getvalue()
