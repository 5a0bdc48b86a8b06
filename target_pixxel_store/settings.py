"""The target's settings, checked before any request and read into one typed value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixxel_api.timestamps import TimestampError, normalize_timestamp
from pixxel_singer.api_settings import (
    parse_base_url,
    parse_finite_number,
    parse_token,
    parse_user_agent,
)
from pixxel_singer.errors import SettingError
from pixxel_singer.settings import Parsers, find_problems, parse_settings
from target_pixxel_store.credentials import (
    KEYS_BY_STORE_TYPE,
    resolve_credentials,
    validate_credentials,
)
from target_pixxel_store.errors import CredentialsError, PathTemplateError, RecordError
from target_pixxel_store.path_template import PathTemplate
from target_pixxel_store.records import read_store
from target_pixxel_store.settings_schema import ALL, CONTINUE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_pixxel_store.records import StoreSpec


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """The settings as the target uses them; see `SCHEMA` for what they mean.

    Attributes:
        deliver_since: Fixed-width UTC; None for the whole history.
        stuck_after: Hours.
        requests_per_second, request_timeout, user_agent: Of the client.
        Others: As declared in `SCHEMA`.
    """

    token: str
    url: str
    deliver_since: str | None
    path_template: PathTemplate
    stores: tuple[StoreSpec, ...]
    journal_path: Path
    outcomes_path: Path | None
    summary_path: Path | None
    rejected_path: Path | None
    requests_per_second: float | None
    request_timeout: float
    user_agent: str | None
    workspace: str | None
    environment: str | None
    credentials: dict[str, dict[str, Any]]
    deliver_to: str | None
    download_to: str | None
    deliver_when: dict[str, Any]
    max_deliveries: int
    redeliver: bool
    retry_failed: int
    store_drift: str
    allow_delete: bool
    verify_bucket: str
    verify_delivery: bool
    endpoints: dict[str, str]
    batch_size: int
    concurrency: int
    download_concurrency: int
    download_timeout: float
    flush_seconds: float
    settle_seconds: float
    on_error: str
    max_failures: int
    dry_run: bool
    wait: str
    wait_timeout: float
    stuck_after: float

    @property
    def continue_on_error(self) -> bool:
        """Whether a failed record does not end the run."""
        return self.on_error == CONTINUE


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read settings that obey `SCHEMA`.

    Raises:
        BadSetting: One of them cannot be used; `problems` names all of them.
    """
    return parse_settings(Settings, _PARSERS, config)


def problems(config: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with settings that obey `SCHEMA`, a line each, without their values."""
    found = find_problems(_PARSERS, config)
    if _none_if_blank(config.get("deliver_to")) is not None and config.get("deliver_since") is None:
        found.append(missing_since_error("deliver_to", "delivered"))
    if config["on_error"] == CONTINUE and not config.get("rejected_path"):
        found.append(
            "Setting 'rejected_path' is missing; with 'on_error' continue it keeps the records "
            "that fail"
        )
    for name, entry in config["credentials"].items():
        found += validate_credentials(name, entry, None)
    for kind, url in config["endpoints"].items():
        found += _endpoint_errors(kind, url)
    return found + _store_errors(config)


def missing_since_error(setting: str, done: str) -> str:
    """Say that the date is missing that goes with a setting."""
    return (
        f"Setting 'deliver_since' is missing; with '{setting}' it says from which date on catalogs "
        f"are {done} (all: the whole history)"
    )


def _endpoint_errors(kind: str, url: str) -> list[str]:
    if kind not in KEYS_BY_STORE_TYPE:
        return [f"Setting 'endpoints' names a type other than {', '.join(KEYS_BY_STORE_TYPE)}"]
    try:
        parse_base_url(url)
    except SettingError as error:
        return [f"Setting 'endpoints.{kind}' {error}"]
    return []


def _store_errors(config: Mapping[str, Any]) -> list[str]:
    """Check the declared stores, and that their credentials have the keys of their types."""
    found = []
    names: set[str] = set()
    for at, record in enumerate(config["stores"]):
        try:
            store = read_store(record)
        except RecordError as error:
            found.append(f"Setting 'stores.{at}': {error}")
            continue
        if store.name in names:
            found.append(f"Setting 'stores.{at}': the name is declared twice")
        names.add(store.name)
        entry = config["credentials"].get(store.credentials_name)
        if entry is None:
            found.append(
                f"Setting 'stores.{at}': 'credentials' names no entry of the setting credentials"
            )
            continue
        wrong = validate_credentials(store.credentials_name, entry, store.cloud)
        if not wrong:
            try:
                resolve_credentials(store.credentials_name, entry)
            except CredentialsError as error:
                wrong = list(error.lines)
        found += wrong
    return found


def _none_if_blank(value: str | None) -> str | None:
    """Take a blank text for none: it is how an inherited setting is switched off."""
    return value if value and value.strip() else None


def _read_stores(value: list[dict[str, Any]]) -> tuple[StoreSpec, ...]:
    made = []
    for record in value:
        try:
            made.append(read_store(record))
        except RecordError:
            continue  # `problems` says so
    return tuple(made)


def _read_since(value: str | None) -> str | None:
    if value is None or value.strip().lower() == ALL:
        return None
    try:
        return normalize_timestamp(value)
    except TimestampError:
        raise SettingError("is neither 'all' nor a date or timestamp, such as 2025-01-31") from None


def _read_template(value: str) -> PathTemplate:
    try:
        return PathTemplate(value)
    except PathTemplateError as error:
        raise SettingError(str(error)) from None


def _expand_user(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise SettingError("begins with the home of a user that there is not") from None


def _is_folder(path: Path) -> bool | None:
    """Tell whether a path is a folder, or something else; None where there is nothing yet."""
    try:
        return path.is_dir() if path.exists() else None
    except OSError as error:  # as of a folder that the user may not look into
        raise SettingError(f"cannot be looked at: {error.strerror}") from None


def _read_path(value: str | None) -> Path | None:
    if value is None:
        return None
    if not value.strip() or "\0" in value:
        raise SettingError("is no path of a file")
    path = _expand_user(value.strip())
    if _is_folder(path):
        raise SettingError("is a folder; name a file in it")
    return path


def _read_download_to(value: str | None) -> str | None:
    """Read a folder, made absolute, or a URL, without slashes at its end."""
    text = (value or "").strip().removeprefix("file://")
    if not text:
        return None
    if not text.isprintable():
        raise SettingError("has a control character in it")
    if "://" in text:
        return text.rstrip("/")
    path = _expand_user(text).absolute()
    if _is_folder(path) is False:
        raise SettingError("is a file; name a folder")
    return str(path)


_PARSERS: Parsers = (
    ("token", "api_token", parse_token),
    ("url", "api_url", parse_base_url),
    ("deliver_since", "deliver_since", _read_since),
    ("deliver_to", "deliver_to", _none_if_blank),
    ("download_to", "download_to", _read_download_to),
    ("path_template", "path_template", _read_template),
    ("stores", "stores", _read_stores),
    ("journal_path", "journal_path", _read_path),
    ("outcomes_path", "outcomes_path", _read_path),
    ("summary_path", "summary_path", _read_path),
    ("rejected_path", "rejected_path", _read_path),
    *(
        (name, name, parse_finite_number)
        for name in (
            "requests_per_second",
            "request_timeout",
            "download_timeout",
            "flush_seconds",
            "settle_seconds",
            "wait_timeout",
            "stuck_after",
        )
    ),
    ("user_agent", "user_agent", parse_user_agent),
)
"""Field of `Settings`, name of the setting, and what reads and checks it."""
