"""tap-pixxel | target-stac in mode overwrite, while streams of the tap fail: nothing is removed."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

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
    from collections.abc import Iterator
    from pathlib import Path

CASES = {
    "one collection 400": (Replacement("/v0/archives/search", 400, in_request=b"td1-l1c"), 3),
    "invalid token from catalogs on": (Replacement("/v0/(catalogs|orders|stores).*", 401), 1),
}


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


@dataclass(frozen=True)
class OutdatedExport:
    """A complete export, of whose items the API then lost one.

    Attributes:
        sandbox: The API.
        proxy: Proxy of the API.
        folder: Folder of the export.
        removed_item: Id of the item that the API has no more.
    """

    sandbox: Sandbox
    proxy: FaultProxy
    folder: Path
    removed_item: str


@pytest.fixture(scope="module")
def outdated_export(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutdatedExport]:
    folder = tmp_path_factory.mktemp("first") / "out"
    with Sandbox(seed=7, items=30) as sandbox, FaultProxy(sandbox.url) as proxy:
        assert run_pipeline(proxy, sandbox.token, folder)[:2] == (0, 0)
        archived, *_ = sandbox.workspace.ids("archive_items")
        sandbox.workspace.delete("archive_items", archived)
        yield OutdatedExport(sandbox, proxy, folder, archived)


@pytest.mark.parametrize(("replacement", "tap_status"), CASES.values(), ids=CASES)
def test_overwrite_after_failed_stream_removes_nothing(
    tmp_path: Path, outdated_export: OutdatedExport, replacement: Replacement, tap_status: int
) -> None:
    out, proxy = tmp_path / "out", outdated_export.proxy
    shutil.copytree(outdated_export.folder, out)
    before = set(find_item_files(out))
    proxy.replaced.clear()
    proxy.replacement = replacement
    tap, target, state = run_pipeline(proxy, outdated_export.sandbox.token, out)
    assert proxy.replaced
    assert (tap, target) == (tap_status, ExitCode.INCOMPLETE)
    assert state[INCOMPLETE]
    assert set(find_item_files(out)) == before
    assert_links_resolve(out)
    proxy.replacement = None
    tap, target, state = run_pipeline(proxy, outdated_export.sandbox.token, out)
    assert (tap, target, INCOMPLETE in state) == (0, 0, False)
    removed = before - set(find_item_files(out))
    assert {each.partition("/")[2] for each in removed} == {outdated_export.removed_item}
