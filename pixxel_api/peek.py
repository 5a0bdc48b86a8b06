"""One value out of a row, without making objects of all the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pixxel_api.bodies import Row


class Peek:
    """Reads the text or whole number at a place in a row.

    Args:
        member: The row's member that it is, or is in.
        names: The names that lead on from there.
    """

    def __init__(self, member: str, *names: str) -> None:
        kind: Any = str | int | None
        for name in reversed(names):
            inner = msgspec.field(default=None, name=name)
            kind = msgspec.defstruct("Place", [("inner", kind, inner)]) | None
        self._member = member
        self._decode = msgspec.json.Decoder(kind).decode
        self._depth = len(names)

    def __call__(self, row: Row) -> str | int | None:
        """Give the value, None where there is none, it is of another type, or out of reach."""
        raw = row.get(self._member)
        if raw is None:
            return None
        try:
            value = self._decode(raw)
        except (msgspec.ValidationError, RecursionError):
            return None
        for _ in range(self._depth):
            if value is None:
                return None
            value = value.inner
        found: str | int | None = value
        return found
