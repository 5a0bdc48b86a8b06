"""The result of a conversion: a STAC object, notes on changed fields, or an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import msgspec

CONVERTED = "converted"
"""The same meaning in another form: a unit, a number written as text, RFC 3339."""
REPAIRED = "repaired"
"""The value was wrong, but the intended value is known."""
KEPT = "kept as pixxel:"
"""Not valid in its field; the raw value is in the output under a `pixxel:` name."""
DROPPED = "dropped"
"""Not in the output."""

AddNote: TypeAlias = Callable[[str, str, str], None]
"""A function that adds a note: field, action, reason."""


class ConversionNote(msgspec.Struct, frozen=True, gc=False):
    """What the conversion did with one field of the input.

    Attributes:
        field: path of the input's field, members joined by dots, such as
            `assets.B001.eo:bands.0.fwhm`.
        action: one of `CONVERTED`, `REPAIRED`, `KEPT`, `DROPPED`.
        reason: a constant text; it never contains a value of the input.
    """

    field: str
    action: str
    reason: str


class ConversionResult(NamedTuple):
    """A STAC object, read-only by convention, and the notes on its conversion."""

    stac: dict[str, Any]
    notes: list[ConversionNote]


class ConversionError(ValueError):
    """The input cannot be a STAC object; the message is one line with its id and the reason."""

    def __init__(self, object_type: str, object_id: object, reason: str) -> None:
        shown = ascii(object_id[:100]) if isinstance(object_id, str) else "without an id"
        super().__init__(f"{object_type} {shown}: {reason}")
