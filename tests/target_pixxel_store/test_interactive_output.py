"""What a person at a terminal is shown beside the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixxel_singer.progress import task_progress
from tests.target_pixxel_store.target_runner import request, state

if TYPE_CHECKING:
    import pytest

    from tests.target_pixxel_store.target_runner import Workplace


def test_a_person_is_told_the_outcomes_at_the_end(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("target_pixxel_store.target.is_interactive", lambda: True)
    place.run(request(place.catalogs(1)[0]), state(1))
    told = "outcomes: {'delivery_requests': {'created': 1}}, ignored: {}\n"
    assert capsys.readouterr().err == told


def test_a_person_sees_how_many_deliveries_are_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with task_progress("deliveries done", 2) as show_done:
        show_done(2)
    assert capsys.readouterr().err == "", "nobody watches"
    monkeypatch.setattr("pixxel_singer.progress.is_interactive", lambda: True)
    with task_progress("deliveries done", 2) as show_done:
        show_done(2)
    told = capsys.readouterr().err
    assert "deliveries done" in told
    assert "100%" in told
