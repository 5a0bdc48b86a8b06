"""Runs of the installed command, as by a user or a pipeline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TAP_COMMAND = str(Path(sys.executable).with_name("tap-pixxel"))


def make_environment(**more: str) -> dict[str, str]:
    """Return the environment without settings of the tap, plus the given variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TAP_PIXXEL")}
    return kept | more


def run_tap(
    *args: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run tap-pixxel until it exits."""
    return subprocess.run(
        [TAP_COMMAND, *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=cwd,
        env=make_environment(**variables),
    )


def parse_log(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Return the structured log lines."""
    return [json.loads(line) for line in result.stderr.splitlines()]


def parse_errors(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the messages of level error and above; fail on a traceback."""
    assert "Traceback" not in result.stderr
    found = [each for each in parse_log(result) if each["level"] in {"error", "critical"}]
    assert not any("exception" in each for each in found)
    return [each["message"] for each in found]
