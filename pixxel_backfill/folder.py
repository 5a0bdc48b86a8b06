"""The folder of a backfill, local or in an object store: its plan, and attempts and their commits.

    plan.json
    shards/<collection>/<window>/<attempt>/...       what an attempt has written
    shards/<collection>/<window>/<attempt>/_STARTED  an attempt that has begun
    shards/<collection>/<window>/<attempt>/_FAILED   the reason why it has failed, if it is known
    shards/<collection>/<window>/_DONE               the attempt that counts
    shards/<collection>/<window>/state.json          the last STATE of the shard's loader

An attempt writes only below its own folder. `_DONE` is created on the condition that it does not
exist, so of several attempts one counts. Readers use only the files that `_DONE` names.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from pixxel_backfill.plan import Plan
from pixxel_singer.errors import InputError
from pixxel_singer.filesystem import (
    FILESYSTEM_ERRORS,
    InvalidLocation,
    describe_error,
    open_object_store,
)
from target_stac.formats.omissions import Omission  # noqa: TC001 - msgspec reads the annotation

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from pixxel_backfill.plan import Shard

PLAN_FILE = "plan.json"
DONE_FILE = "_DONE"
STARTED_FILE = "_STARTED"
FAILED_FILE = "_FAILED"
STATE_FILE = "state.json"
_ATTEMPT_TIME = "%Y%m%dT%H%M%S.%f"
"""The beginning of an attempt's name: when it has begun, UTC."""
_NO_PLAN = f"has no {PLAN_FILE}; make one with pixxel-backfill plan"


class ItemFile(msgspec.Struct, frozen=True):
    """A file of items that an attempt has written.

    Attributes:
        path: Its path below the attempt's folder.
        rows: Number of its items.
        bytes: Its size.
        partition: The month of its items, `YYYY-MM`.
        collection: Id of their collection.
        omissions: What GeoParquet cannot hold of them.
    """

    path: str
    rows: int
    bytes: int
    partition: str = ""
    collection: str = ""
    omissions: list[Omission] = []


class Done(msgspec.Struct, frozen=True):
    """What an attempt did, as `_DONE` has it.

    Attributes:
        attempt: Its name.
        files: The files that count.
        rows: Number of items that it emitted.
        requests: Number of requests that it sent.
        seconds: How long it took.
        started_at: The server's time when it began, in the fixed-width UTC form.
        largest: The largest `updated` of its items, in that form; None without one.
        boundary: Id of the item that has it.
        undated: Ids of items without any time that it has seen, which no shard owns.
        state_id: Id of the state of the loader's pipeline.
        state: The tap's last state, of a catch-up.
    """

    attempt: str
    files: list[ItemFile]
    rows: int
    requests: int
    seconds: float
    started_at: str | None
    largest: str | None
    boundary: str | None
    undated: list[str] = []
    state_id: str = ""
    state: dict[str, Any] | None = None


@dataclass
class ShardAttempts:
    """The attempts at a shard.

    Attributes:
        is_done: Whether one of them counts.
        latest: The name of the latest one; empty without any.
        failed: The names of those that have failed.
    """

    is_done: bool = False
    latest: str = ""
    failed: set[str] = field(default_factory=set)


class Attempt:
    """An attempt at a shard, which has a folder of its own.

    Args:
        store: The store of the backfill.
        shard: The shard.
        name: Its name, unique among the attempts at the shard.

    Attributes:
        shard: As above.
        name: As above.
    """

    def __init__(self, store: ObjectStore, shard: Shard, name: str) -> None:
        self._store = store
        self.shard = shard
        self.name = name

    @property
    def folder(self) -> str:
        """Its folder below that of the plan."""
        return f"{self.shard.folder}/{self.name}"

    def put(self, path: str, content: bytes | Path) -> None:
        """Write a file below its folder."""
        obstore.put(self._store, f"{self.folder}/{path}", content)

    def commit(self, done: Done) -> Done:
        """Make this attempt the one that counts, unless another one does already.

        Returns:
            The attempt that counts.
        """
        path = f"{self.shard.folder}/{DONE_FILE}"
        try:
            obstore.put(self._store, path, msgspec.json.encode(done), mode="create")
        except AlreadyExistsError:
            content = obstore.get(self._store, path).bytes()
            return msgspec.json.decode(bytes(content), type=Done)
        return done


