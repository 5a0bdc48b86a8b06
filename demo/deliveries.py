"""What the demo delivers: new catalogs to a store, the objects in its bucket, and a rerun."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import obstore
import pystac
from obstore.store import S3Store
from rich.table import Table

from demo.syncs import DemoFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import duckdb
    from rich.console import Console

    from demo.syncs import Meltano
    from pixxel_sandbox import S3Server

BUCKET = "deliveries"
EXISTS, CREATED, SKIPPED = "exists", "created", "skipped"
ARRIVED = """
SELECT s.name AS store, s.type, count(*) AS deliveries,
       count(*) FILTER (d.status IN ('SUCCESS', 'SUCCESSFUL')) AS arrived
FROM deliveries AS d JOIN stores AS s ON s.id = d.store_id
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Delivered:
    """What a run of the target says that it did.

    Attributes:
        summary: The file of the setting `summary_path`.
        outcomes: The run's lines in the file of the setting `outcomes_path`.
    """

    summary: dict[str, Any]
    outcomes: list[dict[str, Any]]

    def count(self, kind: str) -> int:
        """Count the catalogs that something became of."""
        return int(self.summary["outcomes"].get("catalogs", {}).get(kind, 0))

    def stores(self, kind: str) -> int:
        """Count the stores that something became of."""
        streams = self.summary["outcomes"].items()
        return sum(kinds.get(kind, 0) for name, kinds in streams if name.startswith("stores"))

    @property
    def objects(self) -> set[str]:
        """URIs of the objects of the catalogs that are delivered, by this run or before it."""
        return {line["object"] for line in self.outcomes if line["object"] and line["catalog_id"]}


def variables(s3: S3Server) -> dict[str, str]:
    """Give the variables that `pixxel-sandbox run` sets for its S3 server."""
    return {
        "PIXXEL_SANDBOX_S3_ENDPOINT": s3.url,
        "PIXXEL_SANDBOX_S3_BUCKET": BUCKET,
        "PIXXEL_SANDBOX_S3_KEY_ID": s3.key_id,
        "PIXXEL_SANDBOX_S3_SECRET": s3.secret,
    }


def ask(meltano: Meltano, loader: str, since: str, *options: str, **settings: str) -> Delivered:
    """Hand the catalogs that were created since then to a target; give what became of them."""
    folder = meltano.folder
    paths = {name: folder / f"{loader}-{name}" for name in ("journal", "outcomes", "summary")}
    settings |= {"deliver_since": since, **{f"{name}_path": str(paths[name]) for name in paths}}
    prefix = loader.replace("-", "_").upper()
    variables = {f"{prefix}_{name.upper()}": value for name, value in settings.items()}
    meltano.run("tap-pixxel-catalogs", loader, *options, **variables)
    summary = json.loads(paths["summary"].read_text())
    lines = map(json.loads, paths["outcomes"].read_text().splitlines())
    return Delivered(summary, [line for line in lines if line["run_id"] == summary["run_id"]])


def deliver(meltano: Meltano, since: str, *options: str) -> Delivered:
    """Have the catalogs delivered that were created since then; wait until they are there."""
    return ask(
        meltano,
        "target-pixxel-store",
        since,
        *options,
        wait="finished",
        verify_delivery="true",
        settle_seconds="1",  # the sandbox lists what it takes at once
    )


def listed(s3: S3Server) -> dict[str, int]:
    """List the objects in the bucket, as its owner does: URI and bytes."""
    store = S3Store(
        BUCKET,
        endpoint=s3.url,
        region="us-east-1",
        access_key_id=s3.key_id,
        secret_access_key=s3.secret,
        client_options={"allow_http": True},
    )
    pages = obstore.list(store)
    return {f"s3://{BUCKET}/{each['path']}": each["size"] for page in pages for each in page}


def check(new: int, first: Delivered, again: Delivered, objects: Iterable[str]) -> None:
    """Check that each new catalog is in the bucket, once, and that the rerun asked for nothing.

    Raises:
        DemoFailedError: It is otherwise.
    """
    wrong = []
    if first.count(CREATED) != new:
        wrong.append(f"{first.count(CREATED)} catalogs were delivered, and {new} are new")
    if set(objects) != first.objects or len(first.objects) != new:
        wrong.append("the bucket does not hold what the outcomes say")
    if again.count(CREATED) or again.summary["deliveries"] or again.stores(CREATED):
        wrong.append("the rerun has asked for something")
    if again.count(EXISTS) != new or again.objects != first.objects:
        wrong.append("the rerun did not find all that was delivered")
    if wrong:
        raise DemoFailedError("; ".join(wrong))


def show(first: Delivered, again: Delivered, objects: dict[str, int], out: Console) -> None:
    """Lay out two runs, and what is in the bucket."""
    title = "New catalogs delivered, then again with the STATE lost"
    table = Table(title=title, title_justify="left")
    table.add_column("target-pixxel-store")
    for name in ("1st run", "rerun"):
        table.add_column(name, justify="right")
    rows = [
        ("stores made", "stores", CREATED),
        ("stores there already", "stores", EXISTS),
        ("catalogs delivered", "count", CREATED),
        ("catalogs there already", "count", EXISTS),
        ("catalogs older than 'deliver_since'", "count", SKIPPED),
    ]
    for words, what, kind in rows:
        table.add_row(words, *(f"{getattr(run, what)(kind):,}" for run in (first, again)))
    out.print(table)
    out.print("Objects in the bucket, and their bytes")
    for uri, size in sorted(objects.items()):
        out.print(f"  {size:>7,}  {uri}", soft_wrap=True, highlight=False, markup=False)


def show_arrived(db: duckdb.DuckDBPyConnection, run: Delivered, out: Console) -> None:
    """Lay out the deliveries that are in the warehouse.

    Raises:
        DemoFailedError: It does not hold those of the run, as arrived.
    """
    result = db.execute(ARRIVED)
    table = Table(title="All deliveries, read back by the tap into DuckDB", title_justify="left")
    for column in result.description or ():
        numbers = column[0] in {"deliveries", "arrived"}
        table.add_column(column[0], justify="right" if numbers else "left")
    for row in result.fetchall():
        table.add_row(*map(str, row))
    out.print(table)
    ids = [line["delivery_id"] for line in run.outcomes if line["catalog_id"]]
    wanted = {key for key in ids if key}
    sql = "SELECT delivery_id FROM deliveries WHERE status = 'SUCCESS'"
    if not wanted <= {row[0] for row in db.execute(sql).fetchall()}:
        raise DemoFailedError("the warehouse does not hold the deliveries that were made")


def links(folder: Path) -> dict[str, tuple[str, str]]:
    """Find what items of a STAC catalog link to in the bucket: URI, then item and asset."""
    catalog = pystac.Catalog.from_file(folder / "catalog.json")
    return {
        unquote(asset.href): (item.id, key)
        for item in catalog.get_items(recursive=True)
        for key, asset in item.assets.items()
        if asset.href.startswith(f"s3://{BUCKET}/")
    }


def show_links(folder: Path, objects: Iterable[str], out: Console) -> None:
    """Show that the STAC catalog leads to the objects.

    Raises:
        DemoFailedError: It does not lead to each of them, or to others.
    """
    found = links(folder)
    if set(found) != set(objects):
        raise DemoFailedError("the STAC catalog does not link to the objects in the bucket")
    item, key = min(found.values())
    out.print(
        f"In the STAC catalog {len(found)} items link to them: asset {key} of {item}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
