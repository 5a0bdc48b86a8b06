"""The target's settings as they are declared."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from pixxel_singer.api_settings import RATE_PROPERTIES

PRODUCTION, SANDBOX = ENVIRONMENTS = ("production", "sandbox")
ERROR, KEEP, REPLACE = DRIFT = ("error", "keep", "replace")
WRITE, OFF = VERIFY = ("write", "off")
FAIL, CONTINUE = ON_ERROR = ("fail", "continue")
LATE_FAILURES = (FAIL, "report")
NO, FINISHED = WAIT = ("no", "finished")
ALL = "all"
DEFAULT_JOURNAL = "pixxel-store-journal.ndjson"
DEFAULT_PLAN = "pixxel-order-plan.ndjson"
DAY_HOURS = 24.0
MAX_CONCURRENCY = 16
MAX_BATCH = 200


def _property(name: str, kind: Any, description: str, **more: Any) -> th.Property[Any]:  # noqa: ANN401
    more.setdefault("title", name.replace("_", " ").capitalize())
    return th.Property(name, kind, description=description, **more)


def _text(name: str, description: str, **more: Any) -> th.Property[Any]:
    return _property(name, th.StringType, description, **more)


def _choice(name: str, choices: tuple[str, ...], description: str, **more: Any) -> th.Property[Any]:
    return _property(name, th.StringType(allowed_values=list(choices)), description, **more)


def _flag(name: str, description: str) -> th.Property[Any]:
    return _property(name, th.BooleanType, description, default=False)


def _integer(name: str, default: int, description: str, **bounds: int) -> th.Property[Any]:
    kind = th.IntegerType(**({"minimum": 0} | bounds))
    return _property(name, kind, description, default=default)


def _seconds(name: str, default: float, description: str) -> th.Property[Any]:
    return _property(name, th.NumberType(minimum=0), description, default=default)


SCHEMA: dict[str, Any] = th.PropertiesList(
    _text(
        "api_token",
        "Personal access token of the Pixxel workspace to write to.",
        required=True,
        secret=True,
        title="API token",
    ),
    _text(
        "api_url",
        "Base URL of the API, without /v0; there is no default, so that nothing is delivered by "
        "accident.",
        required=True,
        title="API URL",
    ),
    _text(
        "workspace",
        "Id of the workspace (org_id). Where the token or a record belongs to a different "
        "workspace, the run ends before any write.",
    ),
    _choice(
        "environment",
        ENVIRONMENTS,
        "production refuses a sandbox's API, sandbox refuses any other; without this setting both "
        "are allowed.",
    ),
    _property(
        "credentials",
        th.ObjectType(additional_properties=th.ObjectType(additional_properties=True)),
        "Credentials by name: the keys for the type of store, as values or as references env:NAME "
        "and file:PATH, and a version to change when a key is rotated.",
        default={},
        secret=True,
    ),
    _property(
        "stores",
        th.ArrayType(th.ObjectType(additional_properties=True)),
        "Stores to create before the first record: name, type, bucket, region, path_prefix, "
        "labels, and credentials (the name of an entry in the setting credentials).",
        default=[],
    ),
    _text(
        "deliver_to",
        "Name or id of the store that the records of the streams catalogs and order_items are "
        "delivered to; without this, and without download_to, they are ignored.",
    ),
    _text(
        "download_to",
        "Folder, or URL such as s3://bucket/prefix, to which download_requests are downloaded; "
        "without deliver_to also the catalogs of the streams catalogs and order_items.",
    ),
    _text(
        "deliver_since",
        "Date or timestamp: only catalogs created then or later are delivered to deliver_to, or "
        "downloaded to download_to; all takes the whole history.",
    ),
    _property(
        "deliver_when",
        th.ObjectType(additional_properties=True),
        "Filter on the fields of catalogs and order_items, or of an order item's catalogs: each a "
        "value or a list of values.",
        default={},
    ),
    _text(
        "path_template",
        "Path below the store's prefix, or below download_to, for records without a path: fields "
        "of the record in braces, dates with a format as in {datetime:%Y/%m}; a catalog always has "
        "catalog_id. If the record of another download lacks a field, its file is in a folder "
        "with its ids.",
        default="{catalog_id}/",
    ),
    _integer(
        "max_deliveries",
        100,
        "Deliveries and downloads that a run may request; it stops before one more.",
    ),
    _flag(
        "redeliver", "Whether to deliver a catalog that is already elsewhere in the same bucket."
    ),
    _integer("retry_failed", 0, "How often a FAILED delivery is requested again."),
    _choice(
        "store_drift",
        DRIFT,
        "What to do where a store with the name exists but differs: error rejects the record, "
        "keep leaves the store unchanged, replace deletes and creates it (only with the label "
        "managed_by: pixxel-singer).",
        default=ERROR,
    ),
    _flag(
        "allow_delete",
        "Whether a record with _sdc_deleted_at deletes its store (only with the label managed_by: "
        "pixxel-singer).",
    ),
    _choice(
        "verify_bucket",
        VERIFY,
        "write puts a small object into the bucket, with the store's credentials, before the "
        "store is created; off checks only what needs no network.",
        default=WRITE,
    ),
    _flag(
        "verify_delivery",
        "Whether to check that the object is in the bucket after a delivery has succeeded.",
    ),
    _property(
        "endpoints",
        th.ObjectType(additional_properties=th.StringType),
        "URL of the buckets by type of store (S3, GCS, AZBLOB), for S3-compatible and emulated "
        "clouds.",
        default={},
    ),
    _integer("batch_size", 25, "Catalogs in one request.", minimum=1, maximum=MAX_BATCH),
    _integer("concurrency", 1, "Requests at the same time.", minimum=1, maximum=MAX_CONCURRENCY),
    _integer(
        "download_concurrency",
        2,
        "Files that are downloaded at the same time.",
        minimum=1,
        maximum=MAX_CONCURRENCY,
    ),
    _seconds(
        "download_timeout",
        3600,
        "Seconds to wait until the API has prepared a download; then the record fails, and a "
        "later run continues the same download.",
    ),
    _seconds("flush_seconds", 30, "Seconds that a request waits for its batch to fill."),
    _seconds(
        "settle_seconds",
        15,
        "Seconds after which the API lists a requested delivery, order or insight; an unconfirmed "
        "delivery is requested again only then.",
    ),
    _text(
        "plan_path",
        "File of the plan of order_requests, insight_requests and job_requests. Without "
        "approve_plan, each run prices the requests and replaces it; nothing is placed. By default "
        f"{DEFAULT_PLAN} in the working directory.",
    ),
    _text(
        "approve_plan",
        "The plan_digest of the plan in plan_path: the run places the orders, insights and jobs of "
        "this plan, and no others. They cost money or tokens and cannot be cancelled.",
    ),
    _property(
        "max_total_amount",
        th.NumberType(minimum=0),
        "Amount that everything in an approved plan may cost, over all runs, what is in doubt "
        "included: money for orders, tokens for insights and jobs; required by approve_plan.",
    ),
    _property(
        "max_purchase_amount",
        th.NumberType(minimum=0),
        "Amount that one order, insight or job may cost; unlimited if not set.",
    ),
    _integer(
        "max_purchases",
        100,
        "Orders, insights and jobs of an approved plan, over all runs, those in doubt included.",
    ),
    _property(
        "max_uplift_percent",
        th.NumberType(minimum=0),
        "Uplift that an order may have, in percent of its base amount. The provider bills some "
        "uplifts even if the images are cloudy.",
        default=0,
    ),
    _flag(
        "allow_tasking",
        "Whether tasking orders are placed, those with the feasibility SUCCESS; otherwise only "
        "images of the archive are ordered.",
    ),
    _property(
        "retry_in_doubt",
        th.ArrayType(th.StringType),
        "Orders, insights and jobs in doubt that may be sent once more, because you know that they "
        "were not placed. Each is named as the error names it: its request_id, a colon, and the id "
        "of its last send, so that no permission is used twice.",
        default=[],
    ),
    _property(
        "acknowledge",
        th.ArrayType(th.StringType),
        "Ids of orders, insights and jobs after which the target sends nothing until a person has "
        "seen to them: a request for a price has placed it, or it costs more than its price. Also "
        "jobs in doubt that were placed, each named as the error names it.",
        default=[],
    ),
    _text(
        "journal_path",
        "File that records all requests; keep it between runs. By default "
        f"{DEFAULT_JOURNAL} in the working directory; required with environment production.",
    ),
    _text(
        "outcomes_path", "File to which a JSON line with the outcome of each record is appended."
    ),
    _text("summary_path", "File that the run's summary is written to, as JSON."),
    _choice(
        "on_error",
        ON_ERROR,
        "fail ends the run at the first failed record, and emits no STATE after it; continue "
        "writes the record to rejected_path and continues.",
        default=FAIL,
    ),
    _integer(
        "max_failures", 100, "With on_error continue: records that may fail before the run stops."
    ),
    _text(
        "rejected_path",
        "File to which failed records are appended, as Singer messages that can be sent again; "
        "required by on_error continue.",
    ),
    _flag("dry_run", "Whether to only print what would be done."),
    _choice(
        "wait",
        WAIT,
        "finished ends the run when its requested and existing deliveries are done.",
        default=NO,
    ),
    _seconds("wait_timeout", 3600, "Seconds to wait for deliveries."),
    _property(
        "stuck_after",
        th.NumberType(minimum=0),
        "Hours after which an unfinished delivery of an earlier run is reported.",
        default=DAY_HOURS,
    ),
    _choice(
        "late_failures",
        LATE_FAILURES,
        "fail ends the run that first reports a failed, stuck or missing delivery of an earlier "
        "run with status 3; report only logs it.",
        default=FAIL,
    ),
    *RATE_PROPERTIES,
    _text("user_agent", "User-Agent header; by default the target's name and version."),
).to_dict()
