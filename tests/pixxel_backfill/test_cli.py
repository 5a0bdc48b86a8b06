"""The command pixxel-backfill: its output, its exit statuses, and one line for each error."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from pixxel_backfill.cli import log_failures, main
from pixxel_backfill.folder import BackfillFolder
from pixxel_sandbox import Sandbox
from tests import forkserver
from tests.pixxel_backfill.results import expect_items, read_items
from tests.tap_pixxel.commands import make_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

    from pixxel_sandbox import RequestRecord, Workspace


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=5, items=40) as server:
        yield server


@pytest.fixture
def environment(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, str]:
    """Work in an empty folder, with the settings of the sandbox in the environment."""
    monkeypatch.chdir(tmp_path)
    variables = {
        "TAP_PIXXEL_API_URL": sandbox.url,
        "TAP_PIXXEL_API_TOKEN": sandbox.token,
        "TAP_PIXXEL_COLLECTIONS": "firefly-l1c",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return make_environment(**variables)


def invoke(*args: str) -> Result:
    return CliRunner().invoke(main, args)


@pytest.mark.usefixtures("environment")
def test_plan_run_and_status_of_the_working_directory(sandbox: Sandbox, tmp_path: Path) -> None:
    result = invoke("plan", "--window=auto", "--shard-rows=3")
    assert (result.exit_code, result.stdout) == (0, "4 shards of 1 collection\n")
    assert sandbox.token not in (tmp_path / "plan.json").read_text()
    assert invoke("run-shard", "firefly-l1c/0001").exit_code == 0
    result = invoke("run", "--workers=1", "--requests-per-second=100")
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["event"] for each in lines if each["event"] != "progress"] == [
        "start", "done", "done", "done", "end",
    ]  # fmt: skip
    assert (lines[0]["shards_done"], lines[0]["estimated_end"]) == (1, None)
    assert (lines[-1]["shards_done"], lines[-1]["shards_total"], lines[-1]["errors"]) == (4, 4, 0)
    assert lines[-1]["requests"] > 0
    assert len({frozenset(each) - {"shard"} for each in lines}) == 1
    folder = BackfillFolder(str(tmp_path))
    plan = folder.read_plan()
    assert read_items(folder, plan) == expect_items(sandbox, plan)
    status = json.loads(invoke("status", "--json").stdout)
    assert (status["done"], status["rows"]) == (4, len(expect_items(sandbox, plan)))
    assert [each["id"] for each in status["shards"]] == [each.id for each in plan.shards]
    table = [line.split() for line in invoke("status").stdout.splitlines()]
    assert table[0] == [
        "collection",
        "shards",
        "done",
        "started",
        "failed",
        "open",
        "items",
        "bytes",
    ]
    assert table[1][:6] == ["firefly-l1c", "4", "4", "0", "0", "0"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run"], ".: has no plan.json; make one with pixxel-backfill plan"),
        (["status", "--plan=plans"], "plans: has no plan.json; make one with pixxel-backfill plan"),
        (["status", "--plan=ftp://host/x"], "--plan: 'ftp://host/x' is no folder"),
        (
            ["plan", "--window=auto", "--out=/dev/null/x"],
            "--out: cannot make the folder /dev/null/x",
        ),
        (["plan", "--window=auto", "--loader="], "--loader: is empty"),
        (["plan", "--window=auto", "--loader='"], "--loader: is no command: No closing quotation"),
        (
            ["plan", "--window=auto", "--loader=no-such x"],
            "--loader: there is no program 'no-such'",
        ),
        (["plan", "--window=month", "--shard-rows=9"], "--shard-rows: needs --window auto"),
        (["plan", "--window=auto", "--config={}"], "--config takes the path of a JSON file"),
    ],
)
@pytest.mark.usefixtures("environment")
def test_wrong_input_is_one_line(
    caplog: pytest.LogCaptureFixture, args: list[str], message: str
) -> None:
    result = invoke(*args)
    assert result.exit_code == 2
    [error] = [each for each in caplog.messages if each.startswith(message)]
    assert "\n" not in error
    assert not Path("plans").exists()  # only `plan` makes a folder


@pytest.mark.usefixtures("environment")
def test_plan_refuses_a_folder_with_a_plan_before_it_searches(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    assert invoke("plan", "--window=month").exit_code == 0
    before = (tmp_path / "plan.json").read_bytes()
    requests = len(sandbox.requests)
    assert invoke("plan", "--window=auto").exit_code == 2
    assert len(sandbox.requests) == requests
    assert (
        ".: has a plan already; run it with pixxel-backfill run, or pass --out with another folder"
        in caplog.messages
    )
    assert (tmp_path / "plan.json").read_bytes() == before
    assert invoke("run-shard", "firefly-l1c/1999-12").exit_code == 2
    assert (
        "the plan has no shard 'firefly-l1c/1999-12'; pixxel-backfill status --json lists the ids"
        in caplog.messages
    )


@pytest.mark.usefixtures("environment")
def test_token_is_read_anew_and_other_settings_are_those_of_the_plan(
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert invoke("plan", "--window=auto", "--shard-rows=3").exit_code == 0
    monkeypatch.delenv("TAP_PIXXEL_API_TOKEN")
    assert invoke("run-shard", "firefly-l1c/0001").exit_code == 2
    assert any("Setting 'api_token' is missing" in each for each in caplog.messages)
    monkeypatch.setenv("TAP_PIXXEL_COLLECTIONS", "td1-l1c")
    settings = {"api_token": sandbox.token, "api_url": "http://127.0.0.1:1"}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    result = invoke("run-shard", "firefly-l1c/0001", "--config=settings.json")
    assert result.exit_code == 0, caplog.messages
    assert json.loads(result.stdout.splitlines()[-1])["rows"] > 0
    [warning] = [each for each in caplog.messages if "differ from those of the plan" in each]
    assert warning == (
        "settings that differ from those of the plan are ignored: api_url; the plan's are used "
        f"(api_url: {sandbox.url}); make a new plan for others"
    )
    monkeypatch.setenv("TAP_PIXXEL_API_TOKEN", sandbox.token)
    caplog.clear()
    assert invoke("catch-up").exit_code == 2
    assert any(
        "are ignored: collections; the plan's are used; " in each for each in caplog.messages
    )
    assert caplog.messages[-1].endswith("; run them first")


@pytest.mark.usefixtures("environment")
def test_done_shard_is_named_and_counts_nothing(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    assert invoke("plan", "--window=auto").stdout == "1 shard of 1 collection\n"
    folder = BackfillFolder(str(tmp_path))
    folder.start_attempt(folder.read_plan().shards[0])
    [started] = json.loads(invoke("status", "--json").stdout)["shards"]
    assert started["status"] == "started"
    assert datetime.fromisoformat(started["since"]) <= datetime.now(UTC)
    assert f"firefly-l1c/0001: since {started['since']}" in invoke("status").stdout
    assert invoke("run-shard", "firefly-l1c/0001").exit_code == 0
    requests = len(sandbox.requests)
    caplog.set_level("INFO")
    result = invoke("run-shard", "firefly-l1c/0001")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["event"] for each in lines] == ["start", "end"]
    assert [lines[-1][name] for name in ("shards_done", "rows", "requests")] == [1, 0, 0]
    assert any("firefly-l1c/0001: was done before, with" in each for each in caplog.messages)
    assert len(sandbox.requests) == requests


def test_reason_of_several_shards_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    log_failures({"a/1": "no disk", "a/2": "killed", "a/3": "no disk"}, 3)
    assert caplog.messages[:-1] == ["a/1, a/3: no disk", "a/2: killed"]
    assert caplog.messages[-1] == (
        "3 of 3 shards failed; correct the cause that is logged above, and run again with the same "
        "command"
    )


def run_command(env: dict[str, str], folder: Path, *args: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the command in a process of its own; return its exit status and its log."""
    command = forkserver.start_command("pixxel-backfill", *args, log=folder / "log", env=env)
    status = command.wait()
    return status, [json.loads(line) for line in (folder / "log").read_text().splitlines()]


