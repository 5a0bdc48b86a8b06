"""The token appears in no log, state, catalog, record, error or --about output, at any level."""

from __future__ import annotations

import base64
import json
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior, Sandbox
from tests.tap_pixxel.commands import parse_errors, run_tap

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "px+Tok/en&s3cret=="


def has_no_token(text: str) -> bool:
    forms = [TOKEN, urllib.parse.quote(TOKEN, safe=""), base64.b64encode(TOKEN.encode()).decode()]
    return not any(form in text for form in [*forms, "s3cret"])


@pytest.mark.parametrize(
    "behavior",
    [
        Behavior(),
        Behavior(error_rate=0.3),
        Behavior(forbid=frozenset({"archive_items", "catalogs", "orders", "stores"})),
    ],
    ids=["fine", "failing", "forbidden"],
)
def test_sync_never_writes_the_token(behavior: Behavior) -> None:
    with Sandbox(seed=2, items=30, behavior=behavior, token=TOKEN) as sandbox:
        result = run_tap(
            "--config=ENV",
            TAP_PIXXEL_API_TOKEN=TOKEN,
            TAP_PIXXEL_API_URL=sandbox.url,
            TAP_PIXXEL_LOGLEVEL="DEBUG",
        )
    assert sandbox.requests, "the API received no request"
    assert result.returncode in {0, 3}
    assert has_no_token(result.stdout)
    assert has_no_token(result.stderr)


@pytest.mark.parametrize(
    "args",
    [["--about", "--format=json"], ["--test=schema"]],
)
def test_other_commands_never_write_the_token(args: list[str]) -> None:
    result = run_tap(*args, "--config=ENV", TAP_PIXXEL_API_TOKEN=TOKEN, TAP_PIXXEL_LOGLEVEL="DEBUG")
    assert result.returncode == 0
    assert has_no_token(result.stdout)
    assert has_no_token(result.stderr)


def test_wrong_token_error_names_the_setting_and_does_not_quote_it() -> None:
    with Sandbox(seed=2, items=10) as sandbox:
        result = run_tap(
            "--config=ENV",
            TAP_PIXXEL_API_TOKEN=TOKEN,
            TAP_PIXXEL_API_URL=sandbox.url,
            TAP_PIXXEL_LOGLEVEL="DEBUG",
        )
    assert result.returncode == 1
    message = parse_errors(result)[-1]
    assert "401" in message
    assert "'api_token'" in message
    assert has_no_token(result.stdout)
    assert has_no_token(result.stderr)


@pytest.mark.parametrize("name", ["config.json", ".env"])
def test_unexpected_error_redacts_the_token_of_a_file(tmp_path: Path, name: str) -> None:
    """A bug's traceback goes through the same handlers as other lines."""
    (tmp_path / "sitecustomize.py").write_text(
        "import tap_pixxel.tap as tap\n"
        "def boom(self):\n"
        "    raise RuntimeError('no ' + self.config['api_token'])\n"
        "tap.TapPixxel.run = boom\n"
    )
    is_json = name == "config.json"
    content = json.dumps({"api_token": TOKEN}) if is_json else f"TAP_PIXXEL_API_TOKEN='{TOKEN}'"
    (tmp_path / name).write_text(content)
    config = name if is_json else "ENV"
    result = run_tap(f"--config={config}", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert "RuntimeError" in result.stderr
    assert "[redacted]" in result.stderr
    assert has_no_token(result.stderr)
