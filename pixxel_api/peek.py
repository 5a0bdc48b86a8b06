"""One value out of a row of JSON, without making objects of all the rest."""

from __future__ import annotations

from typing import Any

import msgspec


class Peek:
    """Reads the text or whole number at a place in a JSON object.

    Args:
        names: The names that lead there from the outside in.
    """

    def __init__(self, *names: str) -> None:
        kind: Any = str | int | None
        for name in reversed(names):
            inner = msgspec.field(default=None, name=name)
            kind = msgspec.defstruct("Place", [("inner", kind, inner)]) | None
        self._decoder = msgspec.json.Decoder(kind)
        self._depth = len(names)

    def __call__(self, row: msgspec.Raw) -> str | int | None:
        """Give the value, None where there is none, it is of another type, or out of reach."""
        try:
            value = self._decoder.decode(row)
        except (msgspec.ValidationError, RecursionError):
            return None
        for _ in range(self._depth):
            if value is None:
                return None
            value = value.inner
        found: str | int | None = value
        return found
