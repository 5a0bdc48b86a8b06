"""Providers: who made, licenses, processed or hosts the data."""

from __future__ import annotations

from typing import Any, Final

from tap_pixxel.stac.hrefs import make_absolute
from tap_pixxel.stac.parsers import (
    Dropped,
    Invalid,
    Repaired,
    json_equal,
    parse_text,
    sanitize_json,
)
from tap_pixxel.stac.result import REPAIRED

PROVIDER_ROLES: Final = frozenset({"producer", "licensor", "processor", "host"})
_REASON: Final = "providers, roles or members that STAC does not take"


def parse_providers(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a list of providers; those without a name go, and roles that STAC does not know."""
    listed = [value] if isinstance(value, dict) else value
    if not isinstance(listed, list):
        return Invalid("not a list of providers")
    made = [_parse_provider(each) for each in listed]
    kept = [each for each in made if each]
    if not kept:
        return Invalid("no provider with a name") if value else Dropped("empty")
    return kept if json_equal(kept, sanitize_json(value)) else Repaired(kept, REPAIRED, _REASON)


def _parse_provider(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or type(_plain(parse_text(value.get("name")))) is not str:
        return {}
    made: dict[str, Any] = {}
    for name, each in value.items():
        read = _parse_member(name, each)
        if type(read) not in {Invalid, Dropped, type(None)}:
            made[name] = read
    return made


def _parse_member(name: str, value: object) -> Any:  # noqa: ANN401 - see values.Reader
    if name == "roles":
        named = value if isinstance(value, list) else [value]
        known = [each.strip().lower() for each in named if isinstance(each, str)]
        return [each for each in known if each in PROVIDER_ROLES] or None
    if name == "url":
        return make_absolute(value) if isinstance(value, str) else None
    if name in {"name", "description"}:
        return _plain(parse_text(value))
    return _plain(sanitize_json(value)) if not name.startswith("processing:") else None


def _plain(read: object) -> Any:  # noqa: ANN401 - see values.Reader
    return read.value if type(read) is Repaired else read
