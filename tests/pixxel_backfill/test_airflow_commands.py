"""The shell commands of the DAG: what they do after each exit status of pixxel-backfill."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest

DAG = Path(__file__).parents[2] / "examples/airflow/pixxel_backfill.py"


class StubOperator:
    """Keeps a task's command, in place of Airflow's operator."""

    output: Any = None

    def __init__(self, *, bash_command: str, retries: int | None = None, **_: Any) -> None:
        self.bash_command = bash_command
        self.retries = retries
        self.following: StubOperator | None = None

    @classmethod
    def partial(cls, **options: Any) -> StubOperator:
        return cls(**options)

    def expand(self, **_: Any) -> StubOperator:
        return self

    def __rshift__(self, other: StubOperator) -> StubOperator:
        self.following = other
        return other


class StubDag:
    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name in ("airflow", "airflow.providers", "airflow.providers.standard"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name, attribute, value in (
        ("airflow.providers.standard.operators", "_", None),
        ("airflow.providers.standard.operators.bash", "BashOperator", StubOperator),
        ("airflow.sdk", "DAG", StubDag),
    ):
        module = ModuleType(name)
        setattr(module, attribute, value)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("PIXXEL_BACKFILL_FOLDER", "a folder")
    return runpy.run_path(str(DAG))


@pytest.mark.parametrize(
    ("task", "statuses", "expected"),
    [
        ("plan", {"status": 0}, 0),
        ("plan", {"status": 2, "plan": 0}, 0),
        ("plan", {"status": 2, "plan": 2}, 2),
        ("plan", {"status": 1}, 1),
        ("merge", {"merge": 3}, 0),
        ("merge", {"merge": 1}, 1),
        ("catch_up", {"catch-up": 3}, 0),
        ("catch_up", {"catch-up": 2}, 1),
        ("check_result", {"merge": 3}, 3),
        ("run_shard", {"run-shard": 1}, 1),
    ],
)
def test_task_goes_on_only_after_statuses_that_are_no_failure(
    tasks: dict[str, Any], tmp_path: Path, task: str, statuses: dict[str, int], expected: int
) -> None:
    cases = "".join(f"{name}) exit {status};; " for name, status in statuses.items())
    program = tmp_path / "pixxel-backfill"
    program.write_text(f'#!/bin/sh\necho "$1" >> calls\necho "log" >&2\ncase $1 in {cases}esac\n')
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SHARD": "a/1"}
    command = ["bash", "-c", tasks[task].bash_command]
    result = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == expected
    assert (tmp_path / "calls").read_text().split() == [*statuses]
    assert result.stderr.count("log") == len(statuses)  # the errors are in the task's log


def test_result_is_checked_last_and_once(tasks: dict[str, Any]) -> None:
    assert tasks["catch_up"].following is tasks["check_result"]
    assert tasks["check_result"].retries == 0
