"""tap-pixxel | target-stac, each killed at random moments: it ends as one that was not killed."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from rustac import read_sync

from pixxel_sandbox import Sandbox
from tests import forked
from tests.pipeline.moves import move_on, tap_environment
from tests.stac_target.exports import TREE, environment, lines_of, links_resolve, snapshot

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]
FORMATS = [*TREE, "geoparquet"]
KILLS = 7
REQUESTS = 20
"""What every run asks for, at the least."""


@dataclass
class Kill:
    """When to kill what.

    Attributes:
        names: Of the commands, `tap` and `target`.
        requests: How many the tap is to have made; None to wait until the target writes.
        seconds: How long to wait from there.
    """

    names: tuple[str, ...]
    requests: int | None
    seconds: float

    @classmethod
    def random(cls, rng: random.Random, writing: float) -> Kill:
        """Give one of any kind.

        Args:
            rng: Decides.
            writing: How many seconds the target writes.
        """
        names = rng.choice([("tap",), ("target",), ("tap", "target")])
        if names == ("target",):
            return cls(names, None, rng.uniform(0, writing))
        return cls(names, rng.randint(1, REQUESTS), rng.uniform(0, 0.02))


@dataclass
class Ran:
    """What a run has left.

    Attributes:
        statuses: The exit statuses of the tap and the target.
        state: The STATE that the target has told, or that they began with.
        writing: How many seconds the target wrote.
    """

    statuses: tuple[int, int]
    state: Json | None
    writing: float


def run(sandbox: Sandbox, out: Path, state: Json | None, kill: Kill | None = None) -> Ran:
    """Run both from a STATE on, killed if need be."""
    args = ["--config=ENV"]
    if state:
        file = out.with_name("state.json")
        file.write_text(json.dumps(state))
        args.append(f"--state={file}")
    log = out.with_name("log")
    middle, into = forked.pipe()
    told, end = forked.pipe()
    sandbox.requests.clear()
    tap = forked.start("tap-pixxel", *args, stdout=into, log=log, env=tap_environment(sandbox))
    settings = environment({"output": str(out), "formats": FORMATS})
    target = forked.start(
        "target-stac", "--config=ENV", stdin=middle, stdout=end, log=log, env=settings
    )
    requests = kill.requests if kill else None
    while target.is_alive() and not (
        (out / ".unfinished").exists() if requests is None else len(sandbox.requests) >= requests
    ):
        time.sleep(0.001)
    begun = time.monotonic()
    if kill:
        time.sleep(kill.seconds)
        for name, process in (("tap", tap), ("target", target)):
            if name in kill.names:
                process.kill()
    with told:
        lines = b"".join(iter(lambda: os.read(told.fileno(), 1 << 16), b""))
    for line in lines.splitlines():
        state = json.loads(line)
    writing = time.monotonic() - begun
    return Ran((forked.status(tap), forked.status(target)), state, writing)


def holds_together(out: Path) -> None:
    """Assert that each file of an export is whole, and that every link leads to one."""
    links_resolve(out, whole=False)
    for name in ("items.ndjson", "collections.ndjson"):
        if (out / name).exists():
            assert all(each["id"] for each in lines_of(out / name))
    for file in out.glob("geoparquet/*.parquet"):
        content = file.read_bytes()
        assert content[:4] == content[-4:] == b"PAR1"


def contents(out: Path) -> dict[str, object]:
    """All files, byte for byte; GeoParquet as its items, as its metadata has a set in any order."""
    files: dict[str, object] = dict(snapshot(out))
    tables = [name for name in files if name.endswith(".parquet")]
    return files | {name: read_sync(str(out / name))["features"] for name in tables}


@pytest.mark.parametrize("seed", [1, 2])
def test_an_export_killed_again_and_again_ends_as_one_that_was_not(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - moments to kill at
    out, whole = tmp_path / "out", tmp_path / "whole"
    killed = 0
    with Sandbox(seed=seed, items=20) as sandbox:
        writing = run(sandbox, tmp_path / "first", None).writing
        state: Json | None = None
        for number in range(KILLS + 1):  # in the middle one is left alone
            kill = None if number == KILLS // 2 else Kill.random(rng, writing)
            ran = run(sandbox, out, state, kill)
            killed += -signal.SIGKILL in ran.statuses
            state = ran.state
            holds_together(out)
            move_on(sandbox, rng)
        for _ in range(2):  # what changed during the first sync comes with the one behind it
            ran = run(sandbox, out, state)
            state = ran.state
            assert ran.statuses == (0, 0), (tmp_path / "log").read_text()[-2000:]
        run(sandbox, whole, None)
    assert killed > KILLS // 2
    links_resolve(out)
    assert contents(out) == contents(whole)
