"""The routes of the sandbox itself, which are outside the API's contract and need no token."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from pixxel_sandbox.delivery.worker import start_automatic_delivery
from pixxel_sandbox.files.object_server import ROUTE_PATH, make_fetch_endpoint
from pixxel_sandbox.mutations import advance
from pixxel_sandbox.runtime_state import CONTROL_PREFIX, SandboxState
from pixxel_sandbox.web.errors import json_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def make_routes(state: SandboxState) -> list[Route]:
    """Return the routes that count rows, advance the workspace, and serve objects."""

    async def show_counts(_request: Request) -> Response:
        return json_response(state.workspace.counts())

    async def advance_workspace(_request: Request) -> Response:
        deliver = partial(start_automatic_delivery, state)
        return json_response(advance(state.workspace, deliver, state.pending_deliveries))

    return [
        Route(f"{CONTROL_PREFIX}/counts", show_counts, methods=["GET"]),
        Route(f"{CONTROL_PREFIX}/advance", advance_workspace, methods=["POST"]),
        Route(ROUTE_PATH, make_fetch_endpoint(state), methods=["GET"]),
    ]
