"""Paths: where below a store's prefix a catalog goes, by a template over its record."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from pixxel_api.timestamps import TimestampError, parse_timestamp
from target_pixxel_store.errors import PathTemplateError, RecordError
from target_pixxel_store.locations import path_error

if TYPE_CHECKING:
    from collections.abc import Mapping


class PathTemplate:
    """A path with fields of a record in braces, such as ``{platform}/{datetime:%Y/%m}/{id}/``.

    Args:
        text: The template. A field is a name of the record's top level, with a date format
            (``%`` and letters, as of `datetime.strftime`) or without.

    Attributes:
        fields: The names in it.

    Raises:
        BadTemplate: It is not of this form.
    """

    def __init__(self, text: str) -> None:
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError:
            raise PathTemplateError("has a brace without its other half") from None
        for _, name, form, conversion in parts:
            if name is None:
                continue
            if not name or conversion or "." in name or "[" in name:
                raise PathTemplateError("may hold names of fields in braces, and a date's format")
            if form and not form.startswith("%"):
                raise PathTemplateError(
                    f"has a format for '{name}' that is none of a date, as %Y/%m is"
                )
        if why := path_error(
            "".join(text + ("" if name is None else "x") for text, name, *_ in parts)
        ):
            raise PathTemplateError(why)
        self._parts = [(literal, name, form or "") for literal, name, form, _ in parts]
        self.fields = frozenset(name for _, name, *_ in parts if name is not None)

    def render(self, record: Mapping[str, Any]) -> str:
        """Give the path of a record.

        Args:
            record: Its fields, `catalog_id` among them.

        Raises:
            Rejected: The record has no such field, or one that makes no path.
        """
        made = "".join(
            literal + ("" if name is None else _format_field(record, name, form))
            for literal, name, form in self._parts
        )
        if why := path_error(made):
            raise RecordError(f"its path, by path_template, {why}")
        return made


def _format_field(record: Mapping[str, Any], name: str, form: str) -> str:
    value = record.get(name)
    if value is None or value == "":
        raise RecordError(f"has no '{name}', which path_template needs")
    if form:
        try:
            return parse_timestamp(str(value)).strftime(form)
        except (TimestampError, ValueError):
            raise RecordError(f"'{name}' is no date, which path_template needs") from None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RecordError(f"'{name}' is no text or number, which path_template needs")
    return str(value).strip()