class BackfillFolder:
    """The folder of a backfill.

    Args:
        url: A local path, or the URL of a folder in an object store.
        create: Make a local folder if it does not exist.

    Raises:
        InputError: The path or URL cannot be used.
    """

    def __init__(self, url: str, *, create: bool = False) -> None:
        self.url = url
        try:
            store = open_object_store(url)
        except InvalidLocation as error:
            raise InputError(f"--plan: {error}") from None
        if store is None and "://" in url:
            raise InputError(
                f"--plan: '{url}' is no folder; pass a local path, or a URL such as s3://bucket/path"
            )
        self.store: ObjectStore = store or _open_local_store(url, create=create)

    def read(self, path: str) -> bytes | None:
        """Return a file's content, None if it does not exist."""
        try:
            return bytes(obstore.get(self.store, path).bytes())
        except FileNotFoundError:
            return None

    def check_no_plan(self) -> None:
        """Check that the folder has no plan yet.

        Raises:
            InputError: It has one.
        """
        if self.read(PLAN_FILE) is not None:
            raise self._plan_error()

    def _plan_error(self) -> InputError:
        return InputError(
            f"{self.url}: has a plan already; run it with pixxel-backfill run, or pass --out with "
            "another folder"
        )

    def create_plan(self, plan: Plan) -> None:
        """Write the plan.

        Raises:
            InputError: The folder has a plan already.
        """
        try:
            obstore.put(self.store, PLAN_FILE, msgspec.json.encode(plan), mode="create")
        except AlreadyExistsError:
            raise self._plan_error() from None

    def read_plan(self) -> Plan:
        """Read the plan.

        Raises:
            InputError: There is none, or it is not one.
        """
        content = self.read(PLAN_FILE)
        if content is None:
            raise InputError(f"{self.url}: {_NO_PLAN}")
        try:
            return msgspec.json.decode(content, type=Plan)
        except msgspec.DecodeError as error:
            raise InputError(f"{self.url}/{PLAN_FILE}: is not a plan: {error}") from None

    def read_done(self, shard: Shard) -> Done | None:
        """Return what the attempt at a shard did that counts, None if there is none yet.

        Raises:
            InputError: The file that says so is damaged.
        """
        path = f"{shard.folder}/{DONE_FILE}"
        content = self.read(path)
        try:
            return None if content is None else msgspec.json.decode(content, type=Done)
        except msgspec.DecodeError as error:
            raise InputError(
                f"{self.url}/{path}: is damaged: {error}; delete it, and run the shard again"
            ) from None

    def start_attempt(self, shard: Shard) -> Attempt:
        """Start an attempt at a shard."""
        now = datetime.now(UTC).strftime(_ATTEMPT_TIME)
        attempt = Attempt(self.store, shard, f"{now}-{secrets.token_hex(4)}")
        attempt.put(STARTED_FILE, b"")
        return attempt

    def read_state(self, shard: Shard) -> dict[str, Any] | None:
        """Return the last STATE of a shard's loader, None if there is none yet."""
        content = self.read(f"{shard.folder}/{STATE_FILE}")
        return None if content is None else msgspec.json.decode(content, type=dict[str, Any])

    def write_state(self, shard: Shard, state: bytes) -> None:
        """Replace the STATE of a shard's loader.

        Args:
            shard: The shard.
            state: The value of a STATE message, as JSON.
        """
        obstore.put(self.store, f"{shard.folder}/{STATE_FILE}", state)

    def read_failure(self, shard: Shard, attempt: str) -> str:
        """Return why an attempt has failed."""
        content = self.read(f"{shard.folder}/{attempt}/{FAILED_FILE}")
        return (content or b"").decode(errors="replace")

    def list_attempts(self, plan: Plan) -> dict[str, ShardAttempts]:
        """Return what has been tried of each shard, by its id, from one listing."""
        found = {shard.folder: ShardAttempts() for shard in plan.shards}
        for batch in obstore.list(self.store, "shards/"):
            for each in batch:
                folder, _, name = each["path"].rpartition("/")
                if name == DONE_FILE and folder in found:
                    found[folder].is_done = True
                elif name in {STARTED_FILE, FAILED_FILE}:
                    folder, _, attempt = folder.rpartition("/")
                    if folder in found:
                        attempts = found[folder]
                        attempts.latest = max(attempts.latest, attempt)
                        if name == FAILED_FILE:
                            attempts.failed.add(attempt)
        return {shard.id: found[shard.folder] for shard in plan.shards}


def read_start(attempt: str) -> str:
    """Return when an attempt has begun, UTC, from its name."""
    begin = datetime.strptime(attempt.partition("-")[0], _ATTEMPT_TIME).replace(tzinfo=UTC)
    return begin.strftime("%Y-%m-%dT%H:%M:%SZ")


def _open_local_store(path: str, *, create: bool) -> LocalStore:
    """Return the store of a local folder.

    Raises:
        InputError: It is none, or cannot be made.
    """
    if not create and not Path(path).is_dir():
        raise InputError(f"{path}: {_NO_PLAN}")
    try:
        return LocalStore(Path(path).absolute(), mkdir=create)
    except FILESYSTEM_ERRORS as error:
        raise InputError(f"--out: cannot make the folder {path}: {describe_error(error)}") from None
