"""The interface of an output, which receives the records of one attempt at a shard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pixxel_backfill.folder import ItemFile


class ShardOutput(Protocol):
    """Receiver of the Singer messages of an attempt at a shard."""

    def write_line(self, line: bytes) -> None:
        """Receive a message as a line of JSON with its newline."""

    def finish(self) -> list[ItemFile]:
        """Write what is left, after the last message; return the files that count."""

    def abort(self) -> None:
        """Stop at once, because the attempt has failed."""
