"""Path templates: the path of a catalog below a store's prefix, made of its record's fields."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from pixxel_api.timestamps import TimestampError, parse_timestamp
from pixxel_singer.errors import SettingError
from target_pixxel_store.errors import RecordError
from target_pixxel_store.locations import path_error

if TYPE_CHECKING:
    from collections.abc import Mapping


class PathTemplate:
    """A path with fields of a record in braces, such as `{platform}/{datetime:%Y/%m}/{id}/`.

    Args:
        text: The template. A field is a top-level name of the record, with or without a date
            format of `datetime.strftime`.

    Attributes:
        fields: The names of the fields in it.

    Raises:
        SettingError: The template is invalid.
    """

    def __init__(self, text: str) -> None:
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError:
            raise SettingError("has an unmatched brace") from None
        for _, name, form, conversion in parts:
            if name is None:
                continue
            if not name or conversion or "." in name or "[" in name:
                raise SettingError(
                    "must contain only field names in braces, with or without a date format"
                )
            if form and not form.startswith("%"):
                raise SettingError(f"must have a date format such as %Y/%m for '{name}'")
        if reason := path_error(
            "".join(text + ("" if name is None else "x") for text, name, *_ in parts)
        ):
            raise SettingError(reason)
        self._parts = [(literal, name, form or "") for literal, name, form, _ in parts]
        self.fields = frozenset(name for _, name, *_ in parts if name is not None)

    def has_fields(self, record: Mapping[str, Any]) -> bool:
        """Return whether a record has all fields of the template."""
        return not any(record.get(name) in (None, "") for name in self.fields)

    def render(self, record: Mapping[str, Any]) -> str:
        """Return the path of a record.

        Args:
            record: Its fields, including `catalog_id`.

        Raises:
            RecordError: A field is missing, or cannot be part of a path.
        """
        made = "".join(
            literal + ("" if name is None else _format_field(record, name, form))
            for literal, name, form in self._parts
        )
        if reason := path_error(made):
            raise RecordError(f"its path from path_template {reason}")
        return made


def _format_field(record: Mapping[str, Any], name: str, form: str) -> str:
    value = record.get(name)
    if value is None or value == "":
        raise RecordError(f"has no '{name}', required by path_template")
    if form:
        try:
            return parse_timestamp(str(value)).strftime(form)
        except (TimestampError, ValueError):
            raise RecordError(f"'{name}' must be a date, as path_template formats it") from None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RecordError(f"'{name}' must be a string or a number for path_template")
    return str(value).strip()
