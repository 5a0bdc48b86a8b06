"""Check every test's requests and responses against the provider's contract, if it is available.

The contract is an OpenAPI document beside this checkout. No test may place an order, an insight or
a job unless it is marked so. Hypothesis runs without time limits, and what killed commands leave
goes with pytest's folders.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING
from weakref import WeakSet

import pytest
from hypothesis import HealthCheck, settings

from pixxel_sandbox import Sandbox
from tests.contract.contract_checker import ContractChecker
from tests.contract.operations import is_contract_available
from tests.contract.requests import PLUGIN_USER_AGENTS
from tests.pixxel_sandbox.contract_checks import CONTRACT
from tests.pixxel_sandbox.write_requests import is_purchase

if TYPE_CHECKING:
    from collections.abc import Iterator

# The time that a machine needs to draw or to run an example is not what the tests check.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_report_header() -> str | None:
    """Report that nothing is checked against the contract."""
    if is_contract_available():
        return None
    return f"no {CONTRACT.name} beside this checkout: requests and responses are not checked"


@pytest.fixture(scope="session", autouse=True)
def _temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let commands that a test kills leave their files where pytest removes them."""
    tempfile.gettempdir()  # this process keeps its own, whose path is short enough for sockets
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
        yield


@pytest.fixture(scope="session", autouse=True)
def contract_checker() -> Iterator[ContractChecker]:
    """Return the checker that all sandboxes of this process report to."""
    checker = ContractChecker()
    with pytest.MonkeyPatch.context() as patch:
        if is_contract_available():
            checker.install(patch)
        yield checker


@pytest.fixture(autouse=True)
def _obey_contract(contract_checker: ContractChecker) -> Iterator[None]:
    """Fail a test if a plugin's request or a sandbox's response violated the contract."""
    yield
    violations = contract_checker.take_violations()
    assert not violations, "\n".join(["contract violations:", *violations])


@pytest.fixture(scope="session", autouse=True)
def _sandboxes() -> Iterator[WeakSet[Sandbox]]:
    """Return the sandboxes of this process, as they are started."""
    sandboxes: WeakSet[Sandbox] = WeakSet()
    start = Sandbox.__enter__

    def start_and_add(sandbox: Sandbox) -> Sandbox:
        sandboxes.add(sandbox)
        return start(sandbox)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sandbox, "__enter__", start_and_add)
        yield sandboxes


@pytest.fixture(autouse=True)
def _place_no_unapproved_order(
    request: pytest.FixtureRequest, _sandboxes: WeakSet[Sandbox]
) -> Iterator[None]:
    """Fail a test without the mark if a plugin sent an order, an insight or a job to be placed."""
    yield
    if request.node.get_closest_marker("places_orders"):
        _sandboxes.clear()
    else:
        purchases = [
            each
            for sandbox in _sandboxes
            for each in list(sandbox.requests)
            if is_purchase(each) and each.user_agent.startswith(PLUGIN_USER_AGENTS)
        ]
        assert not purchases, f"requests that cost money or tokens: {purchases}"
