"""Bookings: what the workspace ordered and got: orders, items, tasks, catalogs, deliveries."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final

from pixxel_sandbox import times
from pixxel_sandbox.chance import identifier, seldom, stream
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.imagery import Scene
from pixxel_sandbox.stamps import stamps

FULFILLED: Final = frozenset({"FULFILLED", "COMPLETED", "PARTIALLY_FULFILLED"})
TYPES: Final = ("ARCHIVE", "TASKING", "ARCHIVE", "RECURRING")
STATUSES: Final = ("FULFILLED", "ACTIVE", "FULFILLED", "DRAFT", "COMPLETED", "FAILED", "FULFILLED",
                   "PARTIALLY_FULFILLED", "CANCELLED", "FULFILLED")  # fmt: skip
TASK_STATUS: Final = {"ACTIVE": "IN_PROGRESS", "COMPLETED": "FULFILLED"}
ORDER_STATUSES: Final = ("PAID", "PAID", "PAID", "UNPAID", "PAYMENT_IN_PROGRESS", "REFUND")
DELIVERY_STATUSES: Final = ("SUCCESS", "IN_PROGRESS", "SUCCESS", "CREATED", "SUCCESS", "FAILED",
                            "SUCCESSFUL", "UNSPECIFIED")  # fmt: skip
USECASES: Final = ("agriculture", "mining", "water", "methane")
PERIOD_SECONDS: Final = 2.9 * 365 * 86400
SELDOM: Final = {
    "invoice_reference": (7, 2),
    "image for order item": (9, 5),
    "retention_days": (6, 1),
    "by hand": (8, 0),
    "bytes_transferred": (5, 3),
}
"""What only some rows have: one in so many, from which one on."""
ITEMS_PER_ORDER: Final = 10
FEWEST_ORDERS: Final = 6


@dataclass
class Catalog:
    """A catalog without its details, and the image from which they are rendered."""

    fields: Json
    scene: Scene


@dataclass
class Bookings:
    """Everything that hangs on the workspace's orders."""

    orders: list[Json] = field(default_factory=list)
    order_items: list[Json] = field(default_factory=list)
    catalogs: list[Catalog] = field(default_factory=list)
    deliveries: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class Places:
    """What the bookings refer to: ids of the workspace and of its other resources."""

    org_id: str
    users: list[str]
    projects: list[str]
    stores: list[str]
    bandsets: list[str]


