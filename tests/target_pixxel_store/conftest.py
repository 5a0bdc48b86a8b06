"""A sandbox, a workplace, and what may stand between them, for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior, Sandbox
from target_pixxel_store.downloads import preparation, transfer
from tests.target_pixxel_store.intercepting_proxy import Between
from tests.target_pixxel_store.target_runner import Workplace

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


@pytest.fixture
def images(place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the workplace's target downloads to from now on, without long pauses."""
    for module in (preparation, transfer):
        monkeypatch.setattr(module, "BACKOFF", module.BACKOFF._replace(first=0.002))
    place.sandbox.behavior = Behavior(download_seconds=0)
    place.settings["download_to"] = str(tmp_path / "images")
    return tmp_path / "images"
