"""Common metadata: the fields that STAC itself names, and how each is read."""

from __future__ import annotations

import re
from typing import Any, Final

from tap_pixxel.stac.datetimes import parse_datetime
from tap_pixxel.stac.parsers import (
    Dropped,
    Invalid,
    Parser,
    Repaired,
    make_enum_parser,
    make_integer_parser,
    make_range_parser,
    parse_number,
    parse_positive_number,
    parse_text,
    parse_text_list,
    sanitize_json,
)
from tap_pixxel.stac.providers import parse_providers
from tap_pixxel.stac.result import CONVERTED, REPAIRED

_LICENSE_TOKEN: Final = re.compile(r"[\w.+-]+", re.ASCII)
OTHER_LICENSE: Final = "other"

DEPRECATED_LICENSES: Final = frozenset({"proprietary", "various"})
"""Words for a license that STAC 1.1 replaces by ``other``."""
DATA_TYPES: Final = frozenset(
    {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
    | {"float16", "float32", "float64", "cint16", "cint32", "cfloat32", "cfloat64", "other"}
)
NON_FINITE_SPELLINGS: Final = {
    "nan": "nan",
    "inf": "inf",
    "+inf": "inf",
    "infinity": "inf",
    "-inf": "-inf",
    "-infinity": "-inf",
}


def parse_license(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a license as STAC takes it: a token such as an SPDX identifier."""
    read = parse_text(value)
    found = read.value if type(read) is Repaired else read
    if type(found) is str and (found in DEPRECATED_LICENSES or not _LICENSE_TOKEN.fullmatch(found)):
        return Invalid("not a token such as an SPDX identifier")
    return read


def parse_nodata(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read the value of pixels without data: a number, ``nan``, ``inf`` or ``-inf``."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in NON_FINITE_SPELLINGS:
            found = NON_FINITE_SPELLINGS[word]
            return (
                found
                if found == value
                else Repaired(found, CONVERTED, "nan, not a number, in STAC's spelling")
            )
    if isinstance(value, float):
        spelled = NON_FINITE_SPELLINGS.get(str(value))
        if spelled:
            return Repaired(spelled, CONVERTED, "nan, not a number, in STAC's spelling")
    return parse_number(value)


STATISTICS_PARSERS: Final[dict[str, Parser]] = {
    "minimum": parse_number,
    "maximum": parse_number,
    "mean": parse_number,
    "stddev": parse_number,
    "count": make_integer_parser(0),
    "valid_percent": make_range_parser(0, 100),
}


def _parse_statistic(name: str, value: object) -> Any:  # noqa: ANN401 - see values.Reader
    reader: Parser = STATISTICS_PARSERS.get(name, sanitize_json)
    return Dropped("null") if value is None else reader(value)


def parse_statistics(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a band's statistics: an object that is not empty, of numbers."""
    if not isinstance(value, dict):
        return Invalid("not an object")
    made: dict[str, Any] = {}
    fault = False
    for name, each in value.items():
        read = _parse_statistic(name, each)
        if type(read) is Repaired:
            fault, read = True, read.value
        if type(read) in {Invalid, Dropped}:
            fault = True
        else:
            made[name] = read
    if not made:
        return Dropped("empty, or without a number")
    return Repaired(made, REPAIRED, "members that are no numbers") if fault else made


COMMON_PARSERS: Final[dict[str, Parser]] = {
    "title": parse_text,
    "description": parse_text,
    "keywords": parse_text_list,
    "roles": parse_text_list,
    "created": parse_datetime,
    "updated": parse_datetime,
    "platform": parse_text,
    "instruments": parse_text_list,
    "constellation": parse_text,
    "mission": parse_text,
    "gsd": parse_positive_number,
    "license": parse_license,
    "providers": parse_providers,
    "data_type": make_enum_parser(DATA_TYPES),
    "nodata": parse_nodata,
    "statistics": parse_statistics,
    "unit": parse_text,
}
"""STAC 1.1 common metadata, but times that depend on each other, and bands."""
