"""What the API has answered: JSON objects, and texts that are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from pixxel_api.errors import UnexpectedResponse, parse_error_code
from pixxel_api.json_decoding import decode_rows, to_python

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pixxel_api.json_decoding import RawRow


@dataclass(frozen=True, slots=True)
class JsonResponse:
    """An answer that holds a JSON object, whose values stay JSON until they are wanted.

    A page of archive items takes ten times its length as Python objects, so what waits for its
    turn waits as text.

    Attributes:
        fields: The object's values, known to be well-formed JSON; of one whose rows were
            asked for, only `bodies.BESIDE`.
        asked: The server's clock when it was asked, never later than that: its `Date` header
            less the time the answer took. None without the header.
        method, path, status: Of the request that brought it.
        listed: The rows that were asked for, by the name of their list.
    """

    fields: RawRow
    requested_at: datetime | None
    method: str
    path: str
    status: int
    rows_by_key: Mapping[str, list[RawRow]] = field(default_factory=dict)

    def decode_field(self, name: str) -> object:
        """Make objects of a value; None where there is none."""
        raw = self.fields.get(name)
        return None if raw is None else to_python(raw)

    def rows(self, name: str) -> list[RawRow]:
        """Give the rows of a list; the service may write an empty one as null.

        Raises:
            WrongShape: There is no such list, or an error in place of its rows.
        """
        if name in self.rows_by_key:
            return self.rows_by_key[name]
        raw = self.fields.get(name)
        try:
            rows = None if raw is None else decode_rows(raw)
        except msgspec.ValidationError:
            raw = rows = None
        if not rows:
            self.raise_for_error()
        if raw is None:
            reason = f"the answer has no list '{name}'"
            raise UnexpectedResponse(self.method, self.path, self.status, reason=reason)
        return rows or []

    def raise_for_error(self) -> None:
        """Check that there is no error where something is missing: it is not just empty.

        Raises:
            WrongShape: The answer is an error, though its status says otherwise.
        """
        if error := self.decode_field("error"):
            code, reason = parse_error_code({"error": error}), "the answer holds an error"
            raise UnexpectedResponse(self.method, self.path, self.status, code=code, reason=reason)


@dataclass(frozen=True, slots=True)
class TextResponse:
    """An answer that is not JSON.

    Attributes:
        content: The body.
        asked: As `Answer.asked`.
    """

    content: bytes
    requested_at: datetime | None
