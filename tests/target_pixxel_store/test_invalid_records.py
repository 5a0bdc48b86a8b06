"""Bad input: one clear line for each record, its values never echoed, nothing else lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from target_pixxel_store.errors import WorkspaceMismatchError
from tests.target_pixxel_store.target_runner import record, request, schema, state

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_runner import Json, Workplace

MARK = "v4lue-n0t-t0-be-ech0ed"
STORE = {"type": "S3", "bucket": "b", "region": "r"}
KEYS = {"access_key_id": "an-id", "secret_access_key": "a-secret"}


def of_store(**more: Any) -> Json:
    return record("stores", **{"name": "new", "credentials": "main", **STORE, **more})


BAD: dict[str, tuple[Json, str]] = {
    "neither id": (record("delivery_requests", store="research"), "neither 'catalog_id'"),
    "both ids": (
        record("delivery_requests", catalog_id="a", order_item_id="b", store="research"),
        "has both 'catalog_id' and 'order_item_id'",
    ),
    "no store": (record("delivery_requests", catalog_id="CATALOG"), "has no 'store'"),
    "unknown store": (request("CATALOG", MARK), "no store has this name"),
    "unknown catalog": (request("no-such"), "NotFound|404|does not exist in this workspace"),
    "catalog id of a wrong type": (
        record("delivery_requests", catalog_id=[MARK], store="research"),
        "'catalog_id' violates the rule 'type'",
    ),
    "store of a wrong type": (
        record("delivery_requests", catalog_id="CATALOG", store={"a": MARK}),
        "'store' violates the rule 'type'",
    ),
    "path of a wrong type": (request("CATALOG", path=7), "'path' violates the rule 'type'"),
    "absolute path": (
        request("CATALOG", path="/" + MARK),
        "'path' must be relative; start it with the name of a folder",
    ),
    "path upwards": (request("CATALOG", path=f"a/../{MARK}"), "must not contain . or .."),
    "path with NUL": (request("CATALOG", path="a\0b"), "control character"),
    "path of 10,000 characters": (
        request("CATALOG", path="x" * 10_000), "too long for an object key"),
    "secrets in a request": (
        request("CATALOG", secrets={"secret_access_key": MARK}), "contains 'secrets'"),
    "no name": (record("stores", **STORE, credentials="main"), "has no 'name'"),
    "no bucket": (of_store(bucket=None), "has no 'bucket'"),
    "no region": (of_store(region=""), "has no 'region'"),
    "unknown type": (of_store(type=MARK), "'type' must be one of S3, GCS, AZBLOB"),
    "type of a wrong type": (of_store(type=["S3"]), "'type' violates the rule 'type'"),
    "labels of a wrong type": (of_store(labels={"a": 1}), "'labels' must be an object of strings"),
    "configs of a wrong type": (of_store(configs=MARK), "'configs' violates the rule 'type'"),
    "secrets in a store": (of_store(secrets={"a": MARK}), "contains 'secrets'"),
    "a secret in a store": (of_store(secret_access_key=MARK), "contains 'secret_access_key'"),
    "a secret deep in a store": (
        of_store(configs={"x": [{"client_secret": MARK}]}), "contains 'client_secret'"),
    "unknown credentials": (
        of_store(credentials=MARK), "must name an entry of the setting 'credentials'"),
    "credentials of another type": (
        of_store(type="GCS"), "project_id"),
    "duplicate name": (
        of_store(name="research", bucket=MARK, type="GCS", region="europe-west1"), "differs in"),
    "prefix upwards": (of_store(path_prefix="a/../b"), "must not contain . or .. as a folder"),
    "prefix too long": (of_store(path_prefix="x" * 10_000), "too long for an object key"),
    "name too long": (of_store(name="x" * 10_000), "'name' must be printable"),
}  # fmt: skip


def filled(message: Json, catalog: str) -> Json:
    made: Json = json.loads(json.dumps(message).replace('"CATALOG"', f'"{catalog}"'))
    return made


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_ends_the_run_before_it(place: Workplace, case: str) -> None:
    bad, why = BAD[case]
    first, second, third = place.catalogs(3)
    ran = place.run(
        request(first), state(1), filled(bad, second), state(2), request(third), state(3),
        credentials={"main": KEYS}, verify_bucket="off",
    )  # fmt: skip
    assert ran.error is None
    assert ran.status == 1
    assert ran.states == [{"upto": 1}]
    failed = [line for line in ran.outcomes if line["outcome"] == "failed"]
    assert len(failed) == 1
    assert any(word in failed[0]["reason"] for word in why.split("|"))
    told = json.dumps([ran.outcomes, ran.summary]) + ran.log
    if case != "unknown store":
        assert MARK not in told


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_can_be_passed_and_fed_back(place: Workplace, case: str) -> None:
    bad, why = BAD[case]
    first, second, third = place.catalogs(3)
    bad = filled(bad, second)
    ran = place.run(
        request(first), state(1), bad, state(2), request(third), state(3),
        credentials={"main": KEYS}, verify_bucket="off", on_error="continue",
    )  # fmt: skip
    assert ran.error is None
    assert ran.status == 3
    assert ran.states[-1] == {"upto": 3}
    assert sorted(ran.kinds) == ["created", "created", "failed"]
    kinds = [line["type"] for line in ran.rejected]
    assert kinds == ["SCHEMA", "RECORD"]
    assert ran.rejected[0] == schema(bad["stream"])
    kept = ran.rejected[1]["record"]
    assert kept.items() <= bad["record"].items() or "secret" in case
    assert MARK not in json.dumps(kept) or "secret" not in case
    again = place.run(*ran.rejected, credentials={"main": KEYS}, verify_bucket="off")
    assert again.error is None
    if "secret" not in case:
        assert any(word in again.reasons[0] for word in why.split("|"))


def test_a_name_that_is_not_ascii_is_no_mistake(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    ran = place.run(
        of_store(name="Bücher-зал-書"),
        request(key, "Bücher-зал-書", path="größe/雪/"),
        credentials={"main": KEYS}, verify_bucket="off",
    )  # fmt: skip
    assert ran.kinds == ["created", "created"]
    assert ran.outcomes[1]["object"].startswith("s3://b/größe/雪/")


def test_too_many_failures_end_the_run(place: Workplace) -> None:
    bad = [record("delivery_requests", store="research") for _ in range(5)]
    ran = place.run(*bad, state(1), on_error="continue", max_failures=3)
    assert ran.status == 1
    assert len(ran.rejected) == 4
    assert ran.states == []


def test_a_missing_key_is_a_rejected_record(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    ran = place.run(
        schema("delivery_requests", ["catalog_id", "path"]), request(key), on_error="continue"
    )
    assert ran.kinds == ["failed"]
    assert "has no 'path', a key property of its stream" in ran.reasons[0]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("no json\n", "line 3 of the input is not a JSON object"),
        ('{"type": "RECORD"}\n', "line 3 of the input is a RECORD without a stream"),
        ('{"type": "BATCH", "stream": "stores"}\n', "line 3 of the input is a BATCH"),
        ('{"type": "STATE", "value": 7}\n', "line 3 of the input is a STATE without a value"),
        ('{"type": "RECORD", "stream": "x", "record": {}}\n', "before the SCHEMA of its stream"),
    ],
)
def test_a_line_that_is_no_message_is_named_by_its_number(
    place: Workplace, line: str, why: str
) -> None:
    ran = place.run(schema("delivery_requests"), state(1), line)
    assert isinstance(ran.error, InputError)
    assert why in ran.error.lines[0]
    assert ran.states == [{"upto": 1}]
    assert ran.summary["status"] == 2


def test_a_first_line_that_is_no_message_is_in_the_summary(place: Workplace) -> None:
    ran = place.run("no json\n")
    assert isinstance(ran.error, InputError)
    assert (ran.summary["status"], ran.summary["ended_because"]) == (2, str(ran.error))
    assert place.sandbox.requests == []


def test_other_streams_are_ignored_and_counted(place: Workplace) -> None:
    ran = place.run(
        record("deliveries", delivery_id="a"),
        record("deliveries", delivery_id="b"),
        record("catalogs", id="c"),
        record("weather", id="d"),
        state(1),
    )
    assert ran.status == 0
    assert ran.summary["ignored"] == {"catalogs": 1, "deliveries": 2, "weather": 1}
    assert "ignoring stream deliveries; it is the API's history" in ran.log
    assert (
        "ignoring stream weather; send stores, delivery_requests, download_requests or" in ran.log
    )
    assert "set 'deliver_to'" in ran.log
    assert ran.states == [{"upto": 1}]


REQUESTED: dict[str, Json] = {
    "delivery_requests": {"catalog_id": "c", "store": "s", "path": "p", "order_item_id": None},
    "download_requests": {"catalog_id": "c", "path": "p", "order_item_id": None},
    "aoi_requests": {
        "name": "n", "project_id": "p", "satellite_id": "s", "geometry": {}, "item_ids": [],
        "description": "d", "provider": "pixxel"},
}  # fmt: skip


def test_fields_of_requests_that_nothing_reads_are_named_once(place: Workplace) -> None:
    messages = [
        each
        for stream, fields in REQUESTED.items()
        for each in (
            schema(stream, ["row"]),
            record(stream, **fields, row=1, org_id="o", _sdc_batched_at="t"),
            record(stream, **fields, row=2, colour=MARK, catalogue=MARK, season=2),
            record(stream, **fields, row=3, colour=MARK, zone=MARK),
        )
    ]
    ran = place.run(
        *messages, on_error="continue", max_failures=9, settle_seconds=0,
        path_template="{season}/{catalog_id}",
    )  # fmt: skip
    before, behind = ": ignoring unknown fields: ", " (misspelled?)"
    told = [line.removesuffix(behind) for line in ran.log.splitlines() if line.endswith(behind)]
    assert told == [
        f"{stream}{before}{names}"
        for stream in REQUESTED
        for names in (
            "catalogue, colour, season" if stream == "aoi_requests" else "catalogue, colour",
            "zone",
        )
    ]
    assert MARK not in ran.log


def test_records_are_routed_by_a_stream_map(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    ran = place.run(
        {"type": "SCHEMA", "stream": "public-wanted", "key_properties": ["image"],
         "schema": {"properties": {"image": {"type": "string"}}}},
        record("public-wanted", image=key),
        stream_maps={"public-wanted": {
            "catalog_id": "image", "store": "'research'", "image": "__NULL__",
            "__key_properties__": ["catalog_id"], "__alias__": "delivery_requests"}},
    )  # fmt: skip
    assert ran.kinds == ["created"]
    assert ran.outcomes[0]["key"] == {"catalog_id": key}


@pytest.mark.parametrize("wanted", ["another", ""])
def test_another_workspace_ends_the_run_before_any_write(place: Workplace, wanted: str) -> None:
    ran = place.run(request(place.catalogs(1)[0]), workspace=wanted or "x" * 36)
    assert isinstance(ran.error, WorkspaceMismatchError)
    assert place.posts() == []


def test_a_record_of_another_workspace_ends_the_run(place: Workplace) -> None:
    key, org = place.catalogs(1)[0], place.sandbox.workspace.rows("projects")[0]["org_id"]
    settings = {"deliver_to": "research", "deliver_since": "all", "workspace": org}
    ran = place.run(record("catalogs", id=key, org_id=org, created_at="2025-01-01"), **settings)
    assert ran.kinds == ["created"]
    ran = place.run(record("catalogs", id=key, org_id=MARK, created_at="2025-01-01"), **settings)
    assert isinstance(ran.error, WorkspaceMismatchError)
    assert MARK not in str(ran.error)


def test_production_refuses_a_sandbox(place: Workplace) -> None:
    ran = place.run(request(place.catalogs(1)[0]), environment="production")
    assert isinstance(ran.error, WorkspaceMismatchError)
    assert place.posts() == []
    assert place.run(request(place.catalogs(1)[0]), environment="sandbox").kinds == ["created"]
