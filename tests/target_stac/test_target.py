"""Tests of the command: STATE, `--about`, and one error line for invalid input."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.plugin_base import _ConfigInput

from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from target_stac.settings import SCHEMA
from target_stac.target import TargetStac
from tests.target_stac.exports import (
    CATALOG_AND_NDJSON,
    DATA,
    encode_messages,
    export,
    export_messages,
    make_item,
    make_record_message,
    make_schema_message,
    make_sync,
    make_target,
    read_command_log,
    read_stamps,
    run_target,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

SMALL = (DATA / "small.singer").read_bytes()


def test_state_is_emitted_only_after_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        assert (tmp_path / "catalog.json").exists()
        raise RuntimeError

    states = [{"type": "STATE", "value": {"bookmarks": {"n": n}}} for n in (1, 2)]
    messages = [
        make_schema_message("s"),
        states[0],
        make_record_message("s", stac_item=make_item("a")),
        states[1],
    ]
    with monkeypatch.context() as patch:
        patch.setattr("target_stac.state.manifest.Manifest.finish", fail)
        with pytest.raises(RuntimeError):
            export_messages(tmp_path, messages)
    assert capsys.readouterr().out == ""
    export_messages(tmp_path, messages)
    assert capsys.readouterr().out == json.dumps(states[1]["value"]) + "\n"


def test_about_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    type(make_target("x")).print_about("markdown")
    out = capsys.readouterr().out
    assert all(f"| {name} " in out for name in SCHEMA["properties"])


INVALID_INPUT: list[tuple[str, bytes, str]] = [
    ("no JSON", b"s3cret\n", "is not a JSON object; check that the tap"),
    ("no object", b"[]\n", "is not a JSON object"),
    ("cut off", b'{"type": "RECORD", "s3cret": "', "is not a JSON object"),
    ("no UTF-8", b'{"s3cret": "\xff"}\n', "is not UTF-8"),
    ("1e400", b'{"s3cret": 1e400}\n', "has the number 1e400, which is out of range"),
    ("NaN", b'{"s3cret": NaN}\n', "has the value NaN, which is not JSON"),
    ("no type", b'{"s3cret": 1}\n', "is not a Singer message"),
    ("an unknown type", b'{"type": "s3cret"}\n', "is not a Singer message"),
    ("a type that is an object", b'{"type": {"s3cret": 1}}\n', "is not a Singer message"),
    (
        "no SCHEMA",
        b'{"type": "RECORD", "stream": "s3cret", "record": {}}\n',
        "is a RECORD before the SCHEMA of its stream",
    ),
    ("no record", b'{"type": "RECORD", "stream": "s"}\n', "without a stream or a record"),
    (
        "a record of text",
        b'{"type": "RECORD", "stream": "s", "record": "s3cret"}\n',
        "without a stream or a record",
    ),
    ("SCHEMA of nothing", b'{"type": "SCHEMA", "stream": "s3cret"}\n', "has no schema"),
    (
        "SCHEMA of text",
        b'{"type": "SCHEMA", "stream": "x", "schema": "s3cret"}\n',
        "schema is not an object",
    ),
    (
        "SCHEMA of properties of text",
        b'{"type": "SCHEMA", "stream": "x", "schema": {"properties": "s3cret"}}\n',
        "properties are not an object",
    ),
    ("STATE of nothing", b'{"type": "STATE"}\n', "has no value"),
    ("SCHEMA of no stream", b'{"type": "SCHEMA", "schema": {}}\n', "SCHEMA without a stream"),
    ("BATCH", b'{"type": "BATCH", "stream": "s", "s3cret": 1}\n', "is a BATCH"),
    ("deep", b'{"type": ' + b"[" * 100_000 + b"\n", "is not a JSON object"),
]


@pytest.mark.parametrize(
    ("line", "text"), [b[1:] for b in INVALID_INPUT], ids=[b[0] for b in INVALID_INPUT]
)
def test_invalid_input_error_names_line_and_leaves_export_unchanged(
    tmp_path: Path, line: bytes, text: str
) -> None:
    export(tmp_path, make_item("a"))
    before = read_stamps(tmp_path)
    good = encode_messages(
        [make_schema_message("s"), make_record_message("s", stac_item=make_item("s3cret"))]
    )
    lines = io.TextIOWrapper(io.BytesIO(good + b"\n" + line), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        make_target(tmp_path).run(lines)
    [error] = caught.value.lines
    assert error.startswith("line 4 of the input ")
    assert text in error
    assert "s3cret" not in error
    assert read_stamps(tmp_path) == before


@pytest.mark.parametrize("name", ["cut-off", "log-between"])
def test_command_with_invalid_input_exits_with_2(tmp_path: Path, name: str) -> None:
    export(tmp_path / "out", make_item("a"))
    before = snapshot(tmp_path / "out")
    result = run_target((DATA / f"{name}.singer").read_bytes(), tmp_path / "out")
    assert result.returncode == 2
    [line] = read_command_log(result, "error")
    assert line.startswith("line 3 of the input is not a JSON object")
    assert result.stdout == ""
    assert "s3cret" not in result.stderr
    assert snapshot(tmp_path / "out") == before


def test_log_has_no_values_of_records(tmp_path: Path) -> None:
    item = make_item("s3cret", "2025-05-05", collection=None, title="s3cret")
    lines = encode_messages(make_sync(item, item | {"id": 7, "x": "s3cret"}))
    result = run_target(lines, tmp_path / "out", formats=[*CATALOG_AND_NDJSON, "geoparquet"])
    assert result.returncode == 3
    assert "s3cret" not in result.stderr


def test_command_with_rejected_records_exits_with_3(tmp_path: Path) -> None:
    lines = (DATA / "rejected.singer").read_bytes()
    result = run_target(lines, tmp_path / "out")
    assert result.returncode == 3
    assert read_command_log(result, "error") == ["items: rejected 2 records; see rejected.ndjson"]
    assert json.loads(result.stdout), "the STATE is that of a run that is done"


def test_about_without_settings_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    config = _ConfigInput(config={}, parse_env=False)
    assert TargetStac.invoke(about=True, about_format="json", config=config) is ExitCode.OK
    settings = json.loads(capsys.readouterr().out)["settings"]["properties"]
    assert set(SCHEMA["properties"]) <= set(settings)
    assert "add_record_metadata" not in settings, "a setting of the SDK without effect here"
