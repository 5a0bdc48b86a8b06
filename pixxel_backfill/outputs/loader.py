"""A Singer target as output: it receives the messages of a shard on its standard input."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import msgspec

from pixxel_singer.redaction import escape_controls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pixxel_backfill.folder import ItemFile

STATE_ID_VARIABLE = "PIXXEL_BACKFILL_STATE_ID"
"""Environment variable of the loader with the id of the shard's state."""
_POLL_SECONDS = 0.1  # between two calls of `check`
_END_SECONDS = 10.0
"""Time for a loader to end by itself when its input has ended early, and again after SIGTERM."""
_MAX_REASON = 500  # characters
_STATE_START, _RECORD_START = b'{"type":"STATE"', b'{"type":"RECORD"'
"""Start of the messages that the tap writes."""


class LoaderFailed(Exception):
    """The loader cannot be started, or has failed; the text is the reason."""


class LoaderOutput:
    """A process of the loader's command.

    `check` can end each wait for the loader. Two threads read what it writes, so it may write as
    much as it likes at any time. Each STATE that it writes is saved as that of the shard: a later
    attempt starts from there.

    Args:
        command: The command with its arguments.
        shard_id: Id of the shard, which precedes the lines of the loader's log.
        state_id: Id of the shard's state, for the loader's environment.
        save_state: Saves a STATE, as JSON.
        check: Called while waiting; raises to stop.

    Raises:
        LoaderFailed: The command cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        shard_id: str,
        state_id: str,
        save_state: Callable[[bytes], None],
        check: Callable[[], None],
    ) -> None:
        self._command = command[0]
        self._shard_id = shard_id
        self._save_state = save_state
        self._check = check
        self._last_line = ""
        self._sent_state = b""
        self._has_records = False
        self._confirmed_bookmarks: dict[str, Any] | None = None
        self._save_error: Exception | None = None
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=os.environ | {STATE_ID_VARIABLE: state_id},
            )
        except OSError as error:
            raise LoaderFailed(f"cannot start '{self._command}': {error.strerror}") from None
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise AssertionError
        self._stdin = stdin
        os.set_blocking(stdin.fileno(), False)
        self._writable = select.poll()
        self._writable.register(stdin, select.POLLOUT)
        self._readers = [
            threading.Thread(target=self._read_states, args=(stdout,), daemon=True),
            threading.Thread(target=self._read_log, args=(stderr,), daemon=True),
        ]
        for each in self._readers:
            each.start()

    def write_line(self, line: bytes) -> None:
        """Write a message to the loader.

        Raises:
            LoaderFailed: It has ended, or its state cannot be saved.
        """
        if self._save_error:
            raise self._save_error
        if line.startswith(_STATE_START):
            self._sent_state = line
        elif line.startswith(_RECORD_START):
            self._has_records = True
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._stdin.fileno(), rest) :]
            except BlockingIOError:
                self._check()
                self._writable.poll(int(_POLL_SECONDS * 1000))
            except BrokenPipeError:
                self._wait()
                raise LoaderFailed(self._describe_end()) from None

    def finish(self) -> list[ItemFile]:
        """Wait until the loader has ended; return no files, as it stores the items.

        Raises:
            LoaderFailed: It has failed, or has not confirmed the last STATE.
        """
        self._stdin.close()
        self._wait()
        if self._process.returncode:
            raise LoaderFailed(self._describe_end())
        if self._save_error:
            raise self._save_error
        # Loaders that have stored nothing may write an earlier STATE, or none.
        if self._has_records and self._sent_state:
            sent = msgspec.json.decode(self._sent_state)["value"]
            if self._confirmed_bookmarks != sent.get("bookmarks"):
                raise LoaderFailed(
                    f"the loader '{self._command}' ended without writing the last STATE, so it may "
                    "not have stored all items"
                )
        return []

    def abort(self) -> None:
        """End the loader, which may first store what it has received."""
        with suppress(OSError):
            self._stdin.close()
        for end in (self._process.terminate, self._process.kill):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
                break
            end()
        self._process.wait()
        self._join_readers()

    def _wait(self) -> None:
        """Wait until the process has ended, and its output was read."""
        while True:
            try:
                self._process.wait(_POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                self._check()
        self._join_readers()

    def _join_readers(self) -> None:
        for each in self._readers:
            each.join(_END_SECONDS)  # a process of the loader's own may keep the pipe open

    def _describe_end(self) -> str:
        status = self._process.returncode
        end = f"ended with status {status}" if status else "ended before its input did"
        reason = f": {self._last_line}" if self._last_line else ""
        return f"the loader '{self._command}' {end}{reason}"[:_MAX_REASON]

    def _read_states(self, stdout: IO[bytes]) -> None:
        with stdout:
            for line in stdout:
                if not line.strip() or self._save_error:
                    continue
                state = _parse_state(line)
                if state is None:
                    self._print(f"no STATE: {line[:_MAX_REASON].decode(errors='replace')}")
                if not state:
                    continue
                try:
                    self._save_state(line)
                    self._confirmed_bookmarks = state["bookmarks"]
                except Exception as error:  # noqa: BLE001 - raised in the thread that writes
                    self._save_error = error

    def _read_log(self, stderr: IO[bytes]) -> None:
        with stderr:
            for line in stderr:
                self._last_line = self._print(line.decode(errors="replace")) or self._last_line

    def _print(self, line: str) -> str:
        """Print a line to the log, and return it without control characters."""
        text = escape_controls(line.rstrip(), keep="\t")
        print(f"{self._shard_id}: {text}", file=sys.stderr, flush=True)  # noqa: T201
        return text


def _parse_state(line: bytes) -> dict[str, Any] | None:
    """Return a state of the tap, {} for one without bookmarks, None for another line."""
    try:
        state = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    return state if isinstance(state.get("bookmarks"), dict) else {}
