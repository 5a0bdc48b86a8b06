"""Settings from several sources, and unusual files and errors."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from tap_pixxel.tap import TapPixxel
from tests.tap_pixxel.commands import parse_log, run_tap
from tests.tap_pixxel.test_tap_command import DEAD_URL, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import Sandbox


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
