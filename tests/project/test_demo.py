"""`make demo`, and the loader it uses: what the API has is in the warehouse."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pystac
import pytest
from rich.console import Console

from demo.deliveries import Delivered, check, show_links
from demo.syncs import DemoFailedError
from pixxel_sandbox import Sandbox
from tap_pixxel.streams import STREAMS
from tests.tap_pixxel.commands import make_environment, run_tap
from tests.tap_pixxel.stac.validation import PUBLISHED
from tests.tap_pixxel.syncs import make_catalog, make_config

PROJECT = Path(__file__).parents[2]
LOADER = PROJECT / "demo" / "load_duckdb.py"


def load(lines: str, folder: Path, *, add_metadata: bool = True) -> str:
    """Load messages with the demo's loader; give the STATE lines that it wrote."""
    config = folder / "loader.json"
    settings = {
        "path": str(folder / "warehouse.duckdb"),
        "default_target_schema": "main",
        "add_metadata_columns": add_metadata,
        "batch_size_rows": 7,
        "validate_records": True,
    }
    config.write_text(json.dumps(settings))
    result = subprocess.run(
        [sys.executable, str(LOADER), "--config", str(config)],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def rows(folder: Path, table: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as db:
        return db.table(table).fetchall()


@pytest.mark.timeout(300)
def test_the_demo_has_all_rows_in_the_warehouse_and_new_catalogs_in_the_bucket(
    tmp_path: Path,
) -> None:
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
        timeout=270,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    for words in (
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
        assert words in result.stdout
    assert (tmp_path / "demo" / "stac" / "items.ndjson").exists()
    for file in ("catalog.json", "preview.html", "geoparquet"):
        assert (tmp_path / "demo" / "stac" / file).exists()
        assert file in result.stdout
    assert not (tmp_path / "demo" / "stac" / "rejected.ndjson").exists()
    bucket = tmp_path / "demo" / "buckets" / "deliveries"
    objects = [f"s3://{each.relative_to(bucket.parent)}" for each in bucket.rglob("*.zip")]
    assert len(objects) == 4, "a catalog a day"
    for uri in objects:
        assert uri in result.stdout
        assert uri in (tmp_path / "demo" / "stac" / "items.ndjson").read_text()
    summary = json.loads((tmp_path / "demo" / "target-pixxel-store-summary").read_text())
    assert summary["outcomes"]["catalogs"]["exists"] == 4
    assert summary["deliveries"] == 0
    assert all(line.startswith("{") for line in result.stderr.splitlines() if line.strip())
    assert "sandbox-token" not in result.stdout + result.stderr


URIS = {f"s3://deliveries/{at}.zip" for at in range(2)}


def run_of(asked: int = 0, stores: int = 0, uris: set[str] = URIS, **catalogs: int) -> Delivered:
    outcomes = {"catalogs": catalogs, "stores (setting)": {"created": stores}}
    lines = [{"object": uri, "catalog_id": uri} for uri in uris]
    return Delivered({"outcomes": outcomes, "deliveries": asked}, lines)


FIRST, AGAIN = run_of(asked=2, stores=1, created=2), run_of(exists=2, skipped=9)
FAULTS = {
    "fewer delivered than are new": (3, FIRST, AGAIN, URIS),
    "an object missing": (2, FIRST, AGAIN, set(list(URIS)[:1])),
    "an object too many": (2, FIRST, AGAIN, {*URIS, "s3://deliveries/more"}),
    "delivered again": (2, FIRST, run_of(asked=1, exists=1, created=1), URIS),
    "asked for again": (2, FIRST, run_of(asked=1, exists=2), URIS),
    "a store made again": (2, FIRST, run_of(stores=1, exists=2), URIS),
    "one forgotten by the rerun": (2, FIRST, run_of(exists=1, uris=set(list(URIS)[:1])), URIS),
    "nothing new, and nothing delivered": (0, FIRST, AGAIN, URIS),
}


def test_the_demos_check_of_deliveries_is_content_with_what_is_right() -> None:
    check(2, FIRST, AGAIN, URIS)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_demos_check_of_deliveries_can_fail(fault: str) -> None:
    with pytest.raises(DemoFailedError):
        check(*FAULTS[fault])


@pytest.mark.parametrize("linked", [(), ("one", "other"), ("one", "one too many")])
def test_the_demo_fails_where_stac_does_not_lead_to_the_objects(
    tmp_path: Path, linked: tuple[str, ...]
) -> None:
    catalog = pystac.Catalog("stac", "of a test")
    item = pystac.Item("item", None, None, datetime(2025, 1, 1, tzinfo=UTC), {})
    for name in linked:
        item.add_asset(f"delivery-{name}", pystac.Asset(f"s3://deliveries/{name}"))
    item.add_asset("elsewhere", pystac.Asset("s3://analysis/one"))
    catalog.add_item(item)
    catalog.normalize_and_save(str(tmp_path), pystac.CatalogType.SELF_CONTAINED)
    wanted = [f"s3://deliveries/{name}" for name in ("one", "other")]
    with nullcontext() if set(linked) == {"one", "other"} else pytest.raises(DemoFailedError):
        show_links(tmp_path, wanted, Console(quiet=True))


@pytest.mark.parametrize("seed", [1, 4])
def test_an_independent_target_loads_every_record_against_its_schema(
    tmp_path: Path, seed: int
) -> None:
    names = {stream.__dict__["name"] for stream in STREAMS} - {"satellite_images"}
    catalog = tmp_path / "catalog.json"
    with Sandbox(seed=seed, items=70) as sandbox:
        catalog.write_text(json.dumps(make_catalog(make_config(sandbox), *names)))
        result = run_tap(
            "--config=ENV",
            "--catalog",
            str(catalog),
            TAP_PIXXEL_API_URL=sandbox.url,
            TAP_PIXXEL_API_TOKEN=sandbox.token,
        )
        counts = sandbox.counts()
    state = load(result.stdout, tmp_path)
    for name in names:
        assert len(rows(tmp_path, name)) == counts[name]
    sent = [json.loads(line) for line in result.stdout.splitlines() if '"STATE"' in line[:20]]
    assert json.loads(state.splitlines()[-1]) == sent[-1]["value"]
