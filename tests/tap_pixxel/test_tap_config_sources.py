"""Settings from several sources, and unusual files and errors."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.tap_pixxel.commands import parse_errors, parse_log, run_tap
from tests.tap_pixxel.test_tap_command import DEAD_URL, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import Sandbox


def requested_page_sizes(sandbox: Sandbox) -> set[int]:
    """Return the page sizes of the search requests."""
    return {r.body["limit"] for r in sandbox.requests if r.path == "/v0/archives/search"} - {1}


@pytest.mark.parametrize("order", [1, -1])
def test_environment_overrides_config_files(sandbox: Sandbox, tmp_path: Path, order: int) -> None:
    path = write_config(tmp_path, api_token=sandbox.token, api_url=sandbox.url, page_size=7)
    args = ["--config=ENV", f"--config={path}"][::order]
    assert run_tap(*args, TAP_PIXXEL_PAGE_SIZE="8").returncode == 0
    assert requested_page_sizes(sandbox) == {8}


def test_dotenv_file_is_read_and_environment_overrides_it(sandbox: Sandbox, tmp_path: Path) -> None:
    lines = [
        f"TAP_PIXXEL_API_TOKEN={sandbox.token}",
        f"TAP_PIXXEL_API_URL={DEAD_URL}",
        "TAP_PIXXEL_PAGE_SIZE=9",
    ]
    (tmp_path / ".env").write_text("\n".join(lines))
    result = run_tap("--config=ENV", cwd=tmp_path, TAP_PIXXEL_API_URL=sandbox.url)
    assert result.returncode == 0
    assert requested_page_sizes(sandbox) == {9}


@pytest.mark.parametrize(
    "maps",
    [
        {"orders": {"total": "no_such_function("}},
        {"orders": {"total": {"kind": "sum"}}},
        {"orders": {"id": "__NULL__"}},
        {"orders": "total_amount"},
    ],
)
def test_invalid_stream_map_logs_one_line(tmp_path: Path, maps: dict[str, Any]) -> None:
    path = write_config(tmp_path, api_token="token-1", api_url=DEAD_URL, stream_maps=maps)
    result = run_tap("--config", path)
    assert result.returncode == 2
    [line] = parse_errors(result)
    assert line.startswith("Setting 'stream_maps")


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


def test_misspelt_variable_is_logged() -> None:
    result = run_tap(
        *("--config=ENV", "--test=schema"),
        TAP_PIXXEL_API_TOKEN="token-1",
        TAP_PIXXEL_API_URL=DEAD_URL,
        TAP_PIXXEL_COLECTIONS="s3cret",
        TAP_PIXXEL__SELECT="Meltano's own",
    )
    log_lines = [each["message"] for each in parse_log(result) if "TAP_PIXXEL_" in each["message"]]
    assert log_lines == [
        "ignoring TAP_PIXXEL_COLECTIONS in the environment: not a setting; see --about"
    ]
    assert "env var" not in result.stderr, "the SDK's warning would be wrong here"


def test_empty_state_file_error_says_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("")
    result = run_tap(
        *("--config=ENV", "--state", str(tmp_path / "state.json")),
        TAP_PIXXEL_API_TOKEN="token-1",
        TAP_PIXXEL_API_URL=DEAD_URL,
    )
    assert result.returncode == 2
    [line] = parse_errors(result)
    assert line.endswith("state.json' is empty")
