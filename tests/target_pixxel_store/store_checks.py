"""A store record with variants, and checks of the stores in the sandbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.target_pixxel_store.cloud_servers import create_service_account
from tests.target_pixxel_store.target_harness import record, state

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import Json, RunResult, TargetHarness

S3_KEYS = {"access_key_id": "an-id", "secret_access_key": "a-secret"}
GCS_KEYS = {
    "project_id": "p",
    "service_account_credentials": json.dumps(create_service_account("loader@test")[0]),
}
CREDENTIALS = {"main": {**S3_KEYS, "version": 1}, "gcs": GCS_KEYS}
NEW_STORE = {"name": "new", "type": "S3", "bucket": "images", "region": "eu-central-1",
       "path_prefix": "raw/", "labels": {"team": "rice"}, "credentials": "main"}  # fmt: skip


def run_store_record(harness: TargetHarness, *, version: int = 1, **changes: Any) -> RunResult:
    """Run the target with the store record; `changes` are fields of it, or else settings."""
    fields = {
        name: changes.pop(name) for name in list(changes) if name in {*NEW_STORE, "_sdc_deleted_at"}
    }
    credentials = {**CREDENTIALS, "main": {**S3_KEYS, "version": version}}
    settings = {"credentials": credentials, "verify_bucket": "off", **changes}
    return harness.run(record("stores", **{**NEW_STORE, **fields}), state(1), **settings)


def stores_named(harness: TargetHarness, name: str = "new") -> list[Json]:
    """Return the sandbox's stores with a name."""
    return [row for row in harness.sandbox.workspace.rows("stores") if row["name"] == name]


def count_delete_requests(harness: TargetHarness) -> int:
    """Return the number of DELETE requests."""
    return sum(each.method == "DELETE" for each in harness.sandbox.requests)
