"""What the API's responses describe: stores, deliveries and downloads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from sys import intern
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_api.json_decoding import to_python
from pixxel_api.timestamps import TimestampError, normalize_timestamp
from target_pixxel_store.locations import BucketPath, DeliveryKey, normalize_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import msgspec

FAILED_STATUS = "FAILED"
SUCCESS_STATUSES = frozenset({"SUCCESS", "SUCCESSFUL", "COMPLETED"})
"""Statuses of deliveries, and of downloads of catalogs, that are done.

Any other but FAILED is pending.
"""
FULFILLED_ITEM_STATUSES = frozenset({"FULFILLED", "COMPLETED"})
"""Statuses of order items whose catalogs have all been made."""
ENDED_ITEM_STATUSES = frozenset({"CANCELLED", "FAILED", "EXPIRED", "REJECTED"})
"""Statuses of order items that bring no more catalogs; with any other status they may."""
UNLISTED = "not listed"
"""Instead of the status of a delivery that only the journal contains."""


@dataclass(frozen=True, slots=True)
class Store:
    """A store as the API lists it.

    Attributes:
        location: The location of its prefix.
    """

    id: str
    name: str
    region: str
    location: BucketPath
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as the API lists it.

    Attributes:
        store_id: Empty where the row names none, so that its location is unknown.
        path: The path below the store's prefix.
        target_path: The key of its object below that path.
        status: In upper case: CREATED, IN_PROGRESS, SUCCESS, FAILED, and others; `UNLISTED` where
            the API does not list it.
        created_at: UTC timestamp of fixed width; empty where the API has none.
        automated: Whether an order created it, not an explicit request.
    """

    id: str
    catalog_id: str
    store_id: str
    path: str = ""
    target_path: str = ""
    status: str = UNLISTED
    created_at: str = ""
    automated: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether the delivery failed."""
        return self.status == FAILED_STATUS

    @property
    def has_succeeded(self) -> bool:
        """Whether the object was delivered."""
        return self.status in SUCCESS_STATUSES


class DeliveryList(NamedTuple):
    """A list of deliveries.

    Attributes:
        row_count: The number of rows, including those that cannot be parsed.
    """

    row_count: int
    deliveries: list[Delivery]


@dataclass(frozen=True, slots=True, eq=False)
class DeliveryJob:
    """A catalog to deliver.

    Attributes:
        path: The path below the store's prefix.
        location: The full path in the bucket.
        replaces: Id of a delivery that counts as FAILED, at the record's request.
    """

    catalog_id: str
    store: Store
    path: str
    location: BucketPath
    replaces: str | None = None

    @property
    def key(self) -> DeliveryKey:
        """The key of the delivery."""
        return DeliveryKey(self.catalog_id, self.location)


Fields = dict[str, Any]


class Progress(Enum):
    """What the word of a status means for what is downloaded, or for the package of it."""

    FINISHED = auto()
    PARTIAL = auto()
    UNFINISHED = auto()
    FAILED = auto()
    UNKNOWN = auto()


_STATUS_WORDS = {
    Progress.FINISHED: "SUCCESS SUCCESSFUL COMPLETED SUCCEEDED FINISHED DONE",
    Progress.FAILED: "FAILED FAILURE ERROR CANCELLED CANCELED ABORTED REJECTED EXPIRED DELETED",
    Progress.UNFINISHED: "CREATED CREATING STARTED PENDING QUEUED SCHEDULED REQUESTED SUBMITTED "
    "ACCEPTED WAITING RUNNING IN_PROGRESS PROCESSING PREPARING GENERATING UPDATING",
    Progress.PARTIAL: "PARTIAL PARTIAL_SUCCESS PARTIALLY_FULFILLED",
}
"""Words of statuses of which the contract has no list; others are unknown."""
_PROGRESS_OF_WORD = {
    word.replace("_", ""): progress
    for progress, words in _STATUS_WORDS.items()
    for word in words.split()
}
_MAX_STATUS_LENGTH = 40  # characters of a status in a message


def read_status(row: Fields) -> str:
    """Return the status of a row in upper case, in one line; empty where it has none."""
    return " ".join(str(row.get("status") or "").upper().split())[:_MAX_STATUS_LENGTH]


def find_progress(status: str) -> Progress:
    """Return what a status means, whatever separates the parts of its word."""
    return _PROGRESS_OF_WORD.get(re.sub(r"[\W_]+", "", status), Progress.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Download:
    """A download as the API returns it.

    Attributes:
        id: None where the API gives its package none.
        status: As messages show it; empty where the API states none.
        url: The signed URL, which is as good as a password; None before there is one.
        has_listed_status: Whether the contract lists the statuses, so that any other one waits.
    """

    id: str | None
    status: str
    url: str | None = field(repr=False)
    has_listed_status: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether its preparation failed."""
        return self._progress is Progress.FAILED

    @property
    def is_ready(self) -> bool:
        """Whether its file can be downloaded: it has a URL, and no word says otherwise."""
        return self.url is not None and self._progress in {Progress.FINISHED, Progress.UNKNOWN}

    @property
    def is_pending(self) -> bool:
        """Whether its status may change."""
        return not self.is_ready and not self.has_failed

    @property
    def is_in_progress(self) -> bool:
        """Whether its status is known to be one that changes."""
        return find_progress(self.status) is Progress.UNFINISHED

    @property
    def _progress(self) -> Progress:
        if self.has_listed_status and self.status not in {"", FAILED_STATUS, *SUCCESS_STATUSES}:
            return Progress.UNFINISHED
        return find_progress(self.status)


