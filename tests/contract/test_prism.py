"""A sync of all streams through Prism, which knows the contract and nothing of this project.

`prism proxy --errors` refuses the requests and the responses that violate the contract.
"""

from __future__ import annotations

import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import requests

from pixxel_api.client import Client
from pixxel_sandbox import Sandbox
from pixxel_sandbox.server import TOKEN
from pixxel_singer.exit_codes import ExitCode
from tests.contract.operations import is_contract_available
from tests.pixxel_sandbox.contract_checks import CONTRACT
from tests.server_process import find_free_port, run_server
from tests.tap_pixxel.syncs import make_catalog, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRISM = shutil.which("prism")
DEADLINE = 0.4  # seconds of retries; the default is five minutes
REFUSAL = re.compile(r"(\w+ /\S*) .*#(?:UNPROCESSABLE_ENTITY|NO_\w+_MATCHED_ERROR)")
"""Log line on a request that violates the contract, or that the contract does not have."""
pytestmark = [
    pytest.mark.skipif(PRISM is None, reason="prism (npm) is not on PATH"),
    pytest.mark.skipif(not is_contract_available(), reason=f"{CONTRACT.name} is not available"),
]


@dataclass(frozen=True)
class Prism:
    """A running Prism.

    Attributes:
        url: Its URL.
        log: The file that it logs into.
    """

    url: str
    log: Path

    def find_refused_requests(self, *, at_least: int) -> list[str]:
        """Return method and path of the requests that violated the contract.

        Args:
            at_least: How many to wait for, as Prism logs a request after its response.
        """
        for _ in range(100):
            found = REFUSAL.findall(self.log.read_text())
            if len(found) >= at_least:
                break
            time.sleep(0.1)
        return found


@contextmanager
def run_prism(folder: Path, url: str) -> Iterator[Prism]:
    port, log = find_free_port(), folder / "prism.log"
    command = [str(PRISM), "proxy", str(CONTRACT), url, "--errors", "--port", str(port)]
    with log.open("w") as output, run_server(command, port, output=output):
        yield Prism(f"http://127.0.0.1:{port}", log)


def test_sync_through_prism_proxy_sends_no_request_that_the_contract_refuses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox's irregular rows make Prism respond 500 in their place."""
    defaults = Client.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "deadline", DEADLINE)
    names = {entry["tap_stream_id"] for entry in make_catalog({})["streams"]}
    with Sandbox(seed=7, items=60) as sandbox:
        with run_prism(tmp_path, sandbox.url) as prism:
            result = sync(prism, *names, datetime="2020/..", bbox=[-180, -90, 180, 90])
            assert result.status in {ExitCode.OK, ExitCode.INCOMPLETE}
            problems = [each.getMessage() for each in caplog.records if each.levelname != "INFO"]
            named = {
                name
                for name in names
                if any(text.startswith((f"{name}:", f"{name} ")) for text in problems)
            }
            assert named >= names - result.records.keys()
            assert named >= set(result.state.get("incomplete", ()))
            requests.post(
                f"{prism.url}/v0/catalogs/search",
                json={"limit": "all"},
                headers={"Authorization": TOKEN},
                timeout=60,
            )
            assert prism.find_refused_requests(at_least=1) == ["post /v0/catalogs/search"]
