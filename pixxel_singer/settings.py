"""Settings: from the environment with their types, checked without ever quoting a value."""

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
    "string": "a text",
}


def env_name(prefix: str, setting: str) -> str:
    """Name the environment variable of a setting, such as `TAP_PIXXEL_API_TOKEN`."""
    return prefix + setting.upper().replace("-", "_")


def read_environment(
    schema: Mapping[str, Any], prefix: str, environment: Mapping[str, str | None]
) -> dict[str, str]:
    """Find the settings that environment variables give; an empty one counts as not set."""
    texts = {name: environment.get(env_name(prefix, name)) for name in schema["properties"]}
    return {name: text for name, text in texts.items() if text is not None and text.strip()}


def coerce_types(schema: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Read texts in the types that the settings' schema names, other values being left alone.

    From the environment everything is a text, and from Meltano what comes from there too. Numbers,
    booleans, lists and objects are read as JSON; a list may also be written with commas. A text
    that cannot be read so stays one, for `mistakes` to name its setting.
    """
    rules = schema["properties"]
    return {name: _coerce(value, rules.get(name, {})) for name, value in config.items()}


def _coerce(value: Any, rule: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return _parse_text(value.strip(), rule) if rule else value
    if value is False:  # as YAML reads a bare off or no, where those are choices
        return next((each for each in rule.get("enum") or () if each in _FALSE), value)
    # JSON Schema counts 4.0 as a whole number, Python does not.
    if isinstance(value, float) and value.is_integer() and "integer" in _type_names(rule):
        return int(value)
    return value


def add_defaults(schema: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Add the defaults of the settings that are not given; a null counts as not given."""
    given = {name: value for name, value in config.items() if value is not None}
    defaults = {
        name: rule["default"] for name, rule in schema["properties"].items() if "default" in rule
    }
    return defaults | given


def schema_errors(schema: Mapping[str, Any], config: Mapping[str, Any], prefix: str) -> list[str]:
    """Say what is wrong with settings by their schema, a line each, without their values."""
    validator = DEFAULT_JSONSCHEMA_VALIDATOR(schema)
    errors = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.path)))
    # Each setting that is missing is an error of its own, whose rule names all that are required.
    return list(
        dict.fromkeys(line for error in errors for line in _describe_schema_error(error, prefix))
    )


def unknown_settings(schema: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Name the settings given that do not exist: most likely misspelt."""
    return sorted(set(config) - set(schema["properties"]))


def parse_settings(
    settings: Callable[..., SettingsT], parsers: Parsers, config: Mapping[str, Any]
) -> SettingsT:
    """Make a settings dataclass; a field without a parser takes the setting of its name.

    Raises:
        SettingError: A setting is invalid; `find_problems` names all that are.
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
    for kind in _type_names(rule):
        if kind == "string":
            return text
        try:
            if kind == "array" and not text.startswith("["):
                return _parse_comma_separated(text, rule)
            if kind in _PARSERS:
                return _PARSERS[kind](text)
        except ValueError:
            continue
    return text


def _type_names(rule: Mapping[str, Any]) -> list[str]:
    """Give the types a rule allows, strings last so that they do not shadow the others."""
    kinds = rule.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    for branch in (*rule.get("anyOf", ()), *rule.get("oneOf", ())):
        kinds += _type_names(branch)
    return sorted(kinds, key=lambda kind: kind == "string")


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


def _json_parser(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:  # noqa: ANN401 - any JSON
        value = json.loads(text)
        if not isinstance(value, kind):
            raise ValueError  # noqa: TRY004 - a text that does not read as this
        return value

    return read


_PARSERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "number": float,
    "boolean": _parse_boolean,
    "array": _json_parser(list),
    "object": _json_parser(dict),
}


def _describe_schema_error(error: ValidationError, prefix: str) -> Iterator[str]:
    where = ".".join(map(str, error.path))
    wanted: Any = error.validator_value
    if error.validator == "required":
        given: Any = error.instance
        for name in wanted:
            if name not in given:
                full = f"{where}.{name}" if where else name
                yield (
                    f"Setting '{full}' is missing; set it in the config file, or as "
                    f"{env_name(prefix, full)} with --config=ENV"
                )
        return
    if error.validator == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        wanted = " or ".join(_TYPE_LABELS[kind] for kind in kinds if kind in _TYPE_LABELS)
    elif error.validator == "enum":
        wanted = ", ".join(str(choice) for choice in wanted if choice is not None)
    rule = _RULE_TEXTS.get(str(error.validator), "breaks a rule of its schema; see --about")
    yield f"Setting '{where}' {rule.format(wanted)}"
