"""A harness that runs target-pixxel-store against a sandbox, in this process or as a command."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from target_pixxel_store.target import TargetPixxelStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixxel_sandbox import Sandbox

Json = dict[str, Any]

TIMEOUT_SECONDS = 30
TARGET = str(Path(sys.executable).with_name("target-pixxel-store"))
LOGGERS = ("target-pixxel-store", "target_pixxel_store")
"""The logger of the plugin, and the logger of its modules."""
TEXT = {"type": ["string", "null"]}
OBJECT = {"type": ["object", "null"]}
KEYS = {"stores": ["name"], "delivery_requests": ["catalog_id"]}
FIELDS: dict[str, Json] = {
    "stores": {
        **dict.fromkeys(["id", "name", "type", "bucket", "region", "path_prefix"], TEXT),
        **dict.fromkeys(["credentials", "_sdc_deleted_at"], TEXT),
        **dict.fromkeys(["configs", "labels"], OBJECT),
    },
    "delivery_requests": dict.fromkeys(
        ["catalog_id", "order_item_id", "store", "path", "replace_delivery"], TEXT
    ),
    "download_requests": dict.fromkeys(["catalog_id", "order_item_id", "path"], TEXT),
    "catalogs": {
        **dict.fromkeys(["id", "created_at", "datetime", "platform", "org_id"], TEXT),
        "stac_item": OBJECT,
    },
    "order_items": dict.fromkeys(["id", "type", "status", "created_at", "org_id"], TEXT),
}


def schema(stream: str, keys: list[str] | None = None) -> Json:
    """Return the SCHEMA message of a stream; requests have no key properties by default."""
    default = ["id"] if stream in {"catalogs", "order_items"} else ["name"]
    default = [] if stream in {"delivery_requests", "download_requests"} else default
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": FIELDS.get(stream, {})},
        "key_properties": default if keys is None else keys,
    }


def record(stream: str, **fields: Any) -> Json:
    """Return a RECORD message."""
    return {"type": "RECORD", "stream": stream, "record": fields}


def delivery_request(catalog: str, store: str = "research", **variables: Any) -> Json:
    """Return a RECORD of `delivery_requests`."""
    return record("delivery_requests", catalog_id=catalog, store=store, **variables)


def download_request(catalog: str, **variables: Any) -> Json:
    """Return a RECORD of `download_requests`."""
    return record("download_requests", catalog_id=catalog, **variables)


def state(number: int) -> Json:
    """Return a STATE message."""
    return {"type": "STATE", "value": {"upto": number}}


def add_schemas(*messages: Json) -> list[Json]:
    """Return the messages with a SCHEMA before the first record of each stream."""
    completed: list[Json] = []
    seen: set[str] = set()
    for message in messages:
        stream = message.get("stream")
        if message["type"] == "SCHEMA":
            seen.add(message["stream"])
        elif stream is not None and stream not in seen:
            seen.add(stream)
            completed.append(schema(stream))
        completed.append(message)
    return completed


def serialize_messages(*messages: Json) -> str:
    """Return the messages as JSON lines, as a tap writes them."""
    return "".join(json.dumps(message) + "\n" for message in messages)


def read_json_lines(path: Path) -> list[Json]:
    """Return the objects of a file of JSON lines; [] if the file does not exist."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def _count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@dataclass
class RunResult:
    """The outputs of a run.

    Attributes:
        status: The exit status; None if the run raised `error`.
        states: The value of each STATE that the run wrote.
        log: The log lines at INFO and above.
        outcomes, rejected: The lines that the run added to the files of this name.
        summary: The last summary.
    """

    status: int | None
    states: list[Json]
    log: str
    outcomes: list[Json]
    rejected: list[Json]
    summary: Json
    error: Exception | None = None

    @property
    def kinds(self) -> list[str]:
        """The outcome of each record."""
        return [line["outcome"] for line in self.outcomes]

    @property
    def reasons(self) -> list[str]:
        """The reason of each outcome."""
        return [line["reason"] or "" for line in self.outcomes]


