"""The command line: options without network, exit statuses, one clear line for each error."""

from __future__ import annotations

import json
import logging
import os
import socket
from typing import TYPE_CHECKING, Any

import click
import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.plugin import read_json_file
from tap_pixxel.tap import TapPixxel
from tests.tap_pixxel.commands import (
    parse_errors,
    parse_log,
    run_tap,
)
from tests.tap_pixxel.syncs import MessageCollector, make_config

if TYPE_CHECKING:
    from pathlib import Path

DEAD_URL = "http://127.0.0.1:9"  # the discard port, where no server listens


def write_config(folder: Path, **settings: Any) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps(settings))
    return str(path)


def test_discover_without_token_and_network_prints_catalog() -> None:
    result = run_tap("--discover", "--config=ENV", TAP_PIXXEL_API_URL=DEAD_URL)
    assert result.returncode == 0
    assert len(json.loads(result.stdout)["streams"]) == 23


def test_connection_test_reads_one_record_of_each_stream(sandbox: Sandbox) -> None:
    result = run_tap(
        "--test", "--config=ENV", TAP_PIXXEL_API_URL=sandbox.url, TAP_PIXXEL_API_TOKEN=sandbox.token
    )
    assert result.returncode == 0
    assert parse_errors(result) == []
    records = [json.loads(line) for line in result.stdout.splitlines()]
    per_stream = [m["stream"] for m in records if m["type"] == "RECORD"]
    assert len(per_stream) == len(set(per_stream)) == 22
    log_lines = [each["message"] for each in parse_log(result)]
    assert any("22 of 23 streams can be read: aoi_assets, aois, " in each for each in log_lines)
    assert any(
        "satellite_images: not tested, it needs the setting 'datetime'" in each
        for each in log_lines
    )
    assert sandbox.requests[0].path == "/ping"
    assert not any(m["type"] == "ACTIVATE_VERSION" for m in records)


