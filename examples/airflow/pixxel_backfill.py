"""A backfill of the Pixxel archive as a DAG of Airflow 3: a mapped task for each shard.

Each task is one command that may be killed and repeated, so Airflow's retries are safe. If the
result lacks items or values (exit status 3 of `merge`), the DAG goes on, as the catch-up may read
them, and its last task fails if it still lacks some; its log names them. The workers need
pixxel-backfill on their PATH, the variables of tap-pixxel (`TAP_PIXXEL_API_TOKEN`), and:

    PIXXEL_BACKFILL_FOLDER      folder that all workers see, or URL of an object store
    PIXXEL_BACKFILL_PARALLEL    number of shards that run at a time; 4 by default
    PIXXEL_BACKFILL_RATE        requests per second of all of them together; 8 by default
    PIXXEL_BACKFILL_RETRIES     how often a failed task is tried again; 2 by default
"""

from __future__ import annotations

import json
import os
import shlex

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

FOLDER = os.environ.get("PIXXEL_BACKFILL_FOLDER", "pixxel-backfill")
PARALLEL = int(os.environ.get("PIXXEL_BACKFILL_PARALLEL", "4"))
RETRIES = int(os.environ.get("PIXXEL_BACKFILL_RETRIES", "2"))
RATE = float(os.environ.get("PIXXEL_BACKFILL_RATE", "8")) / PARALLEL

PLAN_OPTION = f"--plan {shlex.quote(FOLDER)}"


def list_shard_variables(status: str) -> list[dict[str, str]]:
    """Return the variables of the mapped tasks, from the output of `pixxel-backfill status`."""
    return [{"SHARD": shard["id"]} for shard in json.loads(status)["shards"]]


with DAG(
    "pixxel_backfill",
    description="Read Pixxel's archive in shards",
    schedule=None,
    max_active_runs=1,
    default_args={"retries": RETRIES, "append_env": True},
) as dag:
    plan = BashOperator(
        task_id="plan",
        # The plan of an earlier run or try is continued. Status 2: there is none; or the folder or
        # its plan cannot be used, which `plan` refuses, too.
        bash_command=f"pixxel-backfill status {PLAN_OPTION} > /dev/null || "
        "if [ $? -eq 2 ]; then "
        f"pixxel-backfill plan --window month --out {shlex.quote(FOLDER)}; else exit 1; fi",
    )
    list_shards = BashOperator(
        task_id="list_shards",
        bash_command=f"pixxel-backfill status {PLAN_OPTION} --json",
        output_processor=list_shard_variables,
    )
    run_shard = BashOperator.partial(
        task_id="run_shard",
        bash_command=f"pixxel-backfill run-shard {PLAN_OPTION} --requests-per-second {RATE} "
        '"$SHARD"',
        map_index_template="{{ task.env['SHARD'] }}",
        max_active_tis_per_dagrun=PARALLEL,
    ).expand(env=list_shards.output)
    merge = BashOperator(
        task_id="merge", bash_command=f"pixxel-backfill merge {PLAN_OPTION} || [ $? -eq 3 ]"
    )
    catch_up = BashOperator(
        task_id="catch_up", bash_command=f"pixxel-backfill catch-up {PLAN_OPTION} || [ $? -eq 3 ]"
    )
    check_result = BashOperator(
        task_id="check_result",
        bash_command=f"pixxel-backfill merge {PLAN_OPTION}",  # changes nothing, and ends with 3
        retries=0,
    )
    plan >> list_shards
    run_shard >> merge >> catch_up >> check_result
