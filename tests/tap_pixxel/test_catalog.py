"""The rules of `--catalog`: its form, its streams, their replication."""

from __future__ import annotations

from typing import Any

import pytest

from pixxel_singer.errors import InputError
from tap_pixxel.catalog import apply_catalog_rules

KEYS = {"archive_items": "updated", "orders": "updated_at", "stores": None}
FULL, INCREMENTAL = "FULL_TABLE", "INCREMENTAL"


def make_entry(name: str, root: dict[str, Any] | None = None, **members: object) -> dict[str, Any]:
    """Make the catalog entry of a stream, with metadata of the stream itself."""
    metadata = [{"breadcrumb": ["properties", "id"], "metadata": {}}]
    if root is not None:
        metadata.append({"breadcrumb": [], "metadata": root})
    schema = {"properties": {"id": {"type": "string"}}}
    return {"tap_stream_id": name, "schema": schema, "metadata": metadata, **members}


@pytest.mark.parametrize(
    ("stream", "root", "members", "method"),
    [
        ("orders", None, {}, INCREMENTAL),
        ("orders", {}, {"replication_key": None}, INCREMENTAL),
        ("orders", {"replication-key": "updated_at"}, {"replication_method": FULL}, FULL),
        ("orders", {"replication-method": FULL}, {"replication_method": INCREMENTAL}, FULL),
        ("orders", {"forced-replication-method": FULL}, {"replication_method": INCREMENTAL}, FULL),
        (
            "orders",
            {"forced-replication-method": FULL, "replication-method": INCREMENTAL},
            {},
            INCREMENTAL,
        ),
        ("stores", {}, {}, FULL),
        ("stores", {"forced-replication-method": FULL}, {}, FULL),
    ],
)
def test_replication_that_is_asked_for_is_set(
    stream: str, root: dict[str, Any] | None, members: dict[str, Any], method: str
) -> None:
    entry = make_entry(stream, root, **members)
    apply_catalog_rules({"streams": [entry]}, KEYS)
    assert (entry["replication_key"], entry["replication_method"]) == (KEYS[stream], method)


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([make_entry("order")], "there is no stream 'order'; the nearest name is 'orders'"),
        ([make_entry("")], "there is no stream ''; the nearest name is"),
        ([make_entry("orders"), make_entry("orders")], "stream 'orders' occurs twice"),
        (
            [make_entry("orders", {"replication-key": "created_at"})],
            "stream 'orders' cannot have the replication key 'created_at'; its key is 'updated_at'",
        ),
        (
            [make_entry("stores", replication_key="updated_at")],
            "stream 'stores' cannot have the replication key 'updated_at'; it is a full table",
        ),
        (
            [make_entry("stores", {"forced-replication-method": INCREMENTAL})],
            "stream 'stores' cannot be replicated by 'INCREMENTAL'; use FULL_TABLE",
        ),
        (
            [make_entry("orders", {"replication-method": "LOG_BASED"})],
            "stream 'orders' cannot be replicated by 'LOG_BASED'; use FULL_TABLE or INCREMENTAL",
        ),
        ([make_entry("orders", replication_method=5)], "cannot be replicated by 5"),
        ([{**make_entry("orders"), "metadata": [5]}], "a stream lacks"),
        ([{**make_entry("orders"), "metadata": [{"breadcrumb": []}]}], "a stream lacks"),
        ([make_entry("orders", key_properties="id")], "key_properties has another form"),
        ([make_entry("orders", key_properties=["id", 5])], "key_properties has another form"),
        ([make_entry("orders", key_properties=["id", "id"])], "key_properties has another form"),
        ([make_entry("orders", {"table-key-properties": {"id": 1}})], "has another form"),
        (
            [{**make_entry("orders"), "metadata": [{"breadcrumb": [5], "metadata": {}}]}],
            "has another form",
        ),
        (
            [{**make_entry("orders"), "metadata": [{"breadcrumb": "id", "metadata": {}}]}],
            "has another form",
        ),
        ([{**make_entry("orders"), "schema": {"properties": {"id": 5}}}], "has another form"),
        ([make_entry("orders", stream="purchases")], "cannot have another name here"),
    ],
)
def test_invalid_stream_is_one_line(entries: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        apply_catalog_rules({"streams": entries}, KEYS)
    [line] = caught.value.lines
    assert line.startswith("--catalog: ")
    assert problem in line


def test_each_problem_has_a_line() -> None:
    entries = [make_entry("order"), make_entry("orders", {"replication-key": "a"}), make_entry("x")]
    with pytest.raises(InputError) as caught:
        apply_catalog_rules({"streams": entries}, KEYS)
    assert len(caught.value.lines) == 3
