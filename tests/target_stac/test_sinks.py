"""Tests of the sinks: which records are exported, rejected or ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.exit_codes import ExitCode
from tests.target_stac.exports import (
    export_messages,
    find_item_files,
    make_item,
    make_record_message,
    make_schema_message,
    read_log,
    read_ndjson,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_records_without_stac_are_counted_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [
        make_schema_message("orders"),
        make_record_message("orders", id=1, type="Feature"),  # GeoJSON, but not STAC
        make_record_message("orders", id=2),
        make_schema_message("items"),
        make_record_message("items", id=3, stac_item=None),
        make_record_message("items", stac_item=make_item("a")),
    ]
    caplog.set_level("INFO")
    assert export_messages(tmp_path, messages) == ExitCode.OK
    assert read_log(caplog) == ["items: ignored 1 records whose STAC column is empty"]
    assert "ignored records without STAC: orders (2)" in caplog.messages
    assert not (tmp_path / "rejected.ndjson").exists()


@pytest.mark.parametrize("column", ["datetime", "gsd", "platform"])
def test_table_row_with_item_members_is_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    """Such are the rows of tap-pixxel with its setting `stac` off: flat columns beside members."""
    caplog.set_level("INFO")
    row = make_item("a") | {column: "x"}
    assert (
        export_messages(
            tmp_path, [make_schema_message("items"), make_record_message("items", **row)]
        )
        == ExitCode.OK
    )
    [*_, last_line] = read_log(caplog)
    assert last_line.startswith(
        "ignored records without STAC: items (1); check that the tap converts"
    )
    assert snapshot(tmp_path) == {}


def test_stream_maps_rename_and_drop_streams(tmp_path: Path) -> None:
    maps: dict[str, Any] = {
        "items": {"__alias__": "scenes", "stac_item": "stac_item"},
        "orders": "__NULL__",
    }
    messages = [
        make_schema_message("orders"),
        make_record_message("orders", stac_item=make_item("b")),
        make_schema_message("items"),
        make_record_message("items", stac_item=make_item("a")),
        make_record_message("items", stac_item={"id": "bad"}),
    ]
    assert export_messages(tmp_path, messages, stream_maps=maps) == ExitCode.INCOMPLETE
    assert set(find_item_files(tmp_path)) == {"l2a/a"}
    [rejected] = read_ndjson(tmp_path / "rejected.ndjson")
    assert rejected["stream"] == "scenes"
