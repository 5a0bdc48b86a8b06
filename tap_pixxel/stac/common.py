"""Common metadata: the fields that STAC itself names, and how each is read."""

from __future__ import annotations

import re
from typing import Any, Final

from tap_pixxel.stac.notes import CONVERTED, REPAIRED
from tap_pixxel.stac.providers import providers
from tap_pixxel.stac.times import moment
from tap_pixxel.stac.values import (
    Dropped,
    Mended,
    Reader,
    Unusable,
    anything,
    between,
    number,
    one_of,
    positive,
    text,
    texts,
    whole,
)

_TOKEN: Final = re.compile(r"[\w.+-]+", re.ASCII)
OTHER_LICENSE: Final = "other"

DEPRECATED: Final = frozenset({"proprietary", "various"})
"""Words for a license that STAC 1.1 replaces by ``other``."""
DATA_TYPES: Final = frozenset(
    {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
    | {"float16", "float32", "float64", "cint16", "cint32", "cfloat32", "cfloat64", "other"}
)
NOT_FINITE: Final = {
    "nan": "nan",
    "inf": "inf",
    "+inf": "inf",
    "infinity": "inf",
    "-inf": "-inf",
    "-infinity": "-inf",
}


def license_token(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a license as STAC takes it: a token such as an SPDX identifier."""
    read = text(value)
    found = read.value if type(read) is Mended else read
    if type(found) is str and (found in DEPRECATED or not _TOKEN.fullmatch(found)):
        return Unusable("not a token such as an SPDX identifier")
    return read


def nodata(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read the value of pixels without data: a number, ``nan``, ``inf`` or ``-inf``."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in NOT_FINITE:
            found = NOT_FINITE[word]
            return (
                found
                if found == value
                else Mended(found, CONVERTED, "nan, not a number, in STAC's spelling")
            )
    if isinstance(value, float):
        spelled = NOT_FINITE.get(str(value))
        if spelled:
            return Mended(spelled, CONVERTED, "nan, not a number, in STAC's spelling")
    return number(value)


STATISTICS: Final[dict[str, Reader]] = {
    "minimum": number,
    "maximum": number,
    "mean": number,
    "stddev": number,
    "count": whole(0),
    "valid_percent": between(0, 100),
}


def _statistic(name: str, value: object) -> Any:  # noqa: ANN401 - see values.Reader
    reader: Reader = STATISTICS.get(name, anything)
    return Dropped("null") if value is None else reader(value)


def statistics(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a band's statistics: an object that is not empty, of numbers."""
    if not isinstance(value, dict):
        return Unusable("not an object")
    made: dict[str, Any] = {}
    fault = False
    for name, each in value.items():
        read = _statistic(name, each)
        if type(read) is Mended:
            fault, read = True, read.value
        if type(read) in {Unusable, Dropped}:
            fault = True
        else:
            made[name] = read
    if not made:
        return Dropped("empty, or without a number")
    return Mended(made, REPAIRED, "members that are no numbers") if fault else made


COMMON: Final[dict[str, Reader]] = {
    "title": text,
    "description": text,
    "keywords": texts,
    "roles": texts,
    "created": moment,
    "updated": moment,
    "platform": text,
    "instruments": texts,
    "constellation": text,
    "mission": text,
    "gsd": positive,
    "license": license_token,
    "providers": providers,
    "data_type": one_of(DATA_TYPES),
    "nodata": nodata,
    "statistics": statistics,
    "unit": text,
}
"""STAC 1.1 common metadata, but times that depend on each other, and bands."""
