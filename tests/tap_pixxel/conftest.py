from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEMS = 120


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, items=ITEMS) as server:
        yield server
