"""Draft: one object of the output while its fields are read, and what did not fit in."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac.extensions import EXTENSIONS
from tap_pixxel.stac.parsers import Dropped, Invalid, Repaired, json_equal, sanitize_json
from tap_pixxel.stac.result import DROPPED, KEPT, ConversionNote

if TYPE_CHECKING:
    from tap_pixxel.stac.parsers import Parser

PIXXEL_PREFIX: Final = "pixxel:"
API_PREFIXES: Final = frozenset({"rd"})
"""The API's own prefixes: what stands under them is Pixxel's anyway."""
RENAMED_EXTRAS: Final = {
    "view:altitude": "pixxel:altitude",
    "view:satellite_look_angle": "pixxel:satellite_look_angle",
    "view:scene_center_lat": "pixxel:scene_center_lat",
    "view:scene_center_lon": "pixxel:scene_center_lon",
    "startdatetime": "pixxel:start_datetime",
    "enddatetime": "pixxel:end_datetime",
}


@lru_cache(1024)
def safe_prefixed_name(name: str) -> str:
    """Give the `own_name` of a field in characters that UTF-8 has."""
    return replace_lone_surrogates(prefixed_name(name))


def prefixed_name(name: str) -> str:
    """Give the ``pixxel:`` name of a field that STAC has no place for.

    A field under a prefix that nobody here knows keeps its name: it is its owner's.
    """
    if name in RENAMED_EXTRAS:
        return RENAMED_EXTRAS[name]
    prefix, colon, rest = name.partition(":")
    if not colon:
        return PIXXEL_PREFIX + name
    if prefix in API_PREFIXES:
        return PIXXEL_PREFIX + rest
    return f"{PIXXEL_PREFIX}{prefix}_{rest}" if prefix in EXTENSIONS else name


def replace_lone_surrogates(name: str) -> str:
    """Give a member's name in characters that UTF-8 has."""
    if name.isascii():
        return name
    return name.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class ObjectBuilder:
    """Fields of an item's properties, an asset, a band or a collection.

    Attributes:
        path: what its fields' paths begin with, with the dot.
        fields: what is emitted, in order.
        notes: what is said about it; drafts of one item may share the list.
    """

    __slots__ = ("_extras", "fields", "notes", "path")

    def __init__(self, path: str, notes: list[ConversionNote]) -> None:
        self.path = path
        self.fields: dict[str, Any] = {}
        self.notes = notes
        self._extras: list[tuple[str, str, object, str | None]] = []

    def add_note(self, source: str, done: str, why: str) -> None:
        """Say what was done to the input's field `source`."""
        self.notes.append(ConversionNote(self.path + source, done, why))

    def parse_field(self, target: str, source: str, value: object, reader: Parser) -> None:
        """Read the input's field `source` into the output's field `target`."""
        read = self.unwrap(source, value, reader(value))
        if read is None:
            return
        if target not in self.fields:
            self.fields[target] = read
        elif not json_equal(self.fields[target], read):
            self.keep_as_extra(source, value, "another value for the same field")

    def unwrap(self, source: str, value: object, read: object) -> Any:  # noqa: ANN401 - any JSON
        """Give what a reader made of a value, and note it; None when it is not usable."""
        kind = type(read)
        if kind is Repaired:
            self.notes.append(ConversionNote(self.path + source, read.action, read.reason))  # type: ignore[attr-defined]  # Mended
            return read.value  # type: ignore[attr-defined]  # Mended
        if kind is Invalid:
            self.keep_as_extra(source, value, read.reason)  # type: ignore[attr-defined]  # Unusable
            return None
        if kind is Dropped:
            self.add_note(source, DROPPED, read.reason)  # type: ignore[attr-defined]  # Dropped
            return None
        return read

    def keep_as_extra(
        self, source: str, value: object, why: str | None = None, path: str | None = None
    ) -> None:
        """Keep a raw value under its ``pixxel:`` name, once all other fields have their places.

        Args:
            source: the input's field.
            value: its value.
            why: it could not stay where it was; None when it merely has no place in STAC.
            path: the field's whole path where it is not one of this object's.
        """
        if value is not None:
            self._extras.append((source, self.path + source if path is None else path, value, why))

    def build(self) -> dict[str, Any]:
        """Give the fields, with what was kept behind them."""
        fields = self.fields
        for source, path, value, why in self._extras:
            read = sanitize_json(value)
            kind = type(read)
            if kind is Dropped:
                self.notes.append(ConversionNote(path, DROPPED, read.reason))
                continue
            if kind is Repaired:
                self.notes.append(ConversionNote(path, read.action, read.reason))
                read = read.value
            if why is not None:
                self.notes.append(ConversionNote(path, KEPT, why))
            name = free = safe_prefixed_name(source)
            count = 1
            while free in fields and not json_equal(fields[free], read):
                count += 1
                free = f"{name}_{count}"
            if free != name and why is None:
                self.notes.append(ConversionNote(path, KEPT, "another value under the same name"))
            fields[free] = read
        return fields
