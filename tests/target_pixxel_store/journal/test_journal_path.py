"""Where the journal is: logged at the start, and no run forgets an earlier one unnoticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.target_pixxel_store.target_harness import delivery_request, state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_pixxel_store.target_harness import TargetHarness

DEFAULT = "pixxel-store-journal.ndjson"
WARNING = "creating a new journal at the default path"


@pytest.fixture(autouse=True)
def working_directory(
    harness: TargetHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    harness.shorten_wait()  # a new journal has it
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_journal_new_at_default_path_warned_once(
    harness: TargetHarness, working_directory: Path
) -> None:
    settings = {"journal_path": None, "settle_seconds": 0}
    first = harness.run(state(1), delivery_request("none"), **settings)
    assert f"{WARNING} {working_directory / DEFAULT}, as none exists" in first.log
    for path in (None, "./other"):
        result = harness.run(delivery_request("none"), **(settings | {"journal_path": path}))
        assert WARNING not in result.log


def test_journal_dry_run_neither_creates_nor_warns(
    harness: TargetHarness, working_directory: Path
) -> None:
    result = harness.run(delivery_request("none"), journal_path=None, dry_run=True)
    assert f"journal: {working_directory / DEFAULT}\n" in result.log
    assert WARNING not in result.log
    assert not (working_directory / DEFAULT).exists()
