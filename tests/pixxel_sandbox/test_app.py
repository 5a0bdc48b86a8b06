"""The token, permissions, errors and headers of the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from pixxel_sandbox import Sandbox
from pixxel_sandbox.app import READ_ENDPOINTS, WRITE_ENDPOINTS

from .api_client import TIMEOUT, get, send_request

if TYPE_CHECKING:
    from .conftest import StartSandbox


def test_root_describes_sandbox_and_its_routes_without_token(
    start_sandbox: StartSandbox,
) -> None:
    sandbox = start_sandbox(error_rate=1.0)
    response = requests.get(sandbox.url + "/", timeout=TIMEOUT)
    assert response.status_code == 200
    described = response.json()
    assert described["name"] == "pixxel-sandbox"
    assert sandbox.token not in response.text
    routes = {(each["method"], each["path"]): each["description"] for each in described["routes"]}
    assert {(method, path) for method, path, _, _ in (*READ_ENDPOINTS, *WRITE_ENDPOINTS)} < set(
        routes
    )
    assert {("GET", "/"), ("GET", "/_sandbox/counts"), ("POST", "/_sandbox/advance")} < set(routes)
    assert all(text.endswith(".") for text in routes.values())
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "sandbox-token", "Basic sandbox-token", "Bearer é"]
)
def test_request_without_valid_token_returns_401(
    shared_sandbox: Sandbox, header: str | None
) -> None:
    headers = {"Authorization": header.encode()} if header else {}
    response = requests.get(shared_sandbox.url + "/v0/orders", headers=headers, timeout=TIMEOUT)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "unauthenticated"


def test_forbidden_resource_returns_403_while_others_return_200(
    start_sandbox: StartSandbox,
) -> None:
    sandbox = start_sandbox(forbid={"stores", "archive_items"})
    response = send_request(sandbox, "GET", "/v0/stores")
    assert (response.status_code, response.json()["error"]["code"]) == (403, "permission_denied")
    assert send_request(sandbox, "POST", "/v0/archives/search", json={}).status_code == 403
    assert get(sandbox, "/v0/orders")["orders"]


def test_sandbox_with_unknown_secrets_or_endpoints_raises_value_error() -> None:
    with pytest.raises(ValueError, match="unknown stores: nonesuch"):
        Sandbox(items=5, secrets={"nonesuch": {}})
    for wrong in ({"FTP": "http://127.0.0.1"}, {"S3": "127.0.0.1:9000"}):
        with pytest.raises(ValueError, match="endpoints"):
            Sandbox(items=5, endpoints=wrong)
