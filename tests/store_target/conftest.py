"""A sandbox and a workplace for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Sandbox

from .runs import Workplace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(items=200) as running:
        yield running


@pytest.fixture
def place(sandbox: Sandbox, tmp_path: Path) -> Workplace:
    return Workplace(sandbox, tmp_path)
