"""tap-pixxel | target-stac in mode overwrite, while streams of the tap fail: nothing is removed."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Sandbox
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.message_reader import INCOMPLETE
from tests.faults.fault_proxy import FaultProxy, Replacement
from tests.tap_pixxel.commands import TAP_COMMAND
from tests.tap_pixxel.commands import make_environment as make_tap_environment
from tests.target_stac.exports import TARGET, assert_links_resolve, find_item_files
from tests.target_stac.exports import make_environment as make_target_environment

if TYPE_CHECKING:
    from pathlib import Path

CASES = {
    "one collection 400": (Replacement("/v0/archives/search", 400, in_request=b"td1-l1c"), 3),
    "one collection endless": (
        Replacement(
            "/v0/archives/search",
            body=b'{"features": [{"properties": {}}]}',
            in_request=b"td1-l1c",
        ),
        3,
    ),
    "archive 403": (Replacement("/v0/archives/.*", 403), 3),
    "catalogs of unexpected shape": (Replacement("/v0/catalogs/search", body=b'{"rows": []}'), 3),
    "stream without STAC 404": (Replacement("/v0/stores", 404), 3),
    "invalid token from catalogs on": (Replacement("/v0/(catalogs|orders|stores).*", 401), 1),
}


def run_pipe(proxy: FaultProxy, token: str, output: Path) -> tuple[int, int, dict[str, Any]]:
    """Run both commands; return their exit statuses and the last STATE."""
    tap_env = make_tap_environment(TAP_PIXXEL_API_URL=proxy.url, TAP_PIXXEL_API_TOKEN=token)
    settings = {"output": str(output), "formats": ["catalog", "ndjson"], "mode": "overwrite"}
    tap = subprocess.Popen(
        [TAP_COMMAND, "--config=ENV"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=tap_env,
    )
    target = subprocess.run(
        [TARGET, "--config=ENV"],
        stdin=tap.stdout,
        capture_output=True,
        check=False,
        timeout=120,
        env=make_target_environment(settings),
    )
    assert tap.stdout
    tap.stdout.close()
    assert b"Traceback" not in target.stderr
    states = target.stdout.splitlines()
    return tap.wait(60), target.returncode, json.loads(states[-1]) if states else {}


@pytest.mark.parametrize(("replacement", "tap_status"), CASES.values(), ids=CASES)
def test_overwrite_after_failed_stream_removes_nothing(
    tmp_path: Path, replacement: Replacement, tap_status: int
) -> None:
    with Sandbox(seed=7, items=30) as sandbox, FaultProxy(sandbox.url) as proxy:
        assert run_pipe(proxy, sandbox.token, tmp_path)[:2] == (0, 0)
        before = set(find_item_files(tmp_path))
        archived, *_ = sandbox.workspace.ids("archive_items")
        sandbox.workspace.delete("archive_items", archived)
        proxy.replacement = replacement
        tap, target, state = run_pipe(proxy, sandbox.token, tmp_path)
        assert proxy.replaced
        assert (tap, target) == (tap_status, ExitCode.INCOMPLETE)
        assert state[INCOMPLETE]
        assert set(find_item_files(tmp_path)) == before
        assert_links_resolve(tmp_path)
        proxy.replacement = None
        tap, target, state = run_pipe(proxy, sandbox.token, tmp_path)
        assert (tap, target, INCOMPLETE in state) == (0, 0, False)
        removed = before - set(find_item_files(tmp_path))
        assert {each.partition("/")[2] for each in removed} == {archived}
