"""The guarantee for each kind of source: killed and interrupted at any moment, it is one file."""

from __future__ import annotations

import signal
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior, Sandbox
from target_pixxel_store.downloads.partial_file import BOUNDARY_BYTES
from tests import forkserver
from tests.kill_points import KillAtFileChange, KillAtRequest, note_kill_on_failure
from tests.target_pixxel_store.download_checks import list_files
from tests.target_pixxel_store.downloads.source_cases import SourceCase, make_case
from tests.target_pixxel_store.target_harness import (
    TargetHarness,
    add_schemas,
    clean_environment,
    read_json_lines,
    serialize_messages,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixxel_sandbox import RequestRecord, Workspace

BEHAVIOR = Behavior(download_seconds=0, download_bytes=100_000, interrupt_fetches=2)
PARTIAL_FILES = Path()
"""How their names begin, which are relative to an open folder: with a dot."""
BEFORE_RENAME = 4
"""The change of a partial file before which it is complete: opened, note removed, and written."""


@pytest.fixture(scope="module")
def small_sandbox() -> Iterator[Sandbox]:
    with Sandbox(items=10) as started_sandbox:
        yield started_sandbox


class LostResponse:
    """A request hook that kills runs, and loses the response to the first request of a download."""

    def __init__(self, sandbox: Sandbox, case: SourceCase) -> None:
        self._sandbox = sandbox
        self._case = case
        self.kill: KillAtRequest | None = None
        self.behavior = BEHAVIOR
        self.is_lost = False

    def __call__(self, request: RequestRecord, workspace: Workspace) -> None:
        """Kill the run if it is due, and decide whether the response is lost."""
        if self.kill:
            self.kill(request, workspace)
        loses = not self.is_lost and (request.method, request.path) == self._case.request
        self._sandbox.behavior = replace(self.behavior, drop_accepted=float(loses))
        self.is_lost |= loses and not (self.kill and self.kill.reached)


class KillHarness:
    """Runs the target with the record of a case, kills it, and checks the files."""

    def __init__(self, sandbox: Sandbox, folder: Path, case: SourceCase) -> None:
        self.images = folder / "images"
        self.target = TargetHarness(sandbox, folder, {"download_to": str(self.images)})
        self._case = case
        self.hook = LostResponse(sandbox, case)
        sandbox.on_request = self.hook
        self._input = folder / "input.singer"
        self._input.write_text(serialize_messages(*add_schemas(case.message, state(1))))

    def run(self, kill: KillAtRequest | None = None, change_number: int = 1000) -> int:
        """Run the target, kill it at a request or at a change of its partial file."""
        target = forkserver.start_command(
            "target-pixxel-store",
            f"--config={self.target.write_config()}",
            stdin=self._input,
            log=self.target.folder / "log",
            env=clean_environment(),
            kill_point=KillAtFileChange(PARTIAL_FILES, change_number),
        )
        if kill:
            kill.set_targets(target)
        self.hook.kill = kill
        status = target.wait()
        self.hook.kill = None
        with note_kill_on_failure((kill, change_number)):
            assert status in {0, -signal.SIGKILL}, (self.target.folder / "log").read_text()[-3000:]
            self._check_files()
        return status

    def _check_files(self) -> None:
        """Check that there is one file under its name at most, and that it is complete."""
        names = [name for name in list_files(self.images) if "/." not in name]
        for name in names:
            assert self._case.is_complete(self.target.sandbox, {"object": str(self.images / name)})
        assert len(names) <= 1


@pytest.mark.parametrize("kind", ["catalog", "assets", "job"])
def test_source_killed_and_interrupted_at_any_moment_is_one_file(
    small_sandbox: Sandbox, tmp_path: Path, kind: str
) -> None:
    case = make_case(small_sandbox, kind)
    harness = KillHarness(small_sandbox, tmp_path, case)
    for number in count(1):
        kill = KillAtRequest(number)
        assert harness.run(kill, BEFORE_RENAME) == -signal.SIGKILL
        if not kill.reached:
            break
    assert number > 3, "killed at the request of the download and at its repetition or poll"
    assert harness.hook.is_lost
    for change_number in (2, 3, BEFORE_RENAME + 1):
        assert harness.run(change_number=change_number) == -signal.SIGKILL
    fetches = len(small_sandbox.fetches)
    assert harness.run() == 0
    assert harness.run() == 0
    assert len(small_sandbox.fetches) == fetches, "the file was complete before the last kill"
    [*earlier, line] = read_json_lines(tmp_path / "outcomes")
    assert [line["outcome"] for line in (*earlier, line)] == ["exists"] * 2
    assert case.is_complete(small_sandbox, line)


def test_source_killed_after_a_boundary_is_continued_there(
    small_sandbox: Sandbox, tmp_path: Path
) -> None:
    """A repeated request has another signed URL, of the same object."""
    case = make_case(small_sandbox, "job")
    harness = KillHarness(small_sandbox, tmp_path, case)
    harness.hook.behavior = Behavior(download_seconds=0, download_bytes=BOUNDARY_BYTES + 1000)
    assert harness.run(change_number=BEFORE_RENAME) == -signal.SIGKILL
    assert harness.run() == 0
    *_, last = small_sandbox.fetches
    assert (last.range, last.status, last.sent) == (f"bytes={BOUNDARY_BYTES}-", 206, 1000)
    [line] = read_json_lines(tmp_path / "outcomes")
    assert line["outcome"] == "created"
    assert case.is_complete(small_sandbox, line)
