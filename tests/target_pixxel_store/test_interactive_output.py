"""Output of an interactive run besides the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixxel_singer.progress import task_progress
from tests.target_pixxel_store.target_harness import delivery_request, record, state

if TYPE_CHECKING:
    import pytest

    from tests.target_pixxel_store.target_harness import TargetHarness


def test_target_interactive_prints_outcomes_at_end(
    harness: TargetHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("target_pixxel_store.target.is_interactive", lambda: True)
    messages = [delivery_request(harness.catalog_ids(1)[0]), delivery_request("[x]none")]
    harness.run(*messages, record("[b]others[/b]", id="a"), state(1))
    title, _, header, _, *rows, _, reason = capsys.readouterr().err.splitlines()
    assert title.strip() == "status 1"
    assert header.strip("┃ ").split() == ["stream", "┃", "created", "┃", "failed", "┃", "ignored"]
    cells = [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]
    assert cells == [["[b]others[/b]", "", "", "1"], ["delivery_requests", "1", "1", ""]]
    assert reason.startswith("ended because: delivery_requests catalog_id [x]none, store research:")


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