def test_connection_test_forbidden_unselected_stream_exits_ok(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The other streams end after one record, which their metrics do not call a failure."""
    sandbox.behavior = Behavior(forbid=frozenset({"blocks"}))
    monkeypatch.setattr("tap_pixxel.tap.is_interactive", lambda: True)
    tap = TapPixxel(config=make_config(sandbox), message_writer=MessageCollector())
    with caplog.at_level(logging.INFO):
        assert tap.test() is ExitCode.OK
    metric_lines = [each for each in caplog.messages if each.startswith("METRIC: ")]
    assert any('"record_count"' in each for each in metric_lines)
    assert not any("failed" in each and "block" not in each for each in metric_lines)
    log_lines = capsys.readouterr().err.splitlines()
    assert any("satellite_images: not tested, it needs the setting" in line for line in log_lines)
    assert log_lines[-1].startswith("20 of 23 streams can be read: ")


@pytest.mark.parametrize("name", ["orders", "Schema", ""])
def test_test_option_with_a_name_raises(name: str) -> None:
    context, option = click.Context(TapPixxel.cli), click.Option(["--test"])
    with pytest.raises(InputError, match=r"^--test: takes no name of a stream; --test reads one"):
        TapPixxel.cb_test(context, option, name)


def test_invalid_settings_log_one_line_each_before_any_request(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    config = {"api_token": sandbox.token, "api_url": sandbox.url, "query": {"gsd": "s3cret"}}
    result = run_tap("--config", write_config(tmp_path, **config, page_size="s3cret"))
    assert result.returncode == 2
    assert [line.split("'")[1] for line in parse_errors(result)] == ["page_size", "query.gsd"]
    assert "s3cret" not in result.stderr + result.stdout
    assert result.stdout == ""
    assert sandbox.requests == []


def test_settings_from_environment_have_their_types(sandbox: Sandbox) -> None:
    result = run_tap(
        "--config=ENV",
        TAP_PIXXEL_API_URL=sandbox.url,
        TAP_PIXXEL_API_TOKEN=f"Bearer {sandbox.token}",
        TAP_PIXXEL_START_DATE="2020-01-01",
        TAP_PIXXEL_COLLECTIONS="td1-l1c,firefly-l2a",
        TAP_PIXXEL_BBOX="-180,-90,180,90",
        TAP_PIXXEL_DATETIME="2023/2025",
        TAP_PIXXEL_QUERY='{"eo:cloud_cover": {"lt": 101}}',
        TAP_PIXXEL_PAGE_SIZE="7",
        TAP_PIXXEL_CONCURRENCY="2",
        TAP_PIXXEL_REQUESTS_PER_SECOND="500.5",
        TAP_PIXXEL_REQUEST_TIMEOUT="30",
        TAP_PIXXEL_LOOKBACK_SECONDS="60",
        TAP_PIXXEL_USER_AGENT="pipeline/2",
    )
    assert parse_errors(result) == []
    assert result.returncode == 0
    bodies = [r.body for r in sandbox.requests if r.path == "/v0/archives/search"]
    body = next(b for b in bodies if b.get("collections") == ["td1-l1c"])
    assert body["bbox"] == [-180, -90, 180, 90]
    assert body["limit"] == 7
    assert body["datetime"] == "2023-01-01T00:00:00.000000Z/2025-12-31T23:59:59.999999Z"
    assert body["query"]["eo:cloud_cover"] == {"lt": 101}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "^--state: cannot read"),
        ("{s3cret", r"is not JSON \(line 1\)"),
        ('"s3cret"', "is not a JSON object"),
    ],
)
def test_unusable_file_raises_without_quoting(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    path = tmp_path / "state.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=problem) as caught:
        read_json_file("--state", str(path))
    assert "s3cret" not in str(caught.value)


def test_json_instead_of_path_raises_without_quoting() -> None:
    with pytest.raises(InputError, match=r"^--state takes the path of a JSON file, not JSON"):
        read_json_file("--state", ' {"s3cret": 1}')


@pytest.mark.parametrize(
    ("option", "content", "line"),
    [
        ("--config", "{s3cret", "is not JSON (line 1)"),
        ("--state", '{"bookmarks": {"orders": "s3cret"}}', "invalid bookmark for stream 'orders'"),
        ("--catalog", '{"streams": [{"s3cret": 1}]}', "--catalog"),
    ],
)
def test_invalid_file_logs_one_line(tmp_path: Path, option: str, content: str, line: str) -> None:
    path = tmp_path / "given.json"
    path.write_text(content)
    config = write_config(tmp_path, api_token="token-1", api_url=DEAD_URL)
    result = run_tap("--config", config, option, str(path))
    assert result.returncode == 2
    [message] = parse_errors(result)
    assert line in message
    assert "s3cret" not in result.stderr


def test_unreachable_api_error_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is retried for a while; then the error names the setting to check."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setattr("pixxel_api.client.FIRST_CONNECT_DEADLINE", 0.1)
    tap = TapPixxel(config={"api_token": "token-1", "api_url": url})
    with pytest.raises(Exception, match="'api_url'"):
        tap.run()


@pytest.mark.parametrize("order", [1, -1])
def test_environment_overrides_dotenv_file_and_that_config_files(
    sandbox: Sandbox, tmp_path: Path, order: int
) -> None:
    path = write_config(tmp_path, api_url=DEAD_URL, page_size=7)
    variables = {"API_TOKEN": sandbox.token, "API_URL": DEAD_URL, "PAGE_SIZE": 9}
    lines = [f"TAP_PIXXEL_{name}={value}" for name, value in variables.items()]
    (tmp_path / ".env").write_text("\n".join(lines))
    args = ["--config=ENV", f"--config={path}"][::order]
    assert run_tap(*args, cwd=tmp_path, TAP_PIXXEL_API_URL=sandbox.url).returncode == 0
    sizes = {r.body["limit"] for r in sandbox.requests if r.path == "/v0/archives/search"} - {1}
    assert sizes == {9}


@pytest.mark.parametrize(
    "maps",
    [
        {"orders": {"total": "no_such_function("}},
        {"orders": {"id": "__NULL__"}},
    ],
)
def test_invalid_stream_map_raises(maps: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^Setting 'stream_maps"):
        TapPixxel(config={"api_token": "token-1", "stream_maps": maps})


def test_library_warning_is_a_log_line(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import warnings\n"
        "import tap_pixxel.tap as tap\n"
        "def warn(self):\n"
        "    warnings.warn('odd', UserWarning)\n"
        "tap.TapPixxel.run = warn\n"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    result = run_tap("--config=ENV", TAP_PIXXEL_API_TOKEN="token-1", PYTHONPATH=path)
    assert result.returncode == 0
    assert any("UserWarning: odd" in each["message"] for each in parse_log(result))


def test_schema_test_without_network_logs_misspelt_variable() -> None:
    result = run_tap(
        *("--config=ENV", "--test=schema"),
        TAP_PIXXEL_API_TOKEN="token-1",
        TAP_PIXXEL_API_URL=DEAD_URL,
        TAP_PIXXEL_COLECTIONS="s3cret",
        TAP_PIXXEL__SELECT="Meltano's own",
    )
    assert result.returncode == 0
    assert {json.loads(line)["type"] for line in result.stdout.splitlines()} == {"SCHEMA"}
    log_lines = [each["message"] for each in parse_log(result) if "TAP_PIXXEL_" in each["message"]]
    assert log_lines == [
        "ignoring TAP_PIXXEL_COLECTIONS in the environment: not a setting; see --about"
    ]
    assert "env var" not in result.stderr, "the SDK's warning would be wrong here"


def test_connection_test_forbidden_stream_is_named_and_exits_3(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(forbid=frozenset({"stores"}))
    result = run_tap(
        "--test", "--config=ENV", TAP_PIXXEL_API_URL=sandbox.url, TAP_PIXXEL_API_TOKEN=sandbox.token
    )
    assert result.returncode == 3
    assert any("stores" in line for line in parse_errors(result))


def test_unknown_option_is_a_usage_error() -> None:
    result = run_tap("--colour")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
