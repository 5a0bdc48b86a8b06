"""Raw JSON fields, which the API returns as a list of bytes or as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from pixxel_sandbox.seed.rng import every_nth

AS_JSON = (3, 1)
"""The rule of rows that have JSON, see `every_nth`; the contract has only the list of bytes."""


def as_bytes_or_json(number: int, value: object) -> object:
    """Return a value as a row has it: JSON or the list of its bytes."""
    return value if every_nth(AS_JSON, number) else list(msgspec.json.encode(value))


def decode_bytes_or_json(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the JSON of a value, which may be the list of its bytes."""
    if not isinstance(value, list):
        return value
    try:
        return msgspec.json.decode(bytes(value))
    except (msgspec.DecodeError, TypeError, ValueError):
        return value
