"""`make demo` shows all its steps, and fails if one is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from demo.deliveries import TargetRun, check_deliveries
from demo.meltano_runner import DemoFailedError
from tests.tap_pixxel.commands import make_environment
from tests.tap_pixxel.stac.validation import PUBLISHED

PROJECT = Path(__file__).parents[2]
DBT_PROJECT = PROJECT / "examples" / "dbt"


@pytest.mark.timeout(600)
def test_demo_run_loads_all_rows_and_delivers_new_catalogs(tmp_path: Path) -> None:
    result = subprocess.run(
        [
            *(sys.executable, "-m", "demo", "--items", "60"),
            *("--folder", str(tmp_path / "demo")),
            *(("--schemas", str(PUBLISHED)) if PUBLISHED.is_dir() else ()),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        env=make_environment(),
        timeout=500,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    for text in (
        "archive_items",
        "order_tasks",
        "2nd run",
        "What do we own",
        "firefly",
        "td1-l1c-owned",
        "New catalogs delivered",
        "Objects in the bucket",
        "asset delivery-sandbox-deliveries",
    ):
        assert text in result.stdout
    assert (tmp_path / "demo" / "stac" / "items.ndjson").exists()
    for file in ("catalog.json", "preview.html", "geoparquet"):
        assert (tmp_path / "demo" / "stac" / file).exists()
        assert file in result.stdout
    assert not (tmp_path / "demo" / "stac" / "rejected.ndjson").exists()
    bucket = tmp_path / "demo" / "buckets" / "deliveries"
    objects = [f"s3://{each.relative_to(bucket.parent)}" for each in bucket.rglob("*.zip")]
    ordered = [uri for uri in objects if "/pixxel/ordered/" in uri]
    assert len(ordered) == 1
    assert ordered[0] in result.stdout
    delivered = [uri for uri in objects if uri not in ordered]
    assert len(delivered) == 4, "one new catalog per advanced day"
    for uri in delivered:
        assert uri in result.stdout
        assert uri in (tmp_path / "demo" / "stac" / "items.ndjson").read_text()
    summary = json.loads((tmp_path / "demo" / "target-pixxel-store-summary").read_text())
    assert summary["outcomes"]["catalogs"]["exists"] == 4
    assert summary["deliveries"] == 0
    outcomes = (tmp_path / "demo" / "order-outcomes").read_text().splitlines()
    kinds = [json.loads(line)["outcome"] for line in outcomes]
    assert kinds == ["planned", "created", "exists"]
    assert re.findall(r"^\d of (\d)  [A-Z]", result.stdout, re.MULTILINE) == ["6"] * 6
    assert "about two minutes" in result.stdout
    assert "What next" in result.stdout
    assert result.stderr == "", "the log goes to a file that the output names"
    log = tmp_path / "demo" / "meltano.log"
    assert os.path.relpath(log, PROJECT) in result.stdout
    assert '"event"' in log.read_text()
    assert "sandbox-token" not in result.stdout + log.read_text()
    if (dbt := shutil.which("dbt")) is None:
        pytest.skip("the demo has passed; dbt, which models its warehouse, is not on PATH")
    check_dbt_models(dbt, tmp_path / "demo" / "pixxel.duckdb")


def check_dbt_models(dbt: str, warehouse: Path) -> None:
    """Build the dbt models, run their tests, and compare the marts with the loaded rows."""
    folder = warehouse.parent
    subprocess.run(
        [
            *(dbt, "build", "--quiet", "--project-dir", DBT_PROJECT, "--profiles-dir", DBT_PROJECT),
            *("--target-path", folder / "dbt", "--log-path", folder / "dbt"),
        ],
        env=os.environ | {"TARGET_DUCKDB_PATH": str(warehouse)},
        check=True,
        timeout=90,
    )
    with duckdb.connect(str(warehouse), read_only=True) as db:
        db.execute("SET TimeZone = 'UTC'")

        def read(query: str) -> list[tuple[Any, ...]]:
            return sorted(db.execute(query).fetchall())

        tasks = dict(read("SELECT id, order_id FROM order_tasks"))
        owned = dict(read("SELECT id, task_id FROM catalogs"))
        expected = sorted((key, tasks[task]) for key, task in owned.items())
        assert read("SELECT catalog_id, order_id FROM pixxel_models.owned_images") == expected
        deliveries = read("SELECT catalog_id, status FROM deliveries")
        done = {key for key, status in deliveries if status == "SUCCESS"}
        reasons = dict(read("SELECT catalog_id, reason FROM pixxel_models.undelivered_images"))
        assert done
        assert reasons.keys() == owned.keys() - done
        assert set(reasons.values()) == {"not requested"}
        spend: Counter[tuple[str, str]] = Counter()
        for project, status, amount in read(
            """SELECT project_id, payment_status, final_amount FROM order_items
            WHERE payment_status = 'PAID' OR status NOT IN ('DRAFT', 'CANCELLED', 'FAILED')"""
        ):
            spend[project, status] += amount
        rows = read(
            "SELECT project_id, paid_amount, unpaid_amount FROM pixxel_models.spend_by_project"
        )
        for project, paid, unpaid in rows:
            assert spend.pop((project, "PAID"), 0) == pytest.approx(float(paid))
            assert spend.pop((project, "UNPAID"), 0) == pytest.approx(float(unpaid))
        assert not spend, "in no project, or neither paid nor unpaid"


URIS = {f"s3://deliveries/{number}.zip" for number in range(2)}


def make_run(
    deliveries: int = 0, stores: int = 0, uris: set[str] = URIS, **catalogs: int
) -> TargetRun:
    outcomes = {"catalogs": catalogs, "stores (setting)": {"created": stores}}
    lines = [{"object": uri, "catalog_id": uri} for uri in uris]
    return TargetRun({"outcomes": outcomes, "deliveries": deliveries}, lines)


FIRST, RERUN = make_run(deliveries=2, stores=1, created=2), make_run(exists=2, skipped=9)
FAULTS = {
    "fewer delivered than new": (3, FIRST, RERUN, URIS),
    "missing object": (2, FIRST, RERUN, set(list(URIS)[:1])),
    "unexpected object": (2, FIRST, RERUN, {*URIS, "s3://deliveries/more"}),
    "delivered again by the rerun": (2, FIRST, make_run(deliveries=1, exists=1, created=1), URIS),
    "requested again by the rerun": (2, FIRST, make_run(deliveries=1, exists=2), URIS),
    "store created again by the rerun": (2, FIRST, make_run(stores=1, exists=2), URIS),
    "catalog missing in the rerun": (2, FIRST, make_run(exists=1, uris=set(list(URIS)[:1])), URIS),
    "no new catalogs": (0, FIRST, RERUN, URIS),
}


def test_check_deliveries_correct_runs_passes() -> None:
    check_deliveries(2, FIRST, RERUN, URIS)


@pytest.mark.parametrize("fault", FAULTS)
def test_check_deliveries_faulty_runs_raises(fault: str) -> None:
    with pytest.raises(DemoFailedError):
        check_deliveries(*FAULTS[fault])
