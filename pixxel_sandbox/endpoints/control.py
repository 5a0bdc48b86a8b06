"""The routes of the sandbox itself, which are outside the API's contract and need no token."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from starlette.routing import Route

from pixxel_sandbox.delivery.worker import start_automatic_delivery
from pixxel_sandbox.files.object_server import ROUTE_PATH, make_fetch_endpoint
from pixxel_sandbox.mutations import advance
from pixxel_sandbox.runtime_state import CONTROL_PREFIX, ROOT_PATH, SandboxState
from pixxel_sandbox.web.errors import json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response


ABOUT = (
    "A local imitation of the Pixxel API. Routes below /v0 need the header 'Authorization: Bearer' "
    "with the sandbox's token; the others need none."
)


class RouteDescription(NamedTuple):
    """One route, as `/` describes it."""

    method: str
    path: str
    description: str


def describe_route(method: str, path: str, endpoint: Callable[..., object]) -> RouteDescription:
    """Describe a route by the first line of its endpoint's docstring."""
    function = endpoint.func if isinstance(endpoint, partial) else endpoint
    return RouteDescription(method, path, (inspect.getdoc(function) or "").partition("\n")[0])


def make_routes(state: SandboxState, endpoints: Iterable[RouteDescription]) -> list[Route]:
    """Return the routes that describe the sandbox, count and advance rows, and serve objects."""

    async def describe_sandbox(_request: Request) -> Response:
        """Describe the sandbox and its routes."""
        described = [
            describe_route(method, route.path, route.endpoint)
            for route in routes
            for method in sorted((route.methods or set()) - {"HEAD"})
        ]
        listed = [each._asdict() for each in (*described, *endpoints)]
        return json_response({"name": "pixxel-sandbox", "description": ABOUT, "routes": listed})

    async def show_counts(_request: Request) -> Response:
        """Count the rows of each resource."""
        return json_response(state.workspace.counts())

    async def advance_workspace(_request: Request) -> Response:
        """Change and add rows as a day's work would."""
        deliver = partial(start_automatic_delivery, state)
        return json_response(advance(state.workspace, deliver, state.pending_deliveries))

    routes = [
        Route(ROOT_PATH, describe_sandbox, methods=["GET"]),
        Route(f"{CONTROL_PREFIX}/counts", show_counts, methods=["GET"]),
        Route(f"{CONTROL_PREFIX}/advance", advance_workspace, methods=["POST"]),
        Route(ROUTE_PATH, make_fetch_endpoint(state), methods=["GET"]),
    ]
    return routes
