"""The target's settings as they are declared."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from pixxel_singer.api_settings import RATE_PROPERTIES

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


def _integer(
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
        "delivered to; without this, and without download_to, they are ignored.",
    ),
    _text(
        "download_to",
        "Download to",
        "Folder, or URL such as s3://bucket/prefix, that download_requests are fetched to; without "
        "deliver_to the catalogs of the streams catalogs and order_items too.",
    ),
    _text(
        "deliver_since",
        "Deliver since",
        "Date or timestamp: only catalogs created then or later are delivered to deliver_to, or "
        "downloaded to download_to; all takes the whole history.",
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
        "Path below the store's prefix, or below download_to, for records that state none: fields "
        "of the record in braces, dates with a format as in {datetime:%Y/%m}, catalog_id in any "
        "case.",
        default="{catalog_id}/",
    ),
    _integer(
        "max_deliveries",
        100,
        "Most deliveries",
        "Deliveries and downloads that a run may ask for; it stops before one more.",
    ),
    _flag(
        "redeliver",
        "Redeliver",
        "Whether to deliver what stands elsewhere in the same bucket already.",
    ),
    _integer(
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
    _integer(
        "batch_size",
        25,
        "Batch size",
        "Catalogs in one request.",
        minimum=1,
        maximum=MAX_BATCH,
    ),
    _integer(
        "concurrency",
        1,
        "Concurrency",
        "Requests at the same time.",
        minimum=1,
        maximum=MAX_CONCURRENCY,
    ),
    _integer(
        "download_concurrency",
        2,
        "Download concurrency",
        "Files that are fetched at the same time.",
        minimum=1,
        maximum=MAX_CONCURRENCY,
    ),
    _seconds(
        "download_timeout",
        3600,
        "Download timeout",
        "Seconds to wait until the API has prepared a download; what is not ready then fails, and "
        "a later run asks for the same one again.",
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
    _integer(
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
    *RATE_PROPERTIES,
    _text(
        "user_agent",
        "User agent",
        "User-Agent header; names the target and its version without this.",
    ),
).to_dict()
