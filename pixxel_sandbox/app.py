"""The application: a table of the API's endpoints, and those of archive, catalogs and orders."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pixxel_sandbox.endpoints import (
    aois,
    control,
    deliveries,
    downloads,
    image_search,
    indices,
    insights,
    jobs,
    order_report,
    orders,
    stores,
    unpaged_lists,
    workflows,
)
from pixxel_sandbox.runtime_state import SandboxState
from pixxel_sandbox.web import search_params
from pixxel_sandbox.web.errors import (
    RequestRejected,
    bad_request,
    error_response,
    forbidden,
    json_response,
    not_found,
)
from pixxel_sandbox.web.middleware import RequestMiddleware
from pixxel_sandbox.web.pagination import (
    ARCHIVE,
    CATALOGS,
    ListPage,
    SearchableResource,
    cut_page,
    list_in_default_order,
    search_rows,
)
from pixxel_sandbox.web.responses import (
    DEFAULT_LIMIT,
    Endpoint,
    ListEndpoint,
    get_or_404,
    list_page,
    render_page,
)
from pixxel_sandbox.web.row_filters import ORDER_FILTERS, ORDER_ITEM_FILTERS
from pixxel_sandbox.web.search_params import PageParams, read_string_list

if TYPE_CHECKING:
    from pixxel_sandbox.json_types import Json

WriteEndpoint = Callable[[SandboxState, Request], ASGIApp]

ORDERS = ListEndpoint("orders", ORDER_FILTERS)
ORDER_ITEMS = ListEndpoint("order_items", ORDER_ITEM_FILTERS)


def ping(_state: SandboxState, _request: Request) -> object:
    """Return `pong`."""
    return "pong"


def list_collections(state: SandboxState, request: Request) -> object:
    """List the archive's collections, all or those with the given `ids`."""
    ids = read_string_list(request.query_params, "ids")
    rows = state.workspace.rows("collections")
    return {"collections": [row for row in rows if ids is None or row["id"] in ids]}


def get_row(resource: str, state: SandboxState, request: Request) -> object:
    """Return one row of a resource."""
    return get_or_404(state, resource, request.path_params["id"])


def get_project(state: SandboxState, request: Request) -> object:
    """Return one project, which the API wraps in an object."""
    return {"project": get_or_404(state, "projects", request.path_params["id"])}


def get_archive_item(state: SandboxState, request: Request) -> object:
    """Return one archive item of a collection."""
    item = get_or_404(state, "archive_items", request.path_params["id"])
    if item["collection"] != request.path_params["cid"]:
        raise not_found("archive_items", item["id"])
    return item


def _search_page(
    state: SandboxState, searchable: SearchableResource, body: Json, page_params: PageParams
) -> ListPage:
    bound = state.behavior.max_offset
    if bound and page_params.offset > bound:
        raise bad_request(f"offset must be at most {bound}", field="offset")
    rows = search_rows(state.workspace, searchable, body, state.behavior)
    return cut_page(rows, page_params, state.behavior)


def _list_features(
    state: SandboxState, request: Request, body: Json, page_params: PageParams
) -> object:
    page = _search_page(state, ARCHIVE, body, page_params)
    return {
        "type": "FeatureCollection",
        "features": render_page(state, "archive_items", page),
        "links": [{"rel": "self", "href": str(request.url)}],
    }


def search_archive(state: SandboxState, request: Request) -> object:
    """Search the archive; the response has no total."""
    body = search_params.decode_body(request.state.record.raw)
    page_params = search_params.page_params_from_body(body, ARCHIVE.default_limit)
    return _list_features(state, request, body, page_params)


def list_collection_items(state: SandboxState, request: Request) -> object:
    """List the items of one collection."""
    collection = request.path_params["cid"]
    get_or_404(state, "collections", collection)
    page_params = search_params.page_params_from_query(request.query_params, DEFAULT_LIMIT)
    return _list_features(state, request, {"collections": [collection]}, page_params)


def search_catalogs(state: SandboxState, request: Request) -> object:
    """Search the workspace's catalogs."""
    body = search_params.decode_body(request.state.record.raw)
    page_params = search_params.page_params_from_body(body, CATALOGS.default_limit)
    page = _search_page(state, CATALOGS, body, page_params)
    return {"catalogs": render_page(state, "catalogs", page), "pagination": page.pagination()}


