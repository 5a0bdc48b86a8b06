"""Properties: an item's metadata, field by field."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tap_pixxel.stac.common_metadata import OTHER_LICENSE, parse_license
from tap_pixxel.stac.datetimes import is_chronological, parse_datetime
from tap_pixxel.stac.extensions import PARSERS, parse_level
from tap_pixxel.stac.object_builder import ObjectBuilder, prefixed_name, replace_lone_surrogates
from tap_pixxel.stac.parsers import (
    Dropped,
    Invalid,
    Repaired,
    json_equal,
    number_or_none,
    parse_number,
    sanitize_json,
)
from tap_pixxel.stac.projection import EDGE, make_centroid, parse_code
from tap_pixxel.stac.result import REPAIRED

if TYPE_CHECKING:
    from tap_pixxel.stac.parsers import Parser

TIME_RANGE_NAMES: Final = ("start_datetime", "startdatetime"), ("end_datetime", "enddatetime")
"""Names of the two ends of an acquisition, STAC's first."""
TIME_NAMES: Final = frozenset({"datetime", *TIME_RANGE_NAMES[0], *TIME_RANGE_NAMES[1]})
PROPERTY_ALIASES: Final[dict[str, tuple[str, Parser]]] = {
    "proj:epsg": ("proj:code", parse_code),
    "rd:product_level": ("processing:level", parse_level),
}
SCENE_CENTER: Final = ("view:scene_center_lat", "view:scene_center_lon")
SCALE_NAMES: Final = ("proj:reflectance_scaling_factor",)
OFFSET_NAMES: Final = ("proj:reflectance_addition_factor", "proj:addition_factor")
_FACTOR_NAMES: Final = frozenset({*SCALE_NAMES, *OFFSET_NAMES})
LATER: Final = frozenset({*PROPERTY_ALIASES, *SCENE_CENTER, *_FACTOR_NAMES, "order:status"})
ELSEWHERE: Final = TIME_NAMES | LATER
TURN: Final = 360.0
FARTHEST: Final = 540.0
MARKERS: Final = frozenset({Repaired, Invalid, Dropped})
_PROPERTY_PARSERS: Final = PARSERS["properties"]


def read_times(raw: dict[str, Any], draft: ObjectBuilder) -> bool:
    """Read when the image was taken (STAC: ``datetime`` may be null only beside a start and end).

    A start or an end alone stands in for a missing ``datetime``, and stays under ``pixxel:``.

    Returns:
        Whether there is any time.
    """
    stated, _ = _read_time(raw, draft, ("datetime",))
    start, began = _read_time(raw, draft, TIME_RANGE_NAMES[0])
    end, ended = _read_time(raw, draft, TIME_RANGE_NAMES[1])
    fields = draft.fields
    if start and end and is_chronological(start, end):
        fields |= {"datetime": stated, "start_datetime": start, "end_datetime": end}
        return True
    for name in (began, ended):
        if name:
            draft.keep_as_extra(name, raw[name], "not a start and an end in order")
    fields["datetime"] = stated or start or end
    return fields["datetime"] is not None


def _read_time(
    raw: dict[str, Any], draft: ObjectBuilder, names: tuple[str, ...]
) -> tuple[str | None, str | None]:
    found = source = None
    for name in names:
        value = raw.get(name)
        if value is None:
            continue
        read = parse_datetime(value)
        if type(read) is not str:
            read = draft.unwrap(name, value, read)
        if found is None:
            found, source = read, name if read else None
        elif read != found and read is not None:
            draft.keep_as_extra(name, value, "another value for the same field")
    return found, source


@lru_cache(8)
def source_names(names: frozenset[str]) -> frozenset[str]:
    """Give the names under which the API may state properties of these names, but for times."""
    return names | {source for source, (target, _) in PROPERTY_ALIASES.items() if target in names}


class _PropertyPlan(NamedTuple):
    """What to do with properties of certain names; those of nearly all items are the same.

    Attributes:
        steps: name and reader of each, in order; None keeps the raw value.
        own: names of those that stay as they are, behind the others.
        aliases: name, target and reader of those that go by another name.
    """

    steps: tuple[tuple[str, Parser | None], ...]
    own: tuple[str, ...]
    aliases: tuple[tuple[str, str, Parser], ...]


@lru_cache(256)
def _plan_properties(*names: str) -> _PropertyPlan:
    here = [name for name in names if name not in ELSEWHERE]
    own = {name: None for name in here if prefixed_name(name) == name}
    return _PropertyPlan(
        steps=tuple((name, _PROPERTY_PARSERS.get(name)) for name in here if name not in own),
        own=tuple(own),
        aliases=tuple(
            (name, *PROPERTY_ALIASES[name]) for name in PROPERTY_ALIASES if name in names
        ),
    )


