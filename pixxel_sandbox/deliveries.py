"""Deliveries: requests to move catalogs into stores."""

from functools import partial
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from pixxel_sandbox.complaints import answer, conflict, malformed, unknown
from pixxel_sandbox.courier import dispatch
from pixxel_sandbox.criteria import body_of
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.front import Desk
from pixxel_sandbox.listings import catalogs_of_order_item
from pixxel_sandbox.mishaps import Write, written

CLOUD: Final = ("cloud_info", "cloud_delivery")
"""The contract's word for where to, and the guide's."""


def create(desk: Desk, request: Request) -> ASGIApp:
    """Starts a delivery of each catalog that is named, or that came of a named order item."""
    return written(desk, partial(_requested, desk, request.state.record.raw))


def _requested(desk: Desk, raw: bytes) -> Write:
    entries = body_of(raw).get("deliveries")
    if not isinstance(entries, list) or not entries:
        raise malformed("deliveries is not a list with something in it", field="deliveries")
    parts: list[Any] = []
    for number, entry in enumerate(entries):
        place = f"deliveries.{number}"
        if not isinstance(entry, dict):
            raise malformed("a delivery is not an object", field=place)
        cloud = _cloud(desk, entry, place)
        parts += [(catalog, cloud) for catalog in catalogs_named(desk, entry, place)]
    return Write(parts, partial(_enter, desk))


def _cloud(desk: Desk, entry: Json, place: str) -> Json:
    cloud = next((entry[name] for name in CLOUD if name in entry), None)
    if not isinstance(cloud, dict) or not isinstance(cloud.get("config"), str):
        raise malformed("cloud_info names no store", field=place)
    if not isinstance(cloud.get("path", ""), str):
        raise malformed("path is not a text", field=place)
    if desk.workspace.find("stores", cloud["config"]) is None:
        raise unknown("stores", cloud["config"])
    return {name: cloud[name] for name in ("config", "path") if name in cloud}


def catalogs_named(desk: Desk, entry: Json, place: str) -> list[str]:
    """Lists the ids of the catalogs that are named, or that came of the order items named.

    Raises:
        Complaint: both are named, or none; one is unknown, or an order item has no catalogs.
    """
    named, ordered = _ids(entry, "catalog_ids", place), _ids(entry, "order_item_ids", place)
    if bool(named) == bool(ordered):
        raise malformed("give either catalog_ids or order_item_ids", field=place)
    for key in named:
        if desk.workspace.find("catalogs", key) is None:
            raise unknown("catalogs", key)
    for key in ordered:
        if desk.workspace.find("order_items", key) is None:
            raise unknown("order_items", key)
        if not (found := catalogs_of_order_item(desk.workspace, key)):
            raise conflict("the order item has no catalogs yet", id=key)
        named = [*named, *found]
    return named


def _ids(entry: Json, name: str, place: str) -> list[str]:
    found = entry.get(name) or []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise malformed(f"{name} is not a list of texts", field=place)
    if len(set(found)) < len(found):
        raise malformed(f"{name} holds an id twice", field=place)
    return found


def _enter(desk: Desk, parts: list[Any]) -> Response:
    rows = [dispatch(desk, catalog, cloud) for catalog, cloud in parts]
    return answer({"deliveries": rows}, HTTPStatus.CREATED)
