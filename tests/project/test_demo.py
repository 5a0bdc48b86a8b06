"""`make demo`, and the loader it uses: what the API has is in the warehouse, deletions too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pixxel_sandbox import Sandbox
from tests.stac.validation import PUBLISHED
from tests.tap.commands import environment, run_tap
from tests.tap.syncs import sync

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


def test_the_demo_ends_with_the_same_rows_in_the_api_and_the_warehouse(tmp_path: Path) -> None:
    result = subprocess.run(
        [
            *(sys.executable, "-m", "demo", "--items", "60"),
            *("--folder", str(tmp_path / "demo")),
            *(("--schemas", str(PUBLISHED)) if PUBLISHED.is_dir() else ()),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=110,
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
    ):
        assert words in result.stdout
    assert (tmp_path / "demo" / "stac" / "items.ndjson").exists()
    for file in ("catalog.json", "preview.html", "geoparquet"):
        assert (tmp_path / "demo" / "stac" / file).exists()
        assert file in result.stdout
    assert not (tmp_path / "demo" / "stac" / "rejected.ndjson").exists()
    assert all(line.startswith("{") for line in result.stderr.splitlines() if line.strip())
    assert "sandbox-token" not in result.stdout + result.stderr


@pytest.mark.parametrize("seed", [1, 4])
def test_an_independent_target_loads_every_record_against_its_schema(
    tmp_path: Path, seed: int
) -> None:
    with Sandbox(seed=seed, items=70) as sandbox:
        result = run_tap(
            "--config=ENV", TAP_PIXXEL_API_URL=sandbox.url, TAP_PIXXEL_API_TOKEN=sandbox.token
        )
        counts = sandbox.counts()
    state = load(result.stdout, tmp_path)
    for name, count in counts.items():
        assert len(rows(tmp_path, name)) == count
    sent = [json.loads(line) for line in result.stdout.splitlines() if '"STATE"' in line[:20]]
    assert json.loads(state.splitlines()[-1]) == sent[-1]["value"]


def test_what_a_full_table_lost_leaves_the_warehouse(tmp_path: Path) -> None:
    with Sandbox(seed=1, items=30) as sandbox:
        before = sync(sandbox, "stores", "bandsets")
        [gone, *left] = sandbox.workspace.ids("stores")
        load("\n".join(map(json.dumps, before.messages)), tmp_path)
        sandbox.workspace.delete("stores", gone)
        after = sync(sandbox, "stores", "bandsets")
    load("\n".join(json.dumps(m, separators=(",", ":")) for m in after.messages), tmp_path)
    kept = {cell for row in rows(tmp_path, "stores") for cell in row}
    assert set(left) <= kept
    assert gone not in kept
    assert len(rows(tmp_path, "bandsets")) == 5
