"""The behavior of the sandbox: limits, irregularities and faults, off by default."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from http import HTTPStatus
from typing import Any

from pixxel_sandbox.generated_zip import MAX_ZIP_BYTES, MIN_ZIP_BYTES
from pixxel_sandbox.resources import RESOURCES


def _option(default: object, text: str, **bounds: float) -> Any:  # noqa: ANN401 - a field of any type
    return field(default=default, metadata={"help": text, **bounds})


@dataclass(slots=True)
class Behavior:
    """The behavior of a sandbox; the fields may be changed while it runs.

    Raises:
        ValueError: A field is out of its bounds, or `forbid` has an unknown resource.
    """

    latency_ms: float = _option(0.0, "Milliseconds to wait before each response.", min=0)
    error_rate: float = _option(0.0, "Fraction of requests (0-1) that fail.", min=0, max=1)
    rate_limit: float = _option(
        0.0, "Requests per second above which the response is 429; 0 for no limit.", min=0
    )
    max_limit: int = _option(
        0, "Maximum rows of a page, whatever the request's limit; 0 for no maximum.", min=0
    )
    max_offset: int = _option(
        0, "Highest offset of a search, 400 above it; 0 for no maximum.", min=0
    )
    ignore_query: bool = _option(default=False, text="Ignore the filters query and updated_at.")
    empty_query: bool = _option(
        default=False, text="Return no rows if the request has query or updated_at."
    )
    reject_query: bool = _option(
        default=False, text="Respond 400 if the request has query or updated_at."
    )
    ignore_sort: bool = _option(default=False, text="Ignore the sort order of the request.")
    reject_sort: bool = _option(default=False, text="Respond 400 to a search with a sort order.")
    strict_sort: bool = _option(
        default=False,
        text="Respond 400 to a sort_by that is not as in the contract's schema (ASC, DESC).",
    )
    prose_sort: bool = _option(
        default=False,
        text="Respond 400 to a sort_by that is not as in the contract's prose (asc, desc).",
    )
    skip_paging: bool = _option(
        default=False, text="Page the image search by skip instead of tokens."
    )
    insert_while_paging: bool = _option(
        default=False, text="Insert a row ahead of the next page after each page."
    )
    delete_while_paging: bool = _option(
        default=False, text="Delete a row of the page after each page."
    )
    update_while_paging: bool = _option(
        default=False, text="Update a random row of the list after each page."
    )
    updates_reorder: bool = _option(
        default=False, text="Put updated rows last in lists without a sort order."
    )
    future_timestamps: bool = _option(
        default=False, text="Set the update time of one row of each incremental resource to 2999."
    )
    delivery_seconds: float = _option(
        1.0, "Seconds until a new delivery ends; 0 to end it at once.", min=0
    )
    fail_deliveries: float = _option(
        0.0, "Fraction of new deliveries (0-1) that end FAILED.", min=0, max=1
    )
    order_seconds: float = _option(
        1.0, "Seconds until a new order is fulfilled; 0 to fulfil it at once.", min=0
    )
    analysis_seconds: float = _option(
        1.0,
        "Seconds until a new visualization, insight or job is complete; 0 to complete it at once.",
        min=0,
    )
    infeasible: float = _option(
        0.0,
        "Fraction of tasking order items (0-1) whose feasibility is WEAK_SUCCESS or FAILED.",
        min=0,
        max=1,
    )
    dry_run_ignored: bool = _option(
        default=False, text="Place an order that is a dry run, and create an insight to estimate."
    )
    price_increase: float = _option(
        0.0,
        "Percent by which an order, insight or job is more expensive than its dry run or estimate.",
        min=0,
    )
    order_uplift: int = _option(
        0, "Percent of an uplift of each order item, insight and job; 0 for none.", min=0
    )
    rename_orders: bool = _option(
        default=False,
        text="Name order items and insights by their number, whatever the request's name.",
    )
    download_seconds: float = _option(
        0.2, "Seconds until a new download is prepared; 0 to prepare it at once.", min=0
    )
    fail_downloads: float = _option(
        0.0, "Fraction of new downloads (0-1) that end failed.", min=0, max=1
    )
    download_bytes: int = _option(
        0, "Size of a download in bytes; 0 for a small zip of details.", min=0, max=MAX_ZIP_BYTES
    )
    download_rate: float = _option(0.0, "Bytes per second of a fetch; 0 for no limit.", min=0)
    url_seconds: float = _option(300.0, "Seconds until a signed URL expires.", min=0)
    break_downloads: float = _option(
        0.0, "Fraction of fetches (0-1) that are interrupted mid-body.", min=0, max=1
    )
    interrupt_fetches: int = _option(
        0, "Interrupt the first N fetches of each object mid-body.", min=0
    )
    error_page: float = _option(
        0.0, "Fraction of fetches (0-1) that get a web page with status 200.", min=0, max=1
    )
    ignore_range: bool = _option(
        default=False, text="Return the whole object to a fetch with a range."
    )
    drop_accepted: float = _option(
        0.0, "Fraction of writes (0-1) applied but left without a response.", min=0, max=1
    )
    fail_accepted: float = _option(
        0.0, "Fraction of writes (0-1) applied but responded to with 500.", min=0, max=1
    )
    accept_late: float = _option(
        0.0,
        "Fraction of writes (0-1) left without a response and applied only later.",
        min=0,
        max=1,
    )
    accept_late_seconds: float = _option(
        2.0, "Seconds after which --accept-late applies a write.", min=0
    )
    accept_part: float = _option(
        0.0, "Fraction of batches (0-1) of which only a part is applied.", min=0, max=1
    )
    part_error: int = _option(
        0, "Status of the response to --accept-part; 0 for 201.", min=0, max=599
    )
    list_lag: float = _option(0.0, "Seconds until lists show a new row.", min=0)
    list_cap: int = _option(
        0,
        "Maximum rows of an unfiltered list of deliveries or stores, the newest; 0 for no maximum.",
        min=0,
    )
    forbid: frozenset[str] = _option(frozenset(), "Respond 403 for this resource; repeatable.")
    forbid_id: frozenset[str] = _option(
        frozenset(), "Respond 403 to paths with this id; repeatable."
    )

    def __post_init__(self) -> None:
        for name, bounds in BOUNDS.items():
            value = getattr(self, name)
            low, high = bounds.get("min", value), bounds.get("max", value)
            if not low <= value <= high:
                raise ValueError(f"{name} must be within {low}..{high}, not {value}")
        if self.part_error and self.part_error not in ERROR_STATUSES:
            raise ValueError(f"part_error must be the status of an error, not {self.part_error}")
        if 0 < self.download_bytes < MIN_ZIP_BYTES:
            raise ValueError(
                f"download_bytes must be at least {MIN_ZIP_BYTES}, the size of an empty zip"
            )
        self.forbid, self.forbid_id = frozenset(self.forbid), frozenset(self.forbid_id)
        if unknown := self.forbid - {*RESOURCES, *EXTRA_RESOURCES}:
            raise ValueError(f"forbid has unknown resources: {', '.join(sorted(unknown))}")


EXTRA_RESOURCES = ("downloads",)
"""What `forbid` may have besides the resources of the workspace."""

ERROR_STATUSES = frozenset(
    status.value for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST
)
BEHAVIOR_FIELDS = fields(Behavior)
BOUNDS: dict[str, dict[str, float]] = {
    each.name: {bound: each.metadata[bound] for bound in ("min", "max") if bound in each.metadata}
    for each in BEHAVIOR_FIELDS
    if "min" in each.metadata
}
