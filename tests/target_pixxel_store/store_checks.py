"""A store that tests want, in its several forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.target_pixxel_store.target_runner import record, state

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_runner import Json, Ran, Workplace

KEYS = {"access_key_id": "an-id", "secret_access_key": "a-secret"}
GOOGLE = {"project_id": "p", "service_account_credentials": '{"private_key": "a-secret-key"}'}
CREDENTIALS = {"main": {**KEYS, "version": 1}, "gcs": GOOGLE}
NEW = {"name": "new", "type": "S3", "bucket": "images", "region": "eu-central-1",
       "path_prefix": "raw/", "labels": {"team": "rice"}, "credentials": "main"}  # fmt: skip


def ensure(place: Workplace, *, version: int = 1, **more: Any) -> Ran:
    """Want the store, some fields of it otherwise; what is no field is a setting."""
    fields = {name: more.pop(name) for name in list(more) if name in {*NEW, "_sdc_deleted_at"}}
    credentials = {**CREDENTIALS, "main": {**KEYS, "version": version}}
    settings = {"credentials": credentials, "verify_bucket": "off", **more}
    return place.run(record("stores", **{**NEW, **fields}), state(1), **settings)


def named(place: Workplace, name: str = "new") -> list[Json]:
    """The sandbox's stores of that name."""
    return [row for row in place.sandbox.workspace.rows("stores") if row["name"] == name]


def deletions(place: Workplace) -> int:
    """Count the requests to delete something."""
    return sum(each.method == "DELETE" for each in place.sandbox.requests)
