"""Runs target-pixxel-store against a sandbox, as a command or in this process."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_pixxel_store.target import TargetPixxelStore

if TYPE_CHECKING:
    from pixxel_sandbox import Sandbox

Json = dict[str, Any]

TARGET = str(Path(sys.executable).with_name("target-pixxel-store"))
LOGGERS = ("target-pixxel-store", "target_pixxel_store")
"""The plugin's own, and that of its modules."""
TEXT = {"type": ["string", "null"]}
OBJECT = {"type": ["object", "null"]}
KEYS = {"stores": ["name"], "delivery_requests": ["catalog_id"]}
FIELDS: dict[str, Json] = {
    "stores": {
        **dict.fromkeys(["id", "name", "type", "bucket", "region", "path_prefix"], TEXT),
        **dict.fromkeys(["credentials", "_sdc_deleted_at"], TEXT),
        **dict.fromkeys(["configs", "labels"], OBJECT),
    },
    "delivery_requests": dict.fromkeys(["catalog_id", "order_item_id", "store", "path"], TEXT),
    "download_requests": dict.fromkeys(["catalog_id", "order_item_id", "path"], TEXT),
    "catalogs": {
        **dict.fromkeys(["id", "created_at", "datetime", "platform", "org_id"], TEXT),
        "stac_item": OBJECT,
    },
    "order_items": dict.fromkeys(["id", "status", "created_at", "org_id"], TEXT),
}


def schema(stream: str, keys: list[str] | None = None) -> Json:
    """Make the SCHEMA message of a stream; requests have no key unless they are given one."""
    default = ["id"] if stream in {"catalogs", "order_items"} else ["name"]
    default = [] if stream in {"delivery_requests", "download_requests"} else default
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": FIELDS.get(stream, {})},
        "key_properties": default if keys is None else keys,
    }


def record(stream: str, **fields: Any) -> Json:
    """Make a RECORD message."""
    return {"type": "RECORD", "stream": stream, "record": fields}


def request(catalog: str, store: str = "research", **more: Any) -> Json:
    """Make a request for a delivery."""
    return record("delivery_requests", catalog_id=catalog, store=store, **more)


def wanted(catalog: str, **more: Any) -> Json:
    """Make a request for a download."""
    return record("download_requests", catalog_id=catalog, **more)


def state(number: int) -> Json:
    """Make a STATE message."""
    return {"type": "STATE", "value": {"upto": number}}


def with_schemas(*messages: Json) -> list[Json]:
    """Put each stream's SCHEMA before its first record."""
    made: list[Json] = []
    seen: set[str] = set()
    for message in messages:
        stream = message.get("stream")
        if message["type"] == "SCHEMA":
            seen.add(message["stream"])
        elif stream is not None and stream not in seen:
            seen.add(stream)
            made.append(schema(stream))
        made.append(message)
    return made


def text_of(*messages: Json) -> str:
    """Write messages as a tap does."""
    return "".join(json.dumps(message) + "\n" for message in messages)


def lines_of(path: Path) -> list[Json]:
    """Read a file of JSON lines; none when it is not there."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def _whole_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@dataclass
class Ran:
    """What a run has left.

    Attributes:
        status: The exit status; None where it ended with `error`.
        states: The STATE it wrote, a value each.
        log: What it logged, at INFO and above.
        outcomes, rejected: The lines that it added to those files.
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
        """What became of each record."""
        return [line["outcome"] for line in self.outcomes]

    @property
    def reasons(self) -> list[str]:
        """Why, for each record."""
        return [line["reason"] or "" for line in self.outcomes]


@dataclass
class Workplace:
    """A folder for the target's files, and settings that go with a sandbox.

    Attributes:
        settings: What all runs are given.
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
        self.keep_journal()

    def keep_journal(self) -> None:
        """Begin with a journal, so that no run waits for what an earlier one may have done."""
        line = {"is": "run", "id": "earlier", "workspaces": []}
        self.journal.write_text(json.dumps(line) + "\n")

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.folder / "journal"

    def run(self, *messages: Json | str, **settings: Any) -> Ran:
        """Run the target in this process."""
        before = self._counts()
        log = io.StringIO()
        handler = logging.StreamHandler(log)
        loggers = {each: each.level for each in map(logging.getLogger, LOGGERS)}
        for logger in loggers:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
        out = io.StringIO()
        status, failure = None, None
        try:
            with redirect_stdout(out):
                target = TargetPixxelStore(config=self.settings | settings)
                status = int(target.run(io.StringIO(self._text(messages))))
        except Exception as error:  # noqa: BLE001 - handed over for the test to look at
            failure = error
        finally:
            for logger, level in loggers.items():
                logger.removeHandler(handler)
                logger.setLevel(level)
        return self._ran(status, out.getvalue(), log.getvalue(), before, failure)

    def command(self, *messages: Json | str, **settings: Any) -> Ran:
        """Run the target's command."""
        before = self._counts()
        done = subprocess.run(
            [TARGET, "--config", str(self.config(**settings))],
            input=self._text(messages),
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            env=environment(),
            cwd=self.folder,
        )
        return self._ran(done.returncode, done.stdout, done.stderr, before)

    def config(self, **settings: Any) -> Path:
        """Write a config file."""
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.settings | settings))
        return path

    def listed(self) -> list[Json]:
        """The deliveries that the sandbox has, those made at run time last."""
        return self.sandbox.workspace.rows("deliveries")

    def catalogs(self, count: int) -> list[str]:
        """Ids of catalogs that were never delivered."""
        taken = {row["catalog_id"] for row in self.listed()}
        ids = [key for key in self.sandbox.workspace.ids("catalogs") if key not in taken]
        assert len(ids) >= count
        return ids[:count]

    def store(self, name: str) -> Json:
        """A store of the sandbox, by its name."""
        return next(s for s in self.sandbox.workspace.rows("stores") if s["name"] == name)

    def posts(self, path: str = "/v0/catalogs/deliveries") -> list[Any]:
        """The bodies of the POST requests to a path."""
        return [
            each.body
            for each in self.sandbox.requests
            if each.method == "POST" and each.path == path
        ]

    def _text(self, messages: tuple[Json | str, ...]) -> str:
        given = [message for message in messages if isinstance(message, dict)]
        if len(given) < len(messages):
            return "".join(m if isinstance(m, str) else json.dumps(m) + "\n" for m in messages)
        return text_of(*with_schemas(*given))

    def _counts(self) -> tuple[int, int]:
        return _whole_lines(self.folder / "outcomes"), _whole_lines(self.folder / "rejected")

    def _ran(
        self,
        status: int | None,
        out: str,
        log: str,
        before: tuple[int, int],
        error: Exception | None = None,
    ) -> Ran:
        summary = self.folder / "summary"
        return Ran(
            status=status,
            states=[json.loads(line) for line in out.splitlines()],
            log=log,
            outcomes=lines_of(self.folder / "outcomes")[before[0] :],
            rejected=lines_of(self.folder / "rejected")[before[1] :],
            summary=json.loads(summary.read_text()) if summary.exists() else {},
            error=error,
        )


def environment(**more: str) -> dict[str, str]:
    """The environment without any setting of the target, and with some more variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TARGET_PIXXEL_STORE")}
    return kept | more