def read_properties(  # noqa: C901, PLR0912 - one loop, the hot one
    raw: dict[str, Any], draft: ObjectBuilder, status: str | None, given: dict[str, Any]
) -> None:
    """Read all properties but times, and those that go into bands (`factors`).

    Args:
        raw: the API's properties.
        draft: the item's, with its times; fields that it has already win.
        status: ``order:status`` of the item; None where nothing is known of it.
        given: fields under ``pixxel:`` that win over the raw ones.
    """
    fields = draft.fields
    plan = _plan_properties(*raw)
    for name, reader in plan.steps:
        value = raw[name]
        if value is None:
            continue
        if reader is None:
            draft.keep_as_extra(name, value)
        elif name in fields:
            draft.parse_field(name, name, value, reader)
        else:
            read = reader(value)
            if type(read) not in MARKERS:
                fields[name] = read
            elif name == "license":
                _set_license(value, read, draft)
            elif (mended := draft.unwrap(name, value, read)) is not None:
                fields[name] = mended
    for name, target, reader in plan.aliases:
        if raw[name] is not None:
            draft.parse_field(target, name, raw[name], reader)
    _read_scene_center(raw, draft)
    if status is not None:
        fields["order:status"] = status
    if raw.get("order:status", status) != status:
        draft.keep_as_extra("order:status", raw["order:status"], "known from where the item comes")
    fields |= given
    for name in plan.own:
        if raw[name] is not None:
            draft.parse_field(replace_lone_surrogates(name), name, raw[name], sanitize_json)


def read_license(value: object, draft: ObjectBuilder) -> None:
    """Read a license; what is no token becomes ``other``, with its text under ``pixxel:``."""
    _set_license(value, parse_license(value), draft)


def _set_license(value: object, read: object, draft: ObjectBuilder) -> None:
    if (token := draft.unwrap("license", value, read)) is not None:
        draft.fields["license"] = token
    elif isinstance(value, str) and value.strip():
        draft.fields["license"] = OTHER_LICENSE


def _read_scene_center(raw: dict[str, Any], draft: ObjectBuilder) -> None:
    lat, lon = raw.get(SCENE_CENTER[0]), raw.get(SCENE_CENTER[1])
    if lat is None and lon is None:
        return
    made = make_centroid(lat, _wrap_longitude(lon, draft))
    if made is None:
        why = "not a latitude and a longitude"
    elif json_equal(draft.fields.setdefault("proj:centroid", made), made):
        for name, value in zip(SCENE_CENTER, (lat, lon), strict=True):
            if isinstance(value, str):
                draft.unwrap(name, value, parse_number(value))
        return
    else:
        why = "another value for the same field"
    for name, value in zip(SCENE_CENTER, (lat, lon), strict=True):
        draft.keep_as_extra(name, value, why)


def _wrap_longitude(lon: object, draft: ObjectBuilder) -> object:
    """Bring a longitude that runs on past the antimeridian back by one turn."""
    stated = number_or_none(lon)
    if stated is None or not EDGE < abs(stated) <= FARTHEST:
        return lon
    draft.add_note(SCENE_CENTER[1], REPAIRED, "past the antimeridian")
    return round(stated - math.copysign(TURN, stated), 9)


def reflectance_factors(
    raw: dict[str, Any], draft: ObjectBuilder
) -> tuple[float | None, float | None]:
    """Read the scale and the offset that turn an item's pixel values into reflectance."""
    if raw.keys().isdisjoint(_FACTOR_NAMES):
        return None, None
    return _read_factor(raw, draft, SCALE_NAMES), _read_factor(raw, draft, OFFSET_NAMES)


def _read_factor(raw: dict[str, Any], draft: ObjectBuilder, names: tuple[str, ...]) -> float | None:
    for name in names:
        if raw.get(name) is not None:
            read = number_or_none(raw[name])
            if read is None or (read == 0 and names is SCALE_NAMES):
                return None  # no band takes it, so it is kept
            found: float = draft.unwrap(name, raw[name], parse_number(raw[name]))
            return found
    return None


def keep_unused_factors(raw: dict[str, Any], draft: ObjectBuilder, took: tuple[bool, bool]) -> None:
    """Keep the scale and the offset that no band took."""
    if raw.keys().isdisjoint(_FACTOR_NAMES):
        return
    for names, taken in zip((SCALE_NAMES, OFFSET_NAMES), took, strict=True):
        found = [name for name in names if raw.get(name) is not None]
        for name in found[taken:]:
            draft.keep_as_extra(name, raw[name], "no factor, or no data band lacks it")
