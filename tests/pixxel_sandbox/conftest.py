"""Fixtures: a sandbox that tests only read, and sandboxes that tests change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.seed.rng import rng_for

from .download_requests import instant_behavior

StartSandbox = Callable[..., Sandbox]


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """Return a sandbox of 100 items that no test changes."""
    with Sandbox(seed=1, items=100) as sandbox:
        yield sandbox


@pytest.fixture
def start_sandbox() -> Iterator[StartSandbox]:
    """Return a function that starts a small sandbox with behavior fields as keywords."""
    with ExitStack() as stack:

        def make(seed: int = 1, items: int = 60, **behavior: Any) -> Sandbox:
            sandbox = Sandbox(seed=seed, items=items, behavior=Behavior(**behavior))
            return stack.enter_context(sandbox)

        yield make


@pytest.fixture(scope="session")
def session_sandbox() -> Iterator[Sandbox]:
    """Return the sandbox behind `clean_sandbox`."""
    with Sandbox(items=60) as sandbox:
        yield sandbox


@pytest.fixture
def clean_sandbox(session_sandbox: Sandbox) -> Sandbox:
    """Return a sandbox without downloads, requests and random draws."""
    session_sandbox.behavior = instant_behavior()
    session_sandbox._state.rng = rng_for(1, "faults")
    downloads = session_sandbox._state.downloads
    for seen in (
        downloads.by_id,
        downloads.fetches,
        downloads.interruptions,
        session_sandbox.requests,
    ):
        seen.clear()
    return session_sandbox
