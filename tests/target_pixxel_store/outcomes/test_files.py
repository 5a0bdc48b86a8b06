"""Output files: no STATE is written for records whose outcome could not be written."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_pixxel_store.errors import OutcomeFileError
from tests.target_pixxel_store.target_harness import delivery_request, record, state

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import TargetHarness

FULL_DEVICE = Path("/dev/full")
needs_full_device = pytest.mark.skipif(
    not FULL_DEVICE.exists(), reason="this system has no full device"
)
BAD_RECORD = record("delivery_requests", store="research")


@needs_full_device
@pytest.mark.parametrize("count", [1, 60], ids=["at the end of the run", "during the run"])
def test_outcomes_file_disk_full_ends_run_before_state(harness: TargetHarness, count: int) -> None:
    result = harness.run(
        *[BAD_RECORD] * count, state(1), outcomes_path=str(FULL_DEVICE), on_error="continue"
    )
    assert isinstance(result.error, OutcomeFileError)
    assert str(result.error) == "cannot write the file of 'outcomes_path': No space left on device"
    assert result.states == []


@pytest.mark.parametrize(
    "becomes_folder", [True, False], ids=["replaced by a folder", "folder removed"]
)
def test_summary_unwritable_reported_and_leaves_no_file(
    harness: TargetHarness,
    becomes_folder: bool,  # noqa: FBT001
) -> None:
    summary = harness.folder / "reports" / "summary"
    summary.parent.mkdir()

    def block_summary(*_: object) -> None:
        harness.sandbox.on_request = None
        if becomes_folder:
            summary.mkdir()
        else:
            shutil.rmtree(summary.parent)

    harness.sandbox.on_request = block_summary
    result = harness.run(delivery_request(harness.catalog_ids(1)[0]), summary_path=str(summary))
    assert isinstance(result.error, OutcomeFileError)
    assert "'summary_path'" in str(result.error)
    assert not becomes_folder or list(summary.parent.iterdir()) == [summary]


def test_summary_is_written_to_what_is_no_file(harness: TargetHarness) -> None:
    """Such as a device, which would be gone if a file took its place."""
    pipe = harness.folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    harness.run(delivery_request(harness.catalog_ids(1)[0]), summary_path=str(pipe))
    assert pipe.is_fifo()
    assert json.loads(os.read(reader, 1 << 16))["deliveries"] == 1
    os.close(reader)
