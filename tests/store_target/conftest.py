"""A sandbox, a workplace, and what may stand between them, for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Sandbox

from .between import Between
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


@pytest.fixture
def between(sandbox: Sandbox, place: Workplace) -> Iterator[Between]:
    """What the workplace's target talks to from now on."""
    with Between(sandbox).open() as opened:
        place.settings["api_url"] = opened.url
        yield opened
