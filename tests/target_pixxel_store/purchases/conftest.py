"""Fixtures of the tests of orders: a small sandbox that fulfils nothing, and a harness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior, Sandbox
from tests.target_pixxel_store.purchases.order_harness import (
    InsightHarness,
    JobHarness,
    OrderHarness,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.target_pixxel_store.target_harness import TargetHarness

ITEMS = 40


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(items=ITEMS, behavior=Behavior(order_seconds=1000)) as started:
        yield started


@pytest.fixture
def orders(harness: TargetHarness) -> OrderHarness:
    return OrderHarness(harness)


@pytest.fixture
def insights(harness: TargetHarness) -> InsightHarness:
    return InsightHarness(harness)


@pytest.fixture
def jobs(harness: TargetHarness) -> JobHarness:
    return JobHarness(harness)
