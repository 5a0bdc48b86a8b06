"""tap-pixxel | target-stac, killed at random points, produces the same export as without kills."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Sandbox
from tests import forkserver
from tests.kill_points import KillAtFileChange, KillAtRequest, note_kill_on_failure
from tests.pipeline.workspace_changes import change_workspace, tap_environment
from tests.target_stac.exports import (
    FORMATS,
    assert_files_are_whole,
    assert_links_resolve,
    find_differences,
    make_environment,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]
TAP, TARGET = "tap", "target"
KILLS = [(TAP,), (TARGET,), (TAP, TARGET), (TARGET,)]
MIN_REQUESTS = 20
"""Minimum number of requests of a run."""
MIN_FILE_CHANGES = 200
"""Minimum number of file changes of a run that writes the whole export."""
EXPORT_PARTS = ("catalog.json", "geoparquet", "ndjson", "preview.html")
"""The parts of an export that have few files."""


@dataclass(frozen=True)
class Kill:
    """Commands to kill, and the point of the kill.

    Attributes:
        names: Names of the commands.
        number: Number of the tap's request; of the file change if only the target is killed.
        part: Part of the export in which file changes count; all by default.
        c_calls: See `KillAtFileChange`.
        delay_seconds: See `KillAtRequest`.
    """

    names: tuple[str, ...]
    number: int
    part: str = ""
    c_calls: int = 0
    delay_seconds: float = 0.0

    @classmethod
    def random(cls, rng: random.Random, names: tuple[str, ...]) -> Kill:
        """Return a kill; early points are as likely as late ones, as most runs change few files."""
        if names == (TARGET,):
            part = rng.choice(["", "", "", *EXPORT_PARTS])
            number = 1 if part else int(MIN_FILE_CHANGES ** rng.random())
            return cls(names, number, part, c_calls=rng.randrange(4))
        return cls(
            names, rng.randint(1, MIN_REQUESTS), delay_seconds=rng.choice([0.0, 0.005, 0.02])
        )

    def move_earlier(self) -> Kill:
        """Return an earlier kill, for a run that ended before this one."""
        return replace(self, number=(self.number + 1) // 2, part="", delay_seconds=0.0)


@dataclass
class PipelineRun:
    """A run that has ended.

    Attributes:
        statuses: Exit statuses of the tap and the target.
        state: The last STATE that the target emitted, else the one from which the run started.
    """

    statuses: dict[str, int]
    state: Json | None

    def was_hit(self, kill: Kill) -> bool:
        """Return whether the kill ended all its commands."""
        return all(self.statuses[name] == -signal.SIGKILL for name in kill.names)


def run_pipeline(
    sandbox: Sandbox, out: Path, state: Json | None, kill: Kill | None = None
) -> PipelineRun:
    """Run both commands from a STATE, with an optional kill."""
    args = ["--config=ENV"]
    if state:
        file = out.with_name("state.json")
        file.write_text(json.dumps(state))
        args.append(f"--state={file}")
    log = out.with_name("log")
    tap_reader, tap_writer = forkserver.open_pipe()
    reader, writer = forkserver.open_pipe()
    at_request = at_change = None
    if kill and TAP in kill.names:
        at_request = KillAtRequest(kill.number, kill.delay_seconds)
    elif kill:
        at_change = KillAtFileChange(out / kill.part, kill.number, kill.c_calls)
    target = forkserver.start_command(
        "target-stac",
        "--config=ENV",
        stdin=tap_reader,
        stdout=writer,
        log=log,
        env=make_environment({"output": str(out), "formats": FORMATS, "partition": "month"}),
        kill_point=at_change,
    )
    sandbox.on_request = at_request
    tap = forkserver.start_command(
        "tap-pixxel", *args, stdout=tap_writer, log=log, env=tap_environment(sandbox)
    )
    if kill and at_request:
        at_request.set_targets(*({TAP: tap, TARGET: target}[name] for name in kill.names))
    lines = b"".join(forkserver.read_chunks(reader, tap, target))
    statuses = {TAP: tap.wait(), TARGET: target.wait()}
    sandbox.on_request = None
    for line in lines.splitlines():
        state = json.loads(line)
    return PipelineRun(statuses, state)


@pytest.mark.timeout(900)
def test_pipeline_killed_repeatedly_produces_same_export_as_without_kills(tmp_path: Path) -> None:
    rng = random.Random(2)  # noqa: S311 - points of kills
    out, expected, log = tmp_path / "out", tmp_path / "expected", tmp_path / "log"
    kills: list[Kill | None] = [Kill.random(rng, names) for names in rng.sample(KILLS, len(KILLS))]
    kills.insert(len(kills) // 2, None)
    hits: Counter[str] = Counter()
    with Sandbox(seed=2, items=20) as sandbox:
        state: Json | None = None
        for _ in range(2 * len(kills)):
            kill = kills.pop(0)
            with note_kill_on_failure(kill):
                finished = run_pipeline(sandbox, out, state, kill)
                assert_links_resolve(out, whole=False)
                assert_files_are_whole(out)
            state = finished.state
            change_workspace(sandbox, rng)
            if kill and finished.was_hit(kill):
                hits.update(kill.names)
            elif kill:
                kills.insert(0, kill.move_earlier())
            if not kills:
                break
        for _ in range(2):  # the second exports what changed during the first
            finished = run_pipeline(sandbox, out, state)
            state = finished.state
            assert set(finished.statuses.values()) == {0}, log.read_text()[-2000:]
        run_pipeline(sandbox, expected, None)
    assert hits == Counter(name for names in KILLS for name in names)
    assert_links_resolve(out)
    assert find_differences(snapshot(out), snapshot(expected)) == []
