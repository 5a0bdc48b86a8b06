"""The command line: settings, broken input, STATE; one clear line for each mistake."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import _ConfigInput

from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from target_stac.settings import SCHEMA
from target_stac.target import TargetStac
from tests.target_stac.exports import (
    CATALOG_AND_NDJSON,
    DATA,
    STATE,
    Json,
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


def test_state_is_all_that_is_on_standard_output(tmp_path: Path) -> None:
    result = run_target(SMALL, tmp_path / "out")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [STATE]


def test_state_is_told_only_when_everything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
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
        patch.setattr("target_stac.catalog.recovery.ExportRecovery.remove_marker", fail)
        with pytest.raises(RuntimeError):
            export_messages(tmp_path, messages)
    assert capsys.readouterr().out == ""
    export_messages(tmp_path, messages)
    assert capsys.readouterr().out == json.dumps(states[1]["value"]) + "\n"


def test_about_may_be_asked_for_without_settings(capsys: pytest.CaptureFixture[str]) -> None:
    given = _ConfigInput(config={}, parse_env=False)
    assert TargetStac.invoke(about=True, about_format="json", config=given) is ExitCode.OK
    told = json.loads(capsys.readouterr().out)["settings"]["properties"]
    assert set(SCHEMA["properties"]) <= set(told)
    assert "add_record_metadata" not in told, "the SDK's, which do nothing here"


def test_about_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    type(make_target("x")).print_about("markdown")
    out = capsys.readouterr().out
    assert all(f"| {name} " in out for name in SCHEMA["properties"])


INVALID_INPUT: list[tuple[str, bytes, str]] = [
    ("no JSON", b"s3cret\n", "is not a JSON object; was the tap cut off"),
    ("no object", b"[]\n", "is not a JSON object"),
    ("cut off", b'{"type": "RECORD", "s3cret": "', "is not a JSON object"),
    ("no UTF-8", b'{"s3cret": "\xff"}\n', "is not a JSON object"),
    ("a lone surrogate", b'{"s3cret": "\\ud800"}\n', "is not a JSON object"),
    ("no type", b'{"s3cret": 1}\n', "is no Singer message"),
    ("an unknown type", b'{"type": "s3cret"}\n', "is no Singer message"),
    ("a type that is an object", b'{"type": {"s3cret": 1}}\n', "is no Singer message"),
    (
        "no SCHEMA",
        b'{"type": "RECORD", "stream": "s3cret", "record": {}}\n',
        "came before its stream's SCHEMA",
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
        "has no properties",
    ),
    (
        "SCHEMA of no properties",
        b'{"type": "SCHEMA", "stream": "x", "schema": {}, "key_properties": []}\n',
        "has no properties",
    ),
    ("STATE of nothing", b'{"type": "STATE"}\n', "has no value"),
    ("SCHEMA of no stream", b'{"type": "SCHEMA", "schema": {}}\n', "SCHEMA without a stream"),
    ("BATCH", b'{"type": "BATCH", "stream": "s", "s3cret": 1}\n', "is a BATCH"),
    ("deep", b'{"type": ' + b"[" * 100_000 + b"\n", "is not a JSON object"),
]


@pytest.mark.parametrize(
    ("line", "text"), [b[1:] for b in INVALID_INPUT], ids=[b[0] for b in INVALID_INPUT]
)
def test_broken_input_is_an_error_that_names_its_line_and_leaves_the_export(
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
    [told] = caught.value.lines
    assert told.startswith("line 4 of the input ")
    assert text in told
    assert "s3cret" not in told
    assert read_stamps(tmp_path) == before


@pytest.mark.parametrize("name", ["cut-off", "log-between"])
def test_the_command_tells_broken_input_in_one_line_and_ends_with_2(
    tmp_path: Path, name: str
) -> None:
    export(tmp_path / "out", make_item("a"))
    before = snapshot(tmp_path / "out")
    result = run_target((DATA / f"{name}.singer").read_bytes(), tmp_path / "out")
    assert result.returncode == 2
    [line] = read_command_log(result, "error")
    assert line.startswith("line 3 of the input is not a JSON object")
    assert result.stdout == ""
    assert "s3cret" not in result.stderr
    assert snapshot(tmp_path / "out") == before


INVALID_SETTINGS: list[tuple[str, Json, str]] = [
    ("no output", {"output": None}, "Setting 'output' is missing"),
    ("blank output", {"output": " "}, "Setting 'output' is empty"),
    ("no format", {"formats": []}, "Setting 'formats' is empty; choose from catalog, ndjson"),
    ("unknown format", {"formats": ["s3cret"]}, "Setting 'formats.0' must be one of catalog"),
    ("unknown mode", {"mode": "s3cret"}, "Setting 'mode' must be one of update, overwrite"),
    ("blank id", {"catalog_id": ""}, "Setting 'catalog_id' is empty"),
    ("blank title", {"title": " "}, "Setting 'title' is empty"),
    ("title of a number", {"title": 7}, "Setting 'title' must be a text"),
    ("blank description", {"description": " "}, "Setting 'description' is empty"),
    ("no URL", {"root_href": "s3cret"}, "Setting 'root_href' must be a URL such as https"),
    ("URL of a query", {"root_href": "https://h/x?s3cret"}, "Setting 'root_href' must be a URL"),
    ("URL of a bucket", {"root_href": "s3://s3cret/x"}, "Setting 'root_href' must be a URL"),
    ("half a URL", {"root_href": "https://[s3cret"}, "Setting 'root_href' must be a URL"),
    ("unknown check", {"validate": "s3cret"}, "Setting 'validate' must be one of off, sample, all"),
    ("no folder", {"schemas": "/no/s3cret"}, "Setting 'schemas' must be a folder that can be read"),
    (
        "folder of a long name",
        {"schemas": "s3cret" * 50},
        "Setting 'schemas' must be a folder that can",
    ),
    (
        "folder of nobody",
        {"schemas": "~s3cret/x"},
        "Setting 'schemas' must be a folder that can be read",
    ),
    (
        "folder with a NUL",
        {"schemas": "s3cret\0"},
        "Setting 'schemas' must be a folder that can be read",
    ),
    ("schemas of a file", {"schemas": str(DATA / "small.singer")}, "Setting 'schemas' must be a f"),
]


@pytest.mark.parametrize(
    ("settings", "line"), [m[1:] for m in INVALID_SETTINGS], ids=[m[0] for m in INVALID_SETTINGS]
)
def test_a_bad_setting_is_one_line_without_its_value(
    tmp_path: Path, settings: Json, line: str
) -> None:
    config = {"output": str(tmp_path / "out")} | settings
    with pytest.raises(ConfigValidationError) as caught:
        type(make_target("x"))(config=config)
    [told] = caught.value.errors
    assert line in told
    assert "s3cret" not in told
    assert not (tmp_path / "out").exists()


def test_the_command_tells_bad_settings_and_ends_with_2(tmp_path: Path) -> None:
    result = run_target(SMALL, tmp_path / "out", formats="s3cret", mode="s3cret")
    assert result.returncode == 2
    assert [line.split("'")[1] for line in read_command_log(result, "error")] == [
        "formats.0",
        "mode",
    ]
    assert "s3cret" not in result.stderr
    assert result.stdout == ""


def test_no_value_of_a_record_is_in_the_log(tmp_path: Path) -> None:
    made = make_item("s3cret", "2025-05-05", collection=None, title="s3cret")
    lines = encode_messages(make_sync(made, made | {"id": 7, "x": "s3cret"}))
    result = run_target(lines, tmp_path / "out", formats=[*CATALOG_AND_NDJSON, "geoparquet"])
    assert result.returncode == 3
    assert "s3cret" not in result.stderr
