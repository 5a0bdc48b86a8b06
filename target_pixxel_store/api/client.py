"""The requests that the target sends to the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pixxel_api.errors import ApiError, Forbidden, UnexpectedResponse
from pixxel_api.json_decoding import row_to_python, to_python
from pixxel_api.pagination.list_scan import ListScan, ScanOptions
from pixxel_api.pagination.paging import OffsetPaging, Page, PageNumberPaging
from target_pixxel_store.api.errors import UnstableListError
from target_pixxel_store.api.models import (
    ENDED_ITEM_STATUSES,
    FULFILLED_ITEM_STATUSES,
    Delivery,
    DeliveryList,
    Fields,
    Store,
    parse_deliveries,
    parse_store,
)
from target_pixxel_store.locations import BucketPath, to_folder_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pixxel_api.client import Client
    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import Paging
    from pixxel_api.response import JsonResponse
    from target_pixxel_store.api.models import DeliveryJob

PAGE_SIZE = 100
_STAC_PROPERTIES = ("datetime", "platform", "constellation", "gsd")
CATALOG_FIELDS = frozenset(
    {"id", "task_id", "bandset_id", "area", "delivery_status", "org_id"}
    | {"created_at", "created_by", "updated_at", "updated_by"}
    | {"item_id", "collection", *_STAC_PROPERTIES}
)
"""Fields of a catalog (`clerk.Catalog`), and those that are read from its STAC item (`details`)."""
DELIVERIES = "/v0/catalogs/deliveries"
STORES = "/v0/stores"
CATALOGS = "/v0/catalogs/search"
ORDER_ITEMS = "/v0/order-items"
ORDERS = "/v0/orders"
PROJECTS = "/v0/projects"
BANDSETS = "/v0/bandsets"
AOI = "/v0/aoi"
WORKFLOWS = "/v0/workflows"
ARCHIVE_ITEMS = "/v0/archives/search"
_ITEMS_PER_SEARCH = 25  # of the archive: an item has up to 250 assets
_UNKNOWN_ID_STATUSES = (400, 404)
_UNREADABLE_STATUSES = (*_UNKNOWN_ID_STATUSES, 403)


@dataclass(eq=False, repr=False)
class StoreApi:
    """The requests of the target; a write may have been executed even where it raises.

    Attributes:
        client: Sends the requests.
        page_concurrency: Pages of a list that are requested at the same time.
        check: Called while waiting; raises to stop.
    """

    client: Client
    page_concurrency: int
    check: Callable[[], None]

    def list_stores(self) -> list[Store]:
        """List the stores."""
        rows = self.client.send_with_retries("GET", STORES).rows("stores")
        return [store for row in rows if (store := parse_store(row_to_python(row))) is not None]

    def list_deliveries(self, **only: str) -> DeliveryList:
        """List all deliveries, or those of a `catalog_id` or a `delivery_id`."""
        answer = self.client.send_with_retries("GET", DELIVERIES, params=only or None)
        rows = answer.raw_rows("deliveries")
        return DeliveryList(len(rows), parse_deliveries(rows))

    def list_catalogs_of_item(self, order_item_id: str) -> list[Fields]:
        """List the catalogs of an order item, with their `CATALOG_FIELDS`."""
        found = self._scan(CATALOGS, "catalogs", {"order_item_ids": [order_item_id]})
        return [_parse_catalog(row_to_python(row)) for row in found]

    def find_existing_catalogs(self, catalog_ids: Sequence[str]) -> set[str]:
        """Return the ids of those catalogs that exist."""
        return set(self.read_catalogs(catalog_ids))

    def read_catalogs(self, catalog_ids: Sequence[str]) -> dict[str, Fields]:
        """Return those catalogs that exist by id, with their `CATALOG_FIELDS`."""
        found: dict[str, Fields] = {}
        for at in range(0, len(catalog_ids), PAGE_SIZE):
            body = {"ids": list(catalog_ids[at : at + PAGE_SIZE])}
            for row in self._scan(CATALOGS, "catalogs", body):
                if (key := _row_id(row)) is not None:
                    found[key] = _parse_catalog(row_to_python(row))
        return found

    def read_workspace_ids(self) -> set[str]:
        """Return the ids of the workspaces that the token can read (`org_id` in its lists)."""
        answer = self.client.send_with_retries(
            "GET", PROJECTS, params={"page_num": 1, "page_size": PAGE_SIZE}
        )
        window = {"offset": 0, "limit": 1}
        rows = (
            answer.rows("projects")
            or self.client.send_with_retries("POST", CATALOGS, body=window).rows("catalogs")
            or self.client.send_with_retries("GET", ORDERS, params=window).rows("orders")
        )
        ids = (row_to_python(row).get("org_id") for row in rows)
        return {found for found in ids if isinstance(found, str)}

    def list_order_items(self) -> Iterator[Fields]:
        """Read all order items, with their tasks."""
        return self.list_rows(ORDER_ITEMS, "order_items", key="id")

    def find_tasks(self, catalog_ids: Sequence[str]) -> dict[str, str]:
        """Return the id of the task of each catalog that has one."""
        tasks: dict[str, str] = {}
        for at in range(0, len(catalog_ids), PAGE_SIZE):
            body = {"ids": list(catalog_ids[at : at + PAGE_SIZE])}
            for row in self._scan(CATALOGS, "catalogs", body):
                key, task = _row_id(row), _row_id(row, "task_id")
                if key and task:
                    tasks[key] = task
        return tasks

    def count_open_order_items(self, store_id: str) -> int:
        """Count the open order items that name a store."""
        closed, found = FULFILLED_ITEM_STATUSES | ENDED_ITEM_STATUSES, 0
        for item in self.list_order_items():
            config = item.get("cloud_delivery")
            if isinstance(config, dict) and config.get("config") == store_id:
                found += str(item.get("status", "")).upper() not in closed
        return found

    def get_order_item(self, order_item_id: str) -> Fields | None:
        """Return an order item; None where the workspace has none with the id."""
        path = f"{ORDER_ITEMS}/{quote(order_item_id, safe='')}"
        try:
            return row_to_python(self.client.send_with_retries("GET", path).fields)
        except ApiError as error:
            if error.status not in _UNKNOWN_ID_STATUSES:
                raise
            return None

    def request_deliveries(self, jobs: Sequence[DeliveryJob]) -> list[Delivery]:
        """Request deliveries in one POST request.

        Each catalog has an entry of its own. The API requires both lists of ids, one of them empty.
        """
        body = {
            "deliveries": [
                {
                    "catalog_ids": [job.catalog_id],
                    "order_item_ids": [],
                    "cloud_info": {"config": job.store.id, "path": to_folder_path(job.path)},
                }
                for job in jobs
            ]
        }
        answer = self.client.send_once("POST", DELIVERIES, body=body)
        return parse_deliveries(answer.raw_rows("deliveries"))

    def list_orders(self) -> Iterator[Fields]:
        """Read all orders, with their order items; the filters of this list are undocumented."""
        return self.list_rows(ORDERS, "orders", key="id")

    def price_order(self, item: Fields) -> Fields:
        """Return the order that the API would create of an order item, with its price.

        It is sent once, as an API that does not honour `dry_run` would place it each time.
        """
        return self.create(ORDERS, _order_body(item, dry_run=True))

    def place_order(self, item: Fields) -> Fields:
        """Place an order of one order item, which costs money; return it."""
        return self.create(ORDERS, _order_body(item, dry_run=False))

    def find_aoi(self, aoi_id: str) -> bool:
        """Return whether the token can read an area of interest."""
        return self._get_readable(f"{AOI}/{_quote(aoi_id)}") is not None

    def find_block_versions(self, name: str) -> set[str]:
        """Return the versions of a block; empty where there is none with the name."""
        answer = self._get_readable(f"/v0/blocks/{_quote(name)}")
        rows = answer.rows("blocks") if answer else ()
        specs = (row_to_python(row).get("spec") for row in rows)
        return {str(spec.get("version")) for spec in specs if isinstance(spec, dict)}

    def list_insights(self, aoi_id: str) -> list[Fields]:
        """List the insights of an area of interest."""
        answer = self.client.send_with_retries("GET", f"{AOI}/{_quote(aoi_id)}/insights")
        return [row_to_python(row) for row in answer.rows("insights")]

    def request_insight(self, aoi_id: str, body: Fields) -> Fields:
        """Create an insight, which costs tokens, or request an estimate; return the response.

        It is sent once, as an API that does not honour `estimate` would create it each time.
        """
        return self.create(f"{AOI}/{_quote(aoi_id)}/insights", body)

    def find_workflow(self, workflow_id: str, project_id: str) -> bool:
        """Return whether the token can read a workflow of a project."""
        path = f"{WORKFLOWS}/{_quote(workflow_id)}"
        return self._get_readable(path, {"project_id": project_id}) is not None

    def estimate_workflow(self, workflow_id: str) -> Fields:
        """Return the estimate of running a workflow."""
        path = f"{WORKFLOWS}/{_quote(workflow_id)}/estimate"
        return row_to_python(self.client.send_with_retries("GET", path).fields)

    def run_workflow(self, workflow_id: str, project_id: str) -> Fields:
        """Create a job of a workflow, which costs tokens; return it."""
        path, params = f"{WORKFLOWS}/{_quote(workflow_id)}/jobs", {"project_id": project_id}
        return row_to_python(self.client.send_once("POST", path, params=params).fields)

    def _get_readable(self, path: str, params: Fields | None = None) -> JsonResponse | None:
        """Return an object; None where the API does not know it, or the token may not read it."""
        try:
            return self.client.send_with_retries("GET", path, params=params)
        except ApiError as error:
            if error.status not in _UNREADABLE_STATUSES:
                raise
            return None

    def find_project_ids(self) -> set[str]:
        """Return the ids of the projects that the token can read."""
        rows = self._scan(PROJECTS, "projects", paging=PageNumberPaging())
        return {key for row in rows if (key := _row_id(row)) is not None}

    def describe_forbidden(self, error: Forbidden) -> str:
        """Return why a record fails whose request answers 403, while the token can read others.

        By the contract, a 403 means an expired token, a missing role, or an object of a project
        that the token may not use.

        Raises:
            Forbidden: The token cannot read the projects, either; it is `error`.
        """
        try:
            self.client.send_with_retries("GET", PROJECTS, params={"page_size": 1})
        except Forbidden:
            raise error from None
        reason = "the token may not use what the record names, or lacks the role"
        return f"{error.method} {error.path} returned {error.status}: {reason}"

    def find_bandset_ids(self) -> tuple[set[str], datetime | None]:
        """Return the ids of the bandsets, and the server's time, if it states one."""
        answer = self.client.send_with_retries("GET", BANDSETS)
        rows = answer.rows("bandsets")
        return {key for row in rows if (key := _row_id(row)) is not None}, answer.requested_at

    def find_archive_items(self, item_ids: Sequence[str]) -> set[str]:
        """Return the ids of those items that the archive has."""
        found: set[str] = set()
        for at in range(0, len(item_ids), _ITEMS_PER_SEARCH):
            body = {"ids": list(item_ids[at : at + _ITEMS_PER_SEARCH])}
            rows = self._scan(ARCHIVE_ITEMS, "features", body)
            found.update(key for row in rows if (key := _row_id(row)) is not None)
        return found & set(item_ids)

    def find_owned_items(self, item_ids: Sequence[str]) -> set[str]:
        """Return the ids of those items of the archive that the workspace owns as catalogs."""
        found: set[str] = set()
        for at in range(0, len(item_ids), _ITEMS_PER_SEARCH):
            body = {"item_ids": list(item_ids[at : at + _ITEMS_PER_SEARCH])}
            for row in self._scan(CATALOGS, "catalogs", body):
                details = to_python(row["details"]) if "details" in row else None
                if isinstance(details, dict):
                    found.add(str(details.get("id")))
        return found & set(item_ids)

    def create_store(
        self, name: str, location: BucketPath, region: str, secrets: Mapping[str, str], **more: Any
    ) -> Store:
        """Create a store."""
        configs = {"bucket": location.bucket, "region": region}
        if location.prefix:
            configs["path_prefix"] = to_folder_path(location.prefix)
        body = {
            "name": name,
            "type": location.cloud,
            "configs": configs,
            "secrets": secrets,
            **more,
        }
        try:
            store = parse_store(self.create(STORES, body))
        except ApiError as error:
            code = error.code  # it comes from the response body, which may contain the secrets
            if code and any(code in secret or secret in code for secret in secrets.values()):
                raise type(error)("POST", STORES, error.status, field=error.field) from None
            raise
        if store is None:
            raise UnexpectedResponse("POST", STORES, reason="the response is not a store")
        return store

    def create(self, path: str, body: Fields) -> Fields:
        """Create an object, and return it."""
        answer = self.client.send_once("POST", path, body=body)
        return row_to_python(answer.fields)

    def list_rows(self, path: str, name: str, *, key: str) -> Iterator[Fields]:
        """Read all rows of a list that may change meanwhile; `key` is the field with their id."""
        return map(row_to_python, self._scan(path, name, None, key))

    def delete_store(self, store_id: str) -> None:
        """Delete a store."""
        self.client.delete(f"{STORES}/{store_id}")

    def _scan(
        self,
        path: str,
        name: str,
        body: Fields | None = None,
        key: str = "id",
        paging: Paging | None = None,
    ) -> Iterator[RawRow]:
        """Read all pages of a list that may change meanwhile.

        Raises:
            UnstableListError: The list changed too often.
        """

        def fetch(offset: int, limit: int) -> Page:
            window = style.query_for(offset, limit)
            answer = (
                self.client.send_with_retries("GET", path, params=window)
                if body is None
                else self.client.send_with_retries("POST", path, body={**body, **window})
            )
            return Page(offset, answer.rows(name), style.read_total(answer), answer.requested_at)

        style = paging or OffsetPaging()
        sweep = ListScan(
            fetch,
            style,
            ScanOptions(
                lambda row: _row_id(row, key),
                limit=PAGE_SIZE,
                concurrency=self.page_concurrency,
                check=self.check,
            ),
        )
        for rows in sweep:
            yield from rows
        if not sweep.complete:
            raise UnstableListError(f"{path} changes faster than it can be read; run again later")


def _quote(key: str) -> str:
    return quote(key, safe="")


def _row_id(row: RawRow, key: str = "id") -> str | None:
    found = to_python(row[key]) if key in row else None
    return None if found is None else str(found)


def _order_body(item: Fields, *, dry_run: bool) -> Fields:
    """Return the body that orders one order item, so that no order is placed in part."""
    return {"dry_run": dry_run, "order_items": [item]}


def _parse_catalog(row: Fields) -> Fields:
    details = row.get("details")
    item = details if isinstance(details, dict) else {}
    properties = item.get("properties")
    found = properties if isinstance(properties, dict) else {}
    named = {"item_id": item.get("id"), "collection": item.get("collection")}
    named |= {name: found.get(name) for name in _STAC_PROPERTIES}
    return named | {name: value for name, value in row.items() if name != "details"}