def bookings(seed: int, scenes: list[Scene], places: Places) -> Bookings:
    """Makes the workspace's orders and all that came of them."""
    clerk = _Clerk(stream(seed, "bookings"), scenes, places)
    for number in range(max(FEWEST_ORDERS, len(scenes) // ITEMS_PER_ORDER)):
        clerk.book(number)
    return clerk.books


class _Clerk:
    """Writes one order after the other into the books."""

    def __init__(self, rng: Random, scenes: list[Scene], places: Places) -> None:
        self.books = Bookings()
        self._rng = rng
        self._places = places
        shuffled = rng.sample(scenes, len(scenes))
        # Unusual footprints first, so that a small workspace has catalogs with them too.
        self._scenes = sorted(shuffled, key=lambda scene: scene.footprint.form == "polygon")

    def book(self, number: int) -> None:
        """Writes an order, its items, and what was delivered of them."""
        rng, books = self._rng, self.books
        created = times.since(2023, rng.uniform(0, PERIOD_SECONDS))
        author = rng.choice(self._places.users)
        order_id = identifier(rng)
        items = [self._order_item(order_id, created, author) for _ in range(rng.randint(1, 3))]
        status = ORDER_STATUSES[number % len(ORDER_STATUSES)]
        order: Json = {
            "id": order_id,
            "org_id": self._places.org_id,
            "user_id": author,
            "status": status,
            "total_amount": round(sum(item["final_amount"] for item in items), 2),
            "transaction_id": identifier(rng),
            "paid_at": times.with_offset(created + timedelta(minutes=5))
            if status == "PAID"
            else "",
            **stamps(rng, number, created, author),
        }
        if seldom(SELDOM["invoice_reference"], number):
            order["invoice_reference"] = f"INV-{number:06d}"
        books.orders.append(order)

    def _scene(self) -> Scene:
        """Deals the archive's images in a shuffled order, and starts again at the end."""
        return self._scenes[len(self.books.catalogs) % len(self._scenes)]

    def _order_item(self, order_id: str, created: datetime, author: str) -> Json:
        rng, places = self._rng, self._places
        number = len(self.books.order_items)
        kind = TYPES[number % len(TYPES)]
        status = STATUSES[number % len(STATUSES)]
        amount = round(rng.uniform(100, 9000), 2)
        item: Json = {
            "id": identifier(rng),
            "name": f"order item {number + 1}",
            "order_id": order_id,
            "org_id": places.org_id,
            "project_id": rng.choice(places.projects),
            "user_id": author,
            "type": kind,
            "status": status,
            "payment_status": "UNPAID" if status == "DRAFT" else "PAID",
            "area": rng.randint(25, 2500),
            "base_amount": amount,
            "final_amount": round(amount * 1.1, 2),
            "uplifts": [{"title": "priority", "percentage": 10, "amount": round(amount / 10)}],
            "tokens_used": 0 if status == "DRAFT" else round(amount),
            "usecase": rng.choice(USECASES),
            "bandset": {"bandset_id": rng.choice(places.bandsets)},
            **SHAPES[kind](self, created),
            **stamps(rng, number, created, author, form=1),
        }
        if number % 2:
            item["cloud_delivery"] = {"config": rng.choice(places.stores), "path": "incoming/"}
        if status == "FAILED":
            item["validation_errors"] = [{"geometry": ["too small", "self-intersecting"]}]
        self.books.order_items.append(item)
        if status != "DRAFT":
            item["tasks"] = self._tasks(item, kind, created, author)
        return item

    def _archive_terms(self, _created: datetime) -> Json:
        scene = self._scene()
        return {
            "images": [{"item_id": scene.id, "geometry": scene.geometry()}],
            "delivery_speed": "NOT_APPLICABLE",
            "recurrence": "NOT_APPLICABLE",
            "feasibility_status": "NOT_APPLICABLE",
        }

    def _tasking_terms(self, created: datetime) -> Json:
        end = created + timedelta(days=21)
        return {
            "image_type": "VNIR",
            "start_date": times.with_z(created),
            "end_date": times.with_z(end),
            "cloud_cover": self._rng.randint(5, 40),
            "off_nadir": self._rng.randint(5, 30),
            "number_of_bands": self._rng.randint(20, 60),
            "delivery_speed": "STANDARD",
            "recurrence": "ONCE",
            "feasibility_status": "WEAK_SUCCESS",
            "last_feasibility_check": times.with_z(created),
        }

    def _recurring_terms(self, created: datetime) -> Json:
        starts = [created + timedelta(days=30 * turn) for turn in range(2)]
        return {
            **self._tasking_terms(created),
            "recurrence": "MONTHLY",
            "no_of_occurrences": len(starts),
            "occurrences": [
                {
                    "start": times.with_offset(start),
                    "end": times.with_offset(start + timedelta(days=9)),
                }
                for start in starts
            ],
        }

    def _tasks(self, item: Json, kind: str, created: datetime, author: str) -> list[Json]:
        count = len(item.get("occurrences", [None]))
        return [self._task(item, kind, created + timedelta(days=n), author) for n in range(count)]

    def _task(self, item: Json, kind: str, created: datetime, author: str) -> Json:
        rng, number = self._rng, len(self.books.order_items)
        fulfilled = item["status"] in FULFILLED
        automatic = "cloud_delivery" in item
        task: Json = {
            "id": identifier(rng),
            # Seen in real answers: the image's name where the order item's id belongs.
            "order_item_id": self._scene().id
            if seldom(SELDOM["image for order item"], number)
            else item["id"],
            "type": "ARCHIVE" if kind == "ARCHIVE" else "TASKING",
            "status": TASK_STATUS.get(item["status"], item["status"]),
            "delivery_status": "SUCCESSFUL" if automatic and fulfilled else "NOT_APPLICABLE",
            "tokens_used": item["tokens_used"],
            "transaction_id": identifier(rng),
            **stamps(rng, number, created, author),
        }
        if kind != "ARCHIVE":
            task["start_date"] = times.day_first(created)
            task["end_date"] = times.day_first(created + timedelta(days=10))
            task["number_of_strips"] = rng.randint(1, 4)
        for _ in range(rng.randint(1, 2) if fulfilled else 0):
            self._catalog(item, task["id"], created + timedelta(days=3), author)
        return task

    def _catalog(self, item: Json, task_id: str, created: datetime, author: str) -> None:
        rng, number = self._rng, len(self.books.catalogs)
        fields: Json = {
            "id": identifier(rng),
            "org_id": item["org_id"],
            "task_id": task_id,
            "bandset_id": item["bandset"]["bandset_id"],
            "area": round(rng.uniform(25, 2500), 3),
            **stamps(rng, number, created, author, form=2),
        }
        if seldom(SELDOM["retention_days"], number):
            fields["retention_days"] = 365
        automatic = "cloud_delivery" in item
        if automatic:
            fields["delivery_status"] = DELIVERY_STATUSES[number % len(DELIVERY_STATUSES)]
        scene = self._scene().copy()
        self.books.catalogs.append(Catalog(fields, scene))
        if automatic or seldom(SELDOM["by hand"], number):
            config = item.get("cloud_delivery", {"config": self._places.stores[0]})
            task = task_id if automatic else None
            self._delivery(fields, scene.id, config, task, created + timedelta(hours=1))

    def _delivery(
        self, catalog: Json, image: str, config: Json, task_id: str | None, created: datetime
    ) -> None:
        number = len(self.books.deliveries)
        delivery: Json = {
            "delivery_id": identifier(self._rng),
            "catalog_id": catalog["id"],
            "task_id": task_id,
            "cloud_delivery": config,
            "target_path": f"{catalog['id']}/{image}.zip",
            "status": catalog.get("delivery_status", "CREATED"),
            **stamps(self._rng, number, created, catalog["created_by"], form=1),
        }
        if seldom(SELDOM["bytes_transferred"], number):
            delivery["bytes_transferred"] = 1 << 30
        self.books.deliveries.append(delivery)


SHAPES: Final = {
    "ARCHIVE": _Clerk._archive_terms,  # noqa: SLF001 - the clerk's own table
    "TASKING": _Clerk._tasking_terms,  # noqa: SLF001
    "RECURRING": _Clerk._recurring_terms,  # noqa: SLF001
}
