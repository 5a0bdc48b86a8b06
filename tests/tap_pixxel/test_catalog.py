"""The rules of `--catalog`: its form, its streams, their replication."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from tap_pixxel.catalog import apply_catalog_rules
from tests.tap_pixxel.commands import parse_errors, run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import Sandbox

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


def run_with_catalog(sandbox: Sandbox, folder: Path, **root: object) -> Any:
    """Run the tap for the stream orders alone, with changed metadata."""
    catalog = json.loads(run_tap("--discover").stdout)
    for entry in catalog["streams"]:
        [metadata] = [each["metadata"] for each in entry["metadata"] if not each["breadcrumb"]]
        metadata["selected"] = entry["tap_stream_id"] == "orders"
        if metadata["selected"]:
            metadata |= {name.replace("_", "-"): value for name, value in root.items()}
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return run_tap(
        *("--config=ENV", "--catalog", str(folder / "catalog.json")),
        TAP_PIXXEL_API_URL=sandbox.url,
        TAP_PIXXEL_API_TOKEN=sandbox.token,
    )


@pytest.mark.parametrize("name", ["forced_replication_method", "replication_method"])
def test_full_table_in_metadata_is_honoured(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    result = run_with_catalog(sandbox, tmp_path, **{name: FULL})
    assert result.returncode == 0
    messages = [json.loads(line) for line in result.stdout.splitlines()]
    assert "ACTIVATE_VERSION" in {each["type"] for each in messages}
    assert "replication_key_value" not in result.stdout


def test_unknown_replication_key_is_refused_before_any_request(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    result = run_with_catalog(sandbox, tmp_path, replication_key="created_at")
    assert result.returncode == 2
    [line] = parse_errors(result)
    assert "stream 'orders' cannot have the replication key 'created_at'" in line
    assert not sandbox.requests
