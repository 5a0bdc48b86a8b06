"""Fixtures: one sandbox for the tests that only read, and a maker for those that change it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pixxel_sandbox import Habits, Sandbox
from pixxel_sandbox.chance import stream

from .fetching import plain

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


@pytest.fixture(scope="session")
def lasting() -> Iterator[Sandbox]:
    """The sandbox behind ``emptied``."""
    with Sandbox(items=60) as sandbox:
        yield sandbox


@pytest.fixture
def emptied(lasting: Sandbox) -> Sandbox:
    """A sandbox without downloads, that was asked for nothing and has drawn nothing."""
    lasting.habits = plain()
    lasting._desk.chance = stream(1, "faults")
    shelf = lasting._desk.shelf
    for seen in (shelf.downloads, shelf.fetches, shelf.broken, lasting.requests):
        seen.clear()
    return lasting
