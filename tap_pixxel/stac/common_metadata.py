"""The fields of STAC's common metadata, with a parser for each."""

from __future__ import annotations

import re
from typing import Any

from tap_pixxel.stac.datetimes import parse_datetime
from tap_pixxel.stac.parsers import (
    MAX_FLOAT,
    MIN_FLOAT,
    MIN_POSITIVE,
    Dropped,
    Invalid,
    NumberParser,
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

_LICENSE_TOKEN = re.compile(r"[\w.+-]+", re.ASCII)
OTHER_LICENSE = "other"

DEPRECATED_LICENSES = frozenset({"proprietary", "various"})
"""License words that STAC 1.1 replaces by `other`."""
DATA_TYPES = frozenset(
    {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
    | {"float16", "float32", "float64", "cint16", "cint32", "cfloat32", "cfloat64", "other"}
)
NON_FINITE_SPELLINGS = {
    "nan": "nan",
    "inf": "inf",
    "+inf": "inf",
    "infinity": "inf",
    "-inf": "-inf",
    "-infinity": "-inf",
}
_SPELLED_AS_IN_STAC = "a non-finite number, converted to STAC's spelling"


def parse_license(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse a license as STAC requires it: a token such as an SPDX identifier."""
    parsed = parse_text(value)
    text = parsed.value if type(parsed) is Repaired else parsed
    if type(text) is str and (text in DEPRECATED_LICENSES or not _LICENSE_TOKEN.fullmatch(text)):
        return Invalid("not a token such as an SPDX identifier")
    return parsed


def parse_nodata(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse the value of pixels without data: a number, `nan`, `inf` or `-inf`."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in NON_FINITE_SPELLINGS:
            spelling = NON_FINITE_SPELLINGS[word]
            if spelling == value:
                return spelling
            return Repaired(spelling, CONVERTED, _SPELLED_AS_IN_STAC)
    if isinstance(value, float):
        float_spelling = NON_FINITE_SPELLINGS.get(str(value))
        if float_spelling:
            return Repaired(float_spelling, CONVERTED, _SPELLED_AS_IN_STAC)
    return parse_number(value)


STATISTICS_PARSERS: dict[str, Parser] = {
    "minimum": parse_number,
    "maximum": parse_number,
    "mean": parse_number,
    "stddev": parse_number,
    "count": make_integer_parser(0),
    "valid_percent": make_range_parser(0, 100),
}


def _parse_statistic(name: str, value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    parser: Parser = STATISTICS_PARSERS.get(name, sanitize_json)
    return Dropped("null") if value is None else parser(value)


def parse_statistics(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse a band's statistics: a non-empty object of numbers."""
    if not isinstance(value, dict):
        return Invalid("not an object")
    statistics: dict[str, Any] = {}
    has_changes = False
    for name, each in value.items():
        parsed = _parse_statistic(name, each)
        if type(parsed) is Repaired:
            has_changes, parsed = True, parsed.value
        if type(parsed) in {Invalid, Dropped}:
            has_changes = True
        else:
            statistics[name] = parsed
    if not statistics:
        return Dropped("empty, or without a number")
    if has_changes:
        return Repaired(statistics, REPAIRED, "members that are not valid numbers")
    return statistics


COMMON_PARSERS: dict[str, Parser] = {
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
    "gsd": NumberParser(MIN_POSITIVE, MAX_FLOAT, parse_positive_number),
    "license": parse_license,
    "providers": parse_providers,
    "data_type": make_enum_parser(DATA_TYPES),
    "nodata": NumberParser(MIN_FLOAT, MAX_FLOAT, parse_nodata),
    "statistics": parse_statistics,
    "unit": parse_text,
}
"""STAC 1.1 common metadata, without bands and the times that depend on each other."""