def list_resource(resource: str, state: SandboxState, _request: Request) -> object:
    """List all rows of a small resource."""
    return {resource: state.workspace.rows(resource)}


def list_projects(state: SandboxState, request: Request) -> object:
    """List projects by page number, from 1."""
    params = request.query_params
    number = search_params.read_integer(params, "page_num", 1)
    size = search_params.read_integer(params, "page_size", DEFAULT_LIMIT)
    if number < 1 or size < 1:
        raise bad_request("page_num and page_size must be at least 1")
    size = min(size, state.behavior.max_limit or size)
    rows = list_in_default_order(state.workspace, "projects", state.behavior)
    page = ListPage(rows, PageParams((number - 1) * size, size))
    return {"count": len(rows), "projects": render_page(state, "projects", page)}


V0 = "/v0"
READ_ENDPOINTS: tuple[tuple[str, str, str, Endpoint], ...] = (
    ("GET", "/ping", "", ping),
    ("GET", V0 + "/archives/collections", "collections", list_collections),
    ("GET", V0 + "/archives/collections/{id}", "collections", partial(get_row, "collections")),
    ("GET", V0 + "/archives/collections/{cid}/items", "archive_items", list_collection_items),
    ("GET", V0 + "/archives/collections/{cid}/items/{id}", "archive_items", get_archive_item),
    ("POST", V0 + "/archives/search", "archive_items", search_archive),
    ("POST", V0 + "/catalogs/search", "catalogs", search_catalogs),
    ("GET", V0 + "/catalogs/deliveries", "deliveries", unpaged_lists.list_deliveries),
    ("GET", V0 + "/catalogs/download/{id}", "downloads", downloads.get),
    ("GET", V0 + "/catalogs/{id}", "catalogs", partial(get_row, "catalogs")),
    ("GET", V0 + "/orders", "orders", partial(list_page, ORDERS)),
    ("GET", V0 + "/orders/{id}", "orders", partial(get_row, "orders")),
    ("GET", V0 + "/order-items", "order_items", partial(list_page, ORDER_ITEMS)),
    ("GET", V0 + "/order-items/{id}", "order_items", partial(get_row, "order_items")),
    ("GET", V0 + "/stores", "stores", unpaged_lists.list_stores),
    ("GET", V0 + "/bandsets", "bandsets", partial(list_resource, "bandsets")),
    ("GET", V0 + "/projects", "projects", list_projects),
    ("GET", V0 + "/projects/{id}", "projects", get_project),
    ("GET", V0 + "/satellites", "satellites", partial(list_resource, "satellites")),
    ("GET", V0 + "/indices", "indices", partial(list_page, aois.INDICES)),
    ("GET", V0 + "/aois", "aois", partial(list_page, aois.AOIS)),
    ("GET", V0 + "/aoi/{aoi_id}", "aois", aois.get_aoi),
    ("GET", V0 + "/aois/{aoi_id}/assets", "aoi_assets", aois.list_assets),
    ("GET", V0 + "/aois/{aoi_id}/visualizations", "visualizations", aois.list_visualizations),
    ("GET", V0 + "/aoi/{aoi_id}/insights", "insights", aois.list_insights),
    ("GET", V0 + "/aois/{aoi_id}/downloads/{download_id}", "downloads", downloads.get_for_aoi),
    ("GET", V0 + "/workflows", "workflows", partial(list_page, workflows.WORKFLOWS)),
    ("GET", V0 + "/workflows/{workflow_id}", "workflows", workflows.get_workflow),
    ("GET", V0 + "/workflows/{workflow_id}/estimate", "workflows", workflows.get_estimate),
    ("GET", V0 + "/workflows/{workflow_id}/jobs", "jobs", workflows.list_jobs),
    ("GET", V0 + "/workflows/{workflow_id}/jobs/{job_id}", "jobs", workflows.get_job),
    ("GET", V0 + "/blocks", "blocks", workflows.list_blocks),
    ("GET", V0 + "/blocks/{name}", "block_versions", workflows.list_block_versions),
    (
        "GET",
        V0 + "/blocks/{name}/versions/{version}",
        "block_versions",
        workflows.get_block_version,
    ),
    ("POST", V0 + "/search", "satellite_images", image_search.search_images),
    ("GET", V0 + "/reports", "order_report", order_report.export_orders),
)
"""Method, path, the resource that the token must be permitted to read, and the endpoint."""

