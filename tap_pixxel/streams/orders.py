"""Orders, their items, and the tasks of the items, which catalogs refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_pixxel.bookmarks import latest_change
from tap_pixxel.columns import (
    DATE,
    INTEGER,
    NUMBER,
    OBJECT,
    OBJECTS,
    TEXT,
    TIMESTAMP,
    Column,
    TableSchema,
)
from tap_pixxel.stream_types.base import PixxelStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_pixxel.columns import Fields

_AUDIT_COLUMNS = (
    Column("created_at", TIMESTAMP, "When it was created, UTC."),
    Column("created_by", TEXT, "Id of the user who created it."),
    Column("updated_at", TIMESTAMP, "When it was last updated, UTC; the replication key."),
    Column("updated_by", TEXT, "Id of the user who last updated it."),
)


class Orders(PixxelStream):
    """GET /v0/orders: the orders of the workspace."""

    name = "orders"
    path = "/v0/orders"
    records_key = "orders"
    replication_key = "updated_at"
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the order."),
        Column("org_id", TEXT, "Id of the workspace."),
        Column("user_id", TEXT, "Id of the user who ordered."),
        Column(
            "status", TEXT, "Payment status, such as PAID, UNPAID, PAYMENT_IN_PROGRESS, REFUND."
        ),
        Column("total_amount", NUMBER, "Price of the whole order."),
        Column("transaction_id", TEXT, "Id of the payment."),
        Column("paid_at", TIMESTAMP, "When it was paid, UTC; null until then."),
        Column("order_items", OBJECTS, "The order's items, as in the order."),
        *_AUDIT_COLUMNS,
    )

    def read_change_time(self, record: dict[str, Any], fields: Fields) -> str | None:
        """Return when the order or one of its items last changed."""
        times = (time for item in _objects(fields, "order_items") for time in _item_times(item))
        return latest_change(super().read_change_time(record, fields), times)


class OrderItems(PixxelStream):
    """GET /v0/order-items: the items of orders, each for archive or tasked imagery."""

    name = "order_items"
    path = "/v0/order-items"
    records_key = "order_items"
    replication_key = "updated_at"
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the order item."),
        Column("order_id", TEXT, "Id of its order."),
        Column("name", TEXT, "Name."),
        Column("type", TEXT, "TASKING, ARCHIVE or RECURRING."),
        Column("status", TEXT, "Status, such as ACTIVE, FULFILLED, CANCELLED, FAILED."),
        Column("payment_status", TEXT, "Payment status."),
        Column("feasibility_status", TEXT, "Tasking: feasibility of the capture."),
        Column(
            "last_feasibility_check",
            TIMESTAMP,
            "Tasking: when the feasibility was last checked, UTC.",
        ),
        Column("org_id", TEXT, "Id of the workspace."),
        Column("project_id", TEXT, "Id of the project."),
        Column("user_id", TEXT, "Id of the user who ordered."),
        Column("usecase", TEXT, "Use case of the imagery."),
        Column("area", NUMBER, "Area in km²."),
        Column("start_date", TIMESTAMP, "Tasking: first day, UTC."),
        Column("end_date", TIMESTAMP, "Tasking: last day, UTC."),
        Column("recurrence", TEXT, "Tasking: ONCE, MONTHLY, BIMONTHLY, QUARTERLY."),
        Column("no_of_occurrences", INTEGER, "Tasking: number of occurrences."),
        Column("occurrences", OBJECTS, "Tasking: the intervals, start and end."),
        Column("delivery_speed", TEXT, "Tasking: delivery speed."),
        Column("image_type", TEXT, "Tasking: VNIR, SWIR or VSWIR."),
        Column("number_of_bands", INTEGER, "Tasking: number of bands."),
        Column("cloud_cover", NUMBER, "Tasking: maximum cloud cover in percent."),
        Column("off_nadir", NUMBER, "Tasking: maximum off-nadir angle in degrees."),
        Column("bandset", OBJECT, "Tasking: bandset_id and bands."),
        Column("images", OBJECTS, "Archive: the images ordered, item_id and geometry."),
        Column("base_amount", NUMBER, "Price without uplifts."),
        Column("final_amount", NUMBER, "Price with uplifts."),
        Column("uplifts", OBJECTS, "Uplifts and discounts."),
        Column("tokens_used", NUMBER, "Cost in tokens."),
        Column("transaction_id", TEXT, "Id of the payment."),
        Column("cloud_delivery", OBJECT, "Store (config) and path of its automated delivery."),
        Column("tasks", OBJECTS, "Its tasks; the stream order_tasks has them as records."),
        Column("validation_errors", OBJECTS, "Validation errors."),
        *_AUDIT_COLUMNS,
    )

    def read_change_time(self, record: dict[str, Any], fields: Fields) -> str | None:
        """Return when the item, its feasibility or one of its tasks last changed."""
        return latest_change(super().read_change_time(record, fields), _item_times(fields))


class OrderTasks(PixxelStream):
    """The tasks of order items: a catalog refers to its task, and a task to its order item.

    The list of order items contains their tasks. `order_item_id` is taken from the order item,
    because some tasks have the name of an image there.
    """

    name = "order_tasks"
    path = "/v0/order-items"
    records_key = "order_items"
    replication_key = "updated_at"
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the task, named by catalogs and automated deliveries."),
        Column("order_item_id", TEXT, "Id of its order item."),
        Column("order_id", TEXT, "Id of its order."),
        Column("stated_order_item_id", TEXT, "Order item id in the task itself, if it differs."),
        Column("type", TEXT, "ARCHIVE or TASKING."),
        Column("status", TEXT, "Status, such as IN_PROGRESS, FULFILLED, FAILED, EXPIRED."),
        Column("delivery_status", TEXT, "Status of the automated delivery."),
        Column("start_date", DATE, "Tasking: first day."),
        Column("end_date", DATE, "Tasking: last day."),
        Column("number_of_strips", INTEGER, "Tasking: strips generated."),
        Column("tokens_used", NUMBER, "Cost in tokens."),
        Column("transaction_id", TEXT, "Id of the payment."),
        *_AUDIT_COLUMNS,
    )

    def split_row(self, fields: Fields) -> Iterable[Fields]:
        """Return the tasks of an order item."""
        tasks = fields.get("tasks")
        if not isinstance(tasks, list):
            return []
        return [
            self._flatten_task(fields, task if isinstance(task, dict) else {}) for task in tasks
        ]

    def _flatten_task(self, item: Fields, task: Fields) -> Fields:
        stated = task.get("order_item_id")
        flat = {**task, "order_item_id": item.get("id"), "order_id": item.get("order_id")}
        if stated not in (None, item.get("id")):
            flat["stated_order_item_id"] = stated
        return flat


def _item_times(item: Fields) -> Iterator[object]:
    """Yield the times at which an order item, its feasibility and its tasks changed."""
    yield item.get("updated_at")
    yield item.get("last_feasibility_check")
    for task in _objects(item, "tasks"):
        yield task.get("updated_at")


def _objects(fields: Fields, name: str) -> list[Fields]:
    """Return the objects in a list of a row, which the API may have put otherwise."""
    values = fields.get(name)
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


STREAMS = (OrderItems, Orders, OrderTasks)
