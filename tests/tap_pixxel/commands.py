"""Runs the installed command, as a user or a pipeline does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TAP_COMMAND = str(Path(sys.executable).with_name("tap-pixxel"))


def make_environment(**more: str) -> dict[str, str]:
    """The environment without any setting of the tap, and with some more variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TAP_PIXXEL")}
    return kept | more


def run_tap(
    *args: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run tap-pixxel to its end."""
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
    """The structured log lines."""
    return [json.loads(line) for line in result.stderr.splitlines()]


def parse_errors(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The messages of level error and above, checked to be lines without tracebacks."""
    assert "Traceback" not in result.stderr
    found = [each for each in parse_log(result) if each["level"] in {"error", "critical"}]
    assert not any("exception" in each for each in found)
    return [each["message"] for each in found]
