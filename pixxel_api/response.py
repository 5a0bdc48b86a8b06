"""Responses of the API: JSON objects and plain texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pixxel_api.errors import UnexpectedResponse, parse_error_code
from pixxel_api.json_decoding import decode_rows, split_rows, to_python

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pixxel_api.json_decoding import RawRow

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class JsonResponse:
    """A JSON object whose values are decoded on access.

    Decoded values of a page of archive items take ten times the memory of their JSON, so pages
    in a queue stay JSON.

    Attributes:
        fields: The values as valid JSON; if a list was decoded (`rows_by_key`), only
            `json_decoding.ENVELOPE_FIELDS`.
        requested_at: A lower bound of the server's time when it received the request: its `Date`
            header minus the duration of the request. None without the header.
        method: The HTTP method of the request.
        path: The path of the request.
        status: The HTTP status.
        rows_by_key: The decoded rows, by the name of their list.
    """

    fields: RawRow
    requested_at: datetime | None
    method: str
    path: str
    status: int
    rows_by_key: Mapping[str, list[RawRow]] = field(default_factory=dict)

    def decode_field(self, name: str) -> object:
        """Return a value as Python objects; None if the object has no such field."""
        raw = self.fields.get(name)
        return None if raw is None else to_python(raw)

    def rows(self, name: str) -> list[RawRow]:
        """Return the rows of a list; null is an empty list, as the API writes it.

        Raises:
            UnexpectedResponse: The object has no such list, or it has an error and no rows.
        """
        if name in self.rows_by_key:
            return self.rows_by_key[name]
        return self._decode_list(name, decode_rows)

    def raw_rows(self, name: str) -> list[msgspec.Raw]:
        """Return the rows of a list as JSON, which takes a tenth of the memory.

        Raises:
            UnexpectedResponse: As `rows`.
        """
        return self._decode_list(name, split_rows)

    def _decode_list(self, name: str, decode: Callable[[msgspec.Raw], list[Row]]) -> list[Row]:
        raw = self.fields.get(name)
        try:
            rows = None if raw is None else decode(raw)
        except msgspec.ValidationError:
            raw = rows = None
        if not rows:
            self.raise_for_error()
        if raw is None:
            reason = f"the response has no list '{name}'"
            raise UnexpectedResponse(self.method, self.path, self.status, reason=reason)
        return rows or []

    def raise_for_error(self) -> None:
        """Raise if the object has an `error`, in spite of a status of success.

        Raises:
            UnexpectedResponse: The object has an `error`.
        """
        if error := self.decode_field("error"):
            code, reason = parse_error_code({"error": error}), "the response contains an error"
            raise UnexpectedResponse(self.method, self.path, self.status, code=code, reason=reason)


@dataclass(frozen=True, slots=True)
class TextResponse:
    """A response that is not JSON.

    Attributes:
        content: The body.
        requested_at: As `JsonResponse.requested_at`.
    """

    content: bytes
    requested_at: datetime | None
