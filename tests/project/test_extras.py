"""A command whose extra is not installed exits with one line that names the extra."""

from __future__ import annotations

import importlib
import sys
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
    monkeypatch: pytest.MonkeyPatch, command: ModuleType, target: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, target, None)
    with pytest.raises(SystemExit) as error:
        command.main()
    assert f"needs '{target}'; run: pip install 'pixxel-singer[{extra}]'" in str(error.value)
