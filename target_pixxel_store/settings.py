"""The target's settings: validated before any request, and parsed into a dataclass."""

from __future__ import annotations

import re
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
    find_credentials,
    validate_credentials,
)
from target_pixxel_store.errors import CredentialsError, RecordError
from target_pixxel_store.path_template import PathTemplate
from target_pixxel_store.records import read_store
from target_pixxel_store.settings_schema import (
    ALL,
    CONTINUE,
    DEFAULT_JOURNAL,
    DEFAULT_PLAN,
    PRODUCTION,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_pixxel_store.records import StoreSpec

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """The parsed settings; `SCHEMA` describes them.

    Attributes:
        token: The setting `api_token`.
        url: The setting `api_url`.
        deliver_since: UTC timestamp of fixed width; None for the whole history.
        deliver_when: The allowed values of each field.
        journal_path, plan_path: Absolute.
        stuck_after: In hours.
        Others: As described in `SCHEMA`.
    """

    token: str
    url: str
    deliver_since: str | None
    path_template: PathTemplate
    stores: tuple[StoreSpec, ...]
    journal_path: Path
    plan_path: Path
    approve_plan: str | None
    max_total_amount: float | None
    max_purchase_amount: float | None
    max_uplift_percent: float
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
    deliver_when: dict[str, list[Any]]
    max_deliveries: int
    max_purchases: int
    allow_tasking: bool
    retry_in_doubt: list[str]
    acknowledge: list[str]
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
    late_failures: str

    @property
    def continue_on_error(self) -> bool:
        """Whether the run continues after a failed record, as a dry run always does."""
        return self.on_error == CONTINUE or self.dry_run


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Parse settings that `SCHEMA` allows.

    Raises:
        SettingError: A setting is invalid; `find_setting_problems` names all that are.
    """
    return parse_settings(Settings, (*_PARSERS, ("stores", "stores", _read_stores)), config)


def find_setting_problems(config: Mapping[str, Any]) -> list[str]:
    """Return a line for each invalid setting that `SCHEMA` allows, without its value."""
    found = find_problems(_PARSERS, config)
    if _none_if_blank(config.get("deliver_to")) is not None and config.get("deliver_since") is None:
        found.append(missing_since_error("deliver_to", "delivered"))
    if config["on_error"] == CONTINUE and not config.get("rejected_path"):
        found.append(
            "Setting 'rejected_path' is missing; with 'on_error' continue it is the file for "
            "failed records"
        )
    if config.get("environment") == PRODUCTION and config.get("journal_path") is None:
        found.append(
            "Setting 'journal_path' is missing; with 'environment' production it must be the path "
            "of a file that is kept between runs"
        )
    if config.get("approve_plan") and config.get("max_total_amount") is None:
        found.append(
            "Setting 'max_total_amount' is missing; 'approve_plan' requires the amount that the "
            "purchases of the plan may cost"
        )
    paths = [path for path in map(config.get, _OUTPUT_PATHS) if path]
    if len({*paths}) < len(paths):
        found.append(f"Settings {', '.join(map(repr, _OUTPUT_PATHS))} must name different files")
    for name, entry in config["credentials"].items():
        found += validate_credentials(name, entry, None)
    for kind, url in config["endpoints"].items():
        try:
            parse_base_url(url)
        except SettingError as error:
            found.append(f"Setting 'endpoints.{kind}' {error}")
    if config["endpoints"].keys() - KEYS_BY_STORE_TYPE.keys():
        types = ", ".join(KEYS_BY_STORE_TYPE)
        found.append(f"Setting 'endpoints' must name only the types {types}")
    return found + _store_errors(config)


_OUTPUT_PATHS = ("journal_path", "plan_path", "outcomes_path", "rejected_path", "summary_path")


def missing_since_error(setting: str, done: str) -> str:
    """Return the problem of a missing `deliver_since`.

    Args:
        setting: The setting that needs it.
        done: What is done with the catalogs.
    """
    return (
        f"Setting 'deliver_since' is missing; '{setting}' requires the date from which on catalogs "
        f"are {done} (all: the whole history)"
    )


def _store_errors(config: Mapping[str, Any]) -> list[str]:
    """Validate the declared stores, and the keys of their credentials."""
    found: list[str] = []
    names: set[str] = set()
    for at, record in enumerate(config["stores"]):
        try:
            store = read_store(record)
            if store.name in names:
                found.append(f"Setting 'stores.{at}': the name is declared twice")
            names.add(store.name)
            find_credentials(config["credentials"], store.credentials_name, store.location.cloud)
        except RecordError as error:
            found.append(f"Setting 'stores.{at}': {error}")
        except CredentialsError as error:
            found += error.lines
    return found


def _none_if_blank(value: str | None) -> str | None:
    """Treat a blank value as not set, so that an inherited setting can be switched off."""
    return value if value and value.strip() else None


def _read_stores(records: list[dict[str, Any]]) -> tuple[StoreSpec, ...]:
    return tuple(map(read_store, records))  # `_store_errors` has checked them


def _read_since(value: str | None) -> str | None:
    if value is None or value.strip().lower() == ALL:
        return None
    try:
        return normalize_timestamp(value)
    except TimestampError:
        raise SettingError("must be 'all', or a date or timestamp such as 2025-01-31") from None


def _read_filter(value: dict[str, Any]) -> dict[str, list[Any]]:
    """Parse the allowed values of each field: one value, or a list of values."""
    found = {}
    for name, wanted in value.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        if not values or any(isinstance(each, dict | list) for each in values):
            raise SettingError("must have for each field a value, or a list of at least one value")
        found[name] = values
    return found


def _expand_user(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise SettingError("starts with the home of an unknown user") from None


def _is_folder(path: Path) -> bool | None:
    """Return whether a path is a folder; None where nothing exists."""
    try:
        return path.is_dir() if path.exists() else None
    except OSError as error:  # such as a parent folder without permission
        raise SettingError(f"cannot be read: {error.strerror}") from None


def _read_path(value: str | None) -> Path | None:
    if value is None:
        return None
    if not value.strip() or "\0" in value:
        raise SettingError("must be the path of a file")
    path = _expand_user(value.strip())
    if _is_folder(path):
        raise SettingError("must be a file, but is a folder")
    return path


def _read_journal_path(value: str | None) -> Path:
    return (_read_path(value) or Path(DEFAULT_JOURNAL)).absolute()


def _read_plan_path(value: str | None) -> Path:
    return (_read_path(value) or Path(DEFAULT_PLAN)).absolute()


def _read_digest(value: str | None) -> str | None:
    text = (value or "").strip().lower()
    if text and not _DIGEST.fullmatch(text):
        raise SettingError("must be the plan_digest in the last line of a plan: 64 digits")
    return text or None


def _read_download_to(value: str | None) -> str | None:
    """Parse a folder, made absolute, or a URL, without trailing slashes."""
    text = (value or "").strip().removeprefix("file://")
    if not text:
        return None
    if not text.isprintable():
        raise SettingError("must not contain a control character")
    scheme, separator, place = text.partition("://")
    if separator:
        if not place.strip("/"):
            raise SettingError("must name a bucket or a folder after '://'")
        return f"{scheme}://{place.rstrip('/')}"
    path = _expand_user(text).absolute()
    if _is_folder(path) is False:
        raise SettingError("must be a folder, but is a file")
    return str(path)


_PARSERS: Parsers = (
    ("token", "api_token", parse_token),
    ("url", "api_url", parse_base_url),
    ("deliver_since", "deliver_since", _read_since),
    ("deliver_to", "deliver_to", _none_if_blank),
    ("deliver_when", "deliver_when", _read_filter),
    ("download_to", "download_to", _read_download_to),
    ("path_template", "path_template", PathTemplate),
    ("journal_path", "journal_path", _read_journal_path),
    ("plan_path", "plan_path", _read_plan_path),
    ("approve_plan", "approve_plan", _read_digest),
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
            "max_total_amount",
            "max_purchase_amount",
            "max_uplift_percent",
        )
    ),
    ("user_agent", "user_agent", parse_user_agent),
)
"""Field of `Settings`, name of the setting, and its parser."""
