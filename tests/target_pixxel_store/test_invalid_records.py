"""Invalid records: one error line for each, without its values; other records are delivered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from target_pixxel_store.errors import WorkspaceMismatchError
from tests.target_pixxel_store.target_harness import delivery_request, record, schema, state

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import Json, TargetHarness

MARKER = "v4lue-n0t-t0-be-ech0ed"
STORE = {"type": "S3", "bucket": "b", "region": "r"}
S3_KEYS = {"access_key_id": "an-id", "secret_access_key": "a-secret"}


def store_record(**more: Any) -> Json:
    return record("stores", **{"name": "new", "credentials": "main", **STORE, **more})


BAD_RECORDS: dict[str, tuple[Json, str]] = {
    "neither id": (record("delivery_requests", store="research"), "neither 'catalog_id'"),
    "both ids": (
        record("delivery_requests", catalog_id="a", order_item_id="b", store="research"),
        "has both 'catalog_id' and 'order_item_id'",
    ),
    "replaced delivery of an order item": (
        record("delivery_requests", order_item_id="b", store="research", replace_delivery="d"),
        "has 'replace_delivery', which requires 'catalog_id'",
    ),
    "no store": (record("delivery_requests", catalog_id="CATALOG"), "has no 'store'"),
    "unknown store": (delivery_request("CATALOG", MARKER), "no store has the name"),
    "unknown catalog": (
        delivery_request("no-such"),
        "NotFound|404|does not exist in this workspace",
    ),
    "catalog id of a wrong type": (
        record("delivery_requests", catalog_id=[MARKER], store="research"),
        "'catalog_id' violates the rule 'type'",
    ),
    "store of a wrong type": (
        record("delivery_requests", catalog_id="CATALOG", store={"a": MARKER}),
        "'store' violates the rule 'type'",
    ),
    "path of a wrong type": (
        delivery_request("CATALOG", path=7),
        "'path' violates the rule 'type'",
    ),
    "absolute path": (
        delivery_request("CATALOG", path="/" + MARKER),
        "'path' must be relative; start it with the name of a folder",
    ),
    "path upwards": (
        delivery_request("CATALOG", path=f"a/../{MARKER}"),
        "must not contain . or ..",
    ),
    "path with NUL": (delivery_request("CATALOG", path="a\0b"), "control character"),
    "path of 10,000 characters": (
        delivery_request("CATALOG", path="x" * 10_000),
        "too long for an object key",
    ),
    "secrets in a request": (
        delivery_request("CATALOG", secrets={"secret_access_key": MARKER}),
        "contains 'secrets'",
    ),
    "no name": (record("stores", **STORE, credentials="main"), "has no 'name'"),
    "no bucket": (store_record(bucket=None), "has no 'bucket'"),
    "no region": (store_record(region=""), "has no 'region'"),
    "unknown type": (store_record(type=MARKER), "'type' must be one of S3, GCS, AZBLOB"),
    "type of a wrong type": (store_record(type=["S3"]), "'type' violates the rule 'type'"),
    "labels of a wrong type": (
        store_record(labels={"a": 1}),
        "'labels' must be an object of strings",
    ),
    "configs of a wrong type": (store_record(configs=MARKER), "'configs' violates the rule 'type'"),
    "secrets in a store": (store_record(secrets={"a": MARKER}), "contains 'secrets'"),
    "a secret in a store": (store_record(secret_access_key=MARKER), "contains 'secret_access_key'"),
    "a secret deep in a store": (
        store_record(configs={"x": [{"client_secret": MARKER}]}),
        "contains 'client_secret'",
    ),
    "unknown credentials": (
        store_record(credentials=MARKER),
        "must name an entry of the setting 'credentials'",
    ),
    "credentials of another type": (store_record(type="GCS"), "project_id"),
    "duplicate name": (
        store_record(name="research", bucket=MARKER, type="GCS", region="europe-west1"),
        "differs in",
    ),
    "prefix upwards": (store_record(path_prefix="a/../b"), "must not contain . or .. as a folder"),
    "prefix too long": (store_record(path_prefix="x" * 10_000), "too long for an object key"),
    "name too long": (store_record(name="x" * 10_000), "'name' must be printable"),
}


def insert_catalog(message: Json, catalog: str) -> Json:
    filled: Json = json.loads(json.dumps(message).replace('"CATALOG"', f'"{catalog}"'))
    return filled


@pytest.mark.parametrize("case", ["no store", "unknown store", "unknown catalog", "unknown type"])
def test_bad_record_on_error_fail_ends_run(harness: TargetHarness, case: str) -> None:
    bad, reason = BAD_RECORDS[case]
    first, second, third = harness.catalog_ids(3)
    result = harness.run(
        delivery_request(first),
        state(1),
        insert_catalog(bad, second),
        state(2),
        delivery_request(third),
        state(3),
        credentials={"main": S3_KEYS},
        verify_bucket="off",
    )
    assert result.error is None
    assert result.status == 1
    assert result.states == [{"upto": 1}]
    failed = [line for line in result.outcomes if line["outcome"] == "failed"]
    assert len(failed) == 1
    assert any(word in failed[0]["reason"] for word in reason.split("|"))


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_bad_record_on_error_continue_rejected_and_replayable(
    harness: TargetHarness, case: str
) -> None:
    bad, reason = BAD_RECORDS[case]
    first, second, third = harness.catalog_ids(3)
    bad = insert_catalog(bad, second)
    result = harness.run(
        delivery_request(first), state(1), bad, state(2), delivery_request(third), state(3),
        credentials={"main": S3_KEYS}, verify_bucket="off", on_error="continue",
    )  # fmt: skip
    assert result.error is None
    assert result.status == 3
    assert result.states[-1] == {"upto": 3}
    assert sorted(result.kinds) == ["created", "created", "failed"]
    [failed] = [line for line in result.outcomes if line["outcome"] == "failed"]
    assert any(word in failed["reason"] for word in reason.split("|"))
    if case != "unknown store":
        assert MARKER not in json.dumps([result.outcomes, result.summary]) + result.log
    kinds = [line["type"] for line in result.rejected]
    assert kinds == ["SCHEMA", "RECORD"]
    assert result.rejected[0] == schema(bad["stream"])
    rejected_record = result.rejected[1]["record"]
    assert rejected_record.items() <= bad["record"].items() or "secret" in case
    assert MARKER not in json.dumps(rejected_record) or "secret" not in case
    again = harness.run(*result.rejected, credentials={"main": S3_KEYS}, verify_bucket="off")
    assert again.error is None
    if "secret" not in case:
        assert any(word in again.reasons[0] for word in reason.split("|"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("no json\n", "line 3 of the input is not a JSON object"),
        ('{"type": "RECORD"}\n', "line 3 of the input is a RECORD without a stream"),
        ('{"type": "BATCH", "stream": "stores"}\n', "line 3 of the input is a BATCH"),
        ('{"type": "STATE", "value": 7}\n', "line 3 of the input is a STATE without a value"),
        ('{"type": "RECORD", "stream": "x", "record": {}}\n', "before the SCHEMA of its stream"),
    ],
)
def test_invalid_line_reported_by_number(harness: TargetHarness, line: str, reason: str) -> None:
    result = harness.run(schema("delivery_requests"), state(1), line)
    assert isinstance(result.error, InputError)
    assert reason in result.error.lines[0]
    assert result.states == [{"upto": 1}]
    assert result.summary["status"] == 2


def test_other_streams_ignored_and_counted(harness: TargetHarness) -> None:
    result = harness.run(
        record("deliveries", delivery_id="a"),
        record("deliveries", delivery_id="b"),
        record("catalogs", id="c"),
        record("weather", id="d"),
        state(1),
    )
    assert result.status == 0
    assert result.summary["ignored"] == {"catalogs": 1, "deliveries": 2, "weather": 1}
    assert "ignoring stream deliveries; it is the API's history" in result.log
    assert (
        "ignoring stream weather; send stores, delivery_requests, download_requests, aoi_requests"
        in result.log
    )
    assert "set 'deliver_to'" in result.log
    assert result.states == [{"upto": 1}]


KNOWN_FIELDS: dict[str, Json] = {
    "delivery_requests": {"catalog_id": "c", "store": "s", "path": "p", "order_item_id": None,
                          "replace_delivery": None},
    "download_requests": {"catalog_id": "c", "path": "p", "order_item_id": None},
    "aoi_requests": {
        "name": "n", "project_id": "p", "satellite_id": "s", "geometry": {}, "item_ids": [],
        "description": "d", "provider": "pixxel"},
    "index_requests": {
        "name": "n", "satellite_id": "s", "expression": "e", "expression_type": "none",
        "description": "d", "colormap": "c", "rescale": []},
    "visualization_requests": {
        "aoi_id": "a", "index_id": None, "src_asset_ids": [], "resolution": 1},
}  # fmt: skip


def test_unknown_request_fields_logged_once(harness: TargetHarness) -> None:
    messages = [
        each
        for stream, fields in KNOWN_FIELDS.items()
        for each in (
            schema(stream, ["row"]),
            record(stream, **fields, row=1, org_id="o", _sdc_batched_at="t"),
            record(stream, **fields, row=2, colour=MARKER, catalogue=MARKER, season=2),
            record(stream, **fields, row=3, colour=MARKER, zone=MARKER),
        )
    ]
    result = harness.run(
        *messages, on_error="continue", max_failures=99, settle_seconds=0,
        path_template="{season}/{catalog_id}",
    )  # fmt: skip
    prefix, suffix = ": ignoring unknown fields: ", " (misspelled?)"
    reported = [
        line.removesuffix(suffix) for line in result.log.splitlines() if line.endswith(suffix)
    ]
    assert reported == [
        f"{stream}{prefix}{names}"
        for stream in KNOWN_FIELDS
        for names in (
            "catalogue, colour" if "path" in KNOWN_FIELDS[stream] else "catalogue, colour, season",
            "zone",
        )
    ]
    assert MARKER not in result.log


def test_stream_map_alias_routes_records(harness: TargetHarness) -> None:
    key = harness.catalog_ids(1)[0]
    result = harness.run(
        {"type": "SCHEMA", "stream": "public-wanted", "key_properties": ["image"],
         "schema": {"properties": {"image": {"type": "string"}}}},
        record("public-wanted", image=key),
        stream_maps={"public-wanted": {
            "catalog_id": "image", "store": "'research'", "image": "__NULL__",
            "__key_properties__": ["catalog_id"], "__alias__": "delivery_requests"}},
    )  # fmt: skip
    assert result.kinds == ["created"]
    assert result.outcomes[0]["key"] == {"catalog_id": key}


@pytest.mark.parametrize("workspace_id", ["another", ""])
def test_workspace_mismatch_ends_run_before_write(
    harness: TargetHarness, workspace_id: str
) -> None:
    result = harness.run(
        delivery_request(harness.catalog_ids(1)[0]), workspace=workspace_id or "x" * 36
    )
    assert isinstance(result.error, WorkspaceMismatchError)
    assert harness.posted_bodies() == []


def test_record_of_other_workspace_ends_run(harness: TargetHarness) -> None:
    key, org = harness.catalog_ids(1)[0], harness.sandbox.workspace.rows("projects")[0]["org_id"]
    settings = {"deliver_to": "research", "deliver_since": "all", "workspace": org}
    result = harness.run(
        record("catalogs", id=key, org_id=org, created_at="2025-01-01"), **settings
    )
    assert result.kinds == ["created"]
    result = harness.run(
        record("catalogs", id=key, org_id=MARKER, created_at="2025-01-01"), **settings
    )
    assert isinstance(result.error, WorkspaceMismatchError)
    assert MARKER not in str(result.error)


def test_environment_production_rejects_sandbox(harness: TargetHarness) -> None:
    result = harness.run(delivery_request(harness.catalog_ids(1)[0]), environment="production")
    assert isinstance(result.error, WorkspaceMismatchError)
    assert harness.posted_bodies() == []
    assert harness.run(
        delivery_request(harness.catalog_ids(1)[0]), environment="sandbox"
    ).kinds == ["created"]
