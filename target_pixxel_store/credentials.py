"""Credentials: the entries of the setting `credentials`, their references resolved, never shown."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_pixxel_store.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYS_BY_STORE_TYPE: dict[str, frozenset[str]] = {
    "S3": frozenset({"access_key_id", "secret_access_key"}),
    "AZBLOB": frozenset({"account_name", "tenant_id", "client_id", "client_secret"}),
    "GCS": frozenset({"project_id", "service_account_credentials"}),
}
"""What a store of each type takes, as the API names it (`secrets` of POST /v0/stores)."""
SERVICE_ACCOUNT = "service_account_credentials"
_VERSION = "version"
_PUBLIC_KEYS = frozenset({"account_name", "tenant_id", "project_id"})
"""Keys that say where, not who may: they stand in consoles and URLs, and stay readable in logs."""
_MIN_LINE_LENGTH = 16  # characters; what is shorter occurs in other texts too
_LINE_END = re.compile(r"\r?\n|\\n")  # a line's end, also as JSON writes it


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """One entry of the setting `credentials` with its references resolved.

    Attributes:
        name: What records and settings call it by.
        values: The texts by the API's keys (see `KEYS`).
        version: What the user counts up when rotating the secrets; None when not given.
    """

    name: str
    values: Mapping[str, str]
    version: str | None

    def __repr__(self) -> str:
        return f"Credentials(name={self.name!r}, version={self.version!r})"


def resolve_credentials(name: str, entry: Mapping[str, Any]) -> Credentials:
    """Read an entry: each value is a text or a reference, `env:NAME` or `file:PATH`.

    A file's last line end is not part of the value, and `~` in its path is the user's home.
    `service_account_credentials` may also be the JSON object itself.

    Raises:
        CredentialsError: A value is neither, is empty, or its reference leads to nothing; a line
            for each.
    """
    values: dict[str, str] = {}
    lines: list[str] = []
    for key, value in entry.items():
        if key == _VERSION or value is None:
            continue
        try:
            values[key] = _resolve_value(key, value)
        except ValueError as reason:
            lines.append(f"Setting 'credentials.{name}.{key}': {reason}")
    version = entry.get(_VERSION)
    if version is not None and (isinstance(version, bool) or not isinstance(version, str | int)):
        lines.append(f"Setting 'credentials.{name}.{_VERSION}': must be a text or a whole number")
    if lines:
        raise CredentialsError(*lines)
    return Credentials(name, values, None if version is None else str(version))


def validate_credentials(name: str, entry: Mapping[str, Any], store_type: str | None) -> list[str]:
    """Say which keys an entry lacks and which it should not have, without any value.

    Args:
        name: The entry's name.
        entry: The entry as the settings give it; a null counts as not given.
        store_type: The type of the store that uses it; None when none does so far, and then
            the keys of any one type will do.
    """
    given = {key for key, value in entry.items() if value is not None} - {_VERSION}
    setting = f"Setting 'credentials.{name}'"
    if store_type not in KEYS_BY_STORE_TYPE:
        if given in KEYS_BY_STORE_TYPE.values():
            return []
        takes = "; ".join(
            f"{kind} takes {_join_names(keys)}" for kind, keys in KEYS_BY_STORE_TYPE.items()
        )
        return [f"{setting} fits no type of store: {takes}"]
    faults = []
    if lacking := KEYS_BY_STORE_TYPE[store_type] - given:
        faults.append(f"lacks {_join_names(lacking)}")
    if superfluous := given - KEYS_BY_STORE_TYPE[store_type]:
        faults.append(f"has {_join_names(superfluous)}, which {store_type} stores do not take")
    return [f"{setting} {', and '.join(faults)}"] if faults else []


def iter_secrets(credentials: Credentials) -> Iterator[str]:
    """Give every text that must not appear in any output, for `Redactor.add`.

    Of a service account's key these are also the private key, its lines (an error may quote one)
    and its id. What only says where, such as `account_name`, is none.
    """
    for key, value in credentials.values.items():
        if key in _PUBLIC_KEYS or not value:
            continue
        yield value
        if key == SERVICE_ACCOUNT:
            yield from _iter_service_account_secrets(value)


def _iter_service_account_secrets(text: str) -> Iterator[str]:
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        yield from _iter_long_lines(text)
        return
    for field in ("private_key", "private_key_id"):
        value = fields.get(field)
        if isinstance(value, str) and value:
            yield value
            yield json.dumps(value)[1:-1]
            yield from _iter_long_lines(value)


def _iter_long_lines(text: str) -> Iterator[str]:
    for line in _LINE_END.split(text):
        if len(line) > _MIN_LINE_LENGTH and not line.startswith("-----"):
            yield line


def _resolve_value(key: str, value: object) -> str:
    """Give a value's text.

    Raises:
        ValueError: There is none; it says why without the value.
    """
    if key == SERVICE_ACCOUNT and isinstance(value, dict):
        return json.dumps(value)
    if not isinstance(value, str):
        raise ValueError("must be a text, or a reference env:NAME or file:PATH")  # noqa: TRY004 - told as a line
    kind, colon, place = value.partition(":")
    if colon and kind == "env":
        text = os.environ.get(place)
        if text is None:
            raise ValueError(f"the environment variable {place} is not set")
        where = f"the environment variable {place}"
    elif colon and kind == "file":
        text, where = _read_file(place), f"the file '{place}'"
    else:
        text, where = value, "the value"
    if not text.strip():
        raise ValueError(f"{where} is empty")
    return text


def _read_file(path: str) -> str:
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"the file '{path}' is not a text in UTF-8") from None
    except (OSError, RuntimeError, ValueError) as error:  # no such file, no home, a NUL in a path
        reason = getattr(error, "strerror", None) or "not a path"
        raise ValueError(f"the file '{path}' cannot be read: {reason}") from None
    return text.removesuffix("\n").removesuffix("\r")


def _join_names(keys: frozenset[str] | set[str]) -> str:
    *most, last = sorted(keys)
    return f"{', '.join(most)} and {last}" if most else last
