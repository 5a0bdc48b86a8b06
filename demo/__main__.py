"""`make demo`: sync the sandbox into DuckDB and STAC, deliver, download and order images."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import duckdb
import requests
from rich.console import Console
from rich.table import Table

from demo import downloads, orders
from demo.deliveries import (
    BUCKET,
    check_deliveries,
    deliver_catalogs,
    list_objects,
    print_bucket_links,
    print_deliveries,
    print_delivery_counts,
    s3_variables,
)
from demo.meltano_runner import PROJECT, DemoFailedError, MeltanoRunner
from demo.stac_catalog import print_catalog
from pixxel_sandbox import S3Server, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.meltano_runner import StreamSync

INTRODUCTION = """\
This demo takes about two minutes. It runs the plugins against a local Pixxel API, in Meltano.
Meltano's log is in {log}"""
HEADINGS = (
    "Sync the workspace into DuckDB. Then change the workspace, and sync what has changed",
    "Query the warehouse",
    "Export a STAC catalog",
    "Deliver new images to a bucket. A second run without a state delivers nothing twice",
    "Download the same images over connections that break. A second run downloads nothing",
    "Order an image: plan, approve, place once. It arrives in the bucket",
)
"""What each step shows."""
WHAT_NEXT = """
[bold]What next[/bold]

  look at the map           open {folder}/stac/preview.html in a browser
  do the steps yourself     docs/quickstart.md
  solve a task              docs/how-to/index.md
  use your own workspace    docs/how-to/move-to-production.md"""
ADVANCED_DAYS = 3  # before the delivery; the sandbox adds a catalog each day
QUESTION = "What do we own, how much of it was delivered, and from how many orders did it come?"
OWNERSHIP_QUERY = """
WITH delivered AS (SELECT DISTINCT catalog_id FROM deliveries WHERE status = 'SUCCESS')
SELECT c.collection, count(*) AS catalogs, round(sum(c.area)) AS km2,
       count(DISTINCT t.order_id) AS orders, count(d.catalog_id) AS delivered
FROM catalogs AS c
JOIN order_tasks AS t ON t.id = c.task_id
LEFT JOIN delivered AS d ON d.catalog_id = c.id
GROUP BY ALL ORDER BY catalogs DESC, c.collection
"""


def make_stream_table(
    first: dict[str, StreamSync],
    changed: dict[str, int],
    second: dict[str, StreamSync],
    counts: dict[str, int],
    loaded: dict[str, int],
) -> Table:
    """Make the table of both runs: rows and seconds by stream, changes, and final row counts."""
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


def make_answer_table(db: duckdb.DuckDBPyConnection) -> Table:
    """Make the table that answers `QUESTION` from the warehouse."""
    result = db.execute(OWNERSHIP_QUERY)
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
    help="Folder for all output; its old contents are deleted.",
)
@click.option(
    "--schemas",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="Folder with the JSON Schemas of STAC extensions, to validate against them as well.",
)
def main(items: int, folder: Path, schemas: str | None) -> None:
    """Sync the sandbox into DuckDB and STAC, then deliver, download and order images."""
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (
        S3Server(folder / "buckets", [BUCKET]) as s3,
        Sandbox(items=items, endpoints={"S3": s3.url}) as sandbox,
    ):
        plugins = ("TAP_PIXXEL", "TARGET_PIXXEL_STORE")
        variables = {
            **{f"{plugin}_API_URL": sandbox.url for plugin in plugins},
            **{f"{plugin}_API_TOKEN": sandbox.token for plugin in plugins},
            **s3_variables(s3),
            "TARGET_DUCKDB_PATH": str(folder / "pixxel.duckdb"),
            "TARGET_STAC_OUTPUT": str(folder / "stac"),
            "TARGET_STAC_TITLE": "Pixxel sandbox",
            "TARGET_STAC_VALIDATE": "all",
            **({"TARGET_STAC_SCHEMAS": schemas} if schemas else {}),
        }
        out = Console(highlight=False)
        meltano = MeltanoRunner(folder, Console(stderr=True), variables)
        demo = Demo(meltano, sandbox, s3, out)
        steps: tuple[Callable[[], None], ...] = (
            demo.fill_warehouse,
            demo.query_warehouse,
            partial(demo.export_stac, validate_extensions=bool(schemas)),
            demo.deliver_new_catalogs,
            demo.download_new_catalogs,
            demo.order_image,
        )
        out.print(INTRODUCTION.format(log=os.path.relpath(meltano.log_path)), soft_wrap=True)
        for number, (heading, step) in enumerate(zip(HEADINGS, steps, strict=True), start=1):
            out.print(f"\n[bold]{number} of {len(steps)}  {heading}[/bold]\n", soft_wrap=True)
            step()
        out.print(WHAT_NEXT.format(folder=os.path.relpath(folder)), soft_wrap=True)