def parse_deliveries(rows: Iterable[msgspec.Raw]) -> list[Delivery]:
    """Parse deliveries; rows without ids are left out."""
    made = (_parse_delivery(to_python(row)) for row in rows)
    return [each for each in made if each is not None]


def _parse_delivery(row: object) -> Delivery | None:
    if not isinstance(row, dict):
        return None
    # The API's requests have cloud_info where its responses have cloud_delivery.
    cloud = row.get("cloud_delivery") or row.get("cloud_info")
    catalog, key = row.get("catalog_id"), row.get("delivery_id")
    if not isinstance(catalog, str) or not isinstance(key, str):
        return None
    cloud = cloud if isinstance(cloud, dict) else {}
    return Delivery(
        id=key,
        catalog_id=intern(catalog),  # once for all deliveries of a catalog, or with a status
        store_id=intern(str(cloud.get("config") or "")),
        path=normalize_path(str(cloud.get("path") or "")),
        target_path=str(row.get("target_path") or ""),
        status=intern(str(row.get("status") or "").upper()),
        created_at=_parse_timestamp(row.get("created_at")),
        automated=row.get("task_id") is not None,
    )


def parse_task_places(item: Fields) -> Iterator[tuple[str, tuple[str, str] | None]]:
    """Parse where an order item has the catalogs of its tasks delivered.

    Yields:
        The id of each task, and the id of the store and the path; None for the place where the
        item names none, or where the delivery has failed.
    """
    cloud, tasks = item.get("cloud_delivery"), item.get("tasks")
    place = None
    if isinstance(cloud, dict) and cloud.get("config"):
        place = str(cloud["config"]), str(cloud.get("path") or "")
    for task in tasks if isinstance(tasks, list) else ():
        if isinstance(task, dict) and isinstance(task.get("id"), str):
            has_failed = str(task.get("delivery_status") or "").upper() == FAILED_STATUS
            yield task["id"], None if has_failed else place


def parse_store(row: Fields) -> Store | None:
    """Parse a store; None where it has no id, type or bucket."""
    key, cloud, configs = row.get("id"), row.get("type"), row.get("configs")
    if not isinstance(key, str) or not isinstance(cloud, str) or not isinstance(configs, dict):
        return None
    labels = row.get("labels")
    prefix = normalize_path(str(configs.get("path_prefix") or ""))
    return Store(
        id=key,
        name=str(row.get("name") or ""),
        region=str(configs.get("region") or ""),
        location=BucketPath(cloud.upper(), str(configs.get("bucket") or ""), prefix),
        labels={str(k): str(v) for k, v in labels.items()} if isinstance(labels, dict) else {},
    )


def _parse_timestamp(value: object) -> str:
    try:
        return normalize_timestamp(value) if isinstance(value, str) else ""
    except TimestampError:
        return ""
