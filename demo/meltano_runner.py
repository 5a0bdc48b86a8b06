"""Run Meltano for the demo, and read the metrics of each stream from its log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

PROJECT = Path(__file__).parents[1]


class DemoFailedError(click.ClickException):
    """A step of the demo failed; the message describes the failure."""


@dataclass
class StreamSync:
    """Metrics of one stream in a run.

    Attributes:
        rows: Number of emitted records.
        seconds: Duration.
    """

    rows: int = 0
    seconds: float = 0.0


@dataclass
class MeltanoRunner:
    """Runner of Meltano with its own folder, so that the demo does not change the user's state.

    Attributes:
        folder: Folder of Meltano's files and of the output.
        console: Shows progress on a terminal.
        variables: Environment variables of every run.
    """

    folder: Path
    console: Console
    variables: dict[str, str] = field(repr=False)

    @property
    def log_path(self) -> Path:
        """File that the log of all runs is appended to."""
        return self.folder / "meltano.log"

    def run(self, *arguments: str, **settings: str) -> dict[str, StreamSync]:
        """Run pipelines once, one after the other; return the metrics of each stream.

        Args:
            arguments: Options of `meltano run`, then an extractor and a loader for each pipeline.
            settings: Environment variables of this run only.

        Raises:
            DemoFailedError: Meltano failed.
        """
        command = ["meltano", "--log-format=json", "run", "--no-install", *arguments]
        environment = {
            **os.environ,
            **self.variables,
            **settings,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "MELTANO_SYS_DIR_ROOT": str(self.folder / "meltano"),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        syncs: dict[str, StreamSync] = defaultdict(StreamSync)
        with self.console.status("starting meltano") as status, self.log_path.open("a") as log:
            for event in _read_log_events(command, environment, log):
                metric = event.get("metric_info")
                if not isinstance(metric, dict) or not str(event.get("name")).startswith("tap-"):
                    continue
                name = metric["tags"].get("stream")
                if metric["metric"] == "record_count":
                    syncs[name].rows += metric["value"]
                    status.update(f"{name}: {syncs[name].rows} records")
                elif metric["metric"] == "sync_duration":
                    syncs[name].seconds += metric["value"]
        return syncs


def _read_log_events(
    command: list[str], environment: dict[str, str], log: IO[str]
) -> Iterator[dict[str, object]]:
    """Run Meltano, and yield the events of its log, which is also written to a file.

    Raises:
        DemoFailedError: Meltano failed.
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
            log.write(line)
            if not line.startswith("{"):
                errors.append(line.rstrip())
                continue
            event = json.loads(line)
            if event.get("level") in {"error", "critical"}:
                errors.append(str(event.get("event")))
            yield event
    if process.returncode:
        raise DemoFailedError(
            "\n".join(["meltano run failed:", *errors[-10:], f"See {os.path.relpath(log.name)}"])
        )
