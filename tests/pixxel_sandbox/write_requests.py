"""Create stores, request deliveries, and wait for their results."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, TypeVar

from .api_client import TIMEOUT, get, send_request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import requests

    from pixxel_sandbox import S3Server, Sandbox
    from pixxel_sandbox.runtime_state import RequestRecord

Value = TypeVar("Value")

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


PURCHASES = re.compile(r"/v0/orders|/v0/aoi/[^/]+/insights|/v0/workflows/[^/]+/jobs")
"""The paths of POST requests that cost money or tokens."""
PRICE_ONLY = ("dry_run", "estimate")
"""The fields of a body that asks for a price."""


def is_purchase(request: RequestRecord) -> bool:
    """Return whether a request places an order, an insight or a job."""
    if request.method != "POST" or not PURCHASES.fullmatch(request.path):
        return False
    body = request.body if isinstance(request.body, dict) else {}
    return not any(body.get(name) is True for name in PRICE_ONLY)


def store_body(kind: str = "S3", **changes: Any) -> dict[str, Any]:
    """Return the body of a request for a store."""
    configs = {"bucket": "deliveries", "region": "eu-central-1"}
    body = {"name": "mine", "type": kind, "configs": configs, "secrets": SECRETS[kind]}
    return {**body, **changes}


def make_store(sandbox: Sandbox, kind: str = "S3", **changes: Any) -> Any:
    """Create a store; the status must be 200."""
    response = send_request(sandbox, "POST", "/v0/stores", json=store_body(kind, **changes))
    assert response.status_code == 200, response.text
    return response.json()


def make_store_in(sandbox: Sandbox, s3_server: S3Server, **changes: Any) -> str:
    """Create a store in an S3 server, with its credentials by default, and return the id."""
    pair = {"access_key_id": s3_server.key_id, "secret_access_key": s3_server.secret}
    return str(make_store(sandbox, **{"secrets": pair, **changes})["id"])


def request_deliveries(sandbox: Sandbox, *entries: Any) -> requests.Response:
    """Request deliveries."""
    body = {"deliveries": list(entries)}
    return send_request(sandbox, "POST", "/v0/catalogs/deliveries", json=body)


def deliver(sandbox: Sandbox, catalogs: list[str], store: str, **cloud: str) -> list[Any]:
    """Request a delivery of each catalog, and return the rows; the status must be 201."""
    entry = {"catalog_ids": catalogs, "cloud_info": {"config": store, **cloud}}
    response = request_deliveries(sandbox, entry)
    assert response.status_code == 201, response.text
    rows: list[Any] = response.json()["deliveries"]
    return rows


def list_deliveries(sandbox: Sandbox, **params: str) -> list[Any]:
    """List deliveries as the API returns them."""
    rows: list[Any] = get(sandbox, "/v0/catalogs/deliveries", **params)["deliveries"]
    return rows


def new_deliveries(sandbox: Sandbox, before: Collection[str]) -> list[Any]:
    """Return the deliveries that were accepted, listed or not."""
    rows = sandbox.workspace.rows("deliveries")
    return [row for row in rows if row["delivery_id"] not in before]


def wait_until(look: Callable[[], Value | None]) -> Value:
    """Wait until a function returns a true value, and return it."""
    deadline = time.monotonic() + TIMEOUT
    while not (seen := look()):
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.005)
    return seen


def wait_for_end(sandbox: Sandbox, key: str) -> str:
    """Wait for the end of a delivery, and return its status."""

    def look() -> str | None:
        status = str(sandbox.workspace.get("deliveries", key)["status"])
        return status if status in {"SUCCESS", "FAILED"} else None

    return wait_until(look)
