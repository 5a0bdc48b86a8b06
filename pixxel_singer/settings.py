"""Settings: read from the environment, coerced to their types and validated, never quoted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from pixxel_singer.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

SettingsT = TypeVar("SettingsT")
Parsers = tuple[tuple[str, str, Callable[[Any], Any]], ...]
"""Field of a settings dataclass, name of its setting, and the parser of the setting's value."""

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_RULE_TEXTS = {
    "type": "must be {}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "minItems": "must have at least {} values",
    "maxItems": "must have at most {} values",
    "enum": "must be one of {}",
}
_TYPE_LABELS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}


def env_name(prefix: str, setting: str) -> str:
    """Return the environment variable of a setting, such as `TAP_PIXXEL_API_TOKEN`."""
    return prefix + setting.upper().replace("-", "_")


def read_environment(
    schema: Mapping[str, Any], prefix: str, environment: Mapping[str, str | None]
) -> dict[str, str]:
    """Return the settings from environment variables; an empty variable is ignored."""
    texts = {name: environment.get(env_name(prefix, name)) for name in schema["properties"]}
    return {name: text for name, text in texts.items() if text is not None and text.strip()}


def coerce_types(schema: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Parse strings to the types in the settings' schema; other values are unchanged.

    Values from the environment are strings, also if Meltano passes them on. Numbers, booleans,
    lists and objects are parsed as JSON; a list may also be comma-separated. A string that cannot
    be parsed is unchanged, so that `schema_errors` reports its setting.
    """
    rules = schema["properties"]
    return {name: _coerce(value, rules.get(name, {})) for name, value in config.items()}


def _coerce(value: Any, rule: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return _parse_text(value.strip(), rule) if rule else value
    if value is False:  # YAML parses an unquoted off or no to False
        return next((choice for choice in rule.get("enum") or () if choice in _FALSE), value)
    # JSON Schema accepts 4.0 as an integer, Python does not.
    if isinstance(value, float) and value.is_integer() and "integer" in _type_names(rule):
        return int(value)
    return value


def add_defaults(schema: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with defaults for those that are missing or null."""
    given = {name: value for name, value in config.items() if value is not None}
    defaults = {
        name: rule["default"] for name, rule in schema["properties"].items() if "default" in rule
    }
    return defaults | given


def schema_errors(schema: Mapping[str, Any], config: Mapping[str, Any], prefix: str) -> list[str]:
    """Return a line for each violation of the settings' schema, without the settings' values."""
    validator = DEFAULT_JSONSCHEMA_VALIDATOR(schema)
    errors = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.path)))
    # Each missing setting is an error of its own that names all required settings.
    return list(
        dict.fromkeys(line for error in errors for line in _describe_schema_error(error, prefix))
    )


def unknown_settings(schema: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return the names of settings that do not exist, probably misspelt."""
    return sorted(set(config) - set(schema["properties"]))


def parse_settings(
    settings: Callable[..., SettingsT], parsers: Parsers, config: Mapping[str, Any]
) -> SettingsT:
    """Return a settings dataclass; a field without a parser has the setting of its name.

    Raises:
        SettingError: A setting is invalid; `find_problems` returns all that are.
    """
    parsed = {field: parse(config.get(name)) for field, name, parse in parsers}
    plain = getattr(settings, "__dataclass_fields__").keys() - parsed.keys()  # noqa: B009 - typing
    return settings(**parsed, **{name: config.get(name) for name in plain})


def find_problems(parsers: Parsers, config: Mapping[str, Any]) -> list[str]:
    """Return a line for each setting that its parser refuses, without the setting's value."""
    problems = []
    for _, name, parse in parsers:
        try:
            parse(config.get(name))
        except SettingError as error:
            problems.append(f"Setting '{name}' {error}")
    return problems


def _parse_text(text: str, rule: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    for name in _type_names(rule):
        if name == "string":
            return text
        try:
            if name == "array" and not text.startswith("["):
                return _parse_comma_separated(text, rule)
            if name in _PARSERS:
                return _PARSERS[name](text)
        except ValueError:
            continue
    return text


def _type_names(rule: Mapping[str, Any]) -> list[str]:
    """Return the types of a rule, with string last, since every text is a valid string."""
    names = rule.get("type", [])
    names = [names] if isinstance(names, str) else list(names)
    for branch in (*rule.get("anyOf", ()), *rule.get("oneOf", ())):
        names += _type_names(branch)
    return sorted(names, key=lambda name: name == "string")


def _parse_boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError


def _parse_comma_separated(text: str, rule: Mapping[str, Any]) -> list[Any]:
    parts = [part.strip() for part in text.split(",")]
    return (
        [float(part) for part in parts] if "number" in _type_names(rule.get("items", {})) else parts
    )


def _json_parser(expected: type) -> Callable[[str], Any]:
    def parse(text: str) -> Any:  # noqa: ANN401 - any JSON
        value = json.loads(text)
        if not isinstance(value, expected):
            raise ValueError  # noqa: TRY004 - as the other parsers
        return value

    return parse


_PARSERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "number": float,
    "boolean": _parse_boolean,
    "array": _json_parser(list),
    "object": _json_parser(dict),
}


def _describe_schema_error(error: ValidationError, prefix: str) -> Iterator[str]:
    path = ".".join(map(str, error.path))
    expected: Any = error.validator_value
    if error.validator == "required":
        instance: Any = error.instance
        for name in expected:
            if name not in instance:
                full = f"{path}.{name}" if path else name
                yield (
                    f"Setting '{full}' is missing; set it in the config file, or as "
                    f"{env_name(prefix, full)} with --config=ENV"
                )
        return
    if error.validator == "type":
        names = [expected] if isinstance(expected, str) else expected
        expected = " or ".join(_TYPE_LABELS[name] for name in names if name in _TYPE_LABELS)
    elif error.validator == "enum":
        expected = ", ".join(str(choice) for choice in expected if choice is not None)
    rule = _RULE_TEXTS.get(str(error.validator), "violates its schema; see --about")
    yield f"Setting '{path}' {rule.format(expected)}"
