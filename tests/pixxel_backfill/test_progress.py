"""Progress of a run: its numbers, as lines for machines and as a bar for people."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from typing import Any

import pytest

from pixxel_backfill.progress import LINE_SECONDS, RunProgress
from pixxel_backfill.shard_run import ShardProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the monotonic time of all progress, which a test may set."""
    now = [100.0]
    monkeypatch.setattr(RunProgress, "_now", lambda _: now[0])
    return now


def read_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_lines_have_rates_errors_and_the_estimated_end(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with RunProgress(total=5, done=1) as progress:
        clock[0] += 5
        progress(ShardProgress("a", "running", rows=300, requests=10))
        progress(ShardProgress("b", "running", rows=100, requests=5))
        clock[0] += 5
        progress(ShardProgress("a", "retried", reason="killed"))
        clock[0] += 10
        progress(ShardProgress("b", "done", rows=400, requests=20))
        progress(ShardProgress("a", "failed", reason="again"))
        progress.announce_dashboard("http://127.0.0.1:8787")
    lines = read_lines(capsys)
    assert [each["event"] for each in lines] == [
        "start", "progress", "retried", "done", "progress", "failed", "end",
    ]  # fmt: skip
    assert [each.get("shard") for each in lines] == [None, None, "a", "b", None, "a", None]
    assert [each["reason"] for each in lines if "reason" in each] == ["killed", "again"]
    done = lines[3]
    assert (done["shards_done"], done["shards_total"], done["errors"]) == (2, 5, 1)
    assert (done["rows"], done["requests"]) == (700, 30)
    assert (done["rows_per_second"], done["requests_per_second"]) == (35.0, 1.5)
    assert lines[1]["estimated_end"] is None
    remaining = datetime.fromisoformat(done["estimated_end"]) - datetime.fromisoformat(done["time"])
    assert 59 <= remaining.total_seconds() <= 61  # 20 s for one shard, three to go
    assert (lines[0]["dashboard"], lines[-1]["dashboard"]) == (None, "http://127.0.0.1:8787")


def test_rates_are_those_of_the_last_half_minute(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with RunProgress(total=2, done=0) as progress:
        for second in range(100):
            clock[0] += 1
            progress(ShardProgress("a", "running", rows=min(1000 * second, 50_000)))
    lines = read_lines(capsys)
    assert lines[-1]["rows_per_second"] == 0
    assert sum(each["event"] == "progress" for each in lines) <= 100 / LINE_SECONDS + 1


def test_terminal_gets_a_bar_and_no_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with RunProgress(total=4, done=1) as progress:
        progress(ShardProgress("a", "done", rows=1200, requests=7))
        assert progress._progress is not None
        [bar] = progress._progress.tasks
        assert re.search(r"0 errors, ends \w+ \d\d \d\d:\d\d UTC$", bar.description)
    output = capsys.readouterr()
    assert output.out == ""
    assert "2 of 4 shards, 1,200 rows" in output.err
    assert "ends" not in bar.description  # what stays on the screen
