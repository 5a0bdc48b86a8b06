"""Every test is held to the provider's contract, where that is beside this checkout.

Those of what is generated take the time that they take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.contract.operations import beside
from tests.contract.witness import Witness
from tests.pixxel_sandbox.contract_checks import CONTRACT

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long a machine takes to draw an example, or to run one, says nothing of what is tested.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_report_header() -> str | None:
    """Say when nothing is held to the contract."""
    return None if beside() else f"without {CONTRACT.name} beside: requests and answers unchecked"


@pytest.fixture(scope="session", autouse=True)
def witness() -> Iterator[Witness]:
    """What hears all sandboxes."""
    found = Witness()
    with pytest.MonkeyPatch.context() as patch:
        if beside():
            found.attend(patch)
        yield found


@pytest.fixture(autouse=True)
def _kept_to_the_contract(witness: Witness) -> Iterator[None]:
    """Fails a test in which a request of a plugin, or an answer of a sandbox, broke it."""
    yield
    wrong = witness.testimony()
    assert not wrong, "\n".join(["against the contract:", *wrong])
