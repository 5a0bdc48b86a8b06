"""`make demo`: sync the sandbox into DuckDB twice and into a STAC catalog, and show what came."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import duckdb
import requests
from rich.console import Console
from rich.table import Table

from demo.catalog import DemoFailedError, show_catalog
from pixxel_sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[1]
QUESTION = "What do we own, how much of it was delivered, and from how many orders did it come?"
ANSWER = """
WITH delivered AS (SELECT DISTINCT catalog_id FROM deliveries WHERE status = 'SUCCESS')
SELECT c.collection, count(*) AS catalogs, round(sum(c.area)) AS km2,
       count(DISTINCT t.order_id) AS orders, count(d.catalog_id) AS delivered
FROM catalogs AS c
JOIN order_tasks AS t ON t.id = c.task_id
LEFT JOIN delivered AS d ON d.catalog_id = c.id
GROUP BY ALL ORDER BY catalogs DESC, c.collection
"""


@dataclass
class Sync:
    """What a run of one stream was: records given, seconds taken."""

    rows: int = 0
    seconds: float = 0.0


def events(command: list[str], environment: dict[str, str]) -> Iterator[dict[str, object]]:
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


def run_meltano(
    folder: Path, sandbox: Sandbox, console: Console, loader: str, **settings: str
) -> dict[str, Sync]:
    """Sync everything once; show progress to a person, and log lines to anything else."""
    command = ["meltano", "--log-format=json", "run", "--no-install", "tap-pixxel", loader]
    environment = (
        os.environ
        | settings
        | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "MELTANO_SYS_DIR_ROOT": str(folder / "meltano"),
            "XDG_STATE_HOME": str(folder / "state"),
            "TAP_PIXXEL_API_URL": sandbox.url,
            "TAP_PIXXEL_API_TOKEN": sandbox.token,
        }
    )
    syncs: dict[str, Sync] = defaultdict(Sync)
    with console.status("meltano starts") as status:
        for event in events(command, environment):
            if not console.is_terminal:
                print(json.dumps(event), file=sys.stderr, flush=True)  # noqa: T201 - the log
            metric = event.get("metric_info")
            if not isinstance(metric, dict):
                continue
            name = metric["tags"]["stream"]
            if metric["metric"] == "record_count":
                syncs[name].rows += metric["value"]
                status.update(f"{name}: {syncs[name].rows} records")
            elif metric["metric"] == "sync_duration":
                syncs[name].seconds += metric["value"]
    return syncs


def overview(
    first: dict[str, Sync],
    changed: dict[str, int],
    second: dict[str, Sync],
    counts: dict[str, int],
    loaded: dict[str, int],
) -> Table:
    """Lay out the streams: what each run gave, what changed between, what is where now."""
    table = Table(title="Rows and seconds by stream", title_justify="left", padding=(0, 0))
    table.add_column("stream", no_wrap=True)
    for title in ("1st run", "s", "changed", "2nd run", "s", "in the API", "in DuckDB"):
        table.add_column(title, justify="right", no_wrap=True)
    for name in sorted(counts):
        table.add_row(
            name,
            f"{first[name].rows:,}",
            f"{first[name].seconds:.2f}",
            f"{changed.get(name, 0):,}",
            f"{second[name].rows:,}",
            f"{second[name].seconds:.2f}",
            f"{counts[name]:,}",
            f"{loaded[name]:,}",
        )
    return table


def answer(db: duckdb.DuckDBPyConnection) -> Table:
    """Ask the warehouse one question."""
    result = db.execute(ANSWER)
    table = Table(title_justify="left")
    for column in result.description or ():
        table.add_column(column[0], justify="left" if column[0] == "collection" else "right")
    for row in result.fetchall():
        table.add_row(*(f"{cell:,.0f}" if isinstance(cell, float) else str(cell) for cell in row))
    return table


@click.command()
@click.option("--items", default=400, show_default=True, help="Archive items in the sandbox.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=PROJECT / ".build" / "demo",
    help="Where the warehouse and the catalog are written; emptied first.",
)
@click.option(
    "--schemas",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="Folder with the JSON Schemas of STAC's extensions, to validate against them too.",
)
def main(items: int, folder: Path, schemas: str | None) -> None:
    """Sync the sandbox into DuckDB twice and into a STAC catalog, and show what came."""
    out, log = Console(), Console(stderr=True)
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Sandbox(items=items) as sandbox:
        warehouse = folder / "pixxel.duckdb"
        to_duckdb = {"TARGET_DUCKDB_PATH": str(warehouse)}
        first = run_meltano(folder, sandbox, log, "target-duckdb", **to_duckdb)
        changed = requests.post(f"{sandbox.url}/_sandbox/advance", timeout=30).json()
        second = run_meltano(folder, sandbox, log, "target-duckdb", **to_duckdb)
        counts = sandbox.counts()
        run_meltano(
            folder,
            sandbox,
            log,
            "target-stac",
            TAP_PIXXEL__SELECT='["archive_items.*", "catalogs.*", "collections.*"]',
            TARGET_STAC_OUTPUT=str(folder / "stac"),
            TARGET_STAC_TITLE="Pixxel sandbox",
            TARGET_STAC_VALIDATE="all",
            **({"TARGET_STAC_SCHEMAS": schemas} if schemas else {}),
        )
    with duckdb.connect(str(warehouse), read_only=True) as db:
        loaded = {}
        for name in counts:
            row = db.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608 - our names
            loaded[name] = row[0] if row else 0
        out.print(overview(first, changed, second, counts, loaded))
        out.print(QUESTION)
        out.print(answer(db))
    out.print(f"The warehouse: {os.path.relpath(warehouse)}")
    if loaded != counts:
        raise DemoFailedError("the warehouse does not hold what the API has")
    show_catalog(folder / "stac", counts["archive_items"] + counts["catalogs"], out)
    against = (
        "of STAC and its extensions" if schemas else "of STAC; for its extensions' add SCHEMAS="
    )
    out.print(f"Each item and collection is valid by the JSON Schemas {against}", soft_wrap=True)


if __name__ == "__main__":
    main()
