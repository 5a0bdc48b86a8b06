"""Properties: an item's metadata, field by field."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tap_pixxel.stac.common import OTHER_LICENSE, license_token
from tap_pixxel.stac.draft import Draft, clear_name, own_name
from tap_pixxel.stac.extensions import READERS, level
from tap_pixxel.stac.notes import REPAIRED
from tap_pixxel.stac.projection import EDGE, centre, code
from tap_pixxel.stac.times import in_order, moment
from tap_pixxel.stac.values import Dropped, Mended, Unusable, anything, number, plain, same

if TYPE_CHECKING:
    from tap_pixxel.stac.values import Reader

TIMES: Final = ("start_datetime", "startdatetime"), ("end_datetime", "enddatetime")
"""Names of the two ends of an acquisition, STAC's first."""
HANDLED: Final = frozenset({"datetime", *TIMES[0], *TIMES[1]})
ALIASES: Final[dict[str, tuple[str, Reader]]] = {
    "proj:epsg": ("proj:code", code),
    "rd:product_level": ("processing:level", level),
}
CENTRE: Final = ("view:scene_center_lat", "view:scene_center_lon")
SCALE: Final = ("proj:reflectance_scaling_factor",)
OFFSET: Final = ("proj:reflectance_addition_factor", "proj:addition_factor")
_FACTORS: Final = frozenset({*SCALE, *OFFSET})
LATER: Final = frozenset({*ALIASES, *CENTRE, *_FACTORS, "order:status"})
ELSEWHERE: Final = HANDLED | LATER
TURN: Final = 360.0
FARTHEST: Final = 540.0
ODD: Final = frozenset({Mended, Unusable, Dropped})
_READERS: Final = READERS["properties"]


def read_times(raw: dict[str, Any], draft: Draft) -> bool:
    """Read when the image was taken (STAC: ``datetime`` may be null only beside a start and end).

    A start or an end alone stands in for a missing ``datetime``, and stays under ``pixxel:``.

    Returns:
        Whether there is any time.
    """
    stated, _ = _time(raw, draft, ("datetime",))
    start, began = _time(raw, draft, TIMES[0])
    end, ended = _time(raw, draft, TIMES[1])
    fields = draft.fields
    if start and end and in_order(start, end):
        fields |= {"datetime": stated, "start_datetime": start, "end_datetime": end}
        return True
    for name in (began, ended):
        if name:
            draft.keep(name, raw[name], "not a start and an end in order")
    fields["datetime"] = stated or start or end
    return fields["datetime"] is not None


def _time(
    raw: dict[str, Any], draft: Draft, names: tuple[str, ...]
) -> tuple[str | None, str | None]:
    found = source = None
    for name in names:
        value = raw.get(name)
        if value is None:
            continue
        read = moment(value)
        if type(read) is not str:
            read = draft.mended(name, value, read)
        if found is None:
            found, source = read, name if read else None
        elif read != found and read is not None:
            draft.keep(name, value, "another value for the same field")
    return found, source


@lru_cache(8)
def named(names: frozenset[str]) -> frozenset[str]:
    """Give the names under which the API may state properties of these names, but for times."""
    return names | {source for source, (target, _) in ALIASES.items() if target in names}


class _Plan(NamedTuple):
    """What to do with properties of certain names; those of nearly all items are the same.

    Attributes:
        steps: name and reader of each, in order; None keeps the raw value.
        own: names of those that stay as they are, behind the others.
        aliases: name, target and reader of those that go by another name.
    """

    steps: tuple[tuple[str, Reader | None], ...]
    own: tuple[str, ...]
    aliases: tuple[tuple[str, str, Reader], ...]


@lru_cache(256)
def _plan(*names: str) -> _Plan:
    here = [name for name in names if name not in ELSEWHERE]
    own = {name: None for name in here if own_name(name) == name}
    return _Plan(
        steps=tuple((name, _READERS.get(name)) for name in here if name not in own),
        own=tuple(own),
        aliases=tuple((name, *ALIASES[name]) for name in ALIASES if name in names),
    )


