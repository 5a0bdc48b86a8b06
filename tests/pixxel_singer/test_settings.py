"""Settings: types of values from the environment, and errors that never quote a value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixxel_singer.settings import (
    coerce_types,
    read_environment,
    schema_errors,
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "secret": True},
        "size": {"type": ["integer", "null"], "minimum": 1, "maximum": 9, "default": 5},
        "rate": {"type": ["number", "null"], "exclusiveMinimum": 0},
        "on": {"type": ["boolean", "null"]},
        "names": {"type": ["array", "null"], "items": {"type": "string"}},
        "box": {"type": ["array", "null"], "items": {"type": "number"}},
        "query": {"type": ["object", "null"]},
        "either": {"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "boolean"}]},
        "mode": {"type": ["string", "null"], "enum": ["a", "b", None]},
    },
}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("token", "12", "12"),
        ("size", "7", 7),
        ("rate", "2.5", 2.5),
        ("rate", "3", 3.0),
        ("on", "yes", True),
        ("on", "0", False),
        ("names", '["a", "b,c"]', ["a", "b,c"]),
        ("names", "a, 2024", ["a", "2024"]),
        ("names", "2024", ["2024"]),
        ("box", "[1, 2.5]", [1, 2.5]),
        ("box", "1,-2.5", [1.0, -2.5]),
        ("query", '{"gsd": {"lt": 6}}', {"gsd": {"lt": 6}}),
        ("either", "7", 7),
        ("either", "seven", "seven"),
        ("either", "true", True),
    ],
)
def test_variable_is_parsed_to_type_of_setting(name: str, text: str, value: Any) -> None:
    values = coerce_types(SCHEMA, read_environment(SCHEMA, "TAP_", {f"TAP_{name.upper()}": text}))
    assert values == {name: value}
    assert type(values[name]) is type(value)
    assert schema_errors(SCHEMA, {"token": "t", **values}, "TAP_") == []


def test_empty_variable_is_ignored() -> None:
    assert read_environment(SCHEMA, "TAP_", {"TAP_SIZE": " ", "TAP_MODE": "", "OTHER": "x"}) == {}


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"size": "s3cret"}, "Setting 'size' must be a whole number"),
        ({"size": 0}, "Setting 'size' must be at least 1"),
        ({"size": 10}, "Setting 'size' must be at most 9"),
        ({"rate": 0}, "Setting 'rate' must be more than 0"),
        ({"rate": "s3cret"}, "Setting 'rate' must be a number"),
        ({"on": "s3cret"}, "Setting 'on' must be true or false"),
        ({"names": "s3cret"}, "Setting 'names' must be a list"),
        ({"names": [5]}, "Setting 'names.0' must be a string"),
        ({"query": "s3cret"}, "Setting 'query' must be an object"),
        ({"mode": "s3cret"}, "Setting 'mode' must be one of a, b"),
    ],
)
def test_invalid_setting_is_one_line_with_its_name(config: dict[str, Any], line: str) -> None:
    assert schema_errors(SCHEMA, {"token": "t", **config}, "TAP_") == [line]


def test_missing_setting_error_names_its_variable() -> None:
    assert schema_errors(SCHEMA, {}, "TAP_") == [
        "Setting 'token' is missing; set it in the config file, or as TAP_TOKEN with --config=ENV"
    ]


@given(
    st.dictionaries(
        st.sampled_from(sorted(SCHEMA["properties"])),
        st.recursive(
            st.just("s3cret") | st.just(-777777),
            lambda inner: st.lists(inner) | st.fixed_dictionaries({"k": inner}),
        ),
    )
)
def test_schema_errors_never_quote_values(config: dict[str, Any]) -> None:
    lines = schema_errors(SCHEMA, config, "TAP_")
    assert not any("s3cret" in line or "777777" in line or "\n" in line for line in lines)


@given(st.dictionaries(st.sampled_from(sorted(SCHEMA["properties"])), st.text("0aA,[]{}\"'.-: \n")))
def test_any_text_in_variable_is_parsed_or_unchanged(texts: dict[str, str]) -> None:
    values = read_environment(SCHEMA, "TAP_", {f"TAP_{k.upper()}": v for k, v in texts.items()})
    coerce_types(SCHEMA, values)
    assert set(values) == {name for name, text in texts.items() if text.strip()}


def test_coerce_types_changes_only_strings() -> None:
    config = {
        "size": 2,
        "rate": "2.5",
        "names": ["1"],
        "query": {"a": "1"},
        "token": "12",
        "x": "1",
    }
    assert coerce_types(SCHEMA, config) == {**config, "rate": 2.5}


def test_json_of_other_type_stays_string_if_allowed() -> None:
    schema = {"properties": {"either": {"type": ["object", "string"]}}}
    for text in ("777", "null", "[1]"):
        assert coerce_types(schema, {"either": text}) == {"either": text}


def test_integral_float_is_coerced_to_integer() -> None:
    """YAML and JSON may write an integer as 4.0, and the schema accepts it."""
    values = coerce_types(SCHEMA, {"size": 4.0, "rate": 4.0})
    assert [type(value) for value in values.values()] == [int, float]
    assert schema_errors(SCHEMA, {"token": "t", **coerce_types(SCHEMA, {"size": 4.5})}, "TAP_")


@pytest.mark.parametrize("choice_text", ["off", "no"])
def test_yaml_false_becomes_choice_of_same_meaning(choice_text: str) -> None:
    choice = {"type": ["string", "null"], "enum": ["all", choice_text, None]}
    schema = {"properties": {"check": choice, "other": {}, "on": {"type": "boolean"}}}
    given = {"check": False, "other": False, "on": False}
    assert coerce_types(schema, given) == {"check": choice_text, "other": False, "on": False}


def test_yaml_false_without_such_choice_is_unchanged() -> None:
    schema = {"properties": {"check": {"type": ["string"], "enum": ["some", "all"]}}}
    assert coerce_types(schema, {"check": False}) == {"check": False}
