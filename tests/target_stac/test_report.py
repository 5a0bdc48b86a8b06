"""Tests of the report at the end of a run: what changed, where it is, what it lacks."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from target_stac.report import locate_export
from tests.target_stac.exports import (
    FORMATS,
    STATE,
    TARGET,
    Json,
    encode_messages,
    make_collection,
    make_environment,
    make_item,
    make_item_with_bbox,
    make_sync,
    read_command_log,
    run_target,
    set_properties,
)

if TYPE_CHECKING:
    from pathlib import Path

ITEMS = [make_item("a"), make_item("b"), make_item("c", collection="l1c")]


def read_report(output: Path, *objects: Json, **settings: Any) -> list[list[str]]:
    """Run the command; return the words of each line of its report."""
    result = run_target(encode_messages(make_sync(*objects)), output, **settings)
    assert [json.loads(line) for line in result.stdout.splitlines()] == [STATE]
    messages = [line for line in read_command_log(result, "info") if line != "METRIC"]
    [start] = [n for n, message in enumerate(messages) if message.startswith("export ")]
    header, *lines = messages[start:]
    assert header.split() == ["export", "new", "changed", "removed", "in", "all"]
    numbers = [line.rindex("0") for line in lines[:2] if line.endswith("0")]
    assert all(end == len(header) - 1 for end in numbers)  # numbers are aligned to the right
    return [line.split() for line in lines]


def test_report_counts_new_changed_and_removed_objects(tmp_path: Path) -> None:
    assert read_report(tmp_path, *ITEMS)[:2] == [
        ["items", "3", "0", "0", "3"],
        ["collections", "2", "0", "0", "2"],
    ]
    assert read_report(tmp_path, *ITEMS)[:2] == [
        ["items", "0", "0", "0", "3"],
        ["collections", "0", "0", "0", "2"],
    ]
    changed = set_properties(ITEMS[0], title="Another")
    assert read_report(tmp_path, changed, make_item("d"), make_collection("l2a"))[:2] == [
        ["items", "1", "1", "0", "4"],
        ["collections", "0", "1", "0", "2"],
    ]
    kept = [changed, make_item("e"), make_collection("l2a")]
    assert read_report(tmp_path, *kept, mode="overwrite")[:2] == [
        ["items", "1", "0", "3", "2"],
        ["collections", "0", "0", "1", "1"],
    ]


def test_report_has_folder_map_and_what_is_left_out(tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert read_report(output, *ITEMS)[2:] == [
        ["folder", str(output)],
        ["map", f"{output}/preview.html"],
    ]
    invalid = {**make_item("bad"), "properties": None}
    huge = set_properties(make_item("huge"), number=2**70)
    unlocated = make_item_with_bbox("nowhere", None)
    lines = read_report(output, invalid, huge, unlocated, formats=FORMATS)
    assert [" ".join(words) for words in lines[4:]] == [
        "left out 1 rejected records, see rejected.ndjson",
        "left out what a format cannot hold, see the warnings",
        "left out 1 items without a geometry, from the map only",
    ]


@pytest.mark.parametrize(
    ("output", "place"),
    [
        ("s3://user:secret@bucket/folder/", "s3://bucket/folder"),
        ("az://container/a", "az://container/a"),
        ("/srv/stac", "/srv/stac"),
    ],
)
def test_export_location_has_no_password(output: str, place: str) -> None:
    assert locate_export(output) == place


def test_relative_folder_and_home_are_located_absolutely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert locate_export("stac") == f"{tmp_path}/stac"
    assert locate_export("~/stac") == "/home/somebody/stac"


def test_terminal_shows_bars_and_report_and_stdout_is_state(tmp_path: Path) -> None:
    terminal, stderr = pty.openpty()
    settings = {"output": str(tmp_path / "out"), "formats": FORMATS}
    process = subprocess.Popen(
        [TARGET, "--config=ENV"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**make_environment(settings), "COLUMNS": "120", "TERM": "xterm"},
    )
    os.close(stderr)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(encode_messages(make_sync(*ITEMS)))
    process.stdin.close()
    written = b""
    try:
        while chunk := os.read(terminal, 1 << 16):
            written += chunk
    except OSError:  # the terminal is closed at its other end
        pass
    os.close(terminal)
    assert json.loads(process.stdout.read()) == STATE
    process.stdout.close()
    assert process.wait(60) == 0
    shown = written.decode()
    for stage in (
        "items of the catalog",
        "lines of items",
        "collections in GeoParquet",
        "footprints",
    ):
        assert stage in shown
    assert "100%" in shown
    report = shown[shown.index("export ") :].splitlines()
    assert report[1].split() == ["items", "3", "0", "0", "3"]
    assert report[-1].split() == ["map", f"{tmp_path}/out/preview.html"]
