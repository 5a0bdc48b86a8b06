"""Providers: who made, licenses, processed or hosts the data."""

from __future__ import annotations

from typing import Any, Final

from tap_pixxel.stac.hrefs import absolute
from tap_pixxel.stac.notes import REPAIRED
from tap_pixxel.stac.values import Dropped, Mended, Unusable, anything, same, text

ROLES: Final = frozenset({"producer", "licensor", "processor", "host"})
_WHY: Final = "providers, roles or members that STAC does not take"


def providers(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a list of providers; those without a name go, and roles that STAC does not know."""
    listed = [value] if isinstance(value, dict) else value
    if not isinstance(listed, list):
        return Unusable("not a list of providers")
    made = [_provider(each) for each in listed]
    kept = [each for each in made if each]
    if not kept:
        return Unusable("no provider with a name") if value else Dropped("empty")
    return kept if same(kept, anything(value)) else Mended(kept, REPAIRED, _WHY)


def _provider(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or type(_plain(text(value.get("name")))) is not str:
        return {}
    made: dict[str, Any] = {}
    for name, each in value.items():
        read = _member(name, each)
        if type(read) not in {Unusable, Dropped, type(None)}:
            made[name] = read
    return made


def _member(name: str, value: object) -> Any:  # noqa: ANN401 - see values.Reader
    if name == "roles":
        named = value if isinstance(value, list) else [value]
        known = [each.strip().lower() for each in named if isinstance(each, str)]
        return [each for each in known if each in ROLES] or None
    if name == "url":
        return absolute(value) if isinstance(value, str) else None
    if name in {"name", "description"}:
        return _plain(text(value))
    return _plain(anything(value)) if not name.startswith("processing:") else None


def _plain(read: object) -> Any:  # noqa: ANN401 - see values.Reader
    return read.value if type(read) is Mended else read