def test_failure_of_the_only_shard_ends_with_one_and_its_reason(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert invoke("plan", "--window=auto", f"--out={tmp_path}").exit_code == 0
    status, log = run_command(
        environment | {"TAP_PIXXEL_API_TOKEN": "unknown"},
        tmp_path, "run-shard", "firefly-l1c/0001", f"--plan={tmp_path}",
    )  # fmt: skip
    assert status == 1
    [error] = [each["message"] for each in log if each["level"] == "error"]
    assert "401" in error
    assert "invalid token; check the setting 'api_token'" in error


def test_failed_shards_end_the_run_with_three_and_are_named(
    environment: dict[str, str], tmp_path: Path
) -> None:
    script = 'case $PIXXEL_BACKFILL_STATE_ID in *0002*) exit 7;; esac; exec grep -o "{.bookmarks.*"'
    loader = shlex.join(["sh", "-c", f"{script} | sed 's/}}$//'"])
    args = ("--window=auto", "--shard-rows=3", f"--out={tmp_path}", f"--loader={loader}")
    assert invoke("plan", *args).exit_code == 0
    status, log = run_command(environment, tmp_path, "run", f"--plan={tmp_path}", "--workers=2")
    errors = [each["message"] for each in log if each["level"] == "error"]
    assert status == 3, errors
    assert errors[-2].startswith("firefly-l1c/0002")
    assert errors[-1] == (
        "1 of 4 shards failed, the others are done; correct the cause that is logged above, and "
        "run again with the same command"
    )


class StopAtRequest:
    """Sends a signal to a command at a request, which gets no response."""

    def __init__(self, sandbox: Sandbox, signum: int) -> None:
        self._sandbox = sandbox
        self._signum = signum
        self.command: forkserver.CommandProcess | None = None

    def __call__(self, request: RequestRecord, _workspace: Workspace) -> None:
        if self.command is not None and request.method == "POST":
            self._sandbox.behavior.latency_ms = 600_000
            command, self.command = self.command, None
            command.send_signal(self._signum)


@pytest.mark.parametrize(
    ("signum", "expected"),
    [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_end_of_the_run_ends_its_workers(
    environment: dict[str, str], tmp_path: Path, signum: int, expected: int
) -> None:
    script = f"echo $PPID > {shlex.quote(str(tmp_path / 'worker'))}; exec cat"
    loader = shlex.join(["sh", "-c", script])
    args = ("--window=auto", f"--out={tmp_path}", f"--loader={loader}")
    assert invoke("plan", *args).exit_code == 0
    with Sandbox(seed=5, items=40) as sandbox:
        env = environment | {"TAP_PIXXEL_API_URL": sandbox.url}
        sandbox.on_request = stop = StopAtRequest(sandbox, signum)
        plan = json.loads((tmp_path / "plan.json").read_text())
        plan["settings"]["api_url"] = sandbox.url
        (tmp_path / "plan.json").write_text(json.dumps(plan))
        command = stop.command = forkserver.start_command(
            "pixxel-backfill", "run", f"--plan={tmp_path}", log=tmp_path / "log", env=env
        )
        assert command.wait() == expected, (tmp_path / "log").read_text()
        worker = int((tmp_path / "worker").read_text())
        deadline = time.monotonic() + forkserver.TIMEOUT_SECONDS
        while is_alive(worker) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not is_alive(worker)
    if signum != signal.SIGKILL:
        last = json.loads((tmp_path / "log").read_text().splitlines()[-1])["message"]
        assert last.endswith("run again with the same command; what is done stays done")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def read_command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""


@pytest.mark.usefixtures("environment")
def test_settings_of_the_plan_give_no_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a default of today nor the area's file, whose content the plan has."""
    area = {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]]}
    (tmp_path / "area.json").write_text(json.dumps(area))
    monkeypatch.setenv("TAP_PIXXEL_INTERSECTS", "area.json")
    monkeypatch.setenv("TAP_PIXXEL_PAGE_SIZE", "50")
    assert invoke("plan", "--window=auto").exit_code == 0
    monkeypatch.delenv("TAP_PIXXEL_PAGE_SIZE")
    assert invoke("run-shard", "firefly-l1c/0001").exit_code == 0
    assert not [each for each in caplog.messages if "differ from" in each]


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the processes in /proc")
def test_ctrl_c_while_the_workers_are_prepared_ends_all_processes(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """A terminal sends Ctrl-C to all processes, also to the one that workers are forked from."""
    assert invoke("plan", "--window=auto", f"--out={tmp_path}").exit_code == 0
    command = subprocess.Popen(
        [Path(sys.executable).with_name("pixxel-backfill"), "run", f"--plan={tmp_path}"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
    deadline = time.monotonic() + forkserver.TIMEOUT_SECONDS
    while not any("forkserver" in read_command(pid) for pid in children.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(command.pid, signal.SIGINT)
    log = command.communicate(timeout=forkserver.TIMEOUT_SECONDS)[1].decode()
    assert command.returncode == 130, log
    assert "Traceback" not in log
