"""Convert the properties of an item, field by field."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_api.timestamps import TIME_RANGE_NAMES
from tap_pixxel.stac.common_metadata import OTHER_LICENSE, parse_license
from tap_pixxel.stac.datetimes import is_chronological, parse_datetime
from tap_pixxel.stac.extensions import PARSERS, parse_level
from tap_pixxel.stac.geometry.longitude import FULL_TURN, MAX_LONGITUDE, MAX_UNROLLED_LONGITUDE
from tap_pixxel.stac.object_builder import ObjectBuilder, prefixed_name
from tap_pixxel.stac.parsers import (
    MARKERS,
    json_equal,
    number_or_none,
    parse_number,
    replace_lone_surrogates,
    sanitize_json,
)
from tap_pixxel.stac.projection import make_centroid, parse_code
from tap_pixxel.stac.result import REPAIRED

if TYPE_CHECKING:
    from tap_pixxel.stac.parsers import Parser

TIME_NAMES = frozenset({"datetime", *TIME_RANGE_NAMES[0], *TIME_RANGE_NAMES[1]})
PROPERTY_ALIASES: dict[str, tuple[str, Parser]] = {
    "proj:epsg": ("proj:code", parse_code),
    "rd:product_level": ("processing:level", parse_level),
}
SCENE_CENTER = ("view:scene_center_lat", "view:scene_center_lon")
SCALE_NAMES = ("proj:reflectance_scaling_factor",)
OFFSET_NAMES = ("proj:reflectance_addition_factor", "proj:addition_factor")
_FACTOR_NAMES = frozenset({*SCALE_NAMES, *OFFSET_NAMES})
HANDLED_SEPARATELY = frozenset(
    {*TIME_NAMES, *PROPERTY_ALIASES, *SCENE_CENTER, *_FACTOR_NAMES, "order:status"}
)
_PROPERTY_PARSERS = PARSERS["properties"]


def read_times(raw: dict[str, Any], builder: ObjectBuilder) -> bool:
    """Read the acquisition time (STAC: `datetime` may be null only with a start and an end).

    A start or an end alone replaces a missing `datetime`, and is kept under `pixxel:`.

    Returns:
        Whether the properties have a valid time.
    """
    instant, _ = _read_time(raw, builder, ("datetime",))
    start, start_name = _read_time(raw, builder, TIME_RANGE_NAMES[0])
    end, end_name = _read_time(raw, builder, TIME_RANGE_NAMES[1])
    fields = builder.fields
    if start and end and is_chronological(start, end):
        fields |= {"datetime": instant, "start_datetime": start, "end_datetime": end}
        return True
    for name in (start_name, end_name):
        if name:
            builder.keep_as_extra(name, raw[name], "not a start and an end in order")
    fields["datetime"] = instant or start or end
    return fields["datetime"] is not None


def _read_time(
    raw: dict[str, Any], builder: ObjectBuilder, names: tuple[str, ...]
) -> tuple[str | None, str | None]:
    """Return the time under the first of some names, and that name."""
    timestamp = timestamp_name = None
    for name in names:
        value = raw.get(name)
        if value is None:
            continue
        parsed = parse_datetime(value)
        if type(parsed) is not str:
            parsed = builder.unwrap(name, value, parsed)
        if timestamp is None:
            timestamp, timestamp_name = parsed, name if parsed else None
        elif parsed != timestamp and parsed is not None:
            builder.keep_as_extra(name, value, "another value for the same field")
    return timestamp, timestamp_name


@lru_cache(8)
def source_names(names: frozenset[str]) -> frozenset[str]:
    """Return the names under which the API may state these properties, except times."""
    return names | {source for source, (target, _) in PROPERTY_ALIASES.items() if target in names}


class _PropertyPlan(NamedTuple):
    """The steps to convert properties with certain names, which nearly all items share.

    Attributes:
        steps: name and parser of each property, in order; None keeps the raw value.
        prefixed: names that stay unchanged, after the other properties.
        aliases: name, target and parser of the properties with another name in STAC.
    """

    steps: tuple[tuple[str, Parser | None], ...]
    prefixed: tuple[str, ...]
    aliases: tuple[tuple[str, str, Parser], ...]


@lru_cache(256)
def _plan_properties(*names: str) -> _PropertyPlan:
    direct = [name for name in names if name not in HANDLED_SEPARATELY]
    prefixed = {name: None for name in direct if prefixed_name(name) == name}
    return _PropertyPlan(
        steps=tuple((name, _PROPERTY_PARSERS.get(name)) for name in direct if name not in prefixed),
        prefixed=tuple(prefixed),
        aliases=tuple(
            (name, *PROPERTY_ALIASES[name]) for name in PROPERTY_ALIASES if name in names
        ),
    )


def read_properties(  # noqa: C901, PLR0912 - one loop, the hot one
    raw: dict[str, Any],
    builder: ObjectBuilder,
    order_status: str | None,
    prefixed_fields: dict[str, Any],
) -> None:
    """Read all properties except times and those for bands (`reflectance_factors`).

    Args:
        raw: the API's properties.
        builder: the item's builder, with its times; its existing fields take precedence.
        order_status: `order:status` of the item; None when it is unknown.
        prefixed_fields: fields under `pixxel:` that take precedence over the raw ones.
    """
    fields = builder.fields
    plan = _plan_properties(*raw)
    for name, parser in plan.steps:
        value = raw[name]
        if value is None:
            continue
        if parser is None:
            builder.keep_as_extra(name, value)
        elif name in fields:
            builder.parse_field(name, name, value, parser)
        else:
            parsed = parser(value)
            if type(parsed) not in MARKERS:
                fields[name] = parsed
            elif name == "license":
                _set_license(value, parsed, builder)
            elif (unwrapped := builder.unwrap(name, value, parsed)) is not None:
                fields[name] = unwrapped
    for name, target, parser in plan.aliases:
        if raw[name] is not None:
            builder.parse_field(target, name, raw[name], parser)
    _read_scene_center(raw, builder)
    if order_status is not None:
        fields["order:status"] = order_status
    if raw.get("order:status", order_status) != order_status:
        builder.keep_as_extra("order:status", raw["order:status"], "set by the conversion")
    fields |= prefixed_fields
    for name in plan.prefixed:
        if raw[name] is not None:
            builder.parse_field(replace_lone_surrogates(name), name, raw[name], sanitize_json)


def set_license(value: object, builder: ObjectBuilder) -> None:
    """Set the license; text that is not a token becomes `other`, with the text under `pixxel:`."""
    _set_license(value, parse_license(value), builder)


def _set_license(value: object, parsed: object, builder: ObjectBuilder) -> None:
    if (token := builder.unwrap("license", value, parsed)) is not None:
        builder.fields["license"] = token
    elif isinstance(value, str) and value.strip():
        builder.fields["license"] = OTHER_LICENSE


def _read_scene_center(raw: dict[str, Any], builder: ObjectBuilder) -> None:
    lat, lon = raw.get(SCENE_CENTER[0]), raw.get(SCENE_CENTER[1])
    if lat is None and lon is None:
        return
    centroid = make_centroid(lat, _wrap_longitude(lon, builder))
    if centroid is None:
        reason = "not a latitude and a longitude"
    elif json_equal(builder.fields.setdefault("proj:centroid", centroid), centroid):
        for name, value in zip(SCENE_CENTER, (lat, lon), strict=True):
            if isinstance(value, str):
                builder.unwrap(name, value, parse_number(value))
        return
    else:
        reason = "another value for the same field"
    for name, value in zip(SCENE_CENTER, (lat, lon), strict=True):
        builder.keep_as_extra(name, value, reason)


def _wrap_longitude(lon: object, builder: ObjectBuilder) -> object:
    """Move a longitude that continues past the antimeridian back by one turn."""
    longitude = number_or_none(lon)
    if longitude is None or not MAX_LONGITUDE < abs(longitude) <= MAX_UNROLLED_LONGITUDE:
        return lon
    builder.add_note(SCENE_CENTER[1], REPAIRED, "past the antimeridian")
    return round(longitude - math.copysign(FULL_TURN, longitude), 9)


def reflectance_factors(
    raw: dict[str, Any], builder: ObjectBuilder
) -> tuple[float | None, float | None]:
    """Read the scale and the offset that convert an item's pixel values to reflectance."""
    if raw.keys().isdisjoint(_FACTOR_NAMES):
        return None, None
    return _read_factor(raw, builder, SCALE_NAMES), _read_factor(raw, builder, OFFSET_NAMES)


def _read_factor(
    raw: dict[str, Any], builder: ObjectBuilder, names: tuple[str, ...]
) -> float | None:
    for name in names:
        if raw.get(name) is not None:
            number = number_or_none(raw[name])
            if number is None or (number == 0 and names is SCALE_NAMES):
                return None  # no band gets it, so `keep_unused_factors` keeps it
            factor: float = builder.unwrap(name, raw[name], parse_number(raw[name]))
            return factor
    return None


def keep_unused_factors(
    raw: dict[str, Any], builder: ObjectBuilder, used_factors: frozenset[str]
) -> None:
    """Keep the scale and the offset that no band got."""
    if raw.keys().isdisjoint(_FACTOR_NAMES):
        return
    for factor, names in (("raster:scale", SCALE_NAMES), ("raster:offset", OFFSET_NAMES)):
        present = [name for name in names if raw.get(name) is not None]
        for name in present[factor in used_factors :]:
            builder.keep_as_extra(name, raw[name], "not a factor, or no data band lacks one")
