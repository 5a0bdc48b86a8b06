"""Outcomes, rejected records and the summary: no STATE passes what could not be written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_pixxel_store.errors import OutcomeFileError
from tests.target_pixxel_store.target_runner import record, request, state

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_runner import Workplace

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no full device")
BAD = record("delivery_requests", store="research")


@needs_full
@pytest.mark.parametrize("count", [1, 60], ids=["at the end", "while it is written"])
def test_a_full_disk_ends_the_run_before_a_state(place: Workplace, count: int) -> None:
    ran = place.run(*[BAD] * count, state(1), outcomes_path=str(FULL), on_error="continue")
    assert isinstance(ran.error, OutcomeFileError)
    assert str(ran.error) == "cannot write the file of 'outcomes_path': No space left on device"
    assert ran.states == []


@pytest.mark.parametrize("there", [True, False], ids=["a folder now", "its folder gone"])
def test_a_summary_that_cannot_be_written_is_told_and_leaves_nothing(
    place: Workplace,
    there: bool,  # noqa: FBT001
) -> None:
    summary = place.folder / "reports" / "summary"
    summary.parent.mkdir()

    def spoil(*_: object) -> None:
        place.sandbox.on_request = None
        if there:
            summary.mkdir()
        else:
            shutil.rmtree(summary.parent)

    place.sandbox.on_request = spoil
    ran = place.run(request(place.catalogs(1)[0]), summary_path=str(summary))
    assert isinstance(ran.error, OutcomeFileError)
    assert "'summary_path'" in str(ran.error)
    assert not there or list(summary.parent.iterdir()) == [summary]
