"""Hypothesis strategies: responses that the contract allows, with null and missing members.

`hypothesis-jsonschema` is not used: it supports neither names that denote times nor missing
members, and the contract's schemas are simple enough without it.
"""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from tests.tap_pixxel.stac.strategies import TIMES

TEXT = st.one_of(
    st.sampled_from(
        ["", " ", "a", "b", "a/b", "é", "\x00", "12.5", "nan", "true", "a\nb", "?x=1&"]
    ),
    st.text(max_size=4),
)
KEY_NAMES = {"id", "aoi_id", "delivery_id", "name", "version"}
"""Members that identify a row; they take few values, so that some rows share a key."""
KEYS = st.one_of(st.sampled_from(["a", "b", "c d", "e/f"]), st.sampled_from(["g", "h"]), TEXT)
TIME_NAME = re.compile(r"(^|_)(at|date|datetime|time|created|updated|start|end)$|datetime$")
INTEGERS = st.one_of(st.integers(-5, 400), st.sampled_from([2**63, -(2**64), 10**30]))
NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-90, 180))
ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), INTEGERS, NUMBERS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXT, inner, max_size=2)),
    max_leaves=4,
)
"""Valid JSON only: NaN makes the client retry, and the contract does not cover it."""
SCALARS = {"string": TEXT, "integer": INTEGERS, "number": NUMBERS, "boolean": st.booleans()}
MEMBER_STATES = st.sampled_from(["missing", "null", *["present"] * 10])
COMPLETE = st.just("present")
MAX_ROWS = 3


def values(schema: Any, name: str = "", *, complete: bool = False) -> st.SearchStrategy[Any]:
    """Return the values that a resolved schema allows for a member of this name."""
    if "enum" in schema:
        return st.one_of(st.sampled_from(schema["enum"]), TEXT)  # enums are open
    match schema.get("type"):
        case "object":
            return objects(schema, complete=complete)
        case "array":
            return rows(schema["items"], complete=complete)
        case "string" if name in KEY_NAMES:
            return KEYS
        case "string" if TIME_NAME.search(name):
            return st.one_of(TIMES, TEXT)
        case other:
            return SCALARS.get(other, ANY_JSON)


def rows(schema: Any, *, complete: bool = False) -> st.SearchStrategy[list[Any]]:
    """Return lists, most of them with several rows."""
    row = values(schema, complete=complete)
    several = st.lists(row, min_size=2, max_size=MAX_ROWS)
    return several if complete else st.one_of(several, st.lists(row, max_size=1))


def objects(schema: Any, *, complete: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects, to which an unknown member may be added.

    Args:
        schema: The resolved schema.
        complete: Whether no member is missing or null, and no list or map is empty.
    """
    members = {
        name: values(each, name, complete=complete)
        for name, each in sorted(schema.get("properties", {}).items())
    }
    additional = schema.get("additionalProperties")
    others: st.SearchStrategy[dict[str, Any]] = st.just({})
    if isinstance(additional, dict):
        each = values(additional, complete=complete)
        others = st.dictionaries(TEXT, each, min_size=int(complete), max_size=MAX_ROWS)
    states = COMPLETE if complete else MEMBER_STATES

    @st.composite
    def draw_object(draw: st.DrawFn) -> dict[str, Any]:
        drawn = {**draw(others)}
        for name, strategy in members.items():
            if (state := draw(states)) != "missing":
                drawn[name] = None if state == "null" else draw(strategy)
        if draw(st.integers(0, 5)) == 0:
            drawn["unknown_member"] = draw(ANY_JSON)
        return drawn

    return draw_object()


@st.composite
def csv_reports(draw: st.DrawFn) -> bytes:
    """Return CSV reports, most of them with a header and rows of equal length."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.one_of(st.binary(max_size=40), st.just(b'{"error": {}}')))
    cells = st.one_of(TEXT, TIMES, INTEGERS.map(str), NUMBERS.map(str))
    width = draw(st.integers(1, 6))
    lines = [draw(st.lists(cells, min_size=width, max_size=width)) for _ in range(4)]
    if draw(st.booleans()):
        lines[-1].append("one cell too many")
    quoted = ('"' + cell.replace('"', '""') + '"' for line in lines for cell in line)
    return "".join(",".join(next(quoted) for _ in line) + "\r\n" for line in lines).encode()
