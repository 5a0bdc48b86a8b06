"""Fixtures: one sandbox for the tests that only read, and a maker for those that change it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.seed.rng import rng_for

from .fetching import plain

Start = Callable[..., Sandbox]


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    """A sandbox of 100 items that no test changes."""
    with Sandbox(seed=1, items=100) as sandbox:
        yield sandbox


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a small sandbox with the behavior given as keywords."""
    with ExitStack() as stack:

        def make(seed: int = 1, items: int = 60, **behavior: Any) -> Sandbox:
            sandbox = Sandbox(seed=seed, items=items, behavior=Behavior(**behavior))
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
    lasting.behavior = plain()
    lasting._state.rng = rng_for(1, "faults")
    downloads = lasting._state.downloads
    for seen in (downloads.by_id, downloads.fetches, downloads.interruptions, lasting.requests):
        seen.clear()
    return lasting
