"""Build one object of the output field by field, and collect what does not fit its fields."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tap_pixxel.stac.extensions import EXTENSIONS
from tap_pixxel.stac.parsers import (
    MARKERS,
    Dropped,
    Invalid,
    Repaired,
    is_plain_value,
    json_equal,
    replace_lone_surrogates,
    sanitize_json,
)
from tap_pixxel.stac.result import DROPPED, KEPT, ConversionNote

if TYPE_CHECKING:
    from tap_pixxel.stac.parsers import Parser

PIXXEL_PREFIX = "pixxel:"
API_PREFIXES = frozenset({"rd"})
"""Prefixes that only the API uses; `pixxel:` replaces them."""
RENAMED_EXTRAS = {
    "view:altitude": "pixxel:altitude",
    "view:satellite_look_angle": "pixxel:satellite_look_angle",
    "view:scene_center_lat": "pixxel:scene_center_lat",
    "view:scene_center_lon": "pixxel:scene_center_lon",
    "startdatetime": "pixxel:start_datetime",
    "enddatetime": "pixxel:end_datetime",
}


@lru_cache(1024)
def safe_prefixed_name(name: str) -> str:
    """Return the `prefixed_name` of a field without lone surrogates."""
    return replace_lone_surrogates(prefixed_name(name))


def prefixed_name(name: str) -> str:
    """Return the `pixxel:` name of a field that STAC does not define.

    A field with an unknown prefix keeps its name, which belongs to the owner of that prefix.
    """
    if name in RENAMED_EXTRAS:
        return RENAMED_EXTRAS[name]
    prefix, colon, rest = name.partition(":")
    if not colon:
        return PIXXEL_PREFIX + name
    if prefix in API_PREFIXES:
        return PIXXEL_PREFIX + rest
    return f"{PIXXEL_PREFIX}{prefix}_{rest}" if prefix in EXTENSIONS else name


class ObjectBuilder:
    """A builder of an item's properties, an asset, a band, summaries or a collection.

    Attributes:
        path: prefix of the paths of its fields in the input, ending in a dot.
        fields: what is emitted, in order.
        notes: the notes on its fields; the builders of one item share the list.
        extras: source, path, value and reason of the values that `build` adds.
    """

    __slots__ = ("extras", "fields", "notes", "path")

    def __init__(self, path: str, notes: list[ConversionNote]) -> None:
        self.path = path
        self.fields: dict[str, Any] = {}
        self.notes = notes
        self.extras: list[tuple[str, str, object, str | None]] = []

    def add_note(self, source: str, action: str, reason: str) -> None:
        """Note what was done with the input's field `source`."""
        self.notes.append(ConversionNote(self.path + source, action, reason))

    def parse_field(self, target: str, source: str, value: object, parser: Parser) -> None:
        """Parse the input's field `source` into the output's field `target`."""
        parsed = self.unwrap(source, value, parser(value))
        if parsed is None:
            return
        if target not in self.fields:
            self.fields[target] = parsed
        elif not json_equal(self.fields[target], parsed):
            self.keep_as_extra(source, value, "another value for the same field")

    def unwrap(self, source: str, value: object, parsed: Any) -> Any:  # noqa: ANN401 - see Parser
        """Return the usable value of a parser's result, and note the rest; None without one."""
        if type(parsed) not in MARKERS:
            return parsed
        if isinstance(parsed, Invalid):
            self.keep_as_extra(source, value, parsed.reason)
            return None
        self.notes.append(ConversionNote(self.path + source, parsed.action, parsed.reason))
        return parsed.value

    def keep_as_extra(
        self, source: str, value: object, reason: str | None = None, path: str | None = None
    ) -> None:
        """Keep a raw value under its `pixxel:` name, after all other fields.

        Args:
            source: the input's field.
            value: its value.
            reason: why it is not valid in its field; None when STAC has no field for it.
            path: the field's whole path when it is not a field of this object.
        """
        if value is not None:
            self.extras.append(
                (source, self.path + source if path is None else path, value, reason)
            )

    def build(self) -> dict[str, Any]:
        """Return the fields, followed by the extra ones."""
        fields = self.fields
        for source, path, value, reason in self.extras:
            name = safe_prefixed_name(source)
            if reason is None and name not in fields and is_plain_value(value):
                fields[name] = value  # as below, for most values
                continue
            parsed = sanitize_json(value)
            kind = type(parsed)
            if kind is Dropped:
                self.notes.append(ConversionNote(path, DROPPED, parsed.reason))
                continue
            if kind is Repaired:
                self.notes.append(ConversionNote(path, parsed.action, parsed.reason))
                parsed = parsed.value
            if reason is not None:
                self.notes.append(ConversionNote(path, KEPT, reason))
            free_name = name
            count = 1
            while free_name in fields and not json_equal(fields[free_name], parsed):
                count += 1
                free_name = f"{name}_{count}"
            if free_name != name and reason is None:
                self.notes.append(ConversionNote(path, KEPT, "another value under the same name"))
            fields[free_name] = parsed
        return fields
