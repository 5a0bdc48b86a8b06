"""Settings from the environment have their types, and no mistake ever quotes a value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixxel_singer.settings import (
    add_defaults,
    coerce_types,
    read_environment,
    schema_errors,
    unknown_settings,
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
def test_a_variable_is_read_in_the_settings_type(name: str, text: str, value: Any) -> None:
    found = coerce_types(SCHEMA, read_environment(SCHEMA, "TAP_", {f"TAP_{name.upper()}": text}))
    assert found == {name: value}
    assert type(found[name]) is type(value)
    assert schema_errors(SCHEMA, {"token": "t", **found}, "TAP_") == []


def test_an_empty_variable_counts_as_not_set() -> None:
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
def test_a_mistake_is_one_line_naming_the_setting(config: dict[str, Any], line: str) -> None:
    assert schema_errors(SCHEMA, {"token": "t", **config}, "TAP_") == [line]


def test_a_missing_setting_names_its_variable() -> None:
    assert schema_errors(SCHEMA, {}, "TAP_") == [
        "Setting 'token' is missing; set it in the config file, or as TAP_TOKEN with --config=ENV"
    ]


def test_of_several_that_are_required_only_the_missing_one_is_named() -> None:
    schema = {**SCHEMA, "required": ["token", "rate"]}
    [line] = schema_errors(schema, {"token": "t"}, "TAP_")
    assert line.startswith("Setting 'rate' is missing")


@given(
    st.dictionaries(
        st.sampled_from(sorted(SCHEMA["properties"])),
        st.recursive(
            st.just("s3cret") | st.just(-777777),
            lambda inner: st.lists(inner) | st.fixed_dictionaries({"k": inner}),
        ),
    )
)
def test_no_wrong_value_is_ever_quoted(config: dict[str, Any]) -> None:
    lines = schema_errors(SCHEMA, config, "TAP_")
    assert not any("s3cret" in line or "777777" in line or "\n" in line for line in lines)


@given(st.dictionaries(st.sampled_from(sorted(SCHEMA["properties"])), st.text("0aA,[]{}\"'.-: \n")))
def test_any_text_in_a_variable_is_read_or_left_for_the_check(texts: dict[str, str]) -> None:
    found = read_environment(SCHEMA, "TAP_", {f"TAP_{k.upper()}": v for k, v in texts.items()})
    coerce_types(SCHEMA, found)
    assert set(found) == {name for name, text in texts.items() if text.strip()}


def test_defaults_fill_what_is_absent_or_null() -> None:
    assert add_defaults(SCHEMA, {"token": "t", "size": None}) == {"token": "t", "size": 5}
    assert add_defaults(SCHEMA, {"size": 2}) == {"size": 2}


def test_a_misspelt_setting_is_named() -> None:
    assert unknown_settings(SCHEMA, {"sizes": 1, "size": 1}) == ["sizes"]


def test_only_texts_are_read_again() -> None:
    config = {
        "size": 2,
        "rate": "2.5",
        "names": ["1"],
        "query": {"a": "1"},
        "token": "12",
        "x": "1",
    }
    assert coerce_types(SCHEMA, config) == {**config, "rate": 2.5}


def test_json_of_another_type_is_a_text_where_that_may_be_one() -> None:
    schema = {"properties": {"either": {"type": ["object", "string"]}}}
    for text in ("777", "null", "[1]"):
        assert coerce_types(schema, {"either": text}) == {"either": text}


def test_a_whole_number_with_a_point_is_one() -> None:
    """YAML and JSON may have it so, and the schema lets it pass."""
    found = coerce_types(SCHEMA, {"size": 4.0, "rate": 4.0})
    assert [type(value) for value in found.values()] == [int, float]
    assert schema_errors(SCHEMA, {"token": "t", **coerce_types(SCHEMA, {"size": 4.5})}, "TAP_")


@pytest.mark.parametrize("word", ["off", "no"])
def test_yamls_false_is_a_choice_of_that_meaning(word: str) -> None:
    choice = {"type": ["string", "null"], "enum": ["all", word, None]}
    schema = {"properties": {"check": choice, "other": {}, "on": {"type": "boolean"}}}
    given = {"check": False, "other": False, "on": False}
    assert coerce_types(schema, given) == {"check": word, "other": False, "on": False}


def test_yamls_false_stays_where_no_choice_means_it() -> None:
    schema = {"properties": {"check": {"type": ["string"], "enum": ["some", "all"]}}}
    assert coerce_types(schema, {"check": False}) == {"check": False}
