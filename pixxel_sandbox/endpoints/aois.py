"""The endpoints of areas of interest (AOIs), of what belongs to one, and of indices."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.aois import MAX_EO_BANDS, measure_area
from pixxel_sandbox.seed.satellites import PROVIDERS
from pixxel_sandbox.web.errors import bad_request, conflict, forbidden, json_response
from pixxel_sandbox.web.polygons import parse_polygon
from pixxel_sandbox.web.responses import ListEndpoint, get_or_404, list_all, list_page
from pixxel_sandbox.web.row_filters import (
    AOI_FILTERS,
    INDEX_FILTERS,
    RUN_FILTERS,
    VISUALIZATION_FILTERS,
    PredicateFactory,
    RowPredicate,
)
from pixxel_sandbox.web.search_params import (
    check_texts,
    decode_body,
    parse_texts,
    read_string_list,
)
from pixxel_sandbox.web.write_faults import PendingWrite, perform_write

if TYPE_CHECKING:
    from collections.abc import Callable

    from shapely.geometry.base import BaseGeometry
    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState
    from pixxel_sandbox.workspace import Workspace

INDICES = ListEndpoint("indices", INDEX_FILTERS)
AOIS = ListEndpoint("aois", AOI_FILTERS)
ASSETS = ListEndpoint("aoi_assets", response_name="assets")
VISUALIZATIONS = ListEndpoint(
    "visualizations", VISUALIZATION_FILTERS, response_name="visualization"
)
INSIGHTS = ListEndpoint("insights", RUN_FILTERS)
INDEX_FIELDS = ("type", "expression_type")
"""Filters of visualizations by fields of their index."""
TEXT_FIELDS = ("name", "description", "satellite_id", "provider", "project_id")
IMAGE_RESOURCES = ("archive_items", "satellite_images")


def get_aoi(state: SandboxState, request: Request) -> object:
    """Return one AOI."""
    return get_or_404(state, "aois", request.path_params["aoi_id"])


def list_assets(state: SandboxState, request: Request) -> object:
    """List the assets of an AOI."""
    return _list_for_aoi(list_page, ASSETS, state, request)


def list_visualizations(state: SandboxState, request: Request) -> object:
    """List the visualizations of an AOI, under a key in the singular."""
    index_filters = {name: _index_field_is_one_of(state.workspace, name) for name in INDEX_FIELDS}
    endpoint = replace(VISUALIZATIONS, filters={**VISUALIZATIONS.filters, **index_filters})
    return _list_for_aoi(list_page, endpoint, state, request)


def list_insights(state: SandboxState, request: Request) -> object:
    """List all insights of an AOI."""
    return _list_for_aoi(list_all, INSIGHTS, state, request)


def _list_for_aoi(
    list_rows: Callable[..., object], endpoint: ListEndpoint, state: SandboxState, request: Request
) -> object:
    key = request.path_params["aoi_id"]
    get_or_404(state, "aois", key)
    return list_rows(endpoint, state, request, aoi_id=key)


def _index_field_is_one_of(workspace: Workspace, field: str) -> PredicateFactory:
    """Return a filter by the value of a field of the row's index."""

    def make(params: QueryParams, name: str) -> RowPredicate:
        accepted = read_string_list(params, name) or frozenset()
        keys = {row["id"] for row in workspace.rows("indices") if row.get(field) in accepted}
        return lambda row: row.get("index_id") in keys

    return make


def create(state: SandboxState, request: Request) -> ASGIApp:
    """Create an AOI."""
    return perform_write(state, partial(_prepare_create, state, request.state.record.raw))


def _prepare_create(state: SandboxState, raw: bytes) -> PendingWrite:
    body = decode_body(raw)
    check_texts(body, TEXT_FIELDS)
    if not body["name"]:
        raise bad_request("name is empty", field="name")
    polygon = parse_polygon(body.get("geometry"), "geometry")
    _check_images(state, body.get("item_ids"))
    _check_references(state, body)
    if _is_name_taken(state, body):
        raise conflict("an AOI with this name exists in the project", field="name")
    return PendingWrite([body], partial(_create, state, polygon))


def _is_name_taken(state: SandboxState, body: Json) -> bool:
    taken = {(row.get("project_id"), row["name"]) for row in state.workspace.rows("aois")}
    return (body["project_id"], body["name"]) in taken


def _check_references(state: SandboxState, body: Json) -> None:
    if body["provider"] not in PROVIDERS:
        raise bad_request(f"provider must be one of {', '.join(PROVIDERS)}", field="provider")
    if state.workspace.find("satellites", body["satellite_id"]) is None:
        raise bad_request("no such satellite", field="satellite_id")
    if state.workspace.find("projects", body["project_id"]) is None:
        raise forbidden("the token may not use this project", field="project_id")


def _check_images(state: SandboxState, value: object) -> None:
    for key in parse_texts(value, "item_ids"):
        if not any(state.workspace.find(name, key) for name in IMAGE_RESOURCES):
            raise bad_request("no such image", field="item_ids", id=key)


def _create(state: SandboxState, polygon: BaseGeometry, parts: list[Any]) -> Response:
    """Insert an AOI, which is `started` in the response and a `success` right after it."""
    [body] = parts
    workspace, moment = state.workspace, timestamp_formats.now()
    satellite = workspace.get("satellites", body["satellite_id"])
    key = workspace.insert(
        "aois",
        {
            **{name: body[name] for name in (*TEXT_FIELDS, "geometry") if name != "provider"},
            "images": {each: {} for each in body["item_ids"]},
            "eo_bands": [band["name"] for band in satellite["bands"][:MAX_EO_BANDS]],
            "progress": 0,
            "status": "started",
            "is_favourite": False,
            "user_id": workspace.user_id,
            "created_at": moment,
            "updated_at": moment,
            **measure_area(polygon),
        },
    )
    state.hide_from_lists(key)
    response = json_response(workspace.find("aois", key), HTTPStatus.CREATED)
    workspace.update("aois", key, status="success", progress=100)
    return response
