"""Summaries: the values that a collection's items have."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac.bands import LISTS, bands
from tap_pixxel.stac.draft import Draft
from tap_pixxel.stac.extensions import READERS, prefixes
from tap_pixxel.stac.notes import CONVERTED, DROPPED, REPAIRED, Note
from tap_pixxel.stac.values import Dropped, Mended, Unusable

if TYPE_CHECKING:
    from tap_pixxel.stac.values import Reader

RANGE: Final = {"minimum", "maximum"}
OLD_RANGE: Final = {"min", "max"}
_READERS: Final = READERS["properties"]


def to_summaries(raw: object, notes: list[Note]) -> tuple[dict[str, Any], set[str]]:
    """Give summaries, each a list of values or a range, and the extensions they use."""
    draft = Draft("summaries.", notes)
    if not isinstance(raw, dict):
        if raw is not None:
            notes.append(Note("summaries", DROPPED, "not an object"))
        return {}, set()
    listed, _ = bands(raw, draft)
    if listed:
        draft.fields["bands"] = listed
    for name, value in raw.items():
        if value is None or name in LISTS or value in ([], {}):
            continue
        reader = _READERS.get(name)
        if reader is None:
            draft.keep(name, _summary(value))
        else:
            draft.read(name, name, value, partial(_read, reader=reader))
    used = prefixes(draft.fields)
    for band in listed:
        used |= prefixes(band)
    fields = draft.finish()
    # What was kept may be a scalar still, in summaries that were converted before or in odd ones.
    return {name: _summary(value) for name, value in fields.items()}, used


def _summary(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and _is_range(value):
        return value
    return [value]


def _is_range(value: dict[str, Any]) -> bool:
    ends = [value.get("minimum"), value.get("maximum")]
    return value.keys() == RANGE and all(
        isinstance(end, int | float | str) and not isinstance(end, bool) for end in ends
    )


def _read(value: Any, reader: Reader) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a summary of a field: each value as the field's reader takes it."""
    if isinstance(value, dict):
        return _read_range(value, reader)
    given = value if isinstance(value, list) else [value]
    # A field that is a list itself, such as instruments, is summarised by its members.
    read = [_plain(reader(each)) if each is not None else None for each in given]
    flat = [one for each in read for one in (each if isinstance(each, list) else [each])]
    kept = [each for each in flat if each is not None]
    if not kept:
        return Unusable("no value that the field may have")
    if kept == value:
        return kept
    return Mended(kept, CONVERTED, "a scalar, or values in another form or that the field has not")


def _read_range(value: dict[str, Any], reader: Reader) -> Any:  # noqa: ANN401 - see values.Reader
    names = sorted(OLD_RANGE if value.keys() == OLD_RANGE else RANGE, reverse=True)
    low, high = (value.get(name) for name in names)
    ends = [_plain(reader(each)) if each is not None else None for each in (low, high)]
    if value.keys() == set(names):
        made = dict(zip(("minimum", "maximum"), ends, strict=True))
        if _is_range(made):
            return made if made == value else Mended(made, REPAIRED, "a range in another form")
    whole = _plain(reader(value))
    return [whole] if whole is not None else Unusable("not a range of the field's values")


def _plain(read: object) -> Any:  # noqa: ANN401 - any reading
    if type(read) is Mended:
        read = read.value
    return None if type(read) in {Unusable, Dropped} else read
