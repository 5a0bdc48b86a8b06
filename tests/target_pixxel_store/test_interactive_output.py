"""Output of an interactive run besides the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixxel_singer.progress import task_progress
from tests.target_pixxel_store.target_harness import delivery_request, state

if TYPE_CHECKING:
    import pytest

    from tests.target_pixxel_store.target_harness import TargetHarness


def test_target_interactive_prints_outcomes_at_end(
    harness: TargetHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("target_pixxel_store.target.is_interactive", lambda: True)
    harness.run(delivery_request(harness.catalog_ids(1)[0]), state(1))
    output = "outcomes: {'delivery_requests': {'created': 1}}, ignored: {}\n"
    assert capsys.readouterr().err == output


def test_task_progress_interactive_shows_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with task_progress("deliveries done", 2) as show_done:
        show_done(2)
    assert capsys.readouterr().err == "", "nobody watches"
    monkeypatch.setattr("pixxel_singer.progress.is_interactive", lambda: True)
    with task_progress("deliveries done", 2) as show_done:
        show_done(2)
    output = capsys.readouterr().err
    assert "deliveries done" in output
    assert "100%" in output
