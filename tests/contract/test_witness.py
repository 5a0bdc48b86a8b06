"""The witness hears what it should, and says so; each liberty is taken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.server import TOKEN
from tests.pixxel_sandbox.contract_checks import load_contract
from tests.tap_pixxel.syncs import sync

from . import answers
from .operations import document, operation, request_check
from .requests import LIBERTIES, Request, liberty, wrongs

if TYPE_CHECKING:
    from .witness import Witness

SEARCHED: dict[str, Any] = {
    "datetime": "2020-01-01T00:00:00Z/2030-01-01T00:00:00Z",
    "bbox": [-180, -90, 180, 90],
}


@pytest.fixture(autouse=True)
def _with_the_contract() -> None:
    load_contract()


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "said"),
    [
        ("GET", "/v0/nonesuch", "", b"", "no such operation"),
        ("DELETE", "/v0/orders", "", b"", "no such operation"),
        ("GET", "/v0/orders", "updated_at=2024", b"", "?updated_at: no such parameter"),
        ("GET", "/v0/orders", "limit=ten", b"", "?limit: 'ten' is no integer"),
        ("GET", "/v0/orders", "limit=1&limit=2", b"", "?limit: is there twice"),
        ("GET", "/v0/workflows/a", "", b"", "?project_id: is missing"),
        ("GET", "/v0/orders", "", b"{}", "body: is there and should not"),
        ("POST", "/v0/archives/search", "", b"", "body: is missing"),
        ("POST", "/v0/archives/search", "", b"{", "body: is no JSON"),
        ("POST", "/v0/archives/search", "", b'{"limit": "1"}', "limit: "),
        ("POST", "/v0/archives/search", "", b'{"sort_by": []}', "sort_by: "),
        ("POST", "/v0/catalogs/download", "", b'{"catalog_ids": []}', "order_item_ids"),
    ],
)
def test_a_request_against_the_contract_is_told(
    method: str, path: str, query: str, body: bytes, said: str
) -> None:
    [wrong] = wrongs(Request(method, path, query, body))
    assert said in wrong


def test_a_request_of_a_plugin_and_an_answer_are_heard(witness: Witness) -> None:
    with Sandbox(items=10) as sandbox:
        for agent in ("somebody/1", "tap-pixxel/1"):
            headers = {"Authorization": f"Bearer {TOKEN}", "User-Agent": agent}
            url = f"{sandbox.url}/v0/stores?from={agent[:4]}"
            requests.get(url, headers=headers, timeout=20)
        assert witness.testimony() == ["GET /v0/stores: ?from: no such parameter"]
        store = next(iter(sandbox.workspace._tables["stores"].values()))
        assert isinstance(store, dict)
        store["type"] = "FTP"
        sync(sandbox, "stores")
        [wrong] = witness.testimony()
        assert "GET /v0/stores 200: stores/0/type" in wrong
        sandbox.workspace.update("stores", store["id"], name="by hand")
        sync(sandbox, "stores")
        assert witness.testimony() == []


@pytest.mark.parametrize("count", [5, 500])
def test_an_answer_against_the_contract_is_told_however_large(count: int) -> None:
    rows = [{"id": 7, "name": "x" * 90} for _ in range(count)]
    body = json.dumps({"orders": rows}).encode()
    assert (len(body) > answers.LARGE) == (count > 5)
    told = list(answers.wrongs("GET", "/v0/orders", 200, body))
    assert len(told) == min(count, answers.SAMPLE)
    assert list(answers.wrongs("GET", "/v0/orders", 204, b"{}"))
    assert list(answers.wrongs("GET", "/v0/nonesuch", 200, b"{}"))
    assert list(answers.wrongs("GET", "/v0/orders", 401, b'{"error": 7}'))


def test_every_liberty_is_taken() -> None:
    """One that nobody needs any more would hide what is wrong."""
    taken = set()
    with Sandbox(items=60) as sandbox:
        for skip in (False, True):
            sandbox.behavior = Behavior(skip_paging=skip)
            sync(sandbox, "satellite_images", "catalogs", page_size=5, **SEARCHED)
        for sent in sandbox.requests:
            asked = operation(sent.method, sent.path)
            assert asked is not None
            check = request_check(asked.method, asked.path)
            for error in check.iter_errors(sent.body) if check else ():
                place = "/".join(map(str, error.instance_path))
                names: list[str] = getattr(error.kind, "unexpected", None) or [""]
                taken |= {liberty(asked, "/".join(filter(None, (place, n)))) for n in names}
    assert taken == set(LIBERTIES)


def test_every_operation_can_be_checked() -> None:
    for path, told in document()["paths"].items():
        for method in told:
            assert operation(method, path.replace("{", "").replace("}", "")) is not None
            request_check(method, path)
