"""The target's settings: declared once, checked before any request, read into one typed value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from pixxel_api.times import TimestampError, to_utc
from pixxel_singer.connection import (
    MAX_RATE,
    MAX_TIMEOUT,
    BadSetting,
    base_url,
    finite,
    token,
    user_agent,
)
from target_pixxel_store.credentials import KEYS, CredentialsError, mistakes, resolve
from target_pixxel_store.paths import BadTemplate, Template
from target_pixxel_store.records import Rejected, read_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_pixxel_store.records import StoreWish

PRODUCTION, SANDBOX = ENVIRONMENTS = ("production", "sandbox")
ERROR, KEEP, REPLACE = DRIFT = ("error", "keep", "replace")
WRITE, OFF = VERIFY = ("write", "off")
FAIL, CONTINUE = ON_ERROR = ("fail", "continue")
NO, FINISHED = WAIT = ("no", "finished")
ALL = "all"
DAY_HOURS = 24.0
MAX_CONCURRENCY = 16
MAX_BATCH = 200


def _property(name: str, kind: Any, title: str, description: str, **more: Any) -> th.Property[Any]:  # noqa: ANN401
    return th.Property(name, kind, title=title, description=description, **more)


def _text(name: str, title: str, description: str, **more: Any) -> th.Property[Any]:
    return _property(name, th.StringType, title, description, **more)


def _choice(
    name: str, choices: tuple[str, ...], title: str, description: str, **more: Any
) -> th.Property[Any]:
    return _property(name, th.StringType(allowed_values=list(choices)), title, description, **more)


def _flag(name: str, title: str, description: str) -> th.Property[Any]:
    return _property(name, th.BooleanType, title, description, default=False)


def _whole(
    name: str, default: int, title: str, description: str, **bounds: int
) -> th.Property[Any]:
    kind = th.IntegerType(**({"minimum": 0} | bounds))
    return _property(name, kind, title, description, default=default)


def _seconds(name: str, default: float, title: str, description: str) -> th.Property[Any]:
    return _property(name, th.NumberType(minimum=0), title, description, default=default)


SCHEMA: dict[str, Any] = th.PropertiesList(
    _text(
        "api_token",
        "API token",
        "Personal access token of the Pixxel workspace to write to.",
        required=True,
        secret=True,
    ),
    _text(
        "api_url",
        "API URL",
        "Base URL of the API, without /v0; there is no default, so that nothing is delivered by "
        "accident.",
        required=True,
    ),
    _text(
        "workspace",
        "Workspace",
        "Id of the workspace (org_id). When the token, or a record, is of another one, the run "
        "ends before any write.",
    ),
    _choice(
        "environment",
        ENVIRONMENTS,
        "Environment",
        "production refuses a sandbox's answers, sandbox refuses all others; without this either "
        "will do.",
    ),
    _property(
        "credentials",
        th.ObjectType(additional_properties=th.ObjectType(additional_properties=True)),
        "Credentials",
        "Credentials by name: the keys that the type of store takes, as texts or as references "
        "env:NAME and file:PATH, and a version, to be changed when a key is rotated.",
        default={},
        secret=True,
    ),
    _property(
        "stores",
        th.ArrayType(th.ObjectType(additional_properties=True)),
        "Stores",
        "Stores to ensure before the first record: name, type, bucket, region, path_prefix, "
        "labels, and credentials, the name of an entry there.",
        default=[],
    ),
    _text(
        "deliver_to",
        "Deliver to",
        "Name or id of the store that the records of the streams catalogs and order_items are "
        "delivered to; without this they are ignored.",
    ),
    _text(
        "deliver_since",
        "Deliver since",
        "Date or timestamp: only catalogs created then or later are delivered to deliver_to; all "
        "delivers the whole history.",
    ),
    _property(
        "deliver_when",
        th.ObjectType(additional_properties=True),
        "Deliver when",
        "Filter on the fields of catalogs and order_items: each a value or a list of values.",
        default={},
    ),
    _text(
        "path_template",
        "Path template",
        "Path below the store's prefix, for records that state none: fields of the record in "
        "braces, dates with a format as in {datetime:%Y/%m}, catalog_id in any case.",
        default="{catalog_id}/",
    ),
    _whole(
        "max_deliveries",
        100,
        "Most deliveries",
        "Deliveries that a run may ask for; it stops before one more.",
    ),
    _flag(
        "redeliver",
        "Redeliver",
        "Whether to deliver what stands elsewhere in the same bucket already.",
    ),
    _whole(
        "retry_failed",
        0,
        "Retry failed",
        "How often a delivery that has FAILED is asked for again.",
    ),
    _choice(
        "store_drift",
        DRIFT,
        "Store drift",
        "When a store of the name is there but differs: error rejects the record, keep leaves the "
        "store, replace deletes it and makes it anew (only where labelled managed_by: "
        "pixxel-singer).",
        default=ERROR,
    ),
    _flag(
        "allow_delete",
        "Allow delete",
        "Whether a record with _sdc_deleted_at deletes its store, where labelled managed_by: "
        "pixxel-singer.",
    ),
    _choice(
        "verify_bucket",
        VERIFY,
        "Verify bucket",
        "write puts a small object into the bucket, with the store's credentials, before the "
        "store is made.",
        default=WRITE,
    ),
    _flag(
        "verify_delivery",
        "Verify delivery",
        "Whether to look for the object in the bucket once a delivery has succeeded.",
    ),
    _property(
        "endpoints",
        th.ObjectType(additional_properties=th.StringType),
        "Endpoints",
        "URL by type of store (S3, GCS, AZBLOB) to reach buckets at, for S3-compatible and "
        "emulated clouds.",
        default={},
    ),
    _whole(
        "batch_size",
        25,
        "Batch size",
        "Catalogs in one request.",
        minimum=1,
        maximum=MAX_BATCH,
    ),
    _whole(
        "concurrency",
        1,
        "Concurrency",
        "Requests at the same time.",
        minimum=1,
        maximum=MAX_CONCURRENCY,
    ),
    _seconds(
        "flush_seconds",
        30,
        "Flush seconds",
        "Seconds that a request waits for its batch to fill.",
    ),
    _seconds(
        "settle_seconds",
        15,
        "Settle seconds",
        "Seconds after which a delivery that was asked for is surely listed; what is in doubt is "
        "asked for again only then.",
    ),
    _text(
        "journal_path",
        "Journal",
        "File that keeps what was asked for; keep it between runs.",
        default="pixxel-store-journal.ndjson",
    ),
    _text(
        "outcomes_path",
        "Outcomes",
        "File that a JSON line is added to for each record: what became of it.",
    ),
    _text(
        "summary_path",
        "Summary",
        "File that the run's summary is written to, as JSON.",
    ),
    _choice(
        "on_error",
        ON_ERROR,
        "On error",
        "fail ends the run at the first record that fails, and no STATE passes it; continue puts "
        "it into rejected_path and goes on.",
        default=FAIL,
    ),
    _whole(
        "max_failures",
        100,
        "Most failures",
        "Under on_error continue: records that may fail before the run stops.",
    ),
    _text(
        "rejected_path",
        "Rejected",
        "File that failed records are added to, as Singer messages that can be fed back; needed "
        "by on_error continue.",
    ),
    _flag(
        "dry_run",
        "Dry run",
        "Whether to print what would be done, and do nothing.",
    ),
    _choice(
        "wait",
        WAIT,
        "Wait",
        "finished ends the run when the deliveries that it asked for, or met, are done.",
        default=NO,
    ),
    _seconds("wait_timeout", 3600, "Wait timeout", "Seconds to wait for deliveries."),
    _property(
        "stuck_after",
        th.NumberType(minimum=0),
        "Stuck after",
        "Hours after which an unfinished delivery of an earlier run is reported.",
        default=DAY_HOURS,
    ),
    _property(
        "requests_per_second",
        th.NumberType(exclusive_minimum=0, maximum=MAX_RATE),
        "Requests per second",
        "Highest rate of requests; no limit without this.",
    ),
    _property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0, maximum=MAX_TIMEOUT),
        "Request timeout",
        "Seconds to wait for the API to send something.",
        default=60,
    ),
    _text(
        "user_agent",
        "User agent",
        "User-Agent header; names the target and its version without this.",
    ),
).to_dict()


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
    template: Template
    stores: tuple[StoreWish, ...]
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
    flush_seconds: float
    settle_seconds: float
    on_error: str
    max_failures: int
    dry_run: bool
    wait: str
    wait_timeout: float
    stuck_after: float

    @property
    def goes_on(self) -> bool:
        """Whether a failed record does not end the run."""
        return self.on_error == CONTINUE


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read settings that obey `SCHEMA`.

    Raises:
        BadSetting: One of them cannot be used; `problems` names all of them.
    """
    read: dict[str, Any] = {field: reader(config.get(name)) for field, name, reader in _READERS}
    plain = Settings.__dataclass_fields__.keys() - read.keys()
    return Settings(**(read | {name: config.get(name) for name in plain}))


