"""Surveys: areas of interest that are asked for, checked and made."""

from functools import partial
from http import HTTPStatus
from typing import Any, Final

from shapely.geometry.base import BaseGeometry
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from pixxel_sandbox import times
from pixxel_sandbox.complaints import answer, conflict, forbidden, malformed
from pixxel_sandbox.criteria import QUARTER_TURN, body_of, shape
from pixxel_sandbox.findings import EO_BANDS, measured
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.front import Desk
from pixxel_sandbox.mishaps import Write, written
from pixxel_sandbox.sensors import PROVIDERS
from pixxel_sandbox.unpaged import hold_back

TEXTS: Final = ("name", "description", "satellite_id", "provider", "project_id")
IMAGES: Final = ("archive_items", "satellite_images")
RING_LENGTH: Final = 4


def create(desk: Desk, request: Request) -> ASGIApp:
    """Makes an area of interest."""
    return written(desk, partial(_creation, desk, request.state.record.raw))


def _creation(desk: Desk, raw: bytes) -> Write:
    body = body_of(raw)
    for name in TEXTS:
        if not isinstance(body.get(name), str):
            raise malformed(f"{name} is not a text", field=name)
    if not body["name"]:
        raise malformed("name is empty", field="name")
    area = _polygon(body.get("geometry"))
    _check_images(desk, body.get("item_ids"))
    _check_places(desk, body)
    taken = {(row.get("project_id"), row["name"]) for row in desk.workspace.rows("aois")}
    if (body["project_id"], body["name"]) in taken:
        raise conflict("an AOI of the project has this name already", field="name")
    return Write([body], partial(_enter, desk, area))


def _polygon(value: object) -> BaseGeometry:
    """Reads a polygon of closed rings.

    Raises:
        Complaint: it is none, or encloses nothing.
    """
    if not isinstance(value, dict) or value.get("type") != "Polygon":
        raise malformed("geometry is not a GeoJSON polygon", field="geometry")
    area = shape(value, "geometry")
    rings = value["coordinates"]
    if any(len(ring) < RING_LENGTH or ring[0] != ring[-1] for ring in rings):
        raise malformed("geometry has a ring that is not closed", field="geometry")
    if not area.area:
        raise malformed("geometry encloses nothing", field="geometry")
    south, north = area.bounds[1], area.bounds[3]
    if not -QUARTER_TURN <= south <= north <= QUARTER_TURN:
        raise malformed("geometry has latitudes out of range", field="geometry")
    return area


def _check_places(desk: Desk, body: Json) -> None:
    if body["provider"] not in PROVIDERS:
        raise malformed(f"provider is none of {', '.join(PROVIDERS)}", field="provider")
    if desk.workspace.find("satellites", body["satellite_id"]) is None:
        raise malformed("no such satellite", field="satellite_id")
    if desk.workspace.find("projects", body["project_id"]) is None:
        raise forbidden("the token may not use this project", field="project_id")


def _check_images(desk: Desk, value: object) -> None:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise malformed("item_ids is not a list of texts", field="item_ids")
    for key in value:
        if not any(desk.workspace.find(name, key) for name in IMAGES):
            raise malformed("no such image", field="item_ids", id=key)


def _enter(desk: Desk, area: BaseGeometry, parts: list[Any]) -> Response:
    """Enters an area, which is started as the answer says, and done by the next look."""
    [body] = parts
    workspace, moment = desk.workspace, times.now()
    satellite = workspace.get("satellites", body["satellite_id"])
    key = workspace.insert(
        "aois",
        {
            **{name: body[name] for name in (*TEXTS, "geometry") if name != "provider"},
            "images": {each: {} for each in body["item_ids"]},
            "eo_bands": [band["name"] for band in satellite["bands"][:EO_BANDS]],
            "progress": 0,
            "status": "started",
            "is_favourite": False,
            "user_id": workspace.user,
            "created_at": moment,
            "updated_at": moment,
            **measured(area),
        },
    )
    hold_back(desk, key)
    made = answer(workspace.find("aois", key), HTTPStatus.CREATED)
    workspace.update("aois", key, status="success", progress=100)
    return made
