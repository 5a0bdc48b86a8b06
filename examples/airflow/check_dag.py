"""Run the DAG twice with the real Airflow against a sandbox; `make test-airflow` calls it.

All tasks must succeed, one per shard included, and the second run, which repeats each task, must
leave the dataset as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Run the DAG in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ |= {
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parent),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PIXXEL_BACKFILL_FOLDER": str(home / "backfill"),
            "PIXXEL_BACKFILL_RATE": "1000",
            "PIXXEL_BACKFILL_RETRIES": "0",
            "TAP_PIXXEL_COLLECTIONS": "td1-l1c",
            "TAP_PIXXEL_DATETIME": "2025-06/..",
        }
        airflow = Path(sys.executable).with_name("airflow")
        with (home / "log").open("w") as log:
            subprocess.run([airflow, "db", "migrate"], check=True, stdout=log, stderr=log)  # noqa: S603
            found = [run_dag(home, log) for _ in range(2)]
        assert found[0] == found[1], "the second run has changed the dataset"  # noqa: S101
        print(f"{len(found[0])} files of the dataset are the same after both runs")  # noqa: T201


def run_dag(home: Path, log: object) -> dict[str, str]:
    """Run the DAG in a process; return the hashes of the dataset's files."""
    code = (
        "import json, pixxel_backfill as m\n"
        "run = m.dag.test()\n"
        "states = [[i.task_id, i.map_index, str(i.state)] for i in run.get_task_instances()]\n"
        f"open({str(home / 'states')!r}, 'w').write(json.dumps(states))\n"
    )
    subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], check=True, cwd=Path(__file__).parent, stdout=log, stderr=log
    )
    states = json.loads((home / "states").read_text())
    shards = len(json.loads((home / "backfill" / "plan.json").read_text())["shards"])
    failed = [each for each in states if each[2] != "success"]
    if failed or len(states) != 5 + shards:
        sys.exit(f"{failed or states}\n{(home / 'log').read_text()[-4000:]}")
    print(f"{len(states)} tasks succeeded, {shards} of them for a shard each")  # noqa: T201
    dataset = home / "backfill" / "dataset"
    return {
        str(path.relative_to(dataset)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(dataset.rglob("*.parquet"))
    }


if __name__ == "__main__":
    main()