def problems(config: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with settings that obey `SCHEMA`, a line each, without their values."""
    found = []
    for _, name, reader in _READERS:
        try:
            reader(config.get(name))
        except BadSetting as error:
            found.append(f"Setting '{name}' {error}")
    if config.get("deliver_to") is not None and config.get("deliver_since") is None:
        found.append(
            "Setting 'deliver_since' is missing; with 'deliver_to' it says from which date on "
            "catalogs are delivered (all: the whole history)"
        )
    if config["on_error"] == CONTINUE and not config.get("rejected_path"):
        found.append(
            "Setting 'rejected_path' is missing; with 'on_error' continue it keeps the records "
            "that fail"
        )
    for name, entry in config["credentials"].items():
        found += mistakes(name, entry, None)
    for kind, url in config["endpoints"].items():
        found += _endpoint_mistakes(kind, url)
    return found + _store_mistakes(config)


def _endpoint_mistakes(kind: str, url: str) -> list[str]:
    if kind not in KEYS:
        return [f"Setting 'endpoints' names a type other than {', '.join(KEYS)}"]
    try:
        base_url(url)
    except BadSetting as error:
        return [f"Setting 'endpoints.{kind}' {error}"]
    return []


def _store_mistakes(config: Mapping[str, Any]) -> list[str]:
    """Check the declared stores, and that their credentials have the keys of their types."""
    found = []
    names: set[str] = set()
    for at, record in enumerate(config["stores"]):
        try:
            store = read_store(record)
        except Rejected as error:
            found.append(f"Setting 'stores.{at}': {error}")
            continue
        if store.name in names:
            found.append(f"Setting 'stores.{at}': the name is declared twice")
        names.add(store.name)
        entry = config["credentials"].get(store.credentials)
        if entry is None:
            found.append(
                f"Setting 'stores.{at}': 'credentials' names no entry of the setting credentials"
            )
            continue
        wrong = mistakes(store.credentials, entry, store.cloud)
        if not wrong:
            try:
                resolve(store.credentials, entry)
            except CredentialsError as error:
                wrong = list(error.lines)
        found += wrong
    return found


def _stores(value: list[dict[str, Any]]) -> tuple[StoreWish, ...]:
    made = []
    for record in value:
        try:
            made.append(read_store(record))
        except Rejected:
            continue  # `problems` says so
    return tuple(made)


def _since(value: str | None) -> str | None:
    if value is None or value.strip().lower() == ALL:
        return None
    try:
        return to_utc(value)
    except TimestampError:
        raise BadSetting("is neither 'all' nor a date or timestamp, such as 2025-01-31") from None


def _template(value: str) -> Template:
    try:
        return Template(value)
    except BadTemplate as error:
        raise BadSetting(str(error)) from None


def _path(value: str | None) -> Path | None:
    if value is None:
        return None
    if not value.strip() or "\0" in value:
        raise BadSetting("is no path of a file")
    path = Path(value.strip()).expanduser()
    if path.is_dir():
        raise BadSetting("is a folder; name a file in it")
    return path


_READERS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("token", "api_token", token),
    ("url", "api_url", base_url),
    ("deliver_since", "deliver_since", _since),
    ("template", "path_template", _template),
    ("stores", "stores", _stores),
    ("journal_path", "journal_path", _path),
    ("outcomes_path", "outcomes_path", _path),
    ("summary_path", "summary_path", _path),
    ("rejected_path", "rejected_path", _path),
    *(
        (name, name, finite)
        for name in (
            "requests_per_second",
            "request_timeout",
            "flush_seconds",
            "settle_seconds",
            "wait_timeout",
            "stuck_after",
        )
    ),
    ("user_agent", "user_agent", user_agent),
)
"""Field of `Settings`, name of the setting, and what reads and checks it."""
