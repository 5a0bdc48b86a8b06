"""Summaries: the values that a collection's items have."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac.assets.bands import BAND_LISTS, merge_bands
from tap_pixxel.stac.extensions import PARSERS, used_extensions
from tap_pixxel.stac.object_builder import ObjectBuilder
from tap_pixxel.stac.parsers import Dropped, Invalid, Repaired
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED, ConversionNote

if TYPE_CHECKING:
    from tap_pixxel.stac.parsers import Parser

RANGE_MEMBERS: Final = {"minimum", "maximum"}
LEGACY_RANGE_MEMBERS: Final = {"min", "max"}
_SUMMARY_PARSERS: Final = PARSERS["properties"]


def convert_summaries(raw: object, notes: list[ConversionNote]) -> tuple[dict[str, Any], set[str]]:
    """Give summaries, each a list of values or a range, and the extensions they use."""
    draft = ObjectBuilder("summaries.", notes)
    if not isinstance(raw, dict):
        if raw is not None:
            notes.append(ConversionNote("summaries", DROPPED, "not an object"))
        return {}, set()
    listed, _ = merge_bands(raw, draft)
    if listed:
        draft.fields["bands"] = listed
    for name, value in raw.items():
        if value is None or name in BAND_LISTS or value in ([], {}):
            continue
        reader = _SUMMARY_PARSERS.get(name)
        if reader is None:
            draft.keep_as_extra(name, _wrap_summary(value))
        else:
            draft.parse_field(name, name, value, partial(_parse_summary, reader=reader))
    used = used_extensions(draft.fields)
    for band in listed:
        used |= used_extensions(band)
    fields = draft.build()
    # What was kept may be a scalar still, in summaries that were converted before or in odd ones.
    return {name: _wrap_summary(value) for name, value in fields.items()}, used


def _wrap_summary(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and _is_range(value):
        return value
    return [value]


def _is_range(value: dict[str, Any]) -> bool:
    ends = [value.get("minimum"), value.get("maximum")]
    return value.keys() == RANGE_MEMBERS and all(
        isinstance(end, int | float | str) and not isinstance(end, bool) for end in ends
    )


def _parse_summary(value: Any, reader: Parser) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a summary of a field: each value as the field's reader takes it."""
    if isinstance(value, dict):
        return _parse_range(value, reader)
    given = value if isinstance(value, list) else [value]
    # A field that is a list itself, such as instruments, is summarised by its members.
    read = [_value_or_none(reader(each)) if each is not None else None for each in given]
    flat = [one for each in read for one in (each if isinstance(each, list) else [each])]
    kept = [each for each in flat if each is not None]
    if not kept:
        return Invalid("no value that the field may have")
    if kept == value:
        return kept
    return Repaired(
        kept, CONVERTED, "a scalar, or values in another form or that the field has not"
    )


def _parse_range(value: dict[str, Any], reader: Parser) -> Any:  # noqa: ANN401 - see values.Reader
    names = sorted(
        LEGACY_RANGE_MEMBERS if value.keys() == LEGACY_RANGE_MEMBERS else RANGE_MEMBERS,
        reverse=True,
    )
    low, high = (value.get(name) for name in names)
    ends = [_value_or_none(reader(each)) if each is not None else None for each in (low, high)]
    if value.keys() == set(names):
        made = dict(zip(("minimum", "maximum"), ends, strict=True))
        if _is_range(made):
            return made if made == value else Repaired(made, REPAIRED, "a range in another form")
    whole = _value_or_none(reader(value))
    return [whole] if whole is not None else Invalid("not a range of the field's values")


def _value_or_none(read: object) -> Any:  # noqa: ANN401 - any reading
    if type(read) is Repaired:
        read = read.value
    return None if type(read) in {Invalid, Dropped} else read
