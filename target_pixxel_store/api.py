"""What the target asks of the API: what is there, and the writes, in types of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_api.errors import ApiError, PixxelError, UnexpectedResponse
from pixxel_api.json_decoding import row_to_python, to_python
from pixxel_api.pagination.list_scan import ListScan, ScanOptions
from pixxel_api.pagination.paging import OffsetPaging, Page
from pixxel_api.timestamps import TimestampError, normalize_timestamp
from target_pixxel_store.places import Destination, as_folder, normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pixxel_api.client import Client
    from pixxel_api.json_decoding import RawRow
    from pixxel_api.response import JsonResponse

PAGE = 100
DONE_ITEMS = frozenset({"FULFILLED", "COMPLETED", "CANCELLED", "FAILED", "EXPIRED", "REJECTED"})
"""Statuses of order items that nothing comes of any more; all others count as open."""
DELIVERIES = "/v0/catalogs/deliveries"
STORES = "/v0/stores"
CATALOGS = "/v0/catalogs/search"
ORDER_ITEMS = "/v0/order-items"
FAILED = "FAILED"
SUCCEEDED = frozenset({"SUCCESS", "SUCCESSFUL", "COMPLETED"})
Fields = dict[str, Any]


class ListKeepsChanging(PixxelError):
    """A list has changed so often while it was read that a row may have been missed."""


@dataclass(frozen=True, slots=True)
class Store:
    """A store as the API lists it.

    Attributes:
        place: Where its deliveries begin.
    """

    id: str
    name: str
    region: str
    place: Destination
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as the API lists it.

    Attributes:
        store: Id of its store.
        path: Below the store's prefix.
        target: The object's key below that (`target_path`).
        status: In upper case; CREATED, IN_PROGRESS, SUCCESS, FAILED, and others.
        created: Fixed-width UTC, empty where the API says nothing.
        automated: Whether an order asked for it, and not a request of its own.
    """

    id: str
    catalog: str
    store: str
    path: str
    target: str
    status: str
    created: str
    automated: bool

    @property
    def failed(self) -> bool:
        """Whether it did not arrive."""
        return self.status == FAILED

    @property
    def succeeded(self) -> bool:
        """Whether it arrived."""
        return self.status in SUCCEEDED


class Listing(NamedTuple):
    """A list of deliveries.

    Attributes:
        rows: How many rows it has, those that cannot be read included.
    """

    rows: int
    deliveries: list[Delivery]


@dataclass(frozen=True, slots=True)
class Entry:
    """One catalog in a request for deliveries."""

    catalog: str
    store: str
    path: str


