"""The application: the API's endpoints as a table of routes."""

from collections.abc import Callable, Coroutine
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pixxel_sandbox import (
    areas,
    control,
    criteria,
    deliveries,
    downloads,
    flows,
    image_search,
    reports,
    stores,
    surveys,
    unpaged,
)
from pixxel_sandbox.complaints import Complaint, answer, envelope, forbidden, malformed, unknown
from pixxel_sandbox.criteria import Window, words
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.front import Desk, FrontDesk
from pixxel_sandbox.listings import (
    ARCHIVE,
    CATALOGS,
    Catalogue,
    Page,
    page,
    plain,
    searched,
)
from pixxel_sandbox.rowfilters import ORDER_FILTERS, ORDER_ITEM_FILTERS
from pixxel_sandbox.showing import DEFAULT_LIMIT, Endpoint, Listing, known, paged, served

Writing = Callable[[Desk, Request], ASGIApp]

ORDERS: Final = Listing("orders", ORDER_FILTERS)
ORDER_ITEMS: Final = Listing("order_items", ORDER_ITEM_FILTERS)


def ping(_desk: Desk, _request: Request) -> object:
    """Says that the service is there."""
    return "pong"


def collections(desk: Desk, request: Request) -> object:
    """Lists the archive's collections, all or those named by ``ids``."""
    wanted = words(request.query_params, "ids")
    rows = desk.workspace.rows("collections")
    return {"collections": [row for row in rows if wanted is None or row["id"] in wanted]}


def one(resource: str, desk: Desk, request: Request) -> object:
    """Shows one row of a resource."""
    return known(desk, resource, request.path_params["id"])


def one_project(desk: Desk, request: Request) -> object:
    """Shows one project, which the API wraps in an object."""
    return {"project": known(desk, "projects", request.path_params["id"])}


def one_archive_item(desk: Desk, request: Request) -> object:
    """Shows one archive item of a collection."""
    shown = known(desk, "archive_items", request.path_params["id"])
    if shown["collection"] != request.path_params["cid"]:
        raise unknown("archive_items", shown["id"])
    return shown


def _search(desk: Desk, catalogue: Catalogue, body: Json, window: Window) -> Page:
    bound = desk.habits.max_offset
    if bound and window.offset > bound:
        raise malformed(f"offset is larger than {bound}", field="offset")
    rows = searched(desk.workspace, catalogue, body, desk.habits)
    return page(rows, window, desk.habits)


def _features(desk: Desk, request: Request, body: Json, window: Window) -> object:
    asked = _search(desk, ARCHIVE, body, window)
    return {
        "type": "FeatureCollection",
        "features": served(desk, "archive_items", asked),
        "links": [{"rel": "self", "href": str(request.url)}],
    }


def archive_search(desk: Desk, request: Request) -> object:
    """Searches the archive; the answer does not say how many items there are."""
    body = criteria.body_of(request.state.record.raw)
    window = criteria.window_of_body(body, ARCHIVE.default_limit)
    return _features(desk, request, body, window)


def collection_items(desk: Desk, request: Request) -> object:
    """Lists the items of one collection."""
    collection = request.path_params["cid"]
    known(desk, "collections", collection)
    window = criteria.window_of_query(request.query_params, DEFAULT_LIMIT)
    return _features(desk, request, {"collections": [collection]}, window)


def catalog_search(desk: Desk, request: Request) -> object:
    """Searches the workspace's catalogs."""
    body = criteria.body_of(request.state.record.raw)
    window = criteria.window_of_body(body, CATALOGS.default_limit)
    asked = _search(desk, CATALOGS, body, window)
    return {"catalogs": served(desk, "catalogs", asked), "pagination": asked.pagination()}


def whole(resource: str, desk: Desk, _request: Request) -> object:
    """Lists all rows of a small resource."""
    return {resource: desk.workspace.rows(resource)}


def projects(desk: Desk, request: Request) -> object:
    """Lists projects by page number, from 1."""
    params = request.query_params
    number = criteria.integer(params, "page_num", 1)
    size = criteria.integer(params, "page_size", DEFAULT_LIMIT)
    if number < 1 or size < 1:
        raise malformed("page_num and page_size start at 1")
    size = min(size, desk.habits.max_limit or size)
    rows = plain(desk.workspace, "projects", desk.habits)
    asked = Page(rows, Window((number - 1) * size, size))
    return {"count": len(rows), "projects": served(desk, "projects", asked)}


