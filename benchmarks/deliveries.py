"""Time and requests of a thousand deliveries, beside a sink that sends record by record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import requests
from rich.table import Table
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.sinks import RecordSink

from benchmarks.printing import console
from pixxel_sandbox import Behavior, Sandbox

RECORDS = 1_000
LATENCY_MS = 20
ROUNDS = 3
STORE = "research"
TARGET = str(Path(sys.executable).with_name("target-pixxel-store"))


class PlainSink(RecordSink):
    """What a tutorial's sink does: a request for each record, whatever was delivered before."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Ask for a delivery."""
        del context
        settings = self.config
        entry = {
            "catalog_ids": [record["catalog_id"]],
            "order_item_ids": [],
            "cloud_info": {"config": settings["store"], "path": f"{record['catalog_id']}/"},
        }
        answer = requests.post(
            f"{settings['api_url']}/v0/catalogs/deliveries",
            json={"deliveries": [entry]},
            headers={"Authorization": f"Bearer {settings['api_token']}"},
            timeout=60,
        )
        answer.raise_for_status()


class PlainTarget(Target):
    """A target with that sink."""

    name = "target-plain"
    default_sink_class = PlainSink
    config_jsonschema = th.PropertiesList(
        *(th.Property(name, th.StringType) for name in ("api_url", "api_token", "store"))
    ).to_dict()


class Measured(NamedTuple):
    """One run.

    Attributes:
        seconds: From start to end of the process.
        starting: Of these, what the process takes to do nothing (`--version`).
        calls: Requests that it made.
    """

    seconds: float
    starting: float
    calls: int


def run(command: list[str], settings: dict[str, Any], *, first: bool) -> Measured:
    """Run a target on a sandbox of its own.

    Args:
        command: The target.
        settings: Of the target, beside those of the connection.
        first: Whether nothing is delivered yet; else all is.
    """
    behavior = Behavior(latency_ms=LATENCY_MS, delivery_seconds=0)
    with (
        Sandbox(items=40) as sandbox,
        tempfile.TemporaryDirectory() as name,
    ):
        ids = [sandbox.workspace.insert("catalogs", {"task_id": None}) for _ in range(RECORDS)]
        store = next(s["id"] for s in sandbox.workspace.rows("stores") if s["name"] == STORE)
        folder = Path(name)
        source, config = folder / "in.singer", folder / "config.json"
        write_messages(source, ids)
        connection = {"api_url": sandbox.url, "api_token": sandbox.token, "store": store}
        journal = {"journal_path": str(folder / "journal")}
        plain = "--plain" in command
        config.write_text(json.dumps(connection | ({} if plain else journal | settings)))
        Path(journal["journal_path"]).write_text('{"is": "run", "id": "", "workspaces": []}\n')
        if not first:
            spend(command, config, source)
        sandbox.behavior = behavior
        sandbox.requests.clear()
        starting = spend([*command, "--version"], config, source)
        return Measured(spend(command, config, source), starting, len(sandbox.requests))


def spend(command: list[str], config: Path, source: Path) -> float:
    """Run a command on a sync; give the seconds."""
    # What is installed has its bytecode after the first start, as long as that may be written.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    with source.open("rb") as file:
        subprocess.run(
            [*command, "--config", str(config)],
            stdin=file,
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return time.perf_counter() - began


def write_messages(path: Path, ids: list[str]) -> None:
    """Write a sync of requests, with a STATE after each."""
    properties = {"catalog_id": {"type": "string"}, "store": {"type": "string"}}
    lines: list[dict[str, Any]] = [
        {
            "type": "SCHEMA",
            "stream": "delivery_requests",
            "schema": {"type": "object", "properties": properties},
            "key_properties": ["catalog_id"],
        }
    ]
    for number, key in enumerate(ids):
        record = {"catalog_id": key, "store": STORE}
        lines.append({"type": "RECORD", "stream": "delivery_requests", "record": record})
        lines.append({"type": "STATE", "value": {"upto": number}})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def main() -> None:
    """Print the table, or be the plain target."""
    if "--plain" in sys.argv:
        PlainTarget.cli(args=[arg for arg in sys.argv[1:] if arg != "--plain"])
    settings = {"max_deliveries": RECORDS}
    plain = [sys.executable, "-m", "benchmarks.deliveries", "--plain"]
    contenders: list[tuple[str, list[str], dict[str, Any], bool]] = [
        ("record by record", plain, {}, True),
        ("target-pixxel-store", [TARGET], settings, True),
        ("... concurrency 4", [TARGET], settings | {"concurrency": 4}, True),
        ("... all there already", [TARGET], settings, False),
    ]
    table = Table(
        f"{RECORDS:,} deliveries", "seconds", "of them starting", "calls", "beside the first"
    )
    rounds = [[run(command, more, first=first) for _, command, more, first in contenders]
              for _ in range(ROUNDS)]  # fmt: skip
    medians = [sorted(found)[ROUNDS // 2] for found in zip(*rounds, strict=True)]
    for (title, *_), one in zip(contenders, medians, strict=True):
        table.add_row(
            title,
            f"{one.seconds:.1f}",
            f"{one.starting:.1f}",
            f"{one.calls}",
            f"{medians[0].seconds / one.seconds:.1f}x",
        )
    console().print(table)


if __name__ == "__main__":
    main()
