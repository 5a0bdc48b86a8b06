"""The plan of a backfill: its shards, and the acquisition times that each of them owns."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

OPEN_END = ".."
"""An end of a range that has no bound."""


class Shard(msgspec.Struct, frozen=True):
    """A part of a collection, which one attempt reads and commits as a whole.

    It owns the items whose `datetime`, else `start_datetime`, is in its half-open range.

    Attributes:
        id: Its id, unique in the plan, such as `firefly-l1c/2024-03`.
        collection: Id of the collection.
        start: The first time that it owns, in the fixed-width UTC form; None is unbounded.
        end: The first time after its range; None is unbounded.
    """

    id: str
    collection: str
    start: str | None
    end: str | None

    @property
    def folder(self) -> str:
        """Its folder below that of the plan."""
        return "shards/" + "/".join(quote(part, safe="") for part in self.id.split("/"))

    @property
    def owned_range(self) -> str:
        """The tap's setting `owned_range`."""
        return f"{self.start or OPEN_END}/{self.end or OPEN_END}"

    def tap_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the tap's settings for this shard.

        Args:
            settings: Those of the whole backfill.
        """
        own = {"collections": [self.collection], "owned_range": self.owned_range}
        return settings | own


class Plan(msgspec.Struct, frozen=True):
    """A backfill.

    Attributes:
        id: Random id, which distinguishes it from others.
        started_at: The server's time when planning began (T0), in the fixed-width UTC form.
        settings: The tap's settings without secrets, which are read anew by each command.
        shards: The shards; those of a collection are in the order of time and leave no gaps.
        collections: The archive's collections as STAC, by id.
        loader: The command of the Singer target that each shard is piped into; None to write
            GeoParquet.
    """

    id: str
    started_at: str
    settings: dict[str, Any]
    shards: list[Shard]
    collections: dict[str, dict[str, Any]]
    loader: list[str] | None = None

    def find_shard(self, identifier: str) -> Shard | None:
        """Return a shard by its id, None if there is none."""
        return next((shard for shard in self.shards if shard.id == identifier), None)
