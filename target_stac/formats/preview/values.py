"""Read values of items whatever their types, and encode them for the page."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAX_NUMBER = sys.float_info.max
_MAX_TEXT_LENGTH = 300  # characters
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def encode_script_json(data: object) -> bytes:
    """Return data as JSON that is safe in a script element, whatever its strings contain.

    It is ASCII: U+2028 and U+2029 are escaped as well.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES).encode("ascii")


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return an object; an empty one for any other value."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> Sequence[Any]:
    """Return a list; an empty one for any other value."""
    return value if isinstance(value, list | tuple) else ()


def is_number(value: object) -> TypeGuard[float]:
    """Return whether JavaScript can represent the value as a finite number."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -_MAX_NUMBER <= value <= _MAX_NUMBER
    )


def format_text(value: object) -> str | None:
    """Return a value as text of bounded length."""
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= _MAX_TEXT_LENGTH else text[:_MAX_TEXT_LENGTH] + "…"
