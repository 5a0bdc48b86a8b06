"""Strategies: answers as the contract's schemas allow them, with nulls and with fields missing.

hypothesis-jsonschema is not used: it knows neither names that are times nor fields left out, and
the contract's schemas are plain enough to do without it.
"""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from tests.tap_pixxel.stac.strategies import TIMES

TEXTS = st.one_of(
    st.sampled_from(
        ["", " ", "a", "b", "a/b", "é", "\x00", "12.5", "nan", "true", "a\nb", "?x=1&"]
    ),
    st.text(max_size=4),
)
KEYED = {"id", "aoi_id", "delivery_id", "name", "version"}
"""What rows are told apart by: mostly one of a few, so that most rows have a key, some the same."""
KEYS = st.one_of(st.sampled_from(["a", "b", "c d", "e/f"]), st.sampled_from(["g", "h"]), TEXTS)
TIMED = re.compile(r"(^|_)(at|date|datetime|time|created|updated|start|end)$|datetime$")
INTEGERS = st.one_of(st.integers(-5, 400), st.sampled_from([2**63, -(2**64), 10**30]))
NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-90, 180))
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), INTEGERS, NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXTS, inner, max_size=2)),
    max_leaves=4,
)
"""JSON; what is none, such as NaN, has a client ask again, and is no matter of the contract."""
PLAIN = {"string": TEXTS, "integer": INTEGERS, "number": NUMBERS, "boolean": st.booleans()}
FATES = st.sampled_from(["missing", "null", *["there"] * 10])
ROWS = 3


def values(schema: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Give what a resolved schema allows under a name."""
    if "enum" in schema:
        return st.one_of(st.sampled_from(schema["enum"]), TEXTS)  # enums are open
    match schema.get("type"):
        case "object":
            return objects(schema)
        case "array":
            return rows(schema["items"])
        case "string" if name in KEYED:
            return KEYS
        case "string" if TIMED.search(name):
            return st.one_of(TIMES, TEXTS)
        case other:
            return PLAIN.get(other, ANYTHING)


def rows(schema: Any) -> st.SearchStrategy[list[Any]]:
    """Give lists, most of them with several rows."""
    row = values(schema)
    return st.one_of(st.lists(row, min_size=2, max_size=ROWS), st.lists(row, max_size=1))


def objects(schema: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Give objects: each member may be missing or null, and there may be one nobody knows."""
    members = {
        name: values(each, name) for name, each in sorted(schema.get("properties", {}).items())
    }
    more = schema.get("additionalProperties")
    others: st.SearchStrategy[dict[str, Any]] = st.just({})
    if isinstance(more, dict):
        others = st.dictionaries(TEXTS, values(more), max_size=ROWS)

    @st.composite
    def drawn(draw: st.DrawFn) -> dict[str, Any]:
        made = {**draw(others)}
        for name, strategy in members.items():
            if (fate := draw(FATES)) != "missing":
                made[name] = None if fate == "null" else draw(strategy)
        if draw(st.integers(0, 5)) == 0:
            made["unheard_of"] = draw(ANYTHING)
        return made

    return drawn()


@st.composite
def reports(draw: st.DrawFn) -> bytes:
    """Give reports in CSV, most of them with a header and as many cells in each row."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.one_of(st.binary(max_size=40), st.just(b'{"error": {}}')))
    cells = st.one_of(TEXTS, TIMES, INTEGERS.map(str), NUMBERS.map(str))
    width = draw(st.integers(1, 6))
    lines = [draw(st.lists(cells, min_size=width, max_size=width)) for _ in range(4)]
    if draw(st.booleans()):
        lines[-1].append("one cell too many")
    quoted = ('"' + cell.replace('"', '""') + '"' for line in lines for cell in line)
    return "".join(",".join(next(quoted) for _ in line) + "\r\n" for line in lines).encode()
