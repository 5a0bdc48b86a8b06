"""A shard has the same result after any kills and reruns, and with several workers."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from pixxel_api.errors import ConnectError
from pixxel_backfill.folder import BackfillFolder
from pixxel_backfill.planning import AUTO
from pixxel_backfill.shard_run import ShardFailed, ShardProgress, describe_failure, run_shard
from pixxel_backfill.status import read_status
from pixxel_sandbox import Sandbox
from pixxel_singer.signals import StopRequested
from tests import forkserver
from tests.kill_points import KillAtRequest, note_kill_on_failure
from tests.pixxel_backfill.kill_at_put import KillAtPut
from tests.pixxel_backfill.plans import list_months, plan_sandbox
from tests.pixxel_backfill.results import expect_items, read_items
from tests.tap_pixxel.commands import make_environment
from tests.tap_pixxel.syncs import make_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixxel_backfill.folder import Done
    from pixxel_backfill.plan import Plan, Shard

LOADER = [sys.executable, str(Path(__file__).with_name("append_loader.py"))]
COLLECTION = "firefly-l1c"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=5, items=60) as server:
        yield server


def plan_month(sandbox: Sandbox, **options: Any) -> tuple[Plan, Shard]:
    """Plan the month in which a collection has most items."""
    counts = Counter(list_months(sandbox, COLLECTION))
    plan = plan_sandbox(
        sandbox, collections=[COLLECTION], datetime=counts.most_common(1)[0][0], **options
    )
    return plan, plan.shards[0]


def run(
    sandbox: Sandbox,
    folder: BackfillFolder,
    plan: Plan,
    shard: Shard,
    *,
    report: Callable[[ShardProgress], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
    **settings: Any,
) -> Done:
    config = make_config(sandbox, **plan.settings | {"api_url": sandbox.url} | settings)
    return run_shard(folder, plan, shard, config, report=report, check=check)


def run_command(sandbox: Sandbox, folder: Path, *args: str, **options: Any) -> tuple[int, str]:
    """Run pixxel-backfill in a process of its own; return its exit status and its log."""
    env = make_environment(TAP_PIXXEL_API_URL=sandbox.url, TAP_PIXXEL_API_TOKEN=sandbox.token)
    log = folder / "log"
    command = forkserver.start_command(
        "pixxel-backfill", *args, f"--plan={folder}", log=log, env=env, **options
    )
    if isinstance(sandbox.on_request, KillAtRequest):
        sandbox.on_request.set_targets(command)
    return command.wait(), log.read_text()


def test_shard_killed_at_each_put_and_request_has_the_result_of_an_unkilled_one(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    plan, shard = plan_month(sandbox)
    folder = BackfillFolder(str(tmp_path))
    folder.create_plan(plan)
    sandbox.on_request = at_request = KillAtRequest(2)
    statuses = [run_command(sandbox, tmp_path, "run-shard", shard.id)[0]]
    assert at_request.reached
    sandbox.on_request = None
    for number in range(1, 20):
        kill = KillAtPut(number)
        with note_kill_on_failure(kill):
            status, log = run_command(sandbox, tmp_path, "run-shard", shard.id, kill_point=kill)
            assert status in {0, -signal.SIGKILL}, log
        statuses.append(status)
        if status == 0:
            break
        assert folder.read_done(shard) is None
    done = folder.read_done(shard)
    assert statuses.count(-signal.SIGKILL) == len(statuses) - 1 >= 6
    assert read_items(folder, plan) == expect_items(sandbox, plan)
    requests = len(sandbox.requests)
    reports: list[ShardProgress] = []
    assert run(sandbox, folder, plan, shard, report=reports.append) == done
    assert len(sandbox.requests) == requests
    assert reports == [ShardProgress(shard.id, "done", rows=0, requests=0)]


def test_failed_connection_names_whose_address_it_is() -> None:
    failure = describe_failure(ConnectError("POST", "/v0/archives/search"))
    assert str(failure).endswith("the connection failed; the plan's 'api_url' is used")


def test_of_two_attempts_at_once_one_counts(sandbox: Sandbox, tmp_path: Path) -> None:
    plan, shard = plan_month(sandbox)
    folder = BackfillFolder(str(tmp_path))
    folder.create_plan(plan)
    others: list[Done] = []

    def run_other(progress: ShardProgress) -> None:
        if progress.status == "running" and not others:
            others.append(run(sandbox, folder, plan, shard))

    done = run(sandbox, folder, plan, shard, report=run_other)
    assert [done] == others
    assert read_items(folder, plan) == expect_items(sandbox, plan)


def test_failed_attempt_leaves_its_reason_for_the_status(sandbox: Sandbox, tmp_path: Path) -> None:
    plan = plan_sandbox(sandbox, AUTO, collections=[COLLECTION], shard_rows=2)
    folder = BackfillFolder(str(tmp_path))
    folder.create_plan(plan)
    sandbox.behavior.forbid = frozenset({"archive_items"})
    try:
        with pytest.raises(ShardFailed, match=r"POST /v0/archives/search returned 403"):
            run(sandbox, folder, plan, plan.shards[0])
    finally:
        sandbox.behavior.forbid = frozenset()
    folder.start_attempt(plan.shards[1])
    status = read_status(folder, plan)
    assert [each.status for each in status.shards[:2]] == ["failed", "started"]
    assert "403" in status.shards[0].reason
    run(sandbox, folder, plan, plan.shards[0])
    status = read_status(folder, plan)
    assert (status.done, status.started, status.failed, status.open) == (
        1,
        1,
        0,
        len(plan.shards) - 2,
    )
    assert status.rows == status.shards[0].rows > 0


def test_full_store_fails_the_attempt_with_its_reason(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, shard = plan_month(sandbox)

    def fill_disk(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pixxel_backfill.folder.Attempt.put", fill_disk)
    with pytest.raises(ShardFailed, match="No space left on device") as error:
        run(sandbox, BackfillFolder(str(tmp_path)), plan, shard)
    assert error.value.affects_all


def test_failure_that_concerns_all_shards_is_known_as_such(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    plan, shard = plan_month(sandbox)
    with pytest.raises(ShardFailed, match="401") as error:
        run(sandbox, BackfillFolder(str(tmp_path)), plan, shard, api_token="unknown")
    assert error.value.affects_all


def read_loaded(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_loader_receives_each_item_once_and_its_state_is_that_of_the_shard(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    loader = [*LOADER, str(tmp_path), "noise"]
    plan = plan_sandbox(sandbox, AUTO, collections=[COLLECTION], shard_rows=5, loader=loader)
    folder = BackfillFolder(str(tmp_path))
    keys: list[tuple[str, str]] = []
    for shard in plan.shards:
        done = run(sandbox, folder, plan, shard)
        assert (done.state_id, done.files) == (f"bf-{plan.id}:{shard.id}", [])
        messages = read_loaded(tmp_path / f"{quote(done.state_id, safe='')}.ndjson")
        records = [each["record"] for each in messages if each["type"] == "RECORD"]
        assert len(records) == done.rows
        assert "ACTIVATE_VERSION" not in {each["type"] for each in messages}
        keys += [(each["collection"], each["id"]) for each in records]
        assert folder.read_state(shard) == messages[-1]["value"]
    assert sorted(keys) == sorted(expect_items(sandbox, plan))


def test_loader_continues_from_the_last_state_that_it_confirmed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    plan, shard = plan_month(sandbox, loader=[*LOADER, str(tmp_path)])
    folder = BackfillFolder(str(tmp_path))
    complete = run(sandbox, folder, plan, shard)
    path = tmp_path / f"{quote(complete.state_id, safe='')}.ndjson"
    first = read_loaded(path)
    path.unlink()
    (tmp_path / shard.folder / "_DONE").unlink()
    again = run(sandbox, folder, plan, shard)
    assert (again.largest, again.boundary) == (complete.largest, complete.boundary)
    assert folder.read_state(shard) == first[-1]["value"]
    records = [each for each in read_loaded(path) if each["type"] == "RECORD"]
    assert len(records) < complete.rows


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ([*LOADER, "{folder}", "fail"], "ended with status 1: disk quota exceeded"),
        ([*LOADER, "{folder}/missing"], r"ended with status 1: FileNotFoundError: .*missing"),
        (["no-such-loader"], "cannot start 'no-such-loader': No such file or directory"),
        (["true"], "the loader 'true' ended "),
        (["sh", "-c", "cat; exit 7"], "the loader 'sh' ended with status 7"),
        (["cat"], "the loader 'cat' ended without writing the last STATE"),
        (
            ["sh", "-c", "cat > /dev/null; echo '{\"bookmarks\": 3}'"],
            "without writing the last STATE",
        ),
    ],
)
def test_failed_loader_fails_the_attempt_with_its_last_line(
    sandbox: Sandbox, tmp_path: Path, command: list[str], reason: str
) -> None:
    loader = [part.replace("{folder}", str(tmp_path)) for part in command]
    plan = plan_sandbox(sandbox, AUTO, collections=["td1-l1c"], shard_rows=100, loader=loader)
    folder = BackfillFolder(str(tmp_path))
    with pytest.raises(ShardFailed, match=reason):
        run(sandbox, folder, plan, plan.shards[0])
    assert folder.read_done(plan.shards[0]) is None
    assert folder.read_state(plan.shards[0]) is None


def test_stop_request_ends_a_loader_that_does_not_read(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixxel_backfill.outputs.loader._END_SECONDS", 0.1)
    monkeypatch.setattr("pixxel_backfill.outputs.loader._POLL_SECONDS", 0.001)
    loader = [*LOADER, str(tmp_path), "deaf"]
    plan = plan_sandbox(sandbox, AUTO, collections=["td1-l1c"], shard_rows=100, loader=loader)
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if checks > 200:
            raise StopRequested(15)

    with pytest.raises(StopRequested):
        run(sandbox, BackfillFolder(str(tmp_path)), plan, plan.shards[0], check=check)
