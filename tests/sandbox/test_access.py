"""Who may read, and how a refusal is worded."""

from contextlib import suppress
from importlib.metadata import version

import pytest
import requests
from requests.exceptions import ChunkedEncodingError

from pixxel_sandbox import Behavior, Sandbox

from .client import TIMEOUT, get, send
from .conftest import Start


def test_ping_needs_no_token(shared: Sandbox) -> None:
    answer = requests.get(shared.url + "/ping", timeout=TIMEOUT)
    assert (answer.status_code, answer.json()) == (200, "pong")
    assert answer.headers["Date"].endswith("GMT")


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "sandbox-token", "Basic sandbox-token", "Bearer é"]
)
def test_without_the_token_the_answer_is_401(shared: Sandbox, header: str | None) -> None:
    headers = {"Authorization": header.encode()} if header else {}
    answer = requests.get(shared.url + "/v0/orders", headers=headers, timeout=TIMEOUT)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthenticated"


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
def test_what_is_not_there_is_refused_in_the_envelope(
    shared: Sandbox, method: str, path: str, status: int, code: str
) -> None:
    answer = send(shared, method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code


def test_an_item_is_not_found_in_another_collection(shared: Sandbox) -> None:
    item = shared.workspace.get("archive_items", shared.workspace.ids("archive_items")[0])
    path = "/v0/archives/collections/{}/items/" + item["id"]
    assert get(shared, path.format(item["collection"]))["id"] == item["id"]
    assert send(shared, "GET", path.format("firefly-l1b")).status_code == 404


def test_every_answer_says_that_it_is_the_sandboxs(start: Start) -> None:
    sandbox = start()
    seen = set()

    def ask(method: str, path: str) -> None:
        answer = send(sandbox, method, path)
        assert answer.headers["X-Pixxel-Sandbox"] == version("pixxel-singer")
        seen.add(answer.status_code)

    for path in ("/ping", "/v0/orders", "/v0/orders/nonesuch", "/_sandbox/counts", "/nonesuch"):
        ask("GET", path)
    for path in ("/v0/orders", "/_sandbox/advance", "/v0/stores", "/v0/catalogs/deliveries"):
        ask("POST", path)
    sandbox.behavior = Behavior(forbid=frozenset({"stores"}), rate_limit=0.01)
    ask("GET", "/v0/stores")
    ask("GET", "/v0/stores")
    sandbox.behavior = Behavior(error_rate=1)
    while not {500, 502, 503, 504} <= seen:
        with suppress(requests.ConnectionError, ChunkedEncodingError):
            ask("GET", "/v0/stores")
    assert {200, 400, 403, 404, 405, 429} <= seen


def test_forbidden_resources_answer_403_and_the_others_go_on(start: Start) -> None:
    sandbox = start(forbid={"stores", "archive_items"})
    answer = send(sandbox, "GET", "/v0/stores")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
    assert send(sandbox, "POST", "/v0/archives/search", json={}).status_code == 403
    assert get(sandbox, "/v0/orders")["orders"]
