"""Run the real tap in forks of a process that has imported it, which saves the start-up time."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pixxel_api.client
import pixxel_api.retry
from pixxel_api.client import Client
from tap_pixxel.tap import TapPixxel
from tests.tap_pixxel.commands import make_environment, parse_errors, parse_log
from tests.tap_pixxel.syncs import make_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import ForkServerProcess

TOKEN = "px+Tok/en&s3cret=="
DEADLINE = 0.4  # seconds; the default is five minutes
_SHORT_WAITS = {
    "_BACKOFF": lambda _: 0.01,
    "_PAUSE_AFTER_429": 0.01,
    "FIRST_CONNECT_DEADLINE": DEADLINE,
    "MAX_RETRY_AFTER": 0.05,
}
_TIMEOUT_SECONDS = 60  # for a run that must end by itself


@dataclass(frozen=True)
class CompletedTap:
    """A run that has ended.

    Attributes:
        result: Exit status and output.
        peak_mib: Peak resident memory, MiB.
    """

    result: subprocess.CompletedProcess[str]
    peak_mib: float

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The messages on standard output; raises if a line is not JSON."""
        return [json.loads(line) for line in self.result.stdout.splitlines()]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of the messages."""
        return [each["record"] for each in self.messages if each["type"] == "RECORD"]

    @property
    def errors(self) -> list[str]:
        """The log lines of level error; fails if one is a traceback."""
        return parse_errors(self.result)

    @property
    def warnings(self) -> list[str]:
        """The log lines of level warning."""
        return [each["message"] for each in parse_log(self.result) if each["level"] == "warning"]


class ForkedTap:
    """A running tap.

    Attributes:
        output: File that receives its standard output.
    """

    def __init__(self, folder: Path, process: ForkServerProcess) -> None:
        self._folder = folder
        self._process = process
        self.output = folder / "out"

    @property
    def pid(self) -> int:
        """The process id."""
        path = self._folder / "pid"
        while not path.exists():
            time.sleep(0.01)
        return int(path.read_text())

    def peak_mib(self) -> float:
        """Return the peak resident memory so far, MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [line] = [each for each in status.splitlines() if each.startswith("VmHWM")]
        return int(line.split()[1]) / 1024

    def wait(self) -> CompletedTap:
        """Wait until the tap ends."""
        self._process.join(_TIMEOUT_SECONDS)
        assert self._process.exitcode == 0, f"the tap did not end within {_TIMEOUT_SECONDS} s"
        status, peak = json.loads((self._folder / "end").read_text())
        texts = [(self._folder / name).read_text() for name in ("out", "err")]
        result = subprocess.CompletedProcess[str]([], status, *texts)
        assert not [text for text in texts if "s3cret" in text], "the output contains the token"
        return CompletedTap(result, peak / 1024)


@contextmanager
def fork_tap(url: str, stream: str, settings: dict[str, Any], **client: Any) -> Iterator[ForkedTap]:
    """Run the tap over one stream.

    Args:
        url: Base URL of the API.
        stream: The only selected stream.
        settings: Additional settings.
        client: Replaced constants of the client's modules, or its `deadline`.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = {"api_token": TOKEN, "api_url": url, **settings}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "catalog.json").write_text(json.dumps(make_catalog({}, stream)))
        (folder / "out").touch()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        process = context.Process(target=_wait_for_fork, args=(name, make_environment(), client))
        process.start()
        try:
            yield ForkedTap(folder, process)
        finally:
            process.kill()
            process.join()


def sync_stream(
    url: str, stream: str, settings: dict[str, Any] | None = None, **client: Any
) -> CompletedTap:
    """Run the tap over one stream until it ends."""
    with fork_tap(url, stream, settings or {}, **client) as tap:
        return tap.wait()


def _wait_for_fork(name: str, variables: dict[str, str], client: dict[str, Any]) -> None:
    """Run the tap in a fork, and write its exit status and peak memory to a file."""
    os.chdir(name)
    pid = os.fork()
    if not pid:
        _run_tap(variables, client)
    Path("pid.new").write_text(str(pid))
    Path("pid.new").rename("pid")
    _, status, usage = os.wait4(pid, 0)
    end = [os.waitstatus_to_exitcode(status), usage.ru_maxrss]
    Path("end").write_text(json.dumps(end))


def _run_tap(variables: dict[str, str], client: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(variables)
    for fd, name in enumerate(("out", "err"), 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), fd)
    defaults = Client.__init__.__kwdefaults__ or {}
    defaults["deadline"] = client.pop("deadline", DEADLINE)
    for attribute, value in (_SHORT_WAITS | client).items():
        modules = (pixxel_api.client, pixxel_api.retry)
        [owner] = [module for module in modules if hasattr(module, attribute)]
        setattr(owner, attribute, value)
    sys.argv = ["tap-pixxel"]
    status = 1
    try:
        TapPixxel.cli.main(["--config=config.json", "--catalog=catalog.json"])
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.stdout.flush()
        os._exit(status)
