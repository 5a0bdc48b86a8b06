"""Fixtures: one sandbox for the tests that only read, and a maker for those that change it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pixxel_sandbox import Habits, Sandbox

Start = Callable[..., Sandbox]


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    """A sandbox of 100 items that no test changes."""
    with Sandbox(seed=1, items=100) as sandbox:
        yield sandbox


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a small sandbox with the habits given as keywords."""
    with ExitStack() as stack:

        def make(seed: int = 1, items: int = 60, **habits: Any) -> Sandbox:
            sandbox = Sandbox(seed=seed, items=items, habits=Habits(**habits))
            return stack.enter_context(sandbox)

        yield make
