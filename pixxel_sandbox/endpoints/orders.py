"""The endpoint that prices orders, which is a dry run, and places them."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_sandbox.delivery.fulfilment import start_fulfilment
from pixxel_sandbox.prices import ASSURED, CAPTURES, TASKING_RATE, Uplift, price_order_item
from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.aois import measure_area
from pixxel_sandbox.seed.footprints import RectangleFootprint
from pixxel_sandbox.seed.orders import archive_rate
from pixxel_sandbox.seed.rng import draw_uuid
from pixxel_sandbox.web.errors import bad_request, json_response
from pixxel_sandbox.web.order_params import NOT_APPLICABLE, OrderItemRequest, parse_order_item
from pixxel_sandbox.web.search_params import decode_body
from pixxel_sandbox.web.write_faults import PendingWrite, perform_write

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState
    from pixxel_sandbox.seed.archive_items import ItemRow
    from pixxel_sandbox.web.order_params import Period
    from pixxel_sandbox.workspace import Workspace

SQUARE_METRES_PER_KM2 = 1e6
ASSURED_BELOW_CLOUD_COVER = 10
"""The cloud cover in percent below which a capture is assured, which is an uplift."""
CAPTURE_COLLECTION = "firefly-l2a"
FEASIBLE = "SUCCESS"
INFEASIBLE = "FAILED"
DOUBTFUL = ("WEAK_SUCCESS", INFEASIBLE)


class OrderRows(NamedTuple):
    """The rows of an order and of its order items, in the order of the request."""

    order: Json
    items: list[Json]


def create(state: SandboxState, request: Request) -> ASGIApp:
    """Place an order of the order items in the request, or price it in a dry run."""
    raw = request.state.record.raw
    if _is_dry_run(decode_body(raw)) and not state.behavior.dry_run_ignored:
        return _respond(_make_rows(state, _parse_order_items(state, raw), paid=False))
    return perform_write(state, partial(_prepare_create, state, raw))


def _is_dry_run(body: Json) -> bool:
    value = body.get("dry_run", False)
    if not isinstance(value, bool):
        raise bad_request("dry_run must be true or false", field="dry_run")
    return value


def _prepare_create(state: SandboxState, raw: bytes) -> PendingWrite:
    return PendingWrite([*_parse_order_items(state, raw)], partial(_create, state))


def _parse_order_items(state: SandboxState, raw: bytes) -> list[OrderItemRequest]:
    items = decode_body(raw).get("order_items")
    if not isinstance(items, list) or not items:
        raise bad_request("order_items must be a non-empty list", field="order_items")
    requests = []
    for number, item in enumerate(items):
        location = f"order_items.{number}"
        if not isinstance(item, dict):
            raise bad_request("an order item must be an object", field=location)
        requests.append(parse_order_item(state.workspace, item, location))
    return requests


def _create(state: SandboxState, parts: list[Any]) -> Response:
    """Insert an order, which is paid and ACTIVE in the response, and start to fulfil it."""
    workspace, rows = state.workspace, _make_rows(state, parts, paid=True)
    state.hide_from_lists(workspace.insert("orders", rows.order))
    starts = [
        _insert_order_item(state, item, request)
        for item, request in zip(rows.items, parts, strict=True)
    ]
    response = _respond(rows)
    for start in starts:
        start()
    state.placed_ids.add(rows.order["id"])
    return response


def _insert_order_item(
    state: SandboxState, item: Json, request: OrderItemRequest
) -> Callable[[], None]:
    """Insert an order item with its tasks, and return the function that starts to fulfil it."""
    workspace = state.workspace
    images = _make_images(workspace, request)
    periods = request.captures or (None,)
    tokens = round(item["tokens_used"] / len(periods))
    tasks = [_make_task(workspace, item, period, tokens) for period in periods]
    key = workspace.insert("order_items", {**item, "tasks": tasks})
    state.hide_from_lists(key)
    workspace.insert("order_report", {"order_item_id": key, "priority": False, "note": ""})
    images_of_tasks = dict(zip((task["id"] for task in tasks), images, strict=True))
    fails = item["feasibility_status"] == INFEASIBLE
    return partial(start_fulfilment, state, key, images_of_tasks, fails=fails)


def _make_images(workspace: Workspace, request: OrderItemRequest) -> list[list[ItemRow]]:
    """Return the images of each task: all archive items are of one, and each capture of its own."""
    if request.images:
        return [[image.copy() for image in request.images]]
    return [[_make_capture(workspace, request, period)] for period in request.captures]


def _make_capture(workspace: Workspace, request: OrderItemRequest, period: Period) -> ItemRow:
    """Make the image of a capture, which covers the area of interest."""
    west, south, east, north = request.shape.bounds
    image = workspace.make_item(CAPTURE_COLLECTION, period.start)
    image.footprint = RectangleFootprint(
        lon=(west + east) / 2,
        lat=(south + north) / 2,
        half_width=(east - west) / 2,
        half_height=(north - south) / 2,
        tilt=0.0,
    )
    image.cloud_cover = round(image.cloud_cover * request.fields["cloud_cover"] / 100, 2)
    return image


def _make_task(workspace: Workspace, item: Json, period: Period | None, tokens: int) -> Json:
    """Return a new task of an order item; the period is that of a capture."""
    task: Json = {
        "id": draw_uuid(workspace.rng),
        "order_item_id": item["id"],
        "type": "TASKING" if period else "ARCHIVE",
        "status": "SUBMITTED",
        "delivery_status": "PENDING" if "cloud_delivery" in item else NOT_APPLICABLE,
        "tokens_used": tokens,
        "transaction_id": item["transaction_id"],
        **_audit_fields(workspace, item["created_at"]),
    }
    if period:
        task["start_date"] = timestamp_formats.format_day_first(period.start)
        task["end_date"] = timestamp_formats.format_day_first(period.end)
        task["number_of_strips"] = 1
    return task


def _make_rows(state: SandboxState, requests: list[OrderItemRequest], *, paid: bool) -> OrderRows:
    """Make the rows of an order without inserting them."""
    workspace, moment = state.workspace, timestamp_formats.now()
    order: Json = {
        "id": draw_uuid(workspace.rng),
        "user_id": workspace.user_id,
        "status": "PAID" if paid else "UNPAID",
        "paid_at": moment if paid else "",
        **({"transaction_id": draw_uuid(workspace.rng)} if paid else {}),
        **_audit_fields(workspace, moment),
    }
    first = len(workspace.rows("order_items")) + 1
    items = [
        _make_order_item(state, order, request, number)
        for number, request in enumerate(requests, first)
    ]
    order["org_id"] = items[0]["org_id"]
    order["total_amount"] = round(sum(item["final_amount"] for item in items), 2)
    return OrderRows(order, items)


def _make_order_item(
    state: SandboxState, order: Json, request: OrderItemRequest, number: int
) -> Json:
    workspace, behavior = state.workspace, state.behavior
    project = workspace.get("projects", request.fields["project_id"])
    name = "" if behavior.rename_orders else request.name
    paid = order["status"] == "PAID"
    price = _price(state, request, paid=paid)
    item: Json = {
        "id": draw_uuid(workspace.rng),
        "name": name or f"order item {number}",
        "order_id": order["id"],
        "org_id": project.get("org_id"),
        "user_id": order["user_id"],
        "status": "ACTIVE" if paid else "DRAFT",
        "payment_status": order["status"],
        **price,
        "tokens_used": round(price["final_amount"]) if paid else 0,
        **request.fields,
        **_assess_feasibility(state, request, order["created_at"]),
        **_audit_fields(workspace, order["created_at"]),
    }
    if paid:
        item["transaction_id"] = order["transaction_id"]
    return item


def _audit_fields(workspace: Workspace, moment: str) -> Json:
    author = workspace.user_id
    return {
        "created_at": moment,
        "created_by": author,
        "updated_at": moment,
        "updated_by": author,
    }


def _price(state: SandboxState, request: OrderItemRequest, *, paid: bool) -> Json:
    """Return the area of an order item and its price, which `price_increase` raises if paid."""
    behavior = state.behavior
    factor = 1 + behavior.price_increase / 100 if paid else 1
    area = max(1, round(measure_area(request.shape)["area_in_sq_m"] / SQUARE_METRES_PER_KM2))
    rates = {image.id: archive_rate(image) * factor for image in request.images}
    uplifts = []
    if request.captures:
        rates[CAPTURES] = TASKING_RATE * len(request.captures) * factor
        if request.fields["cloud_cover"] < ASSURED_BELOW_CLOUD_COVER:
            uplifts.append(ASSURED)
    if behavior.order_uplift:
        uplifts.append(Uplift("Demand", behavior.order_uplift))
    return price_order_item(area, rates, uplifts)


def _assess_feasibility(state: SandboxState, request: OrderItemRequest, moment: str) -> Json:
    if not request.captures:
        return {"feasibility_status": NOT_APPLICABLE}
    doubtful = state.happens(state.behavior.infeasible)
    status = state.rng.choice(DOUBTFUL) if doubtful else FEASIBLE
    return {"feasibility_status": status, "last_feasibility_check": moment}


def _respond(rows: OrderRows) -> Response:
    return json_response({**rows.order, "order_items": rows.items}, HTTPStatus.CREATED)
