"""tap-pixxel | target-stac in mode overwrite: a stream of the tap that fails removes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixxel_sandbox import Sandbox
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.message_reader import INCOMPLETE
from tests import forkserver
from tests.faults.fault_proxy import FaultProxy, Replacement
from tests.tap_pixxel.commands import make_environment as make_tap_environment
from tests.target_stac.exports import (
    CATALOG_AND_NDJSON,
    assert_links_resolve,
    find_item_files,
)
from tests.target_stac.exports import make_environment as make_target_environment

if TYPE_CHECKING:
    from pathlib import Path


def run_pipeline(proxy: FaultProxy, token: str, output: Path) -> tuple[int, int, dict[str, Any]]:
    """Run both commands; return their exit statuses and the last STATE."""
    log = output.with_name("log")
    settings = {"output": str(output), "formats": CATALOG_AND_NDJSON, "mode": "overwrite"}
    tap_reader, tap_writer = forkserver.open_pipe()
    reader, writer = forkserver.open_pipe()
    target = forkserver.start_command(
        "target-stac",
        "--config=ENV",
        stdin=tap_reader,
        stdout=writer,
        log=log,
        env=make_target_environment(settings),
    )
    tap = forkserver.start_command(
        "tap-pixxel",
        "--config=ENV",
        stdout=tap_writer,
        log=log,
        env=make_tap_environment(TAP_PIXXEL_API_URL=proxy.url, TAP_PIXXEL_API_TOKEN=token),
    )
    states = b"".join(forkserver.read_chunks(reader, tap, target)).splitlines()
    assert "Traceback" not in log.read_text()
    return tap.wait(), target.wait(), json.loads(states[-1]) if states else {}


def test_overwrite_after_failed_stream_removes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Sandbox(seed=7, items=30) as sandbox, FaultProxy(sandbox.url) as proxy:
        assert run_pipeline(proxy, sandbox.token, out)[:2] == (0, 0)
        before = set(find_item_files(out))
        removed_item, *_ = sandbox.workspace.ids("archive_items")
        sandbox.workspace.delete("archive_items", removed_item)

        proxy.replacement = Replacement("/v0/archives/search", 400, in_request=b"td1-l1c")
        tap, target, state = run_pipeline(proxy, sandbox.token, out)
        assert proxy.replaced
        assert (tap, target) == (ExitCode.INCOMPLETE, ExitCode.INCOMPLETE)
        assert state[INCOMPLETE]
        assert set(find_item_files(out)) == before
        assert_links_resolve(out)

        proxy.replacement = None
        tap, target, state = run_pipeline(proxy, sandbox.token, out)
    assert (tap, target, INCOMPLETE in state) == (0, 0, False)
    removed = before - set(find_item_files(out))
    assert {each.partition("/")[2] for each in removed} == {removed_item}
