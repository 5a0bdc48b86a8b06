"""The folder of a backfill, local and in an object store: one plan, and one attempt that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import obstore
import pytest
import requests
from moto.server import ThreadedMotoServer

from pixxel_backfill.folder import DONE_FILE, FAILED_FILE, BackfillFolder, Done
from pixxel_backfill.plan import Plan, Shard
from pixxel_backfill.status import read_status
from pixxel_singer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHARDS = [Shard(f"a b/c%/{name}", "a b/c%", None, None) for name in ("1", "2", "3", "4")]
PLAN = Plan("plan", "2025-01-01T00:00:00.000000Z", {}, SHARDS, {})


@pytest.fixture(params=["local", "s3"])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path / "backfill")
        return
    server = ThreadedMotoServer(port=0)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    variables = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    requests.post(f"{endpoint}/moto-api/reset", timeout=10)  # the servers of a process share it
    requests.put(f"{endpoint}/bucket", timeout=10)
    yield "s3://bucket/backfill"
    server.stop()


def make_done(attempt: str, rows: int) -> Done:
    return Done(attempt, [], rows, 1, 1.0, None, None, None)


def test_folder_has_one_plan_and_one_attempt_of_each_shard_counts(url: str) -> None:
    folder = BackfillFolder(url, create=True)
    with pytest.raises(InputError, match=r"has no plan\.json"):
        folder.read_plan()
    folder.create_plan(PLAN)
    with pytest.raises(InputError, match="has a plan already"):
        folder.create_plan(PLAN)
    assert BackfillFolder(url).read_plan() == PLAN
    done, started, failed, _ = SHARDS
    first, second = folder.start_attempt(done), folder.start_attempt(done)
    counted = make_done(second.name, 7)
    assert second.commit(counted) == counted
    assert first.commit(make_done(first.name, 8)) == counted
    folder.start_attempt(started).put(FAILED_FILE, b"an earlier attempt")
    folder.start_attempt(started)
    folder.start_attempt(failed).put(FAILED_FILE, b"no space")
    status = read_status(BackfillFolder(url), PLAN)
    assert [each.status for each in status.shards] == ["done", "started", "failed", "open"]
    assert [each.reason for each in status.shards] == ["", "", "no space", ""]
    assert status.rows == 7


def test_damaged_commit_is_named(url: str) -> None:
    folder = BackfillFolder(url, create=True)
    shard = SHARDS[0]
    obstore.put(folder.store, f"{shard.folder}/{DONE_FILE}", b"")
    with pytest.raises(InputError, match=r"/_DONE: is damaged: .*; delete it, and run the shard"):
        folder.read_done(shard)
