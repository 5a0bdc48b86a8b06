"""Store records: a store is created once, found again, and compared with the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from tests.target_pixxel_store.intercepting_proxy import (
    STORES_PATH,
    InterceptingProxy,
    ProxiedRequest,
    ProxiedResponse,
)
from tests.target_pixxel_store.store_checks import (
    CREDENTIALS,
    NEW_STORE,
    S3_KEYS,
    run_store_record,
    stores_named,
)
from tests.target_pixxel_store.target_harness import (
    delivery_request,
    read_json_lines,
    record,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_harness import Json, TargetHarness

DIFFERENCES: dict[str, Json] = {
    "type": {"type": "GCS", "credentials": "gcs"},
    "bucket": {"bucket": "others"},
    "region": {"region": "us-east-1"},
    "path_prefix": {"path_prefix": "cooked"},
    "labels": {"labels": {"team": "soil"}},
}


BAD_INPUT: dict[str, tuple[Json, Json, str]] = {
    "region": ({"region": "eu central"}, {}, "is not a region of S3"),
    "key is a path": ({}, {"secret_access_key": __file__}, "write file:PATH"),
    "no service account": (
        {"type": "GCS"},
        {"project_id": "p", "service_account_credentials": '{"client_email": "a"}'},
        "lack private_key and private_key_id",
    ),
}


@pytest.mark.parametrize(
    ("case", "verify_bucket", "dry_run"),
    [*((case, "off", False) for case in BAD_INPUT), ("region", "write", True)],
)
def test_store_invalid_input_refused_without_network(
    harness: TargetHarness,
    capsys: pytest.CaptureFixture[str],
    case: str,
    verify_bucket: str,
    dry_run: bool,  # noqa: FBT001
) -> None:
    fields, keys, reason = BAD_INPUT[case]
    result = harness.run(
        record("stores", **{**NEW_STORE, **fields}), state(1),
        credentials={"main": keys if "type" in fields else {**S3_KEYS, **keys}},
        endpoints={"S3": "http://127.0.0.1:9", "GCS": "http://127.0.0.1:9"},  # nothing listens
        verify_bucket=verify_bucket, dry_run=dry_run,
    )  # fmt: skip
    assert (result.error, result.states) == (None, [])
    if dry_run:
        assert result.status == 3
        assert reason.split()[-1] in capsys.readouterr().err
    else:
        assert (result.status, result.kinds) == (1, ["failed"])
        assert reason in result.reasons[0]
    assert harness.posted_bodies(STORES_PATH) == []


def test_store_repeated_record_created_once(harness: TargetHarness) -> None:
    result = run_store_record(harness)
    [created] = stores_named(harness)
    assert (result.kinds, result.states) == (["created"], [{"upto": 1}])
    assert result.outcomes[0]["store_id"] == created["id"]
    assert created["configs"] == {
        "bucket": "images",
        "region": "eu-central-1",
        "path_prefix": "raw/",
    }
    assert created["labels"] == {
        "team": "rice", "managed_by": "pixxel-singer", "credentials_version": "1",
    }  # fmt: skip
    for prefix in ("raw", "/raw/", "raw//"):
        assert run_store_record(harness, path_prefix=prefix, labels=None).kinds == ["exists"]
    assert len(harness.posted_bodies(STORES_PATH)) == 1


@pytest.mark.parametrize("field", [*DIFFERENCES, "version"])
def test_store_difference_handled_by_store_drift(harness: TargetHarness, field: str) -> None:
    run_store_record(harness)
    [old] = stores_named(harness)
    settings = DIFFERENCES.get(field) or {"version": 2}
    result = run_store_record(harness, **settings)
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert f"differs in {'the version' if field == 'version' else field}" in result.reasons[0]
    result = run_store_record(harness, store_drift="keep", **settings)
    assert (result.kinds, result.states) == (["exists"], [{"upto": 1}])
    dry_run = run_store_record(harness, store_drift="replace", dry_run=True, **settings)
    assert (dry_run.status, dry_run.states, stores_named(harness)) == (0, [], [old])
    result = run_store_record(harness, store_drift="replace", **settings)
    assert (result.kinds, result.states) == (["replaced"], [{"upto": 1}])
    [created] = stores_named(harness)
    assert result.outcomes[0]["store_id"] == created["id"] != old["id"]
    assert result.outcomes[0]["reason"] == f"replaces {old['id']}"
    assert {old["id"], created["id"]} <= {
        line["id"] for line in read_json_lines(harness.journal_path) if line["is"] == "store"
    }
    assert run_store_record(harness, **settings).kinds == ["exists"]


def test_declared_stores_created_before_first_record(harness: TargetHarness) -> None:
    settings: Json = {"stores": [NEW_STORE], "credentials": CREDENTIALS, "verify_bucket": "off"}
    result = harness.run(delivery_request(harness.catalog_ids(1)[0], "new"), state(1), **settings)
    assert result.kinds == ["created", "created"]
    assert [line["stream"] for line in result.outcomes] == ["stores (setting)", "delivery_requests"]
    settings["stores"] = [{**NEW_STORE, "region": "us-east-1"}]
    result = harness.run(delivery_request(harness.catalog_ids(1)[0], "new"), state(1), **settings)
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert "store 'new'" in result.summary["ended_because"]


@pytest.mark.parametrize(
    "behavior",
    [{"drop_accepted": 1.0}, {"fail_accepted": 1.0},
     {"accept_late": 1.0, "accept_late_seconds": 0.5},
     {"drop_accepted": 1.0, "list_lag": 0.5}],
    ids=["dropped", "failed", "late", "lagging"],
)  # fmt: skip
def test_store_ambiguous_response_created_once(
    harness: TargetHarness, behavior: dict[str, Any]
) -> None:
    harness.sandbox.behavior = Behavior(**behavior)
    result = run_store_record(harness, settle_seconds=1.5)
    assert (result.error, result.kinds) == (None, ["created"])
    assert len(harness.posted_bodies(STORES_PATH)) == 1
    assert len(stores_named(harness)) == 1
    assert result.outcomes[0]["store_id"] == stores_named(harness)[0]["id"]


def test_store_name_taken_during_create_fails(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    def take_name(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse:
        if request.matches("POST", STORES_PATH):
            row = {**harness.find_store("analysis"), "id": "taken", "name": "new"}
            harness.sandbox.workspace.insert("stores", row)
        return forward()

    proxy.intercept = take_name
    result = run_store_record(harness)
    assert (result.status, result.kinds) == (1, ["failed"])
    assert "the name is taken by another store" in result.reasons[0]
    assert proxy.count_requests("POST", STORES_PATH) == 1


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("configs.bucket", "; check its 'bucket'"),
        ("secrets.access_key_id", "; check its 'access_key_id'"),
        ("labels[0]", "; check its 'labels'"),
        ("tenant.quota", ""),
        ("", ""),
        (["bucket"], ""),
    ],
)
def test_store_refusal_repeats_code_and_own_field(
    harness: TargetHarness, proxy: InterceptingProxy, field: str, hint: str
) -> None:
    def refuse(request: ProxiedRequest, forward: Callable[[], ProxiedResponse]) -> ProxiedResponse:
        if not request.matches("POST", STORES_PATH):
            return forward()
        error = {"code": "INVALID_STORE", "message": "no", "details": {"field": field}}
        return ProxiedResponse(400, {"error": error})

    proxy.intercept = refuse
    result = run_store_record(harness)
    assert (result.status, result.kinds) == (1, ["failed"])
    assert result.reasons[0] == (
        "POST /v0/stores returned 400 (INVALID_STORE): the API rejected the request as invalid"
        f"{hint}"
    )


def test_store_record_from_tap_accepted(harness: TargetHarness) -> None:
    run_store_record(harness)
    [created] = stores_named(harness)
    tap_record: Json = {**created, "labels": {**created["labels"], "credentials_version": "old"}}
    settings: Json = {"credentials": {"new": {**S3_KEYS, "version": 1}, "other": S3_KEYS}}
    result = harness.run(record("stores", **tap_record), state(1), **settings)
    assert (result.kinds, result.states) == (["exists"], [{"upto": 1}])
    other_record: Json = {**tap_record, "name": "other", "credentials": "other"}
    result = harness.run(record("stores", **other_record), verify_bucket="off", **settings)
    assert result.kinds == ["created"]
    [other] = stores_named(harness, "other")
    assert (other["type"], other["configs"]) == (created["type"], created["configs"])
    assert other["labels"] == {"team": "rice", "managed_by": "pixxel-singer"}