@dataclass
class Demo:
    """The steps of the demo, in order.

    Attributes:
        meltano: Runs the pipelines.
        sandbox: The API.
        s3: Server of the bucket that receives deliveries.
        console: Prints the results.
        started_at: Start time; catalogs created later are new.
    """

    meltano: MeltanoRunner
    sandbox: Sandbox
    s3: S3Server
    console: Console
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.catalog_count = self.sandbox.counts()["catalogs"]

    def advance_workspace(self) -> dict[str, int]:
        """Advance the workspace by a day; return the number of changed rows by resource."""
        url = f"{self.sandbox.url}/_sandbox/advance"
        changed: dict[str, int] = requests.post(url, timeout=30).json()
        return changed

    def count_new_catalogs(self) -> int:
        """Return the number of catalogs created since the demo started."""
        return self.sandbox.counts()["catalogs"] - self.catalog_count

    def fill_warehouse(self) -> None:
        """Sync into DuckDB twice, and compare the row counts with the API."""
        first = self.meltano.run("tap-pixxel", "target-duckdb")
        changed = self.advance_workspace()
        second = self.meltano.run("tap-pixxel", "target-duckdb")
        api_counts, loaded = self.sandbox.counts(), {}
        counts = {name: api_counts[name] for name in first}
        with self.open_warehouse() as db:
            for name in counts:
                row = db.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608 - our names
                loaded[name] = row[0] if row else 0
            self.console.print(make_stream_table(first, changed, second, counts, loaded))
        if loaded != counts:
            raise DemoFailedError(
                f"row counts differ: {loaded} in the warehouse, {counts} in the API"
            )

    def query_warehouse(self) -> None:
        """Print the answer to `QUESTION` from the warehouse."""
        self.console.print(QUESTION)
        with self.open_warehouse() as db:
            self.console.print(make_answer_table(db))
        path = os.path.relpath(self.meltano.folder / "pixxel.duckdb")
        self.console.print(f"The warehouse: {path}", soft_wrap=True)

    def open_warehouse(self) -> duckdb.DuckDBPyConnection:
        """Open the warehouse, read-only."""
        return duckdb.connect(str(self.meltano.folder / "pixxel.duckdb"), read_only=True)

    def export_stac(self, *, validate_extensions: bool) -> None:
        """Sync into a STAC catalog, and check its number of items."""
        select = '["archive_items.*", "catalogs.*", "collections.*"]'
        self.meltano.run("tap-pixxel", "target-stac", TAP_PIXXEL__SELECT=select)
        counts = self.sandbox.counts()
        folder = self.meltano.folder / "stac"
        print_catalog(folder, counts["archive_items"] + counts["catalogs"], self.console)
        schemas = (
            "STAC and its extensions"
            if validate_extensions
            else "STAC (extensions: make demo SCHEMAS=folder)"
        )
        text = f"All items and collections are valid against the JSON Schemas of {schemas}"
        self.console.print(text, soft_wrap=True)

    def deliver_new_catalogs(self) -> None:
        """Deliver new catalogs to a bucket, run again, and read the deliveries through the tap."""
        for _ in range(ADVANCED_DAYS):
            self.advance_workspace()
        since = self.started_at.isoformat()
        first = deliver_catalogs(self.meltano, since)
        rerun = deliver_catalogs(self.meltano, since, "--full-refresh")
        objects = list_objects(self.s3)
        print_deliveries(first, rerun, objects, self.console)
        check_deliveries(self.count_new_catalogs(), first, rerun, objects)
        select = '["catalogs.*", "collections.*", "deliveries.*", "stores.*"]'
        self.meltano.run(
            *("tap-pixxel", "target-duckdb"),
            *("tap-pixxel", "target-stac"),
            TAP_PIXXEL__SELECT=select,
            TAP_PIXXEL_DELIVERED_ASSETS="true",
        )
        with self.open_warehouse() as db:
            print_delivery_counts(db, first, self.console)
        print_bucket_links(self.meltano.folder / "stac", objects, self.console)

    def download_new_catalogs(self) -> None:
        """Download the same catalogs, as a user without a bucket does, and run again."""
        since = self.started_at.isoformat()
        first = downloads.download_catalogs(self.meltano, self.sandbox, since)
        rerun = downloads.download_catalogs(self.meltano, self.sandbox, since, "--full-refresh")
        downloads.print_downloads(self.sandbox, first, rerun, self.console)
        downloads.check_downloads(self.sandbox, self.count_new_catalogs(), first, rerun)

    def order_image(self) -> None:
        """Order an image that the workspace does not own."""
        orders.order_image(self.meltano, self.sandbox, self.s3, self.console)


if __name__ == "__main__":
    main()
