"""`make demo`: sandbox to DuckDB and STAC, what is new delivered and downloaded, all shown."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import duckdb
import requests
from rich.console import Console
from rich.table import Table

from demo import downloads
from demo.catalog import show_catalog
from demo.deliveries import (
    BUCKET,
    check,
    deliver,
    listed,
    show,
    show_arrived,
    show_links,
    variables,
)
from demo.syncs import PROJECT, DemoFailedError, Meltano
from pixxel_sandbox import S3Server, Sandbox

if TYPE_CHECKING:
    from demo.syncs import Sync

DAYS = 3  # that the workspace moves on before something is delivered; each brings a catalog
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
    help="Where all that comes is written; emptied first.",
)
@click.option(
    "--schemas",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="Folder with the JSON Schemas of STAC's extensions, to validate against them too.",
)
def main(items: int, folder: Path, schemas: str | None) -> None:
    """Sync the sandbox into DuckDB and STAC, deliver and download what is new, show what came."""
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (
        S3Server(folder / "buckets", [BUCKET]) as s3,
        Sandbox(items=items, endpoints={"S3": s3.url}) as sandbox,
    ):
        plugins = ("TAP_PIXXEL", "TARGET_PIXXEL_STORE")
        known = {
            **{f"{plugin}_API_URL": sandbox.url for plugin in plugins},
            **{f"{plugin}_API_TOKEN": sandbox.token for plugin in plugins},
            **variables(s3),
            "TARGET_DUCKDB_PATH": str(folder / "pixxel.duckdb"),
            "TARGET_STAC_OUTPUT": str(folder / "stac"),
            "TARGET_STAC_TITLE": "Pixxel sandbox",
            "TARGET_STAC_VALIDATE": "all",
            **({"TARGET_STAC_SCHEMAS": schemas} if schemas else {}),
        }
        demo = Demo(Meltano(folder, Console(stderr=True), known), sandbox, s3, Console())
        demo.fill_the_warehouse()
        demo.export_stac(validated=bool(schemas))
        demo.deliver_what_is_new()
        demo.download_what_is_new()


@dataclass
class Demo:
    """The parts of the demo, in their order.

    Attributes:
        began: When it began; a catalog that is created later is new.
    """

    meltano: Meltano
    sandbox: Sandbox
    s3: S3Server
    out: Console
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.catalogs = self.sandbox.counts()["catalogs"]

    def move_on(self) -> dict[str, int]:
        """Let the workspace move on; tell how many rows changed."""
        url = f"{self.sandbox.url}/_sandbox/advance"
        changed: dict[str, int] = requests.post(url, timeout=30).json()
        return changed

    def fill_the_warehouse(self) -> None:
        """Sync into DuckDB, twice."""
        first = self.meltano.run("tap-pixxel", "target-duckdb")
        changed = self.move_on()
        second = self.meltano.run("tap-pixxel", "target-duckdb")
        known, loaded = self.sandbox.counts(), {}
        counts = {name: known[name] for name in first}
        with self.warehouse() as db:
            for name in counts:
                row = db.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608 - our names
                loaded[name] = row[0] if row else 0
            self.out.print(overview(first, changed, second, counts, loaded))
            self.out.print(QUESTION)
            self.out.print(answer(db))
        self.out.print(f"The warehouse: {os.path.relpath(self.meltano.folder / 'pixxel.duckdb')}")
        if loaded != counts:
            raise DemoFailedError("the warehouse does not hold what the API has")

    def warehouse(self) -> duckdb.DuckDBPyConnection:
        """Open the warehouse."""
        return duckdb.connect(str(self.meltano.folder / "pixxel.duckdb"), read_only=True)

    def export_stac(self, *, validated: bool) -> None:
        """Sync into a STAC catalog."""
        select = '["archive_items.*", "catalogs.*", "collections.*"]'
        self.meltano.run("tap-pixxel", "target-stac", TAP_PIXXEL__SELECT=select)
        counts = self.sandbox.counts()
        folder = self.meltano.folder / "stac"
        show_catalog(folder, counts["archive_items"] + counts["catalogs"], self.out)
        against = (
            "of STAC and its extensions"
            if validated
            else "of STAC; for its extensions' add SCHEMAS="
        )
        words = f"Each item and collection is valid by the JSON Schemas {against}"
        self.out.print(words, soft_wrap=True)

    def deliver_what_is_new(self) -> None:
        """Deliver the catalogs that are new to a bucket, and read what came of it."""
        for _ in range(DAYS):
            self.move_on()
        since = self.began.isoformat()
        first = deliver(self.meltano, since)
        again = deliver(self.meltano, since, "--full-refresh")
        objects = listed(self.s3)
        show(first, again, objects, self.out)
        check(self.sandbox.counts()["catalogs"] - self.catalogs, first, again, objects)
        select = '["deliveries.*", "stores.*"]'
        self.meltano.run("tap-pixxel", "target-duckdb", TAP_PIXXEL__SELECT=select)
        with self.warehouse() as db:
            show_arrived(db, first, self.out)
        select = '["catalogs.*", "collections.*"]'
        self.meltano.run(
            "tap-pixxel",
            "target-stac",
            TAP_PIXXEL__SELECT=select,
            TAP_PIXXEL_DELIVERED_ASSETS="true",
        )
        show_links(self.meltano.folder / "stac", objects, self.out)

    def download_what_is_new(self) -> None:
        """Download the same catalogs, as who has no bucket does."""
        since = self.began.isoformat()
        first = downloads.download(self.meltano, self.sandbox, since)
        again = downloads.download(self.meltano, self.sandbox, since, "--full-refresh")
        downloads.show(self.sandbox, first, again, self.out)
        new = self.sandbox.counts()["catalogs"] - self.catalogs
        downloads.check(self.sandbox, new, first, again)


if __name__ == "__main__":
    main()
