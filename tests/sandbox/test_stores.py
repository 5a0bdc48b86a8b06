"""Stores are made and removed, what is wrong with a request is said, and no secret is shown."""

import json
from typing import Any

import pytest
import requests

from pixxel_sandbox import Sandbox

from .client import TIMEOUT, get, send
from .conftest import Start
from .writes import SECRETS, deliver, make_store, store_body

AZURE = SECRETS["AZBLOB"]


def delete(sandbox: Sandbox, key: str) -> requests.Response:
    return send(sandbox, "DELETE", f"/v0/stores/{key}")


def error(answer: requests.Response) -> Any:
    return answer.json()["error"]


@pytest.mark.parametrize("kind", SECRETS)
def test_a_store_is_made_listed_and_removed(start: Start, kind: str) -> None:
    sandbox = start()
    configs = {"bucket": "b", "region": "r", "path_prefix": "raw/"}
    made = make_store(sandbox, kind, configs=configs, labels={"team": "data"})
    assert (made["name"], made["type"], made["configs"]) == ("mine", kind, configs)
    assert made["labels"] == {"team": "data"}
    assert get(sandbox, "/v0/stores")["stores"][-1] == made
    answer = delete(sandbox, made["id"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert made not in get(sandbox, "/v0/stores")["stores"]
    assert delete(sandbox, made["id"]).status_code == 404
    make_store(sandbox, kind)


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
def test_what_is_wrong_is_named_and_not_repeated(
    start: Start, changes: dict[str, Any], says: str
) -> None:
    sandbox = start()
    answer = send(sandbox, "POST", "/v0/stores", json=store_body(**changes))
    assert (answer.status_code, error(answer)["code"]) == (400, "bad_request")
    assert says in error(answer)["message"]
    assert "s3cret" not in answer.text
    assert len(sandbox.workspace.rows("stores")) == 3


def test_a_name_is_given_once(start: Start) -> None:
    sandbox = start(list_lag=60)
    make_store(sandbox)
    answer = send(sandbox, "POST", "/v0/stores", json=store_body("GCS"))
    assert (answer.status_code, error(answer)["code"]) == (409, "conflict")


def test_a_store_in_use_stays(start: Start) -> None:
    sandbox = start(delivery_seconds=60)
    workspace = sandbox.workspace
    store = make_store(sandbox)["id"]
    [row] = deliver(sandbox, workspace.ids("catalogs")[:1], store)
    assert delete(sandbox, store).status_code == 409
    workspace.update("deliveries", row["delivery_id"], status="FAILED")
    item = workspace.insert(
        "order_items", {"status": "ACTIVE", "cloud_delivery": {"config": store}}
    )
    assert delete(sandbox, store).status_code == 409
    for status in ("FULFILLED", "CANCELLED", "FAILED"):
        workspace.update("order_items", item, status="ACTIVE")
        assert delete(sandbox, store).status_code == 409
        workspace.update("order_items", item, status=status)
    assert delete(sandbox, store).status_code == 204


def test_a_token_may_lack_the_right_to_change(start: Start) -> None:
    sandbox = start(forbid={"stores", "deliveries"})
    assert send(sandbox, "POST", "/v0/stores", json=store_body()).status_code == 403
    assert delete(sandbox, sandbox.workspace.ids("stores")[0]).status_code == 403
    assert send(sandbox, "POST", "/v0/catalogs/deliveries", json={}).status_code == 403


def test_secrets_are_never_shown(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    sandbox = start(delivery_seconds=0)
    store = make_store(sandbox)
    again = send(sandbox, "POST", "/v0/stores", json=store_body())
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
    assert "s3cret" in sandbox.requests[0].raw.decode(), "the secret was there to be shown"
