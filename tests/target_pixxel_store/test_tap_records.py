"""Catalogs and order items from tap-pixxel, delivered as the settings define."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from pixxel_singer.errors import InputError
from target_pixxel_store.api.client import CATALOG_FIELDS
from tests.pixxel_sandbox.contract_checks import CONTRACT
from tests.target_pixxel_store.target_harness import record, schema, state

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import Json, RunResult, TargetHarness

NEW_STORE = {
    "stores": [{"name": "new", "type": "S3", "bucket": "b", "region": "r", "credentials": "a"}],
    "credentials": {"a": {"access_key_id": "an-id", "secret_access_key": "a-secret"}},
    "verify_bucket": "off",
}
"""Settings with a store that a run creates at its start."""
DELIVER_ALL = {"deliver_to": "research", "deliver_since": "all"}


def catalog_records(harness: TargetHarness, count: int, **fields: Any) -> list[Json]:
    return [
        record("catalogs", id=key, created_at="2025-03-07T10:00:00Z", **fields)
        for key in harness.catalog_ids(count)
    ]


def config_errors(result: RunResult) -> str:
    assert isinstance(result.error, ConfigValidationError)
    return "\n".join(result.error.errors)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{platform}/{catalog_id}/", "has no 'platform'"),
        ("{created_at:%Y}/{missing}/", "has no 'missing'"),
        ("{odd:%Y}/{catalog_id}/", "'odd' must be a date"),
        ("{odd}/{catalog_id}/", "must not contain . or .. as a folder"),
        ("{stac_item}/", "must be a string or a number"),
    ],
)
def test_path_template_unrenderable_rejects_record(
    harness: TargetHarness, template: str, reason: str
) -> None:
    [message] = catalog_records(harness, 1, odd="a/../b", stac_item={})
    result = harness.run(message, state(1), path_template=template, **DELIVER_ALL)
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert reason in result.reasons[0]


@pytest.mark.parametrize(
    ("template", "reason"),
    [("{", "brace"), ("{a.b}", "field names in braces"), ("{a[0]}", "field names in braces"),
     ("{}", "field names in braces"), ("{a!r}", "field names in braces"),
     ("{a:>9}", "must have a date format"),
     ("/{a}", "must be relative"), ("../{a}", ". or .."), ("{a}\x07/", "control character")],
)  # fmt: skip
def test_path_template_invalid_reported_before_requests(
    harness: TargetHarness, template: str, reason: str
) -> None:
    assert reason in config_errors(harness.run(path_template=template))
    assert harness.sandbox.requests == []


def test_deliver_since_missing_reported(harness: TargetHarness) -> None:
    assert "'deliver_since' is missing" in config_errors(harness.run(deliver_to="research"))


def test_deliver_since_catalog_without_date_fails(harness: TargetHarness) -> None:
    result = harness.run(
        record("catalogs", id=harness.catalog_ids(1)[0]), state(1),
        deliver_to="research", deliver_since="2025-03-07",
    )  # fmt: skip
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert "has no 'created_at'" in result.reasons[0]


@pytest.mark.parametrize(
    ("when", "count"),
    [({"platform": "A"}, 1), ({"platform": ["A", "B"]}, 2), ({"platform": "C"}, 0),
     ({"platform": None}, 1), ({"platform": ["A"], "id": "another"}, 0)],
)  # fmt: skip
def test_deliver_when_filters_catalogs(harness: TargetHarness, when: Json, count: int) -> None:
    ids = harness.catalog_ids(3)
    messages = [
        record("catalogs", id=key, platform=platform)
        for key, platform in zip(ids, ["A", "B", None], strict=True)
    ]
    result = harness.run(*messages, state(1), deliver_when=when, **DELIVER_ALL)
    assert Counter(result.kinds) == +Counter(created=count, skipped=3 - count)


@pytest.mark.parametrize("stream", ["catalogs", "order_items"])
@pytest.mark.parametrize("rules", [{}, {"additionalProperties": False}])
def test_deliver_when_field_in_no_schema_ends_run_before_requests(
    harness: TargetHarness, stream: str, rules: Json
) -> None:
    message = schema(stream)
    message["schema"] |= rules
    result = harness.run(
        message, *catalog_records(harness, 1)[: stream == "catalogs"], state(1),
        deliver_when={"platfrom": "FF01"}, **NEW_STORE, **DELIVER_ALL,
    )  # fmt: skip
    assert isinstance(result.error, InputError)
    assert result.error.lines[0].startswith(
        f"line 1 of the input is a SCHEMA of the stream {stream}"
    )
    assert "'platfrom'" in result.error.lines[0]
    assert (result.states, result.summary["status"]) == ([], 2)
    assert harness.sandbox.requests == []


@pytest.mark.parametrize(
    ("name", "warns"), [("platfrom", True), ("platform", False), ("datetime", False)]
)
@pytest.mark.parametrize(
    "rules",
    [
        {"properties": {}},
        {"properties": {"id": {}, "created_at": {}}, "additionalProperties": True},
    ],
)
def test_deliver_when_open_schema_unmatched_filter_warned_at_end(
    harness: TargetHarness, rules: Json, name: str, *, warns: bool
) -> None:
    message = schema("catalogs")
    message["schema"] |= rules
    result = harness.run(
        message,
        *catalog_records(harness, 2, platform="FF01", datetime="2025-03-07T10:00:00Z"),
        state(1),
        deliver_when={name: ["FF01", "2025-03-07T10:00:00Z"]}, **DELIVER_ALL,
    )  # fmt: skip
    assert (result.status, result.states) == (0, [{"upto": 1}])
    assert (f"no record matched the filter on '{name}'" in result.log) is warns


@pytest.mark.skipif(not CONTRACT.is_file(), reason=f"{CONTRACT.name} is not available")
def test_catalog_fields_are_those_of_the_contract() -> None:
    fields = json.loads(CONTRACT.read_text())["components"]["schemas"]["clerk.Catalog"][
        "properties"
    ]
    of_stac_item = {"item_id", "collection", "datetime", "platform", "constellation", "gsd"}
    assert fields.keys() - {"details"} | of_stac_item == CATALOG_FIELDS


def test_order_item_catalogs_filtered_by_own_created_at(harness: TargetHarness) -> None:
    item, ids = create_order_item(harness)
    old, odd, new = ids
    first = "2025-03-07T01:00:00+01:00"
    for key, created_at in ((old, "2025-03-06T23:59:59Z"), (odd, "soon"), (new, first)):
        harness.sandbox.workspace.update("catalogs", key, created_at=created_at)
    settings = {"deliver_to": "research", "deliver_since": "2025-03-07", "on_error": "continue"}
    result = harness.run(record("order_items", id=item), state(1), **settings)
    assert Counter(result.kinds) == Counter(created=1, skipped=1, failed=1)
    assert [line["catalog_id"] for line in result.outcomes if line["outcome"] == "created"] == [new]
    [reason] = [line["reason"] for line in result.outcomes if line["outcome"] == "failed"]
    assert reason.startswith("a catalog of an order item ")


@pytest.mark.parametrize(
    ("stream", "ready", "status", "type_"),
    [
        ("delivery_requests", 0, "ACTIVE", "ARCHIVE"),
        ("download_requests", 1, "PARTIALLY_FULFILLED", "TASKING"),
        ("delivery_requests", 1, "A_NEW_WORD", "TASKING"),
        ("download_requests", 0, "FULFILLED", "ARCHIVE"),
    ],
)
@pytest.mark.usefixtures("download_folder")
def test_unfinished_order_item_is_pending(
    harness: TargetHarness, stream: str, ready: int, status: str, type_: str
) -> None:
    """What is ready is delivered, and STATE waits for the rest, which the next run brings."""
    so_far = f"{ready} of 3 catalogs" if type_ == "ARCHIVE" else f"{ready} so far"
    item = insert_order_item(harness, status=status, type=type_)
    ids = add_catalogs(harness, ready)
    store = {"store": "research"} if stream == "delivery_requests" else {}
    messages = [state(0), record(stream, order_item_id=item, **store), state(1)]
    other = harness.catalog_ids(1)[0]
    messages += [record(stream, catalog_id=other, **store), state(2)]
    for kind in ("created", "exists"):
        result = harness.run(*messages, max_failures=0)
        assert (result.status, result.states) == (3, [{"upto": 0}])
        outcomes = {(line["catalog_id"], line["outcome"], line["reason"])
                    for line in result.outcomes if line["outcome"] != "exists"}  # fmt: skip
        assert (None, "pending", f"{so_far}: the order item is {status}") in outcomes
        assert Counter(result.kinds) == Counter({kind: ready + 1, "pending": 1})
    ids += add_catalogs(harness, 3 - ready)
    harness.sandbox.workspace.update("order_items", item, status="FULFILLED")
    result = harness.run(*messages)
    assert (result.status, result.states[-1]) == (0, {"upto": 2})
    assert {line["catalog_id"] for line in result.outcomes} == {*ids, other}


@pytest.mark.parametrize(
    ("status", "ready", "from_tap"),
    [("CANCELLED", 0, False), ("FAILED", 1, False), ("EXPIRED", 0, True), ("CANCELLED", 1, True)],
)
def test_ended_order_item_says_that_no_more_comes(
    harness: TargetHarness,
    status: str,
    ready: int,
    from_tap: bool,  # noqa: FBT001
) -> None:
    fields = {"status": status, "type": "ARCHIVE"}
    item = insert_order_item(harness, **fields)
    add_catalogs(harness, ready)
    if from_tap:
        images: list[Json] = [{}, {}, {}]
        message = record("order_items", id=item, images=images, **fields)
    else:
        message = record("delivery_requests", order_item_id=item, store="research")
    result = harness.run(message, state(1), **DELIVER_ALL)
    assert f"{ready} of 3 catalogs: the order item is {status} and brings no more catalogs" in (
        result.reasons
    )
    failed = not ready and not from_tap
    assert (result.status, result.states) == ((1, []) if failed else (0, [{"upto": 1}]))
    assert result.kinds[-1] == ("failed" if failed else result.kinds[-1])
    assert result.kinds.count("created") == ready


def test_unknown_order_item_fails(harness: TargetHarness) -> None:
    message = record("delivery_requests", order_item_id="no-such-item", store="research")
    result = harness.run(message, state(1))
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert result.reasons == ["the order item does not exist in this workspace"]


def insert_order_item(harness: TargetHarness, **fields: Any) -> str:
    """Insert an order item of three images without a catalog; return its id."""
    row = {"images": [{"item_id": str(at)} for at in range(3)], "tasks": [{"id": "rest"}]}
    return harness.sandbox.workspace.insert("order_items", row | fields)


def add_catalogs(harness: TargetHarness, count: int) -> list[str]:
    """Add catalogs to the order item that was inserted; return their ids."""
    return [harness.sandbox.workspace.insert("catalogs", {"task_id": "rest"}) for _ in range(count)]


def create_order_item(harness: TargetHarness) -> tuple[str, list[str]]:
    """Create an order item with three undelivered catalogs; return its id and their ids."""
    workspace = harness.sandbox.workspace
    item = workspace.insert(
        "order_items", {"status": "FULFILLED", "tasks": [{"id": "t1"}, {"id": "t2"}]}
    )
    ids = [
        workspace.insert("catalogs", {"task_id": task, "created_at": "2025-03-07T10:00:00Z"})
        for task in ("t1", "t1", "t2")
    ]
    return item, ids


@pytest.mark.parametrize(
    ("template", "first"),
    [
        ("{created_at:%Y/%m}/{catalog_id}/", "catalogs"),
        ("{id}/", "order_items"),
        ("{org_id}/{datetime:%Y}/{catalog_id}/", "order_items"),
    ],
)
def test_catalog_from_both_streams_gets_same_path(
    harness: TargetHarness, template: str, first: str
) -> None:
    workspace = harness.sandbox.workspace
    item = workspace.insert("order_items", {"status": "FULFILLED", "tasks": [{"id": "t"}]})
    org = workspace.rows("projects")[0]["org_id"]
    key = workspace.insert(
        "catalogs",
        {"task_id": "t", "created_at": "2025-03-07T10:00:00Z", "org_id": org,
         "details": {"properties": {"datetime": "2024-02-03T00:00:00Z"}}},
    )  # fmt: skip
    fields = {"created_at": "2019-12-31T23:59:59Z", "org_id": "another", "datetime": "2018-01-01"}
    by_item = record("order_items", id=item, **fields)
    by_catalog = record(
        "catalogs", id=key, created_at="2025-03-07T10:00:00.000000Z", org_id=org,
        datetime="2024-02-03T00:00:00.000000Z",
    )  # fmt: skip
    messages = [by_catalog, by_item] if first == "catalogs" else [by_item, by_catalog]
    assert harness.run(messages[0], state(1), path_template=template, **DELIVER_ALL).kinds == [
        "created"
    ]
    assert harness.run(messages[1], state(2), path_template=template, **DELIVER_ALL).kinds == [
        "exists"
    ]


def test_catalog_records_delivered_to_templated_path(harness: TargetHarness) -> None:
    messages = catalog_records(harness, 2, platform="FF01", datetime="2025-02-03 04:05:06+00:00")
    result = harness.run(
        *messages,
        state(1),
        path_template="{platform}/{datetime:%Y/%m}/{catalog_id}/",
        **DELIVER_ALL,
    )
    assert result.kinds == ["created"] * 2
    sent = harness.posted_bodies()[0]["deliveries"]
    assert [each["cloud_info"]["path"] for each in sent] == [
        f"FF01/2025/02/{message['record']['id']}/" for message in messages
    ]


def test_deliver_when_filters_catalogs_of_order_item(harness: TargetHarness) -> None:
    item, ids = create_order_item(harness)
    for key, platform in zip(ids, ["FF01", "FF02", None], strict=True):
        harness.sandbox.workspace.update(
            "catalogs", key, details={"properties": {"platform": platform}}
        )
    when = {"platform": "FF01", "status": "FULFILLED"}
    result = harness.run(
        record("order_items", id=item, status="FULFILLED"),
        record("order_items", id=item, status="ACTIVE"),
        deliver_when=when, **DELIVER_ALL,
    )  # fmt: skip
    assert Counter(result.kinds) == Counter(created=1, skipped=3)
    [created] = [line for line in result.outcomes if line["outcome"] == "created"]
    assert created["catalog_id"] == ids[0]


def test_unfinished_order_item_of_tap_passed_by_state(harness: TargetHarness) -> None:
    """The tap emits the item again when it changes."""
    item = insert_order_item(harness, status="ACTIVE", type="ARCHIVE")
    result = harness.run(record("order_items", id=item, status="ACTIVE"), state(1), **DELIVER_ALL)
    assert (result.status, result.kinds, result.states) == (0, ["skipped"], [{"upto": 1}])
    assert result.reasons == ["not ready: the order item is ACTIVE and has no catalog yet"]
    [key] = add_catalogs(harness, 1)
    result = harness.run(record("order_items", id=item, status="ACTIVE"), state(1), **DELIVER_ALL)
    assert (result.status, result.kinds, result.states) == (0, ["created"], [{"upto": 1}])
    assert result.outcomes[0]["catalog_id"] == key
