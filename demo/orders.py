"""Orders of the demo: an image is priced, approved, ordered, and delivered by its order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from demo.deliveries import CREATED, EXISTS, TargetRun, list_objects
from demo.meltano_runner import DemoFailedError
from pixxel_sandbox.seed.orders import CatalogRow, image_id

if TYPE_CHECKING:
    from rich.console import Console

    from demo.meltano_runner import MeltanoRunner
    from pixxel_sandbox import S3Server, Sandbox

STORE, FOLDER = "sandbox-deliveries", "ordered"
"""The store that an earlier step has created, and the path below its prefix."""
PLANNED = "planned"
TIMEOUT_SECONDS = 60
STREAM = "order_requests"


def make_request(sandbox: Sandbox) -> dict[str, Any]:
    """Return a record that orders an image of the archive which the workspace does not own."""
    workspace = sandbox.workspace
    owned = {
        each.item.id for each in workspace.image_rows("catalogs") if isinstance(each, CatalogRow)
    }
    for image in workspace.image_rows("archive_items"):
        geometry = None if isinstance(image, CatalogRow) else image.geometry()
        if geometry is not None and geometry["type"] == "Polygon" and image_id(image) not in owned:
            return {
                "request_id": "demo-1",
                "name": "Demo",
                "project_id": workspace.ids("projects")[0],
                "usecase": "agriculture",
                "geometry": geometry,
                "item_ids": [image_id(image)],
                "store": STORE,
                "path": FOLDER,
            }
    raise DemoFailedError("the workspace owns each image of the archive")


def run_target(meltano: MeltanoRunner, request: dict[str, Any], **settings: str) -> TargetRun:
    """Send a request to target-pixxel-store; return its reports.

    Raises:
        DemoFailedError: The target failed.
    """
    folder, name = meltano.folder, "target-pixxel-store"
    schema: dict[str, Any] = {"key_properties": ["request_id"], "schema": {"properties": {}}}
    messages = (
        {"type": "SCHEMA", "stream": STREAM, **schema},
        {"type": "RECORD", "stream": STREAM, "record": request},
    )
    paths = {each: folder / f"order-{each}" for each in ("outcomes", "summary", "plan")}
    paths["journal"] = folder / f"{name}-journal"  # one for the workspace
    settings |= {f"{each}_path": str(path) for each, path in paths.items()}
    settings |= {"settle_seconds": "1", "request_timeout": "5"}  # as for the deliveries
    variables = {f"TARGET_PIXXEL_STORE_{each.upper()}": text for each, text in settings.items()}
    process = subprocess.run(  # noqa: S603 - our own command
        [str(Path(sys.executable).with_name(name)), "--config=ENV"],
        input="".join(json.dumps(each) + "\n" for each in messages),
        env={**os.environ, **meltano.variables, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    with meltano.log_path.open("a") as log:
        log.write(process.stderr)
    if process.returncode:
        raise DemoFailedError(f"{name} ended with {process.returncode}; see {meltano.log_path}")
    summary = json.loads(paths["summary"].read_text())
    lines = map(json.loads, paths["outcomes"].read_text().splitlines())
    return TargetRun(summary, [line for line in lines if line["run_id"] == summary["run_id"]])


def order_image(meltano: MeltanoRunner, sandbox: Sandbox, s3: S3Server, out: Console) -> None:
    """Plan an order, approve the plan, place it, run again, and wait for its image in the bucket.

    Raises:
        DemoFailedError: A check failed.
    """
    request, before = make_request(sandbox), set(list_objects(s3))
    planned = run_target(meltano, request)
    if sandbox.placed_orders():
        raise DemoFailedError("the planning run has placed an order")
    plan = planned.summary["plan"]
    approval = {
        "approve_plan": plan["plan_digest"],
        "max_total_amount": str(plan["total_amount"]),
    }
    placed = run_target(meltano, request, **approval)
    rerun = run_target(meltano, request, **approval)
    arrived = _wait_for_object(s3, before)
    kinds = [run.outcomes[-1]["outcome"] for run in (planned, placed, rerun)]
    if kinds != [PLANNED, CREATED, EXISTS] or len(sandbox.placed_orders()) != 1:
        raise DemoFailedError(f"an order was not planned, placed once, and found: {kinds}")
    table = Table(title="One request in three runs", title_justify="left")
    for column in ("run", "outcome", "price", "order"):
        table.add_column(column, justify="right" if column == "price" else "left")
    runs = {"without approval": planned, "with the plan approved": placed, "again": rerun}
    for label, run in runs.items():
        line = run.outcomes[-1]
        table.add_row(label, line["outcome"], f"{line['amount']:,}", line["order_id"])
    out.print(table)
    plan_path = os.path.relpath(meltano.folder / "order-plan")
    out.print(f"The plan: {plan_path}", soft_wrap=True)
    out.print("The image that its order has delivered")
    out.print(f"  {arrived}", soft_wrap=True, highlight=False, markup=False)


def _wait_for_object(s3: S3Server, before: set[str]) -> str:
    """Return the URI of the new object in the bucket."""
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        if new := set(list_objects(s3)) - before:
            return new.pop()
        time.sleep(0.2)
    raise DemoFailedError("the image that was ordered has not arrived in the bucket")
