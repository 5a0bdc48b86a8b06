"""Fixtures of each test: a sandbox, a harness that runs the target, and an intercepting proxy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior, Sandbox
from target_pixxel_store.downloads import downloader, transfer
from tests.target_pixxel_store.intercepting_proxy import InterceptingProxy
from tests.target_pixxel_store.target_harness import TargetHarness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path


@pytest.fixture(scope="session")
def stop_sandbox() -> Iterator[Callable[[Sandbox], None]]:
    """Return a function that stops a sandbox while the next test starts: it pauses for 0.1 s."""
    stops: list[Future[None]] = []
    with ThreadPoolExecutor(1) as executor:
        yield lambda sandbox: stops.append(executor.submit(sandbox.__exit__, None, None, None))
    for stop in stops:
        stop.result()


@pytest.fixture
def sandbox(stop_sandbox: Callable[[Sandbox], None]) -> Iterator[Sandbox]:
    started_sandbox = Sandbox(items=200).__enter__()
    yield started_sandbox
    stop_sandbox(started_sandbox)


@pytest.fixture
def harness(sandbox: Sandbox, tmp_path: Path) -> TargetHarness:
    return TargetHarness(sandbox, tmp_path)


@pytest.fixture
def proxy(sandbox: Sandbox, harness: TargetHarness) -> Iterator[InterceptingProxy]:
    """Put a proxy between the target and the sandbox."""
    with InterceptingProxy(sandbox).serve() as serving:
        harness.settings["api_url"] = serving.url
        yield serving


@pytest.fixture
def download_folder(
    harness: TargetHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Set `download_to` to a folder, and shorten the pauses between polls."""
    for module in (downloader, transfer):
        monkeypatch.setattr(module, "BACKOFF", module.BACKOFF._replace(first=0.002))
    harness.sandbox.behavior = Behavior(download_seconds=0)
    harness.settings["download_to"] = str(tmp_path / "images")
    return tmp_path / "images"
