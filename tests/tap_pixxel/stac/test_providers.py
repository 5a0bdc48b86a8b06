# ruff: noqa: E501 - tables, one case per line
"""Test the parser of providers."""

from __future__ import annotations

from math import nan
from typing import Any

import pytest

from tap_pixxel.stac.parsers import EMPTY, Invalid
from tap_pixxel.stac.providers import parse_providers
from tests.tap_pixxel.stac.minimal_items import assert_parses, repaired

P = {"name": "P"}


WHOLE = P | {
    "roles": ["producer", "licensor", "processor", "host"],
    "url": "https://a.invalid/",
    "description": "d",
    "novel": 1,
}


PARSED: list[tuple[Any, Any, Any]] = [
    # parser, value, expected result
    (parse_providers, [P], [P]),
    (parse_providers, [WHOLE], [WHOLE]),
    (parse_providers, P, repaired([P])),
    (parse_providers, [{"name": " P ", "description": " d "}], repaired([P | {"description": "d"}])),
    (parse_providers, [P | {"roles": " Host "}], repaired([P | {"roles": ["host"]}])),
    (parse_providers, [P | {"roles": ["boss"]}], repaired([P])),
    (parse_providers, [P | {"roles": ["host", None]}], repaired([P | {"roles": ["host"]}])),
    (parse_providers, [P | {"url": 5, "odd": None}], repaired([P])),
    (parse_providers, [P | {"url": "https://a.invalid/?sig=1"}], repaired([P | {"url": "https://a.invalid/"}])),
    (parse_providers, [P | {"processing:level": "L2A"}], repaired([P])),
    (parse_providers, [P | {"odd": [nan]}], repaired([P | {"odd": [None]}])),
    (parse_providers, [5, P, {"url": "https://a.invalid/"}, {"name": " "}], repaired([P])),
    (parse_providers, [{"url": "https://a.invalid/"}], Invalid),
    (parse_providers, [], EMPTY),
    (parse_providers, 5, Invalid),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "value", "expected"), PARSED)
def test_parse_providers_value_returns_expected(parse: Any, value: Any, expected: Any) -> None:
    assert_parses(parse, value, expected)
