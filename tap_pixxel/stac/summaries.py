"""Convert the summaries of a collection: the values that the fields of its items have."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tap_pixxel.stac.assets.bands import BAND_LISTS, merge_bands
from tap_pixxel.stac.extensions import PARSERS, used_extensions
from tap_pixxel.stac.object_builder import ObjectBuilder
from tap_pixxel.stac.parsers import Dropped, Invalid, Repaired
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED, ConversionNote

if TYPE_CHECKING:
    from tap_pixxel.stac.parsers import Parser

RANGE_MEMBERS = {"minimum", "maximum"}
LEGACY_RANGE_MEMBERS = {"min", "max"}
_SUMMARY_PARSERS = PARSERS["properties"]


def convert_summaries(raw: object, notes: list[ConversionNote]) -> tuple[dict[str, Any], set[str]]:
    """Return summaries, each a list of values or a range, and the prefixes of their extensions."""
    builder = ObjectBuilder("summaries.", notes)
    if not isinstance(raw, dict):
        if raw is not None:
            notes.append(ConversionNote("summaries", DROPPED, "not an object"))
        return {}, set()
    bands, _ = merge_bands(raw, builder)
    if bands:
        builder.fields["bands"] = bands
    for name, value in raw.items():
        if value is None or name in BAND_LISTS or value in ([], {}):
            continue
        parser = _SUMMARY_PARSERS.get(name)
        if parser is None:
            builder.keep_as_extra(name, _wrap_summary(value))
        else:
            builder.parse_field(name, name, value, partial(_parse_summary, parser=parser))
    extensions = used_extensions(builder.fields)
    for band in bands:
        extensions |= used_extensions(band)
    fields = builder.build()
    # Extra fields may still be scalars, in summaries that were converted before or are unusual.
    return {name: _wrap_summary(value) for name, value in fields.items()}, extensions


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


def _parse_summary(value: Any, parser: Parser) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse the summary of a field: parse each value with the field's parser."""
    if isinstance(value, dict):
        return _parse_range(value, parser)
    raw = value if isinstance(value, list) else [value]
    # A field that is a list itself, such as instruments, is summarized by its members.
    parsed = [_value_or_none(parser(each)) if each is not None else None for each in raw]
    flat = [one for each in parsed for one in (each if isinstance(each, list) else [each])]
    values = [each for each in flat if each is not None]
    if not values:
        return Invalid("no valid value of the field")
    if values == value:
        return values
    return Repaired(values, CONVERTED, "a scalar, or values that are converted or not valid")


def _parse_range(value: dict[str, Any], parser: Parser) -> Any:  # noqa: ANN401 - see parsers.Parser
    is_legacy = value.keys() == LEGACY_RANGE_MEMBERS
    names = sorted(LEGACY_RANGE_MEMBERS if is_legacy else RANGE_MEMBERS, reverse=True)
    low, high = (value.get(name) for name in names)
    ends = [_value_or_none(parser(each)) if each is not None else None for each in (low, high)]
    if value.keys() == set(names):
        converted = dict(zip(("minimum", "maximum"), ends, strict=True))
        if _is_range(converted):
            if converted == value:
                return converted
            return Repaired(converted, REPAIRED, "a range in another form")
    single_value = _value_or_none(parser(value))
    if single_value is None:
        return Invalid("not a range of the field's values")
    return [single_value]


def _value_or_none(parsed: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    if type(parsed) is Repaired:
        parsed = parsed.value
    return None if type(parsed) in {Invalid, Dropped} else parsed
