"""Runs of Meltano in the demo: what they are given, and what their log says of each stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

PROJECT = Path(__file__).parents[1]


class DemoFailedError(click.ClickException):
    """Something did not go as it should; the message says what, and where to look."""


@dataclass
class Sync:
    """What a run of one stream was: records given, seconds taken."""

    rows: int = 0
    seconds: float = 0.0


@dataclass
class Meltano:
    """Meltano with a folder of its own, so that the demo leaves the user's state alone.

    Attributes:
        log: Shows progress to a person, and log lines to anything else.
        variables: What every run finds in its environment.
    """

    folder: Path
    log: Console
    variables: dict[str, str] = field(repr=False)

    def run(self, tap: str, loader: str, *options: str, **settings: str) -> dict[str, Sync]:
        """Sync once.

        Args:
            tap: The extractor's name.
            loader: The loader's name.
            options: Of `meltano run`.
            settings: Variables for this run only.

        Raises:
            DemoFailedError: It did not succeed.
        """
        command = ["meltano", "--log-format=json", "run", "--no-install", *options, tap, loader]
        environment = {
            **os.environ,
            **self.variables,
            **settings,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "MELTANO_SYS_DIR_ROOT": str(self.folder / "meltano"),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        syncs: dict[str, Sync] = defaultdict(Sync)
        with self.log.status("meltano starts") as status:
            for event in _events(command, environment):
                if not self.log.is_terminal:
                    print(json.dumps(event), file=sys.stderr, flush=True)  # noqa: T201 - the log
                metric = event.get("metric_info")
                if not isinstance(metric, dict) or event.get("name") == loader:
                    continue
                name = metric["tags"].get("stream")
                if metric["metric"] == "record_count":
                    syncs[name].rows += metric["value"]
                    status.update(f"{name}: {syncs[name].rows} records")
                elif metric["metric"] == "sync_duration":
                    syncs[name].seconds += metric["value"]
        return syncs


def _events(command: list[str], environment: dict[str, str]) -> Iterator[dict[str, object]]:
    """Run Meltano and give its log, event by event.

    Raises:
        DemoFailedError: It did not succeed.
    """
    errors: list[str] = []
    with subprocess.Popen(  # noqa: S603 - our own command
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=PROJECT,
        env=environment,
    ) as process:
        for line in process.stdout or ():
            if not line.startswith("{"):
                errors.append(line.rstrip())
                continue
            event = json.loads(line)
            if event.get("level") in {"error", "critical"}:
                errors.append(str(event.get("event")))
            yield event
    if process.returncode:
        raise DemoFailedError("\n".join(["meltano run failed:", *errors[-10:]]))
