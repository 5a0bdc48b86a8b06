"""The workflows of GitHub Actions pass their linters, and test each Python that is supported."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))


@pytest.mark.parametrize(
    "command",
    [
        ["zizmor", "--offline", "--no-progress", "--persona=pedantic", PROJECT / ".github"],
        ["actionlint", *WORKFLOWS],
    ],
    ids=["zizmor", "actionlint"],
)
def test_workflows_pass_linter(command: list[str | Path]) -> None:
    name, *args = map(str, command)
    program = Path(sys.executable).with_name(name)
    result = subprocess.run([program, *args], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_workflow_tests_each_supported_python() -> None:
    jobs = yaml.safe_load((PROJECT / ".github/workflows/test.yml").read_text())["jobs"]
    with (PROJECT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert project["requires-python"] == f">={named[0]}"
    assert jobs["tests"]["strategy"]["matrix"]["python-version"] == named