class Api:
    """The requests that the target makes.

    Args:
        client: Sends them.
        pages: Pages to read at once.
        check: Called while waiting; raises to stop.
    """

    def __init__(self, client: Client, pages: int, check: Callable[[], None]) -> None:
        self._client = client
        self._pages = pages
        self._check = check

    def stores(self) -> list[Store]:
        """List the stores."""
        rows = self._client.send_with_retries("GET", STORES).rows("stores")
        return [made for row in rows if (made := _store(row_to_python(row))) is not None]

    def deliveries(self, **only: str) -> Listing:
        """List the deliveries, all or those of a `catalog_id` or a `delivery_id`."""
        rows = self._client.send_with_retries("GET", DELIVERIES, params=only or None).rows(
            "deliveries"
        )
        return Listing(len(rows), _deliveries(rows))

    def catalogs_of(self, order_item: str) -> list[Fields]:
        """List what came of an order item: id, created_at, org_id and the item's id and time."""
        found = self._catalogs({"order_item_ids": [order_item]})
        return [_catalog(row_to_python(row)) for row in found]

    def known(self, catalogs: Sequence[str]) -> set[str]:
        """Tell which of these catalogs there are."""
        found = self._catalogs({"ids": list(catalogs)})
        return {key for row in found if (key := _id(row)) is not None}

    def workspaces(self) -> set[str]:
        """Give the ids of the workspaces that the token reads (`org_id` of what it lists)."""
        answer = self._client.send_with_retries(
            "GET", "/v0/projects", params={"page_num": 1, "page_size": PAGE}
        )
        rows = answer.rows("projects")
        window = {"offset": 0, "limit": 1}
        if not rows:
            rows = self._client.send_with_retries("POST", CATALOGS, body=window).rows("catalogs")
        if not rows:
            rows = self._client.send_with_retries("GET", "/v0/orders", params=window).rows("orders")
        ids = (row_to_python(row).get("org_id") for row in rows)
        return {found for found in ids if isinstance(found, str)}

    def open_order_items(self, store: str) -> int:
        """Count the order items that are not done and name a store."""
        found = 0
        for row in self._sweep(ORDER_ITEMS, "order_items", None):
            item = row_to_python(row)
            config = item.get("cloud_delivery")
            if isinstance(config, dict) and config.get("config") == store:
                found += str(item.get("status", "")).upper() not in DONE_ITEMS
        return found

    def deliver(self, entries: Sequence[Entry]) -> list[Delivery]:
        """Ask for deliveries, in one request; it may have happened even when it fails.

        Each catalog is an entry of its own. The contract wants both lists of ids, and one empty.
        """
        body = {
            "deliveries": [
                {
                    "catalog_ids": [entry.catalog],
                    "order_item_ids": [],
                    "cloud_info": {"config": entry.store, "path": as_folder(entry.path)},
                }
                for entry in entries
            ]
        }
        return _deliveries(self._client.send_once("POST", DELIVERIES, body=body).rows("deliveries"))

    def make_store(
        self, name: str, place: Destination, region: str, secrets: Mapping[str, str], **more: Any
    ) -> Store:
        """Make a store; it may have happened even when it fails."""
        configs = {"bucket": place.bucket, "region": region}
        if place.prefix:
            configs["path_prefix"] = as_folder(place.prefix)
        body = {"name": name, "type": place.cloud, "configs": configs, "secrets": secrets, **more}
        try:
            made = _store(self.make(STORES, body))
        except ApiError as error:
            # The code comes from the answer's body, which may echo the secrets.
            raise type(error)("POST", STORES, error.status) from None
        if made is None:
            raise UnexpectedResponse("POST", STORES, reason="the answer is no store")
        return made

    def make(self, path: str, body: Fields) -> Fields:
        """Make something, and give it; it may have happened even when it fails."""
        answer = self._client.send_once("POST", path, body=body)
        return row_to_python(answer.fields)

    def listed(self, path: str, name: str, *, key: str) -> Iterator[Fields]:
        """Read all rows of a list that may change meanwhile; `key` is the field of their id."""
        return map(row_to_python, self._sweep(path, name, None, key))

    def delete_store(self, store: str) -> None:
        """Delete a store; it may have happened even when it fails."""
        self._client.delete(f"{STORES}/{store}")

    def _catalogs(self, body: Fields) -> Iterator[RawRow]:
        return self._sweep(CATALOGS, "catalogs", body)

    def _sweep(
        self, path: str, name: str, body: Fields | None, key: str = "id"
    ) -> Iterator[RawRow]:
        """Read all pages of a list that may change meanwhile."""

        def fetch(offset: int, limit: int) -> Page:
            window = paging.query_for(offset, limit)
            answer: JsonResponse
            if body is None:
                answer = self._client.send_with_retries("GET", path, params=window)
            else:
                answer = self._client.send_with_retries("POST", path, body={**body, **window})
            return Page(offset, answer.rows(name), paging.read_total(answer), answer.requested_at)

        paging = OffsetPaging()
        sweep = ListScan(
            fetch,
            paging,
            ScanOptions(
                lambda row: _id(row, key), limit=PAGE, concurrency=self._pages, check=self._check
            ),
        )
        for rows in sweep:
            yield from rows
        if not sweep.complete:
            raise ListKeepsChanging(f"{path} changes faster than it can be read; run again later")


def _id(row: RawRow, key: str = "id") -> str | None:
    found = to_python(row[key]) if key in row else None
    return None if found is None else str(found)


def _deliveries(rows: Iterable[RawRow]) -> list[Delivery]:
    made = (_delivery(row_to_python(row)) for row in rows)
    return [each for each in made if each is not None]


def _delivery(row: Fields) -> Delivery | None:
    """Read a delivery; None where it names no catalog or no store."""
    # The contract's request says cloud_info where its answers say cloud_delivery.
    cloud = row.get("cloud_delivery") or row.get("cloud_info")
    catalog, key = row.get("catalog_id"), row.get("delivery_id")
    if not isinstance(cloud, dict) or not isinstance(catalog, str) or not isinstance(key, str):
        return None
    return Delivery(
        id=key,
        catalog=catalog,
        store=str(cloud.get("config") or ""),
        path=normalised(str(cloud.get("path") or "")),
        target=str(row.get("target_path") or ""),
        status=str(row.get("status") or "").upper(),
        created=_moment(row.get("created_at")),
        automated=row.get("task_id") is not None,
    )


def _store(row: Fields) -> Store | None:
    """Read a store; None where it has no id, type or bucket."""
    key, cloud, configs = row.get("id"), row.get("type"), row.get("configs")
    if not isinstance(key, str) or not isinstance(cloud, str) or not isinstance(configs, dict):
        return None
    labels = row.get("labels")
    prefix = normalised(str(configs.get("path_prefix") or ""))
    return Store(
        id=key,
        name=str(row.get("name") or ""),
        region=str(configs.get("region") or ""),
        place=Destination(cloud.upper(), str(configs.get("bucket") or ""), prefix),
        labels={str(k): str(v) for k, v in labels.items()} if isinstance(labels, dict) else {},
    )


def _catalog(row: Fields) -> Fields:
    details = row.get("details")
    item = details if isinstance(details, dict) else {}
    properties = item.get("properties")
    when = properties.get("datetime") if isinstance(properties, dict) else None
    named = {"item_id": item.get("id"), "collection": item.get("collection"), "datetime": when}
    return named | {name: value for name, value in row.items() if name != "details"}


def _moment(value: object) -> str:
    try:
        return normalize_timestamp(value) if isinstance(value, str) else ""
    except TimestampError:
        return ""
