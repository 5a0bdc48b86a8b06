"""Generate orders, order items, tasks, catalogs and deliveries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from pixxel_sandbox.prices import (
    ARCHIVE_RATES,
    ASSURED,
    CAPTURES,
    CRITICAL,
    EXPEDITED,
    TASKING_RATE,
    price_order_item,
)
from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.archive_collections import COLLECTIONS, COLLECTIONS_BY_ID
from pixxel_sandbox.seed.archive_items import ItemRow
from pixxel_sandbox.seed.audit_fields import make_audit_fields
from pixxel_sandbox.seed.rng import draw_uuid, every_nth, rng_for

if TYPE_CHECKING:
    from random import Random

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.seed.workspace_resources import WorkspaceIds

FULFILLED = frozenset({"FULFILLED", "COMPLETED", "PARTIALLY_FULFILLED"})
TYPES = ("ARCHIVE", "TASKING", "ARCHIVE", "RECURRING")
STATUSES = ("FULFILLED", "ACTIVE", "FULFILLED", "DRAFT", "COMPLETED", "FAILED", "FULFILLED",
                   "PARTIALLY_FULFILLED", "CANCELLED", "FULFILLED")  # fmt: skip
TASK_STATUS = {"ACTIVE": "IN_PROGRESS", "COMPLETED": "FULFILLED"}
ORDER_STATUSES = ("PAID", "PAID", "PAID", "UNPAID", "PAYMENT_IN_PROGRESS", "REFUND")
DELIVERY_STATUSES = ("SUCCESS", "IN_PROGRESS", "SUCCESS", "CREATED", "SUCCESS", "FAILED",
                            "SUCCESSFUL", "UNSPECIFIED")  # fmt: skip
USE_CASES = ("agriculture", "mining", "water", "methane")
UPLIFTS = ((), (EXPEDITED,), (), (CRITICAL,), (ASSURED,))
PERIOD_SECONDS = 2.9 * 365 * 86400
RARE = {
    "invoice_reference": (7, 2),
    "image for order item": (9, 5),
    "retention_days": (6, 1),
    "by hand": (8, 0),
    "bytes_transferred": (5, 3),
}
"""The rules of what only some rows have, see `every_nth`."""
ITEMS_PER_ORDER = 10
OCCURRENCES = 2
MIN_ORDERS = 6


@dataclass
class CatalogRow:
    """A catalog without its `details`, and the item from which these are rendered."""

    fields: Json
    item: ItemRow


ImageRow: TypeAlias = ItemRow | CatalogRow


def item_of(image: ImageRow) -> ItemRow:
    """Return the item of a catalog, or the archive item itself."""
    return image.item if isinstance(image, CatalogRow) else image


def image_id(image: ImageRow) -> str:
    """Return the id of a catalog or archive item."""
    return str(image.fields["id"]) if isinstance(image, CatalogRow) else image.id


@dataclass
class OrderData:
    """The rows of orders and of everything that comes from them."""

    orders: list[Json] = field(default_factory=list)
    order_items: list[Json] = field(default_factory=list)
    catalogs: list[CatalogRow] = field(default_factory=list)
    deliveries: list[Json] = field(default_factory=list)


def archive_rate(item: ItemRow) -> float:
    """Return the price of a km² of an archive item."""
    collection = COLLECTIONS_BY_ID.get(item.collection, COLLECTIONS[0])
    return ARCHIVE_RATES[collection.level]


def generate_orders(seed: int, items: list[ItemRow], ids: WorkspaceIds) -> OrderData:
    """Generate orders and everything that comes from them."""
    generator = _OrderGenerator(rng_for(seed, "bookings"), items, ids)
    for number in range(max(MIN_ORDERS, len(items) // ITEMS_PER_ORDER)):
        generator.add_order(number)
    return generator.data


class _OrderGenerator:
    """A generator of orders, which adds one after the other to `data`."""

    def __init__(self, rng: Random, items: list[ItemRow], ids: WorkspaceIds) -> None:
        self.data = OrderData()
        self._rng = rng
        self._ids = ids
        shuffled_items = rng.sample(items, len(items))
        # Unusual footprints first, so that a small workspace has catalogs with them too.
        self._items = sorted(shuffled_items, key=lambda item: item.footprint.form == "polygon")

    def add_order(self, number: int) -> None:
        """Add an order, its items, and their catalogs and deliveries."""
        rng, data = self._rng, self.data
        created = timestamp_formats.time_in_year(2023, rng.uniform(0, PERIOD_SECONDS))
        author = rng.choice(self._ids.users)
        order_id = draw_uuid(rng)
        items = [self._make_order_item(order_id, created, author) for _ in range(rng.randint(1, 3))]
        status = ORDER_STATUSES[number % len(ORDER_STATUSES)]
        order: Json = {
            "id": order_id,
            "org_id": self._ids.org_id,
            "user_id": author,
            "status": status,
            "total_amount": round(sum(item["final_amount"] for item in items), 2),
            "transaction_id": draw_uuid(rng),
            "paid_at": timestamp_formats.format_with_offset(created + timedelta(minutes=5))
            if status == "PAID"
            else "",
            **make_audit_fields(rng, number, created, author),
        }
        if every_nth(RARE["invoice_reference"], number):
            order["invoice_reference"] = f"INV-{number:06d}"
        data.orders.append(order)

    def _next_item(self) -> ItemRow:
        """Return the archive's items in a shuffled_items order, again and again."""
        return self._items[len(self.data.catalogs) % len(self._items)]

    def _make_order_item(self, order_id: str, created: datetime, author: str) -> Json:
        rng, ids = self._rng, self._ids
        number = len(self.data.order_items)
        kind = TYPES[number % len(TYPES)]
        status = STATUSES[number % len(STATUSES)]
        uplifts = UPLIFTS[int(rng.random() * len(UPLIFTS))]
        item: Json = {
            "id": draw_uuid(rng),
            "name": f"order item {number + 1}",
            "order_id": order_id,
            "org_id": ids.org_id,
            "project_id": rng.choice(ids.projects),
            "user_id": author,
            "type": kind,
            "status": status,
            "payment_status": "UNPAID" if status == "DRAFT" else "PAID",
            **price_order_item(rng.randint(25, 2500), self._rates(kind), uplifts),
            "usecase": rng.choice(USE_CASES),
            "bandset": {"bandset_id": rng.choice(ids.bandsets)},
            **TYPE_FIELDS[kind](self, created),
            **make_audit_fields(rng, number, created, author, format_offset=1),
        }
        item["tokens_used"] = 0 if status == "DRAFT" else round(item["final_amount"])
        if number % 2:
            item["cloud_delivery"] = {"config": rng.choice(ids.stores), "path": "incoming/"}
        if status == "FAILED":
            item["validation_errors"] = [{"geometry": ["too small", "self-intersecting"]}]
        self.data.order_items.append(item)
        if status != "DRAFT":
            item["tasks"] = self._make_tasks(item, kind, created, author)
        return item

    def _rates(self, kind: str) -> dict[str, float]:
        if kind != "ARCHIVE":
            return {CAPTURES: TASKING_RATE * (OCCURRENCES if kind == "RECURRING" else 1)}
        image = self._next_item()
        return {image.id: archive_rate(image)}

    def _archive_fields(self, _created: datetime) -> Json:
        image = self._next_item()
        return {
            "images": [{"item_id": image.id, "geometry": image.geometry()}],
            "delivery_speed": "NOT_APPLICABLE",
            "recurrence": "NOT_APPLICABLE",
            "feasibility_status": "NOT_APPLICABLE",
        }

    def _tasking_fields(self, created: datetime) -> Json:
        end = created + timedelta(days=21)
        return {
            "image_type": "VNIR",
            "start_date": timestamp_formats.format_with_z(created),
            "end_date": timestamp_formats.format_with_z(end),
            "cloud_cover": self._rng.randint(5, 40),
            "off_nadir": self._rng.randint(5, 30),
            "number_of_bands": self._rng.randint(20, 60),
            "delivery_speed": "STANDARD",
            "recurrence": "ONCE",
            "feasibility_status": "WEAK_SUCCESS",
            "last_feasibility_check": timestamp_formats.format_with_z(created),
        }

    def _recurring_fields(self, created: datetime) -> Json:
        starts = [created + timedelta(days=30 * turn) for turn in range(OCCURRENCES)]
        return {
            **self._tasking_fields(created),
            "recurrence": "MONTHLY",
            "no_of_occurrences": len(starts),
            "occurrences": [
                {
                    "start": timestamp_formats.format_with_offset(start),
                    "end": timestamp_formats.format_with_offset(start + timedelta(days=9)),
                }
                for start in starts
            ],
        }

    def _make_tasks(self, item: Json, kind: str, created: datetime, author: str) -> list[Json]:
        count = len(item.get("occurrences", [None]))
        return [
            self._make_task(item, kind, created + timedelta(days=n), author) for n in range(count)
        ]

    def _make_task(self, item: Json, kind: str, created: datetime, author: str) -> Json:
        rng, number = self._rng, len(self.data.order_items)
        fulfilled = item["status"] in FULFILLED
        automatic = "cloud_delivery" in item
        task: Json = {
            "id": draw_uuid(rng),
            # Real responses have an image's name here at times.
            "order_item_id": self._next_item().id
            if every_nth(RARE["image for order item"], number)
            else item["id"],
            "type": "ARCHIVE" if kind == "ARCHIVE" else "TASKING",
            "status": TASK_STATUS.get(item["status"], item["status"]),
            "delivery_status": "SUCCESSFUL" if automatic and fulfilled else "NOT_APPLICABLE",
            "tokens_used": item["tokens_used"],
            "transaction_id": draw_uuid(rng),
            **make_audit_fields(rng, number, created, author),
        }
        if kind != "ARCHIVE":
            task["start_date"] = timestamp_formats.format_day_first(created)
            task["end_date"] = timestamp_formats.format_day_first(created + timedelta(days=10))
            task["number_of_strips"] = rng.randint(1, 4)
        for _ in range(rng.randint(1, 2) if fulfilled else 0):
            self._add_catalog(item, task["id"], created + timedelta(days=3), author)
        return task

    def _add_catalog(self, item: Json, task_id: str, created: datetime, author: str) -> None:
        rng, number = self._rng, len(self.data.catalogs)
        fields: Json = {
            "id": draw_uuid(rng),
            "org_id": item["org_id"],
            "task_id": task_id,
            "bandset_id": item["bandset"]["bandset_id"],
            "area": round(rng.uniform(25, 2500), 3),
            **make_audit_fields(rng, number, created, author, format_offset=2),
        }
        if every_nth(RARE["retention_days"], number):
            fields["retention_days"] = 365
        automatic = "cloud_delivery" in item
        if automatic:
            fields["delivery_status"] = DELIVERY_STATUSES[number % len(DELIVERY_STATUSES)]
        image = self._next_item().copy()
        self.data.catalogs.append(CatalogRow(fields, image))
        if automatic or every_nth(RARE["by hand"], number):
            config = item.get("cloud_delivery", {"config": self._ids.stores[0]})
            task = task_id if automatic else None
            self._add_delivery(fields, image.id, config, task, created + timedelta(hours=1))

    def _add_delivery(
        self, catalog: Json, image: str, config: Json, task_id: str | None, created: datetime
    ) -> None:
        number = len(self.data.deliveries)
        delivery: Json = {
            "delivery_id": draw_uuid(self._rng),
            "catalog_id": catalog["id"],
            "task_id": task_id,
            "cloud_delivery": config,
            "target_path": f"{catalog['id']}/{image}.zip",
            "status": catalog.get("delivery_status", "CREATED"),
            **make_audit_fields(self._rng, number, created, catalog["created_by"], format_offset=1),
        }
        if every_nth(RARE["bytes_transferred"], number):
            delivery["bytes_transferred"] = 1 << 30
        self.data.deliveries.append(delivery)


TYPE_FIELDS = {
    "ARCHIVE": _OrderGenerator._archive_fields,  # noqa: SLF001 - the generator's own table
    "TASKING": _OrderGenerator._tasking_fields,  # noqa: SLF001
    "RECURRING": _OrderGenerator._recurring_fields,  # noqa: SLF001
}
