"""Key properties: the stream's own, those that a catalog asks for, and the bookmark's boundary."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.tap import TapPixxel
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import MessageCollector, SyncResult, make_catalog, make_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_sandbox import Sandbox
    from tests.tap_pixxel.syncs import Server

UNSET = object()


def sync_with_keys(
    server: Server,
    stream: str,
    keys: Any,
    *,
    state: dict[str, Any] | None = None,
    change_entry: Callable[[dict[str, Any]], object] = lambda _: None,
) -> SyncResult:
    """Sync a stream with these `key_properties` in its catalog entry."""
    config = make_config(server)
    catalog = make_catalog(config, stream)
    [entry] = [each for each in catalog["streams"] if each["tap_stream_id"] == stream]
    entry["key_properties"] = keys
    if keys is UNSET:
        del entry["key_properties"]
    change_entry(entry)
    writer = MessageCollector()
    tap = TapPixxel(config=config, state=state, catalog=catalog, message_writer=writer)
    return SyncResult(tap.run(), writer.messages)


def schema_keys(synced: SyncResult) -> list[str]:
    [schema] = [each for each in synced.messages if each["type"] == "SCHEMA"]
    keys: list[str] = schema["key_properties"]
    return keys


def root_metadata(entry: dict[str, Any]) -> dict[str, Any]:
    [root] = [each["metadata"] for each in entry["metadata"] if not each["breadcrumb"]]
    found: dict[str, Any] = root
    return found


@pytest.mark.parametrize("keys", [["id", "gsd"], []])
def test_second_sync_with_other_keys_is_filtered_by_bookmark(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, keys: list[str]
) -> None:
    first = sync_with_keys(sandbox, "archive_items", keys)
    with caplog.at_level(logging.WARNING):
        second = sync_with_keys(sandbox, "archive_items", keys, state=first.state)
    assert (schema_keys(first), schema_keys(second)) == (keys, keys)
    assert len(second.records["archive_items"]) < len(first.records["archive_items"])
    assert not any("ignores the filter" in each for each in caplog.messages)


def test_record_with_null_in_added_key_fails_the_stream() -> None:
    """A warehouse's key column cannot hold it; 0 is a value. The bookmark does not pass it."""
    rows = b'{"orders": [{"id": "a", "total_amount": 0}, {"id": "b"}]}'
    with ScriptedServer(answer(body=rows)) as server:
        synced = sync_with_keys(server, "orders", ["id", "total_amount"])
    assert synced.ids("orders") == ["a"]
    assert synced.status is ExitCode.INCOMPLETE
    assert "replication_key_value" not in synced.bookmark("orders")


@pytest.mark.parametrize(
    ("in_entry", "in_metadata", "expected"),
    [
        (UNSET, UNSET, ["id"]),
        (UNSET, ["status", "id"], ["status", "id"]),
        (UNSET, [], []),
        (None, ["status"], ["status"]),
        ([], ["id"], []),
        (["status"], ["id"], ["status"]),
    ],
)
def test_key_properties_of_entry_precede_those_of_metadata(
    sandbox: Sandbox, in_entry: Any, in_metadata: Any, expected: list[str]
) -> None:
    def change(entry: dict[str, Any]) -> None:
        root = root_metadata(entry)
        del root["table-key-properties"]
        if in_metadata is not UNSET:
            root["table-key-properties"] = in_metadata

    synced = sync_with_keys(sandbox, "orders", in_entry, change_entry=change)
    assert schema_keys(synced) == expected
    assert len(synced.records["orders"]) == sandbox.counts()["orders"]


def deselect_status(entry: dict[str, Any]) -> None:
    [status] = [e for e in entry["metadata"] if e["breadcrumb"] == ["properties", "status"]]
    status["metadata"]["selected"] = False


def remove_status(entry: dict[str, Any]) -> None:
    del entry["schema"]["properties"]["status"]


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("no_such_column", lambda _: None),
        ("status", deselect_status),
        ("status", remove_status),
    ],
)
def test_key_not_an_emitted_column_is_an_error_before_any_request(
    sandbox: Sandbox, key: str, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(InputError) as caught:
        sync_with_keys(sandbox, "orders", ["id", key], change_entry=change)
    assert str(caught.value) == (
        f"--catalog: stream 'orders' has no selected column '{key}', which is one of its key "
        "properties; name columns that are selected, or [] to append only"
    )
    assert sandbox.requests == []


def test_key_not_a_column_of_deselected_stream_is_no_error(sandbox: Sandbox) -> None:
    config = make_config(sandbox)
    catalog: dict[str, Any] = json.loads(json.dumps(make_catalog(config, "stores")))
    [entry] = [each for each in catalog["streams"] if each["tap_stream_id"] == "orders"]
    entry["key_properties"] = ["no_such_column"]
    writer = MessageCollector()
    TapPixxel(config=config, catalog=catalog, message_writer=writer).run()
    assert {each.get("stream") for each in writer.messages} == {"stores", None}


def test_archive_item_without_collection_has_that_of_its_partition() -> None:
    """A collection that the archive lists twice is one partition."""
    items = b'[{"id": "a", "collection": null}, {"id": "b"}]'
    body = b'{"collections": [{"id": "c"}, {"id": "c"}], "features": ' + items + b"}"
    with ScriptedServer(answer(body=body)) as server:
        records = sync_with_keys(server, "archive_items", UNSET).records["archive_items"]
    assert [(each["id"], each["collection"]) for each in records] == [("a", "c"), ("b", "c")]
