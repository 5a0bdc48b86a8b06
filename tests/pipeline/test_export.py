"""tap-pixxel | target-stac, each killed at random points: it ends as one that was not killed."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from rustac import read_sync

from pixxel_sandbox import Sandbox
from tests import forked
from tests.kills import AtRequest, Death, noted
from tests.pipeline.moves import move_on, tap_environment
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
KILLS = [(TAP,), (TARGET,), (TARGET,), (TAP, TARGET), (TARGET,), (TARGET,), (TAP,)]
REQUESTS = 20
"""What every run asks for, at the least."""
CHANGES = 200
"""What a run that writes all does to files, at the least."""
PARTS = ("catalog.json", "geoparquet", "items.ndjson", "preview.html")
"""Of an export, those of few files."""


@dataclass(frozen=True)
class Kill:
    """What to kill, and when.

    Attributes:
        names: Of the commands.
        point: Of the tap, the number of its request; of the target alone, of its change to a file.
        part: The part of the export that such a file is of; any by default.
        calls: As of `Death`.
        seconds: As of `AtRequest`.
    """

    names: tuple[str, ...]
    point: int
    part: str = ""
    calls: int = 0
    seconds: float = 0.0

    @classmethod
    def random(cls, rng: random.Random, names: tuple[str, ...]) -> Kill:
        """Give one; most runs change few files, so early points are as likely as late ones."""
        if names == (TARGET,):
            part = rng.choice(["", "", "", *PARTS])
            point = 1 if part else int(CHANGES ** rng.random())
            return cls(names, point, part, calls=rng.randrange(4))
        return cls(names, rng.randint(1, REQUESTS), seconds=rng.choice([0.0, 0.005, 0.02]))

    def earlier(self) -> Kill:
        """Give what surely comes before it, for a run that it came too late for."""
        return replace(self, point=(self.point + 1) // 2, part="", seconds=0.0)


@dataclass
class Ran:
    """What a run has left.

    Attributes:
        statuses: The exit statuses of the tap and the target.
        state: The STATE that the target has told, or that they began with.
    """

    statuses: dict[str, int]
    state: Json | None

    def was_hit(self, kill: Kill) -> bool:
        """Tell whether a kill came before the end of all that it was for."""
        return all(self.statuses[name] == -signal.SIGKILL for name in kill.names)


def run(sandbox: Sandbox, out: Path, state: Json | None, kill: Kill | None = None) -> Ran:
    """Run both from a STATE on, killed if need be."""
    args = ["--config=ENV"]
    if state:
        file = out.with_name("state.json")
        file.write_text(json.dumps(state))
        args.append(f"--state={file}")
    log = out.with_name("log")
    middle, into = forked.pipe()
    said, end = forked.pipe()
    at = AtRequest(kill.point, kill.seconds) if kill and TAP in kill.names else None
    target = forked.start(
        "target-stac",
        "--config=ENV",
        stdin=middle,
        stdout=end,
        log=log,
        env=make_environment({"output": str(out), "formats": FORMATS}),
        death=Death(out / kill.part, kill.point, kill.calls) if kill and not at else None,
    )
    sandbox.on_request = at
    tap = forked.start("tap-pixxel", *args, stdout=into, log=log, env=tap_environment(sandbox))
    if kill and at:
        at.aim(*({TAP: tap, TARGET: target}[name] for name in kill.names))
    lines = b"".join(forked.pieces(said, tap, target))
    statuses = {TAP: tap.status(), TARGET: target.status()}
    sandbox.on_request = None
    for line in lines.splitlines():
        state = json.loads(line)
    return Ran(statuses, state)


def contents(out: Path) -> dict[str, object]:
    """All files, byte for byte; GeoParquet as its items, as its metadata has a set in any order."""
    files: dict[str, object] = dict(snapshot(out))
    tables = [name for name in files if name.endswith(".parquet")]
    return files | {name: read_sync(str(out / name))["features"] for name in tables}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
def test_an_export_killed_again_and_again_ends_as_one_that_was_not(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - points to kill at
    out, whole, log = tmp_path / "out", tmp_path / "whole", tmp_path / "log"
    kills: list[Kill | None] = [Kill.random(rng, names) for names in rng.sample(KILLS, len(KILLS))]
    kills.insert(len(kills) // 2, None)
    hits: Counter[str] = Counter()
    with Sandbox(seed=seed, items=20) as sandbox:
        state: Json | None = None
        for _ in range(2 * len(kills)):
            kill = kills.pop(0)
            with noted(kill):
                ran = run(sandbox, out, state, kill)
                assert_links_resolve(out, whole=False)
                assert_files_are_whole(out)
            state = ran.state
            move_on(sandbox, rng)
            if kill and ran.was_hit(kill):
                hits.update(kill.names)
            elif kill:
                kills.insert(0, kill.earlier())
            if not kills:
                break
        for _ in range(2):  # what changed during the first sync comes with the one behind it
            ran = run(sandbox, out, state)
            state = ran.state
            assert set(ran.statuses.values()) == {0}, log.read_text()[-2000:]
        run(sandbox, whole, None)
    assert hits == Counter(name for names in KILLS for name in names)
    assert_links_resolve(out)
    assert find_differences(contents(out), contents(whole)) == []
