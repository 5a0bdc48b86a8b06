"""Compare time and requests of 1,000 deliveries with a sink that sends one per record."""

from __future__ import annotations

import json
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

from benchmarks.console import make_console
from pixxel_sandbox import Behavior, Sandbox

RECORDS = 1_000
LATENCY_MS = 20
ROUNDS = 3
STORE = "research"
TARGET = str(Path(sys.executable).with_name("target-pixxel-store"))


class PlainSink(RecordSink):
    """Sink as in a tutorial: one request per record, without a check of earlier deliveries."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Request a delivery."""
        del context
        settings = self.config
        entry = {
            "catalog_ids": [record["catalog_id"]],
            "order_item_ids": [],
            "cloud_info": {"config": settings["store"], "path": f"{record['catalog_id']}/"},
        }
        response = requests.post(
            f"{settings['api_url']}/v0/catalogs/deliveries",
            json={"deliveries": [entry]},
            headers={"Authorization": f"Bearer {settings['api_token']}"},
            timeout=60,
        )
        response.raise_for_status()


class PlainTarget(Target):
    """Target with that sink."""

    name = "target-plain"
    default_sink_class = PlainSink
    config_jsonschema = th.PropertiesList(
        *(th.Property(name, th.StringType) for name in ("api_url", "api_token", "store"))
    ).to_dict()


class DeliveryMeasurement(NamedTuple):
    """Measurement of one run.

    Attributes:
        seconds: Time from start to end of the process.
        startup_seconds: Time of the process with `--version`.
        request_count: Number of its requests.
    """

    seconds: float
    startup_seconds: float
    request_count: int


def measure_target(
    command: list[str], settings: dict[str, Any], *, first: bool
) -> DeliveryMeasurement:
    """Run a target against a new sandbox.

    Args:
        command: Command of the target.
        settings: Settings of the target, without those of the connection.
        first: Whether nothing was delivered before; otherwise everything was.
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
        Path(journal["journal_path"]).write_text('{"is": "settled"}\n')
        if not first:
            time_command(command, config, source)
        sandbox.behavior = behavior
        sandbox.requests.clear()
        startup_seconds = time_command([*command, "--version"], config, source)
        seconds = time_command(command, config, source)
        return DeliveryMeasurement(seconds, startup_seconds, len(sandbox.requests))


def time_command(command: list[str], config: Path, source: Path) -> float:
    """Run a command on messages; return its seconds."""
    start = time.perf_counter()
    with source.open("rb") as file:
        subprocess.run(
            [*command, "--config", str(config)],
            stdin=file,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return time.perf_counter() - start


def write_messages(path: Path, ids: list[str]) -> None:
    """Write messages with a delivery request for each catalog, and a STATE after each."""
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
    """Print the table, or run the plain target."""
    if "--plain" in sys.argv:
        PlainTarget.cli(args=[arg for arg in sys.argv[1:] if arg != "--plain"])
    settings = {"max_deliveries": RECORDS}
    plain = [sys.executable, "-m", "benchmarks.deliveries", "--plain"]
    cases: list[tuple[str, list[str], dict[str, Any], bool]] = [
        ("record by record", plain, {}, True),
        ("target-pixxel-store", [TARGET], settings, True),
        ("... concurrency 4", [TARGET], settings | {"concurrency": 4}, True),
        ("... all delivered before", [TARGET], settings, False),
    ]
    columns = ("seconds", "start-up seconds", "requests", "speedup")
    table = Table(f"{RECORDS:,} deliveries", *columns)
    rounds = [[measure_target(command, more, first=first) for _, command, more, first in cases]
              for _ in range(ROUNDS)]  # fmt: skip
    medians = [sorted(found)[ROUNDS // 2] for found in zip(*rounds, strict=True)]
    for (title, *_), one in zip(cases, medians, strict=True):
        table.add_row(
            title,
            f"{one.seconds:.1f}",
            f"{one.startup_seconds:.1f}",
            f"{one.request_count}",
            f"{medians[0].seconds / one.seconds:.1f}x",
        )
    make_console().print(table)


if __name__ == "__main__":
    main()
