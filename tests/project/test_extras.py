"""A command whose extra is not installed exits with one line that names the extra."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pixxel_backfill.__main__
import pixxel_sandbox
import target_pixxel_store.__main__
import target_stac.__main__

if TYPE_CHECKING:
    from types import ModuleType


def test_sandbox_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SystemExit, match=r"pip install 'pixxel-singer\[sandbox\]'"):
        importlib.reload(pixxel_sandbox)


@pytest.mark.parametrize(
    ("command", "target", "extra"),
    [
        (pixxel_backfill.__main__, "pixxel_backfill.cli", "backfill"),
        (target_stac.__main__, "target_stac.target", "stac"),
        (target_pixxel_store.__main__, "target_pixxel_store.target", "store"),
    ],
)
def test_command_without_its_extra_names_module_and_extra(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: ModuleType,
    target: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, target, None)
    with pytest.raises(SystemExit) as error:
        command.main()
    assert error.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"needs '{target}'; run: pip install 'pixxel-singer[{extra}]'" in line


def test_backfill_looks_for_all_modules_of_its_extra() -> None:
    """Its workers import most of them, so that a command would fail long after its start."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    packages = [re.split("[<>=]", each)[0] for each in project["optional-dependencies"]["backfill"]]
    modules = {each.replace("-", "_") for each in packages}
    assert {*pixxel_backfill.__main__.EXTRA_MODULES} == modules


@pytest.mark.parametrize("module", pixxel_backfill.__main__.EXTRA_MODULES)
def test_backfill_without_a_module_of_its_extra_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as error:
        pixxel_backfill.__main__.main()
    assert error.value.code == 2
    assert f"needs '{module}'" in capsys.readouterr().err
