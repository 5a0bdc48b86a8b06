"""Raw JSON: what the API passes on unread, as the list of its bytes or as JSON."""

from typing import Final

import msgspec

from pixxel_sandbox.chance import seldom

AS_IT_IS: Final = (3, 1)
"""One row in so many has it as JSON, from which one on; the contract knows its bytes only."""


def passed_on(number: int, value: object) -> object:
    """Returns JSON in the form that the row of a number has it in."""
    return value if seldom(AS_IT_IS, number) else list(msgspec.json.encode(value))
