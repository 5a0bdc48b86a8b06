"""Notes: what a conversion says about a field that it could not simply pass on."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

CONVERTED: Final = "converted"
"""The same meaning in another form: a unit, a number out of a text, RFC 3339."""
REPAIRED: Final = "repaired"
"""The value was wrong in a way that says what was meant."""
KEPT: Final = "kept as pixxel:"
"""Not usable where it stood; the raw value is in the output under a ``pixxel:`` name."""
DROPPED: Final = "dropped"
"""Not in the output."""


class ConversionNote(NamedTuple):
    """What was done to one field of the input.

    Attributes:
        field: path of the input's field, members joined by dots, such as
            ``assets.B001.eo:bands.0.fwhm``.
        done: one of `CONVERTED`, `REPAIRED`, `KEPT`, `DROPPED`.
        why: a constant text; it never holds a value of the input.
    """

    field: str
    action: str
    reason: str


class ConversionResult(NamedTuple):
    """A STAC object, read-only by convention, and the notes on its making."""

    stac: dict[str, Any]
    notes: list[ConversionNote]


class ConversionError(ValueError):
    """No STAC object can be made of the input; the text is one line with its id and the reason."""

    def __init__(self, kind: str, key: object, why: str) -> None:
        shown = ascii(key[:100]) if isinstance(key, str) else "without an id"
        super().__init__(f"{kind} {shown}: {why}")
