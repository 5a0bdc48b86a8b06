"""Credentials: the entries of the setting `credentials` with their references resolved."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_pixxel_store.errors import CredentialsError, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYS_BY_STORE_TYPE: dict[str, frozenset[str]] = {
    "S3": frozenset({"access_key_id", "secret_access_key"}),
    "AZBLOB": frozenset({"account_name", "tenant_id", "client_id", "client_secret"}),
    "GCS": frozenset({"project_id", "service_account_credentials"}),
}
"""Keys for each type of store, as the API names them (`secrets` of POST /v0/stores)."""
SERVICE_ACCOUNT = "service_account_credentials"
_VERSION = "version"
_PUBLIC_KEYS = frozenset({"account_name", "tenant_id", "project_id"})
"""Keys that are not secret: consoles and URLs contain them, and logs may."""
_KEY_FILE_SUFFIXES = (".json", ".pem", ".key", ".txt")
_MIN_LINE_LENGTH = 16  # characters; shorter lines occur in other texts, too
_LINE_END = re.compile(r"\r?\n|\\n")  # a line's end, also as JSON writes it


@dataclass(frozen=True, slots=True)
class Credentials:
    """One entry of the setting `credentials` with its references resolved.

    Attributes:
        name: The name of the entry.
        values: The values by the API's keys (see `KEYS_BY_STORE_TYPE`).
        version: The number that the user increases when rotating the secrets; None without one.
    """

    name: str
    values: Mapping[str, str] = field(repr=False)
    version: str | None


def find_credentials(
    entries: Mapping[str, Mapping[str, Any]], name: str, store_type: str
) -> Credentials:
    """Return the resolved entry of a name, for a type of store.

    Raises:
        RecordError: There is none.
        CredentialsError: Its keys or its values are invalid; with a line for each.
    """
    if name not in entries:
        raise RecordError("'credentials' must name an entry of the setting 'credentials'")
    if wrong := validate_credentials(name, entries[name], store_type):
        raise CredentialsError(*wrong)
    return resolve_credentials(name, entries[name])


def resolve_credentials(name: str, entry: Mapping[str, Any]) -> Credentials:
    """Resolve an entry: each value is a string or a reference, `env:NAME` or `file:PATH`.

    A file's last line end is not part of the value, and `~` in its path is the user's home.
    `service_account_credentials` may also be the JSON object itself.

    Raises:
        CredentialsError: A value is invalid or empty, or a reference cannot be resolved; with a
            line for each.
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
        lines.append(f"Setting 'credentials.{name}.{_VERSION}': must be a string or an integer")
    if lines:
        raise CredentialsError(*lines)
    return Credentials(name, values, None if version is None else str(version))


def validate_credentials(name: str, entry: Mapping[str, Any], store_type: str | None) -> list[str]:
    """Return the errors in the keys of an entry, without any value.

    Args:
        name: The entry's name.
        entry: The entry in the settings; a null counts as missing.
        store_type: The type of the store that uses it; None allows the keys of any one type.
    """
    given = {key for key, value in entry.items() if value is not None} - {_VERSION}
    setting = f"Setting 'credentials.{name}'"
    if store_type not in KEYS_BY_STORE_TYPE:
        if given in KEYS_BY_STORE_TYPE.values():
            return []
        takes = "; ".join(
            f"{kind} requires {_join_names(keys)}" for kind, keys in KEYS_BY_STORE_TYPE.items()
        )
        return [f"{setting} must have the keys of one type of store: {takes}"]
    faults = []
    if lacking := KEYS_BY_STORE_TYPE[store_type] - given:
        faults.append(f"lacks {_join_names(lacking)}")
    if superfluous := given - KEYS_BY_STORE_TYPE[store_type]:
        faults.append(f"has {_join_names(superfluous)}, which {store_type} stores do not have")
    return [f"{setting} {', and '.join(faults)}"] if faults else []


def iter_secrets(credentials: Credentials) -> Iterator[str]:
    """Yield every text that must not appear in any output, for `Redactor.add`.

    A service account's key also contains the private key, its lines (an error may quote one) and
    its id. A key such as `account_name` is not secret.
    """
    for key, value in credentials.values.items():
        if key in _PUBLIC_KEYS or not value:
            continue
        yield value
        if key == SERVICE_ACCOUNT:
            yield from _iter_service_account_secrets(value)


def _iter_service_account_secrets(text: str) -> Iterator[str]:
    fields = _parse_object(text)
    if fields is None:
        yield from _iter_long_lines(text)
        return
    for name in ("private_key", "private_key_id"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            yield value
            yield json.dumps(value)[1:-1]
            yield from _iter_long_lines(value)


def _iter_long_lines(text: str) -> Iterator[str]:
    for line in _LINE_END.split(text):
        if len(line) > _MIN_LINE_LENGTH and not line.startswith("-----"):
            yield line


def _resolve_value(key: str, value: object) -> str:
    """Return the value that an entry contains or refers to.

    Raises:
        ValueError: There is none; the text does not quote the value.
    """
    if key == SERVICE_ACCOUNT and isinstance(value, dict):
        return json.dumps(value)
    if not isinstance(value, str):
        raise ValueError("must be a string, or a reference env:NAME or file:PATH")  # noqa: TRY004 - reported as a line
    kind, colon, reference = value.partition(":")
    if colon and kind == "env":
        text = os.environ.get(reference)
        if text is None:
            raise ValueError(f"the environment variable {reference} is not set")
        source = f"the environment variable {reference}"
    elif colon and kind == "file":
        text, source = _read_file(reference), f"the file '{reference}'"
    else:
        text, source = value, "the value"
    if not text.strip():
        raise ValueError(f"{source} is empty")
    if source == "the value" and _is_file(text.strip()):
        raise ValueError("is the path of a file; write file:PATH to read the file")
    if key == SERVICE_ACCOUNT and _parse_object(text) is None:
        raise ValueError(
            f"{source} is not a JSON object; it must be the key of a service account, or file:PATH "
            "of its file"
        )
    return text


def _is_file(text: str) -> bool:
    """Return whether a text is the path of a file that exists; secrets may look like one."""
    if "/" not in text and not text.endswith(_KEY_FILE_SUFFIXES):
        return False
    try:
        return Path(text).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):  # too long, no home, a NUL
        return False


def _parse_object(text: str) -> dict[str, Any] | None:
    """Parse JSON; return None where it is not an object."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _read_file(path: str) -> str:
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"the file '{path}' is not UTF-8 text") from None
    except (OSError, RuntimeError, ValueError) as error:  # no such file, no home, a NUL in a path
        reason = getattr(error, "strerror", None) or "invalid path"
        raise ValueError(f"the file '{path}' cannot be read: {reason}") from None
    return text.removesuffix("\n").removesuffix("\r")


def _join_names(keys: frozenset[str] | set[str]) -> str:
    *most, last = sorted(keys)
    return f"{', '.join(most)} and {last}" if most else last
