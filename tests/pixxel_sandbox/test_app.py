"""The token, permissions, errors and headers of the application."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
import requests
from requests.exceptions import ChunkedEncodingError

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.app import READ_ENDPOINTS, WRITE_ENDPOINTS

from .api_client import TIMEOUT, get, send_request

if TYPE_CHECKING:
    from .conftest import StartSandbox


def test_ping_without_token_returns_pong(shared_sandbox: Sandbox) -> None:
    response = requests.get(shared_sandbox.url + "/ping", timeout=TIMEOUT)
    assert (response.status_code, response.json()) == (200, "pong")
    assert response.headers["Date"].endswith("GMT")


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


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v0/nonesuch", 404, "not_found"),
        ("GET", "/v0/stores/", 404, "not_found"),
        ("GET", "/v0/orders/nonesuch", 404, "not_found"),
        ("GET", "/v0/catalogs/nonesuch", 404, "not_found"),
        ("GET", "/v0/archives/collections/nonesuch", 404, "not_found"),
        ("GET", "/v0/archives/collections/nonesuch/items", 404, "not_found"),
        ("GET", "/v0/archives/collections/td1-l1c/items/nonesuch", 404, "not_found"),
        ("DELETE", "/v0/orders", 405, "method_not_allowed"),
        ("GET", "/v0/archives/search", 405, "method_not_allowed"),
    ],
)
def test_request_for_unknown_path_or_row_returns_error(
    shared_sandbox: Sandbox, method: str, path: str, status: int, code: str
) -> None:
    response = send_request(shared_sandbox, method, path)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code


def test_archive_item_in_another_collection_returns_404(shared_sandbox: Sandbox) -> None:
    item = shared_sandbox.workspace.get(
        "archive_items", shared_sandbox.workspace.ids("archive_items")[0]
    )
    path = "/v0/archives/collections/{}/items/" + item["id"]
    assert get(shared_sandbox, path.format(item["collection"]))["id"] == item["id"]
    assert send_request(shared_sandbox, "GET", path.format("firefly-l1b")).status_code == 404


def test_every_response_has_version_header(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    seen = set()

    def send_and_check(method: str, path: str) -> None:
        response = send_request(sandbox, method, path)
        assert response.headers["X-Pixxel-Sandbox"] == version("pixxel-singer")
        seen.add(response.status_code)

    for path in ("/ping", "/v0/orders", "/v0/orders/nonesuch", "/_sandbox/counts", "/nonesuch"):
        send_and_check("GET", path)
    for path in ("/v0/projects", "/_sandbox/advance", "/v0/stores", "/v0/catalogs/deliveries"):
        send_and_check("POST", path)
    sandbox.behavior = Behavior(forbid=frozenset({"stores"}), rate_limit=0.01)
    send_and_check("GET", "/v0/stores")
    send_and_check("GET", "/v0/stores")
    sandbox.behavior = Behavior(error_rate=1)
    while not {500, 502, 503, 504} <= seen:
        with suppress(requests.ConnectionError, ChunkedEncodingError):
            send_and_check("GET", "/v0/stores")
    assert {200, 400, 403, 404, 405, 429} <= seen


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
