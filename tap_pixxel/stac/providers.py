"""Parse providers: the producers, licensors, processors and hosts of the data."""

from __future__ import annotations

from typing import Any

from tap_pixxel.stac.hrefs import make_absolute
from tap_pixxel.stac.parsers import (
    Dropped,
    Invalid,
    Repaired,
    json_equal,
    parse_text,
    sanitize_json,
    unwrap_repaired,
)
from tap_pixxel.stac.result import REPAIRED

PROVIDER_ROLES = frozenset({"producer", "licensor", "processor", "host"})
_REASON = "providers, roles or members that STAC does not allow"


def parse_providers(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse a list of providers; drop those without a name, and roles that STAC does not define."""
    raw = [value] if isinstance(value, dict) else value
    if not isinstance(raw, list):
        return Invalid("not a list of providers")
    providers = [provider for each in raw if (provider := _parse_provider(each))]
    if not providers:
        return Invalid("no provider with a name") if value else Dropped("empty")
    if json_equal(providers, sanitize_json(value)):
        return providers
    return Repaired(providers, REPAIRED, _REASON)


def _parse_provider(value: object) -> dict[str, Any]:
    if (
        not isinstance(value, dict)
        or type(unwrap_repaired(parse_text(value.get("name")))) is not str
    ):
        return {}
    provider: dict[str, Any] = {}
    for name, each in value.items():
        parsed = _parse_member(name, each)
        if type(parsed) not in {Invalid, Dropped, type(None)}:
            provider[name] = parsed
    return provider


def _parse_member(name: str, value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    if name == "roles":
        raw = value if isinstance(value, list) else [value]
        roles = [each.strip().lower() for each in raw if isinstance(each, str)]
        return [role for role in roles if role in PROVIDER_ROLES] or None
    if name == "url":
        return make_absolute(value) if isinstance(value, str) else None
    if name in {"name", "description"}:
        return unwrap_repaired(parse_text(value))
    return unwrap_repaired(sanitize_json(value)) if not name.startswith("processing:") else None