V0: Final = "/v0"
ENDPOINTS: Final[tuple[tuple[str, str, str, Endpoint], ...]] = (
    ("GET", "/ping", "", ping),
    ("GET", V0 + "/archives/collections", "collections", collections),
    ("GET", V0 + "/archives/collections/{id}", "collections", partial(one, "collections")),
    ("GET", V0 + "/archives/collections/{cid}/items", "archive_items", collection_items),
    ("GET", V0 + "/archives/collections/{cid}/items/{id}", "archive_items", one_archive_item),
    ("POST", V0 + "/archives/search", "archive_items", archive_search),
    ("POST", V0 + "/catalogs/search", "catalogs", catalog_search),
    ("GET", V0 + "/catalogs/deliveries", "deliveries", unpaged.deliveries),
    ("GET", V0 + "/catalogs/download/{id}", "downloads", downloads.show),
    ("GET", V0 + "/catalogs/{id}", "catalogs", partial(one, "catalogs")),
    ("GET", V0 + "/orders", "orders", partial(paged, ORDERS)),
    ("GET", V0 + "/orders/{id}", "orders", partial(one, "orders")),
    ("GET", V0 + "/order-items", "order_items", partial(paged, ORDER_ITEMS)),
    ("GET", V0 + "/order-items/{id}", "order_items", partial(one, "order_items")),
    ("GET", V0 + "/stores", "stores", unpaged.stores),
    ("GET", V0 + "/bandsets", "bandsets", partial(whole, "bandsets")),
    ("GET", V0 + "/projects", "projects", projects),
    ("GET", V0 + "/projects/{id}", "projects", one_project),
    ("GET", V0 + "/satellites", "satellites", partial(whole, "satellites")),
    ("GET", V0 + "/indices", "indices", partial(paged, areas.INDICES)),
    ("GET", V0 + "/aois", "aois", partial(paged, areas.AOIS)),
    ("GET", V0 + "/aoi/{aoi_id}", "aois", areas.aoi),
    ("GET", V0 + "/aois/{aoi_id}/assets", "aoi_assets", areas.assets),
    ("GET", V0 + "/aois/{aoi_id}/visualizations", "visualizations", areas.visualizations),
    ("GET", V0 + "/aoi/{aoi_id}/insights", "insights", areas.insights),
    ("GET", V0 + "/workflows", "workflows", partial(paged, flows.WORKFLOWS)),
    ("GET", V0 + "/workflows/{workflow_id}", "workflows", flows.workflow),
    ("GET", V0 + "/workflows/{workflow_id}/estimate", "workflows", flows.estimate),
    ("GET", V0 + "/workflows/{workflow_id}/jobs", "jobs", flows.jobs),
    ("GET", V0 + "/workflows/{workflow_id}/jobs/{job_id}", "jobs", flows.job),
    ("GET", V0 + "/blocks", "blocks", flows.blocks),
    ("GET", V0 + "/blocks/{name}", "block_versions", flows.block_versions),
    ("GET", V0 + "/blocks/{name}/versions/{version}", "block_versions", flows.block_version),
    ("POST", V0 + "/search", "satellite_images", image_search.search),
    ("GET", V0 + "/reports", "order_report", reports.orders),
)
"""Method, path, the resource a token needs to be allowed, and what answers."""

WRITES: Final[tuple[tuple[str, str, str, Writing], ...]] = (
    ("POST", V0 + "/stores", "stores", stores.create),
    ("DELETE", V0 + "/stores/{id}", "stores", stores.delete),
    ("POST", V0 + "/catalogs/deliveries", "deliveries", deliveries.create),
    ("POST", V0 + "/catalogs/download", "downloads", downloads.create),
    ("POST", V0 + "/aois", "aois", surveys.create),
)
"""The same of what changes the workspace; the answer may not come."""


def application(desk: Desk) -> ASGIApp:
    """Builds the ASGI application around a desk."""
    routes = [
        Route(path, _route(desk, resource, endpoint), methods=[method])
        for method, path, resource, endpoint in ENDPOINTS
    ]
    routes += [
        Route(path, _write_route(desk, resource, write), methods=[method])
        for method, path, resource, write in WRITES
    ]
    starlette = Starlette(
        routes=[*routes, *control.routes(desk)],
        middleware=[Middleware(FrontDesk, desk=desk)],
        exception_handlers=_WORDED,
    )
    # A path with a slash too many is unknown, as any other that is not in the table.
    starlette.router.redirect_slashes = False
    return starlette


def _route(desk: Desk, resource: str, endpoint: Endpoint) -> Callable[[Request], object]:
    async def serve(request: Request) -> Response:
        _allow(desk, request, resource, "read")
        # No await while the lock is held: a request sees the workspace as it is at one moment.
        with desk.workspace.lock:
            found = endpoint(desk, request)
            return found if isinstance(found, Response) else answer(found)

    return serve


def _write_route(
    desk: Desk, resource: str, write: Writing
) -> Callable[[Request], Coroutine[Any, Any, ASGIApp]]:
    async def serve(request: Request) -> ASGIApp:
        _allow(desk, request, resource, "change")
        with desk.workspace.lock:
            return write(desk, request)

    return serve


def _allow(desk: Desk, request: Request, resource: str, what: str) -> None:
    named = desk.habits.forbid_id.intersection(request.path_params.values())
    if resource in desk.habits.forbid or named:
        raise forbidden(f"the token may not {what} {resource}", ids=sorted(named))


async def _complained(_request: Request, error: Complaint) -> Response:
    return envelope(error.status, error.message, error.details)


async def _refused(_request: Request, error: HTTPException) -> Response:
    return envelope(HTTPStatus(error.status_code), error.detail)


_WORDED: Final[dict[type[Exception], Any]] = {Complaint: _complained, HTTPException: _refused}
"""What answers each kind of error; starlette gives it no other."""
