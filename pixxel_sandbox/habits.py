"""Habits: the ways in which a real service behaves, as switches; what is bad is off by default."""

from dataclasses import dataclass, field, fields
from http import HTTPStatus
from typing import Any, Final

from pixxel_sandbox.bulk import LARGEST, SMALLEST
from pixxel_sandbox.resources import RESOURCES


def _switch(default: object, says: str, **bounds: float) -> Any:  # noqa: ANN401 - a field of any type
    return field(default=default, metadata={"help": says, **bounds})


@dataclass(slots=True)
class Habits:
    """What the sandbox does besides answering well. May be changed while it runs.

    Raises:
        ValueError: a switch is out of its bounds, or ``forbid`` names no resource.
    """

    latency_ms: float = _switch(0.0, "Milliseconds to wait before each answer.", min=0)
    error_rate: float = _switch(0.0, "Share of requests, 0 to 1, that fail.", min=0, max=1)
    rate_limit: float = _switch(0.0, "Requests per second before 429; 0 is no limit.", min=0)
    max_limit: int = _switch(0, "The most rows in a page, whatever is asked; 0 is no cap.", min=0)
    max_offset: int = _switch(0, "Searches further in answer 400; 0 is no bound.", min=0)
    ignore_query: bool = _switch(
        default=False, says="Do not apply the filters query and updated_at."
    )
    empty_query: bool = _switch(default=False, says="With query or updated_at nothing is found.")
    reject_query: bool = _switch(default=False, says="With query or updated_at the answer is 400.")
    ignore_sort: bool = _switch(default=False, says="Do not apply the order asked for.")
    reject_sort: bool = _switch(default=False, says="A search with an order answers 400.")
    skip_paging: bool = _switch(
        default=False, says="Page the search of satellites by skip, not by a token."
    )
    insert_while_paging: bool = _switch(
        default=False, says="After each page a row is inserted ahead of the next."
    )
    delete_while_paging: bool = _switch(
        default=False, says="After each page a row that was served is deleted."
    )
    update_while_paging: bool = _switch(
        default=False, says="After each page a random row of the list is updated."
    )
    updates_reorder: bool = _switch(
        default=False, says="Lists without an order put updated rows last."
    )
    future_timestamps: bool = _switch(
        default=False, says="One row of each incremental resource is dated 2999."
    )
    delivery_seconds: float = _switch(
        1.0, "Seconds that a new delivery takes; 0 is at once.", min=0
    )
    fail_deliveries: float = _switch(
        0.0, "Share of new deliveries, 0 to 1, that end FAILED.", min=0, max=1
    )
    download_seconds: float = _switch(
        0.2, "Seconds that a new download takes; 0 is at once.", min=0
    )
    fail_downloads: float = _switch(
        0.0, "Share of new downloads, 0 to 1, that end failed.", min=0, max=1
    )
    download_bytes: int = _switch(
        0, "Bytes of what is downloaded; 0 is a small zip of details.", min=0, max=LARGEST
    )
    download_rate: float = _switch(
        0.0, "Bytes per second of what is fetched; 0 is no limit.", min=0
    )
    url_seconds: float = _switch(300.0, "Seconds that a signed URL is good for.", min=0)
    break_downloads: float = _switch(
        0.0, "Share of fetches, 0 to 1, whose connection breaks within the body.", min=0, max=1
    )
    breaks: int = _switch(
        0, "The first so many fetches of each object break after a part of it.", min=0
    )
    error_page: float = _switch(
        0.0, "Share of fetches, 0 to 1, that get a web page with status 200.", min=0, max=1
    )
    ignore_range: bool = _switch(default=False, says="A fetch of a part gets the whole object.")
    drop_accepted: float = _switch(
        0.0, "Share of writes, 0 to 1, that are accepted and not answered.", min=0, max=1
    )
    fail_accepted: float = _switch(
        0.0, "Share of writes, 0 to 1, that are accepted and answered with 500.", min=0, max=1
    )
    accept_late: float = _switch(
        0.0, "Share of writes, 0 to 1, not answered and accepted only later.", min=0, max=1
    )
    late_seconds: float = _switch(2.0, "Seconds after which --accept-late accepts.", min=0)
    accept_part: float = _switch(
        0.0, "Share of batches, 0 to 1, of which only a part is accepted.", min=0, max=1
    )
    part_error: int = _switch(
        0, "The status that --accept-part answers with; 0 is 201.", min=0, max=599
    )
    list_lag: float = _switch(
        0.0, "Seconds until a new delivery, store or AOI is in the lists.", min=0
    )
    list_cap: int = _switch(
        0, "The most rows, the newest, of an unfiltered list of deliveries or stores.", min=0
    )
    forbid: frozenset[str] = _switch(frozenset(), "Answer 403 for this resource; repeatable.")
    forbid_id: frozenset[str] = _switch(
        frozenset(), "Answer 403 for paths with this id in them; repeatable."
    )

    def __post_init__(self) -> None:
        for name, bounds in BOUNDS.items():
            value = getattr(self, name)
            low, high = bounds.get("min", value), bounds.get("max", value)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, which is not in {low}..{high}")
        if self.part_error and self.part_error not in ERRORS:
            raise ValueError(f"part_error is {self.part_error}, which is no status of an error")
        if 0 < self.download_bytes < SMALLEST:
            raise ValueError(f"download_bytes is {self.download_bytes}; a zip has {SMALLEST}")
        self.forbid, self.forbid_id = frozenset(self.forbid), frozenset(self.forbid_id)
        if unknown := self.forbid - {*RESOURCES, *UNLISTED}:
            raise ValueError(f"forbid names no resource: {', '.join(sorted(unknown))}")


UNLISTED: Final = ("downloads",)
"""What a token may be refused besides the resources of the workspace."""

ERRORS: Final = frozenset(status.value for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)
SWITCHES: Final = fields(Habits)
BOUNDS: Final[dict[str, dict[str, float]]] = {
    switch.name: {
        bound: switch.metadata[bound] for bound in ("min", "max") if bound in switch.metadata
    }
    for switch in SWITCHES
    if "min" in switch.metadata
}
