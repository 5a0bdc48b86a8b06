"""What the tests of writes share: a store, a request for deliveries, and a look until it is so."""

import time
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import requests

from pixxel_sandbox import S3Server, Sandbox

from .client import TIMEOUT, get, send

Seen = TypeVar("Seen")

SECRETS = {
    "S3": {"access_key_id": "AKIA-of-the-test", "secret_access_key": "s3cret-of-the-test"},
    "AZBLOB": {
        "account_name": "account",
        "tenant_id": "tenant",
        "client_id": "client",
        "client_secret": "s3cret-of-the-test",
    },
    "GCS": {"project_id": "project", "service_account_credentials": '{"a": "s3cret-of-the-test"}'},
}


def store_body(kind: str = "S3", **changes: Any) -> dict[str, Any]:
    """Returns a request for a store."""
    configs = {"bucket": "deliveries", "region": "eu-central-1"}
    body = {"name": "mine", "type": kind, "configs": configs, "secrets": SECRETS[kind]}
    return {**body, **changes}


def make_store(sandbox: Sandbox, kind: str = "S3", **changes: Any) -> Any:
    """Makes a store, which has to answer 200."""
    answer = send(sandbox, "POST", "/v0/stores", json=store_body(kind, **changes))
    assert answer.status_code == 200, answer.text
    return answer.json()


def store_of(sandbox: Sandbox, buckets: S3Server, **changes: Any) -> str:
    """Makes a store of a bucket server, with the right credentials unless others are given."""
    pair = {"access_key_id": buckets.key_id, "secret_access_key": buckets.secret}
    return str(make_store(sandbox, **{"secrets": pair, **changes})["id"])


def request(sandbox: Sandbox, *entries: Any) -> requests.Response:
    """Asks for deliveries."""
    body = {"deliveries": list(entries)}
    return send(sandbox, "POST", "/v0/catalogs/deliveries", json=body)


def deliver(sandbox: Sandbox, catalogs: list[str], store: str, **cloud: str) -> list[Any]:
    """Asks for a delivery of each catalog, which has to answer 201."""
    entry = {"catalog_ids": catalogs, "cloud_info": {"config": store, **cloud}}
    answer = request(sandbox, entry)
    assert answer.status_code == 201, answer.text
    rows: list[Any] = answer.json()["deliveries"]
    return rows


def listed(sandbox: Sandbox, **params: str) -> list[Any]:
    """Lists deliveries as the API shows them."""
    rows: list[Any] = get(sandbox, "/v0/catalogs/deliveries", **params)["deliveries"]
    return rows


def new(sandbox: Sandbox, before: Collection[str]) -> list[Any]:
    """Lists the deliveries that were accepted, shown or not."""
    rows = sandbox.workspace.rows("deliveries")
    return [row for row in rows if row["delivery_id"] not in before]


def until(look: Callable[[], Seen | None]) -> Seen:
    """Looks until there is something to see."""
    deadline = time.monotonic() + TIMEOUT
    while not (seen := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)
    return seen


def ended(sandbox: Sandbox, key: str) -> str:
    """Waits for the end of a delivery, and returns its status."""

    def look() -> str | None:
        status = str(sandbox.workspace.get("deliveries", key)["status"])
        return status if status in {"SUCCESS", "FAILED"} else None

    return until(look)