def read_properties(  # noqa: C901, PLR0912 - one loop, the hot one
    raw: dict[str, Any], draft: Draft, status: str | None, given: dict[str, Any]
) -> None:
    """Read all properties but times, and those that go into bands (`factors`).

    Args:
        raw: the API's properties.
        draft: the item's, with its times; fields that it has already win.
        status: ``order:status`` of the item; None where nothing is known of it.
        given: fields under ``pixxel:`` that win over the raw ones.
    """
    fields = draft.fields
    plan = _plan(*raw)
    for name, reader in plan.steps:
        value = raw[name]
        if value is None:
            continue
        if reader is None:
            draft.keep(name, value)
        elif name in fields:
            draft.read(name, name, value, reader)
        else:
            read = reader(value)
            if type(read) not in ODD:
                fields[name] = read
            elif name == "license":
                _put_license(value, read, draft)
            elif (mended := draft.mended(name, value, read)) is not None:
                fields[name] = mended
    for name, target, reader in plan.aliases:
        if raw[name] is not None:
            draft.read(target, name, raw[name], reader)
    _read_centre(raw, draft)
    if status is not None:
        fields["order:status"] = status
    if raw.get("order:status", status) != status:
        draft.keep("order:status", raw["order:status"], "known from where the item comes")
    fields |= given
    for name in plan.own:
        if raw[name] is not None:
            draft.read(clear_name(name), name, raw[name], anything)


def read_license(value: object, draft: Draft) -> None:
    """Read a license; what is no token becomes ``other``, with its text under ``pixxel:``."""
    _put_license(value, license_token(value), draft)


def _put_license(value: object, read: object, draft: Draft) -> None:
    if (token := draft.mended("license", value, read)) is not None:
        draft.fields["license"] = token
    elif isinstance(value, str) and value.strip():
        draft.fields["license"] = OTHER_LICENSE


def _read_centre(raw: dict[str, Any], draft: Draft) -> None:
    lat, lon = raw.get(CENTRE[0]), raw.get(CENTRE[1])
    if lat is None and lon is None:
        return
    made = centre(lat, _turned_back(lon, draft))
    if made is None:
        why = "not a latitude and a longitude"
    elif same(draft.fields.setdefault("proj:centroid", made), made):
        for name, value in zip(CENTRE, (lat, lon), strict=True):
            if isinstance(value, str):
                draft.mended(name, value, number(value))
        return
    else:
        why = "another value for the same field"
    for name, value in zip(CENTRE, (lat, lon), strict=True):
        draft.keep(name, value, why)


def _turned_back(lon: object, draft: Draft) -> object:
    """Bring a longitude that runs on past the antimeridian back by one turn."""
    stated = plain(lon)
    if stated is None or not EDGE < abs(stated) <= FARTHEST:
        return lon
    draft.note(CENTRE[1], REPAIRED, "past the antimeridian")
    return round(stated - math.copysign(TURN, stated), 9)


def factors(raw: dict[str, Any], draft: Draft) -> tuple[float | None, float | None]:
    """Read the scale and the offset that turn an item's pixel values into reflectance."""
    if raw.keys().isdisjoint(_FACTORS):
        return None, None
    return _factor(raw, draft, SCALE), _factor(raw, draft, OFFSET)


def _factor(raw: dict[str, Any], draft: Draft, names: tuple[str, ...]) -> float | None:
    for name in names:
        if raw.get(name) is not None:
            read = plain(raw[name])
            if read is None or (read == 0 and names is SCALE):
                return None  # no band takes it, so it is kept
            found: float = draft.mended(name, raw[name], number(raw[name]))
            return found
    return None


def keep_factors(raw: dict[str, Any], draft: Draft, took: tuple[bool, bool]) -> None:
    """Keep the scale and the offset that no band took."""
    if raw.keys().isdisjoint(_FACTORS):
        return
    for names, taken in zip((SCALE, OFFSET), took, strict=True):
        found = [name for name in names if raw.get(name) is not None]
        for name in found[taken:]:
            draft.keep(name, raw[name], "no factor, or no data band lacks it")