WRITE_ENDPOINTS: tuple[tuple[str, str, str, WriteEndpoint], ...] = (
    ("POST", V0 + "/stores", "stores", stores.create),
    ("DELETE", V0 + "/stores/{id}", "stores", stores.delete),
    ("POST", V0 + "/catalogs/deliveries", "deliveries", deliveries.create),
    ("POST", V0 + "/catalogs/download", "downloads", downloads.create),
    ("POST", V0 + "/aois", "aois", aois.create),
    ("POST", V0 + "/orders", "orders", orders.create),
    ("POST", V0 + "/indices", "indices", indices.create_index),
    (
        "POST",
        V0 + "/aois/{aoi_id}/visualizations",
        "visualizations",
        indices.create_visualization,
    ),
    ("POST", V0 + "/aoi/{aoi_id}/insights", "insights", insights.create),
    ("POST", V0 + "/workflows/{workflow_id}/jobs", "jobs", jobs.create),
    ("POST", V0 + "/aois/{aoi_id}/downloads", "downloads", downloads.create_for_aoi),
    (
        "PUT",
        V0 + "/aoi/{aoi_id}/insights/{insight_id}/download",
        "downloads",
        downloads.package_insight,
    ),
    (
        "PUT",
        V0 + "/workflows/{workflow_id}/jobs/{job_id}/download",
        "downloads",
        downloads.package_job,
    ),
    (
        "PUT",
        V0 + "/workflows/{workflow_id}/jobs/{job_id}/tasks/{task_id}/download",
        "downloads",
        downloads.package_task,
    ),
)
"""The same of endpoints that change the workspace; behind write faults."""


def create_app(state: SandboxState) -> ASGIApp:
    """Make the ASGI application of a sandbox."""
    routes = [
        Route(path, _route(state, resource, endpoint), methods=[method])
        for method, path, resource, endpoint in READ_ENDPOINTS
    ]
    routes += [
        Route(path, _write_route(state, resource, write), methods=[method])
        for method, path, resource, write in WRITE_ENDPOINTS
    ]
    descriptions = [
        control.describe_route(method, path, endpoint)
        for method, path, _, endpoint in (*READ_ENDPOINTS, *WRITE_ENDPOINTS)
    ]
    starlette = Starlette(
        routes=[*routes, *control.make_routes(state, descriptions)],
        middleware=[Middleware(RequestMiddleware, state=state)],
        exception_handlers=_EXCEPTION_HANDLERS,
    )
    # A path with a trailing slash is an unknown path.
    starlette.router.redirect_slashes = False
    return starlette


def _route(state: SandboxState, resource: str, endpoint: Endpoint) -> Callable[[Request], object]:
    async def serve(request: Request) -> Response:
        _check_permission(state, request, resource, "read")
        # No await while the lock is held, so that a request sees a consistent workspace.
        with state.workspace.lock:
            result = endpoint(state, request)
            return result if isinstance(result, Response) else json_response(result)

    return serve


def _write_route(
    state: SandboxState, resource: str, write: WriteEndpoint
) -> Callable[[Request], Coroutine[Any, Any, ASGIApp]]:
    async def serve(request: Request) -> ASGIApp:
        _check_permission(state, request, resource, "change")
        with state.workspace.lock:
            return write(state, request)

    return serve


def _check_permission(state: SandboxState, request: Request, resource: str, action: str) -> None:
    forbidden_ids = state.behavior.forbid_id.intersection(request.path_params.values())
    if resource in state.behavior.forbid or forbidden_ids:
        raise forbidden(f"the token may not {action} {resource}", ids=sorted(forbidden_ids))


async def _handle_rejection(_request: Request, error: RequestRejected) -> Response:
    return error_response(error.status, error.message, error.details)


async def _handle_http_exception(_request: Request, error: HTTPException) -> Response:
    return error_response(HTTPStatus(error.status_code), error.detail)


_EXCEPTION_HANDLERS: dict[type[Exception], Any] = {
    RequestRejected: _handle_rejection,
    HTTPException: _handle_http_exception,
}
"""The handlers of exceptions by type; starlette calls each with its own type only."""