@dataclass
class TargetHarness:
    """A runner of the target, with a sandbox, a folder for its files, and settings.

    Attributes:
        settings: The settings of all runs.
    """

    sandbox: Sandbox
    folder: Path
    settings: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = {
            "api_url": self.sandbox.url,
            "api_token": self.sandbox.token,
            "journal_path": str(self.folder / "journal"),
            "outcomes_path": str(self.folder / "outcomes"),
            "rejected_path": str(self.folder / "rejected"),
            "summary_path": str(self.folder / "summary"),
            "settle_seconds": 0.5,
            **self.settings,
        }
        self.reset_journal()

    def reset_journal(self) -> None:
        """Replace the journal by one without requests, so that no run waits for earlier ones."""
        lines = ({"is": "run", "id": "earlier", "workspaces": []}, {"is": "settled"})
        self.journal_path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def lose_journal(self) -> None:
        """Delete the journal, so that the next run waits for earlier ones, but not for long."""
        self.journal_path.unlink()
        self.shorten_wait()

    def append_to_journal(self, *lines: Json) -> None:
        """Append what an earlier run wrote, such as an open intent; the wait for it is short."""
        with self.journal_path.open("a") as journal:
            journal.writelines(json.dumps(line) + "\n" for line in lines)
        self.shorten_wait()

    def shorten_wait(self) -> None:
        """Shorten the wait for earlier runs, which lasts as long as a write may, and the lag."""
        self.settings["request_timeout"] = 1

    @property
    def journal_path(self) -> Path:
        """The path of the journal."""
        return self.folder / "journal"

    def run(self, *messages: Json | str, **settings: Any) -> RunResult:
        """Run the target in this process."""
        before = self._count_output_lines()
        log = io.StringIO()
        handler = logging.StreamHandler(log)
        loggers = {each: each.level for each in map(logging.getLogger, LOGGERS)}
        for logger in loggers:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
        output = io.StringIO()
        status, raised = None, None
        try:
            with redirect_stdout(output):
                target = TargetPixxelStore(config=self.settings | settings)
                status = int(target.run(io.StringIO(self._serialize(messages))))
        except Exception as error:  # noqa: BLE001 - the test checks it
            raised = error
        finally:
            for logger, level in loggers.items():
                logger.removeHandler(handler)
                logger.setLevel(level)
        return self._make_result(status, output.getvalue(), log.getvalue(), before, raised)

    def run_command(self, *messages: Json | str, **settings: Any) -> RunResult:
        """Run the command target-pixxel-store."""
        before = self._count_output_lines()
        process = subprocess.run(
            [TARGET, "--config", str(self.write_config(**settings))],
            input=self._serialize(messages),
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            env=clean_environment(),
            cwd=self.folder,
        )
        return self._make_result(process.returncode, process.stdout, process.stderr, before)

    def write_config(self, **settings: Any) -> Path:
        """Write a config file and return its path."""
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.settings | settings))
        return path

    def list_deliveries(self) -> list[Json]:
        """Return the sandbox's deliveries; those that runs created come last."""
        return self.sandbox.workspace.rows("deliveries")

    def catalog_ids(self, count: int) -> list[str]:
        """Return ids of catalogs that have no delivery."""
        delivered = {row["catalog_id"] for row in self.list_deliveries()}
        ids = [key for key in self.sandbox.workspace.ids("catalogs") if key not in delivered]
        assert len(ids) >= count
        return ids[:count]

    def find_store(self, name: str) -> Json:
        """Return the sandbox's store with a name."""
        return next(s for s in self.sandbox.workspace.rows("stores") if s["name"] == name)

    def assert_delivered_once(self, ids: list[str]) -> None:
        """Check that each catalog has one delivery; those that are not listed yet count."""
        counts = Counter(row["catalog_id"] for row in self.list_deliveries())
        assert {key: counts[key] for key in ids} == dict.fromkeys(ids, 1)

    @contextmanager
    def start(
        self, *messages: Json, **settings: Any
    ) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
        """Start the command and write messages to its input, which stays open."""
        with subprocess.Popen(
            [TARGET, "--config", str(self.write_config(**settings))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=clean_environment(),
        ) as target:
            assert target.stdin is not None
            assert target.stdout is not None
            try:
                target.stdin.write(serialize_messages(*add_schemas(*messages)))
                target.stdin.flush()
                yield target, target.stdout
            finally:
                target.kill()

    def posted_bodies(self, path: str = "/v0/catalogs/deliveries") -> list[Any]:
        """Return the bodies of the POST requests to a path."""
        return [
            each.body
            for each in self.sandbox.requests
            if each.method == "POST" and each.path == path
        ]

    def _serialize(self, messages: tuple[Json | str, ...]) -> str:
        records = [message for message in messages if isinstance(message, dict)]
        if len(records) < len(messages):
            return "".join(m if isinstance(m, str) else json.dumps(m) + "\n" for m in messages)
        return serialize_messages(*add_schemas(*records))

    def _count_output_lines(self) -> tuple[int, int]:
        return _count_lines(self.folder / "outcomes"), _count_lines(self.folder / "rejected")

    def _make_result(
        self,
        status: int | None,
        output: str,
        log: str,
        before: tuple[int, int],
        error: Exception | None = None,
    ) -> RunResult:
        summary = self.folder / "summary"
        return RunResult(
            status=status,
            states=[json.loads(line) for line in output.splitlines()],
            log=log,
            outcomes=read_json_lines(self.folder / "outcomes")[before[0] :],
            rejected=read_json_lines(self.folder / "rejected")[before[1] :],
            summary=json.loads(summary.read_text()) if summary.exists() else {},
            error=error,
        )


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def clean_environment(**variables: str) -> dict[str, str]:
    """Return the environment without settings of the target, plus the given variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TARGET_PIXXEL_STORE")}
    return kept | variables
