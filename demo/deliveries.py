"""Deliveries of the demo: new catalogs to a store, the objects in its bucket, and a rerun."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import obstore
import pystac
from obstore.store import S3Store
from rich.table import Table

from demo.meltano_runner import DemoFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import duckdb
    from rich.console import Console

    from demo.meltano_runner import MeltanoRunner
    from pixxel_sandbox import S3Server

BUCKET = "deliveries"
EXISTS, CREATED, SKIPPED = "exists", "created", "skipped"
STORE_QUERY = """
SELECT s.name AS store, s.type, count(*) AS deliveries,
       count(*) FILTER (d.status IN ('SUCCESS', 'SUCCESSFUL')) AS succeeded
FROM deliveries AS d JOIN stores AS s ON s.id = d.store_id
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class TargetRun:
    """Reports of a run of the target.

    Attributes:
        summary: Contents of the file `summary_path`.
        outcomes: Lines of this run in the file `outcomes_path`.
    """

    summary: dict[str, Any]
    outcomes: list[dict[str, Any]]

    def count_catalogs(self, kind: str) -> int:
        """Return the number of catalogs with an outcome of this kind."""
        return int(self.summary["outcomes"].get("catalogs", {}).get(kind, 0))

    def count_stores(self, kind: str) -> int:
        """Return the number of stores with an outcome of this kind."""
        streams = self.summary["outcomes"].items()
        return sum(kinds.get(kind, 0) for name, kinds in streams if name.startswith("stores"))

    @property
    def objects(self) -> set[str]:
        """The URIs of the catalogs' objects that this run or an earlier one delivered."""
        return {line["object"] for line in self.outcomes if line["object"] and line["catalog_id"]}


def s3_variables(s3: S3Server) -> dict[str, str]:
    """Return the variables that `pixxel-sandbox run` sets for its S3 server."""
    return {
        "PIXXEL_SANDBOX_S3_ENDPOINT": s3.url,
        "PIXXEL_SANDBOX_S3_BUCKET": BUCKET,
        "PIXXEL_SANDBOX_S3_KEY_ID": s3.key_id,
        "PIXXEL_SANDBOX_S3_SECRET": s3.secret,
    }


def run_target(
    meltano: MeltanoRunner, loader: str, since: str, *options: str, **settings: str
) -> TargetRun:
    """Send the catalogs created since a time to a target; return its reports."""
    folder = meltano.folder
    paths = {name: folder / f"{loader}-{name}" for name in ("journal", "outcomes", "summary")}
    settings |= {"deliver_since": since, **{f"{name}_path": str(paths[name]) for name in paths}}
    prefix = loader.replace("-", "_").upper()
    variables = {f"{prefix}_{name.upper()}": value for name, value in settings.items()}
    meltano.run(*options, "tap-pixxel-catalogs", loader, **variables)
    summary = json.loads(paths["summary"].read_text())
    lines = map(json.loads, paths["outcomes"].read_text().splitlines())
    return TargetRun(summary, [line for line in lines if line["run_id"] == summary["run_id"]])


def deliver_catalogs(meltano: MeltanoRunner, since: str, *options: str) -> TargetRun:
    """Deliver the catalogs created since a time, and wait until the deliveries finish."""
    return run_target(
        meltano,
        "target-pixxel-store",
        since,
        *options,
        wait="finished",
        verify_delivery="true",
        settle_seconds="1",  # the sandbox lists accepted deliveries at once
        request_timeout="5",  # for which the first run waits, too
    )


def list_objects(s3: S3Server) -> dict[str, int]:
    """Return the size in bytes of each object in the bucket, by URI."""
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


def check_deliveries(new: int, first: TargetRun, rerun: TargetRun, objects: Iterable[str]) -> None:
    """Check that the bucket has each new catalog once, and that the rerun requested nothing.

    Raises:
        DemoFailedError: A check failed.
    """
    errors = []
    if first.count_catalogs(CREATED) != new:
        errors.append(f"{first.count_catalogs(CREATED)} catalogs delivered, expected {new}")
    if set(objects) != first.objects or len(first.objects) != new:
        errors.append("the objects in the bucket differ from the outcomes")
    if rerun.count_catalogs(CREATED) or rerun.summary["deliveries"] or rerun.count_stores(CREATED):
        errors.append("the rerun requested stores or deliveries")
    if rerun.count_catalogs(EXISTS) != new or rerun.objects != first.objects:
        errors.append("the rerun did not find all delivered catalogs")
    if errors:
        raise DemoFailedError("; ".join(errors))


def print_deliveries(
    first: TargetRun, rerun: TargetRun, objects: dict[str, int], out: Console
) -> None:
    """Print the outcomes of both runs, and the objects in the bucket."""
    title = "New catalogs delivered, then a rerun without STATE"
    table = Table(title=title, title_justify="left")
    table.add_column("target-pixxel-store")
    for name in ("1st run", "rerun"):
        table.add_column(name, justify="right")
    rows = [
        ("stores created", "count_stores", CREATED),
        ("stores that existed", "count_stores", EXISTS),
        ("catalogs delivered", "count_catalogs", CREATED),
        ("catalogs already delivered", "count_catalogs", EXISTS),
        ("catalogs older than 'deliver_since'", "count_catalogs", SKIPPED),
    ]
    for label, method, kind in rows:
        table.add_row(label, *(f"{getattr(run, method)(kind):,}" for run in (first, rerun)))
    out.print(table)
    out.print("Objects in the bucket, with their size in bytes")
    for uri, size in sorted(objects.items()):
        out.print(f"  {size:>7,}  {uri}", soft_wrap=True, highlight=False, markup=False)


def print_delivery_counts(db: duckdb.DuckDBPyConnection, run: TargetRun, out: Console) -> None:
    """Print the number of deliveries in the warehouse by store.

    Raises:
        DemoFailedError: A delivery of the run is missing or did not succeed.
    """
    result = db.execute(STORE_QUERY)
    table = Table(title="All deliveries, read back by the tap into DuckDB", title_justify="left")
    for column in result.description or ():
        is_number = column[0] in {"deliveries", "succeeded"}
        table.add_column(column[0], justify="right" if is_number else "left")
    for row in result.fetchall():
        table.add_row(*map(str, row))
    out.print(table)
    ids = [line["delivery_id"] for line in run.outcomes if line["catalog_id"]]
    expected = {key for key in ids if key}
    sql = "SELECT delivery_id FROM deliveries WHERE status = 'SUCCESS'"
    if not expected <= {row[0] for row in db.execute(sql).fetchall()}:
        raise DemoFailedError("the warehouse lacks successful deliveries of this run")


def find_bucket_links(folder: Path) -> dict[str, tuple[str, str]]:
    """Return the objects that items of a STAC catalog link to: URI, then item and asset."""
    catalog = pystac.Catalog.from_file(folder / "catalog.json")
    return {
        unquote(asset.href): (item.id, key)
        for item in catalog.get_items(recursive=True)
        for key, asset in item.assets.items()
        if asset.href.startswith(f"s3://{BUCKET}/")
    }


def print_bucket_links(folder: Path, objects: Iterable[str], out: Console) -> None:
    """Print an example of a link from the STAC catalog to an object.

    Raises:
        DemoFailedError: The catalog lacks a link to an object, or links to other objects.
    """
    found = find_bucket_links(folder)
    if set(found) != set(objects):
        raise DemoFailedError("the links of the STAC catalog differ from the objects in the bucket")
    item, key = min(found.values())
    out.print(
        f"{len(found)} items of the STAC catalog link to them, such as asset {key} of {item}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
