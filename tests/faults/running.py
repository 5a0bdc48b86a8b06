"""Runs the commands in forks of a process that has imported them: real, and without the start."""

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
DEADLINE = 0.4  # seconds; five minutes otherwise
_WAITS = {
    "_BACKOFF": lambda _: 0.01,
    "_PAUSE_AFTER_429": 0.01,
    "FIRST_CONNECT_DEADLINE": DEADLINE,
    "MAX_RETRY_AFTER": 0.05,
}
_PATIENCE = 60  # seconds, for a run that is to end by itself


@dataclass(frozen=True)
class Ended:
    """What a run has left.

    Attributes:
        result: Its exit status and what it wrote.
        seconds: How long it took.
        peak: The most memory that it held, MiB.
    """

    result: subprocess.CompletedProcess[str]
    seconds: float
    peak: float

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """What it wrote to its standard output, checked to be lines of JSON."""
        return [json.loads(line) for line in self.result.stdout.splitlines()]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of its messages."""
        return [each["record"] for each in self.messages if each["type"] == "RECORD"]

    @property
    def errors(self) -> list[str]:
        """Its lines of level error, checked to be no tracebacks."""
        return parse_errors(self.result)

    @property
    def warnings(self) -> list[str]:
        """Its lines of level warning."""
        return [each["message"] for each in parse_log(self.result) if each["level"] == "warning"]


class Running:
    """A tap that runs.

    Attributes:
        out: The file that takes its standard output.
    """

    def __init__(self, folder: Path, process: ForkServerProcess) -> None:
        self._folder = folder
        self._process = process
        self.out = folder / "out"

    @property
    def pid(self) -> int:
        """The id of its process."""
        path = self._folder / "pid"
        while not path.exists():
            time.sleep(0.01)
        return int(path.read_text())

    def peak(self) -> float:
        """Tell the most memory that it has held so far, MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [line] = [each for each in status.splitlines() if each.startswith("VmHWM")]
        return int(line.split()[1]) / 1024

    def end(self) -> Ended:
        """Wait for its end."""
        self._process.join(_PATIENCE)
        assert self._process.exitcode == 0, "it does not end"
        status, seconds, peak = json.loads((self._folder / "end").read_text())
        texts = [(self._folder / name).read_text() for name in ("out", "err")]
        result = subprocess.CompletedProcess[str]([], status, *texts)
        assert not [text for text in texts if "s3cret" in text], "it tells the token"
        return Ended(result, seconds, peak / 1024)


@contextmanager
def running(url: str, stream: str, settings: dict[str, Any], **client: Any) -> Iterator[Running]:
    """Run the tap over one stream.

    Args:
        url: Where the API is.
        stream: The stream that is selected.
        settings: More settings.
        client: What replaces values of the client's module, or its `deadline`.
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
            yield Running(folder, process)
        finally:
            process.kill()
            process.join()


def run(url: str, stream: str, settings: dict[str, Any] | None = None, **client: Any) -> Ended:
    """Run the tap over one stream to its end."""
    with running(url, stream, settings or {}, **client) as tap:
        return tap.end()


def _wait_for_fork(name: str, variables: dict[str, str], client: dict[str, Any]) -> None:
    """Run the tap in a fork, whose status and memory are known whichever way it ends."""
    os.chdir(name)
    start = time.monotonic()
    pid = os.fork()
    if not pid:
        _tap(variables, client)
    Path("pid.new").write_text(str(pid))
    Path("pid.new").rename("pid")
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - start
    end = [os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss]
    Path("end").write_text(json.dumps(end))


def _tap(variables: dict[str, str], client: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(variables)
    for fd, name in enumerate(("out", "err"), 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), fd)
    defaults = Client.__init__.__kwdefaults__ or {}
    defaults["deadline"] = client.pop("deadline", DEADLINE)
    for attribute, value in (_WAITS | client).items():
        [place] = [m for m in (pixxel_api.client, pixxel_api.retry) if hasattr(m, attribute)]
        setattr(place, attribute, value)
    sys.argv = ["tap-pixxel"]
    status = 1
    try:
        TapPixxel.cli.main(["--config=config.json", "--catalog=catalog.json"])
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.stdout.flush()
        os._exit(status)
