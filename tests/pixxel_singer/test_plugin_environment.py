"""What a plugin's process finds around it: descriptors, the working directory, `.env`, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from pixxel_sandbox import Sandbox
from pixxel_singer.errors import InputError
from pixxel_singer.plugin import parse_json_file, read_json_file

TAP, STORE, STAC = "tap-pixxel", "target-pixxel-store", "target-stac"
PLUGINS = (TAP, STORE, STAC)
SCHEMA = {"type": "SCHEMA", "stream": "s", "schema": {"properties": {}}, "key_properties": []}
ITEM: dict[str, object] = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "id": "a",
    "geometry": None,
    "properties": {"datetime": "2025-01-01T00:00:00Z"},
    "links": [],
    "assets": {},
}
MESSAGES = [
    {**SCHEMA, "schema": {"properties": {"stac_item": {"type": ["object", "null"]}}}},
    {"type": "RECORD", "stream": "s", "record": {"stac_item": ITEM}},
]


def run_plugin(
    plugin: str,
    redirection: str = "",
    *,
    cwd: Path | None = None,
    args: str = "--config=ENV",
    before: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a plugin below a shell, with settings that need no network."""
    script = f"{before} exec '{Path(sys.executable).with_name(plugin)}' {args} {redirection}"
    prefix = plugin.upper().replace("-", "_")
    settings = {
        f"{prefix}_API_TOKEN": "token-1",
        f"{prefix}_API_URL": "http://127.0.0.1:9",
        "TARGET_STAC_OUTPUT": "catalog",
    }
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TAP_", "TARGET_"))}
    return subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=cwd,
        env=kept | settings,
        input="\n".join(map(json.dumps, MESSAGES)) if plugin == STAC else "",
    )


def parse_last_error(result: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of the log, which must be an error without a traceback."""
    assert "Traceback" not in result.stderr
    last = json.loads(result.stderr.splitlines()[-1])
    assert last["level"] == "error"
    return str(last["message"])


@pytest.mark.parametrize("plugin", PLUGINS)
def test_closed_stdout_is_one_line(plugin: str, tmp_path: Path) -> None:
    result = run_plugin(plugin, ">&-", cwd=tmp_path, args="--config=ENV")
    assert result.returncode == 1
    assert "cannot write to stdout (closed" in parse_last_error(result)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("plugin", [STORE, STAC])
@pytest.mark.parametrize("redirection", ["<&-", "0>/dev/null"])
def test_stdin_that_cannot_be_read_is_one_line(
    plugin: str, redirection: str, tmp_path: Path
) -> None:
    result = run_plugin(plugin, redirection, cwd=tmp_path)
    assert result.returncode == 2
    assert parse_last_error(result) == (
        "cannot read standard input (Bad file descriptor); pipe the messages of a tap into it"
    )


@pytest.mark.parametrize("option", ["--state", "--catalog"])
def test_option_that_reads_closed_stdin_is_one_line(option: str) -> None:
    result = run_plugin(TAP, "<&-", args=f"--config=ENV {option} -")
    assert result.returncode == 2
    assert parse_last_error(result) == f"{option}: cannot read '<stdin>': Bad file descriptor"


@pytest.mark.parametrize("redirection", ["2>&-", "<&- 2>&-"])
def test_closed_stderr_does_not_stop_a_tap(redirection: str) -> None:
    result = run_plugin(TAP, redirection, args="--discover")
    assert result.returncode == 0
    assert json.loads(result.stdout)["streams"]


def test_closed_stderr_does_not_stop_a_target(tmp_path: Path) -> None:
    assert run_plugin(STAC, "2>&-", cwd=tmp_path).returncode == 0
    assert (tmp_path / "catalog" / "catalog.json").exists()


def test_closed_descriptors_are_not_used_by_sockets(tmp_path: Path) -> None:
    """A socket at number 2 would get what the interpreter writes to standard error."""
    with Sandbox(seed=1, items=5) as sandbox:
        (tmp_path / "config.json").write_text(
            json.dumps({"api_token": sandbox.token, "api_url": sandbox.url})
        )
        result = run_plugin(TAP, "<&- 2>&-", args="--config config.json", cwd=tmp_path)
    assert result.returncode == 0
    assert "RECORD" in {json.loads(line)["type"] for line in result.stdout.splitlines()}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_deleted_working_directory_is_no_traceback(plugin: str, tmp_path: Path) -> None:
    (tmp_path / "deleted").mkdir()
    args = "--discover" if plugin == TAP else "--config=ENV"
    result = run_plugin(plugin, cwd=tmp_path, args=args, before="cd deleted && rmdir ../deleted &&")
    if plugin == TAP:
        assert result.returncode == 0
        assert json.loads(result.stdout)["streams"]
        return
    assert result.returncode == 1
    error = parse_last_error(result)
    assert "working directory was deleted" in error or "cannot open the journal" in error


@pytest.mark.parametrize("plugin", PLUGINS)
def test_dotenv_not_utf8_is_one_line(plugin: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PASSWORD=s\xe9same\n")
    result = run_plugin(plugin, cwd=tmp_path)
    assert result.returncode == 2
    assert parse_last_error(result) == "'.env' in the working directory is not UTF-8 text"


def test_dotenv_of_parent_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / ".env").write_text("TAP_PIXXEL_PAGE_SIZE=none\n")
    args = "--config=ENV --test=schema"
    assert run_plugin(TAP, cwd=tmp_path / "folder", args=args).returncode == 0
    result = run_plugin(TAP, cwd=tmp_path, args=args)
    assert parse_last_error(result) == "Setting 'page_size' must be a whole number"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_file_byte_order_mark_is_skipped(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"a": "é"}', encoding=encoding)
    assert read_json_file("--config", str(path)) == {"a": "é"}
    with path.open() as file:
        assert parse_json_file("--state", file) == {"a": "é"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xef\xbb\xbf \n", "is empty"),
        (b'{"a": "\xe9"}', "is not UTF-8 text"),
        (b'{"a":' * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "has too long a number"),
    ],
)
def test_json_file_unusable_is_one_line(content: bytes, problem: str) -> None:
    file = TextIOWrapper(BytesIO(content))
    file.buffer.name = "state.json"
    with pytest.raises(InputError, match=f"^--state: 'state.json' .*{problem}"):
        parse_json_file("--state", file)


def test_dotenv_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TAP_PIXXEL_PAGE_SIZE=none\n", encoding="utf-8-sig")
    result = run_plugin(TAP, cwd=tmp_path, args="--config=ENV --test=schema")
    assert parse_last_error(result) == "Setting 'page_size' must be a whole number"
