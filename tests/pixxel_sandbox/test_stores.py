"""Stores: creation, deletion, invalid requests, and secrecy of credentials."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from .api_client import TIMEOUT, get, send_request
from .write_requests import SECRETS, deliver, make_store, store_body

if TYPE_CHECKING:
    from pixxel_sandbox import Sandbox

    from .conftest import StartSandbox

AZURE = SECRETS["AZBLOB"]


def delete_store(sandbox: Sandbox, key: str) -> requests.Response:
    return send_request(sandbox, "DELETE", f"/v0/stores/{key}")


def error_of(response: requests.Response) -> Any:
    return response.json()["error"]


WRONG = [
    ({"name": ""}, "name"),
    ({"name": None}, "name"),
    ({"type": "FTP"}, "type"),
    ({"type": ["S3"]}, "type"),
    ({"configs": {"bucket": "b"}}, "configs lacks region"),
    ({"configs": {"bucket": "", "region": "r"}}, "configs"),
    ({"configs": {"bucket": "b", "region": 1}}, "configs"),
    ({"configs": {"bucket": "b", "region": "r", "prefix": "p"}}, "configs has fields other than"),
    ({"configs": None}, "configs"),
    ({"secrets": AZURE}, "secrets lacks access_key_id, secret_access_key"),
    ({"secrets": {**SECRETS["S3"], "token": "s3cret"}}, "secrets has fields other than"),
    ({"secrets": {**SECRETS["S3"], "secret_access_key": 1}}, "secrets"),
    ({"secrets": {**SECRETS["S3"], "secret_access_key": ""}}, "secrets"),
    ({"secrets": "s3cret"}, "secrets"),
    (
        {"type": "AZBLOB", "secrets": {**AZURE, "account_key": "s3cret"}},
        "secrets has fields other than",
    ),
    ({"type": "GCS", "secrets": {"project_id": "p"}}, "lacks service_account_credentials"),
    ({"labels": {"team": 1}}, "labels"),
    ({"labels": []}, "labels"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG)
def test_invalid_store_error_names_field_without_its_value(
    start_sandbox: StartSandbox, changes: dict[str, Any], says: str
) -> None:
    sandbox = start_sandbox()
    response = send_request(sandbox, "POST", "/v0/stores", json=store_body(**changes))
    assert (response.status_code, error_of(response)["code"]) == (400, "bad_request")
    assert says in error_of(response)["message"]
    assert "s3cret" not in response.text
    assert len(sandbox.workspace.rows("stores")) == 3


def test_store_in_use_is_not_deleted(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(delivery_seconds=60)
    workspace = sandbox.workspace
    store = make_store(sandbox)["id"]
    [row] = deliver(sandbox, workspace.ids("catalogs")[:1], store)
    assert delete_store(sandbox, store).status_code == 409
    workspace.update("deliveries", row["delivery_id"], status="FAILED")
    item = workspace.insert(
        "order_items", {"status": "ACTIVE", "cloud_delivery": {"config": store}}
    )
    assert delete_store(sandbox, store).status_code == 409
    for status in ("FULFILLED", "CANCELLED", "FAILED"):
        workspace.update("order_items", item, status="ACTIVE")
        assert delete_store(sandbox, store).status_code == 409
        workspace.update("order_items", item, status=status)
    assert delete_store(sandbox, store).status_code == 204


def test_secrets_are_in_no_response_or_log(
    start_sandbox: StartSandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    sandbox = start_sandbox(delivery_seconds=0)
    store = make_store(sandbox)
    again = send_request(sandbox, "POST", "/v0/stores", json=store_body())
    [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], store["id"])
    outside = [
        requests.request(method, f"{sandbox.url}/_sandbox/{path}", timeout=TIMEOUT).text
        for method, path in (("GET", "counts"), ("POST", "advance"))
    ]
    seen = [
        json.dumps([store, row, get(sandbox, "/v0/stores"), get(sandbox, "/v0/order-items")]),
        again.text,
        *outside,
        repr((sandbox, sandbox.workspace, sandbox.requests, sandbox._state)),
        repr([record.body for record in sandbox.requests]),
        str(capfd.readouterr()),
    ]
    for text in seen:
        assert "s3cret" not in text
        assert "AKIA" not in text
    assert "s3cret" in sandbox.requests[0].raw.decode(), "the request must have the secret"


def test_store_with_existing_name_returns_409(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(list_lag=60)
    make_store(sandbox)
    response = send_request(sandbox, "POST", "/v0/stores", json=store_body("GCS"))
    assert (response.status_code, error_of(response)["code"]) == (409, "conflict")
