"""Collect the distinct sets of bands of the items, so that the page has each of them once."""

from __future__ import annotations

_NO_BANDS = b"[]"
NONE, NO_ROOM = -1, -2
"""Positions of an item without bands, and of a set that the page has no room for."""


class BandSets:
    """The distinct sets of bands, each a JSON array.

    Args:
        max_bytes: Maximum size of all of them.
    """

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._positions: dict[bytes, int] = {}

    def add(self, bands: bytes) -> int:
        """Add a set if it is new; return its position, `NONE` or `NO_ROOM`."""
        if bands == _NO_BANDS:
            return NONE
        position = self._positions.get(bands)
        if position is None:
            if len(bands) > self._room:
                return NO_ROOM
            self._room -= len(bands)
            position = self._positions[bands] = len(self._positions)
        return position

    def encode(self) -> bytes:
        """Return all sets as a JSON array."""
        return b"[" + b",\n".join(self._positions) + b"]"
