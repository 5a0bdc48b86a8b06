"""Middleware of all API requests: record them, inject faults, and check the token."""

from __future__ import annotations

import asyncio
import hmac
import math
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request

from pixxel_sandbox.mutations import set_future_timestamps
from pixxel_sandbox.runtime_state import CONTROL_PREFIX, ROOT_PATH, RequestRecord, SandboxState
from pixxel_sandbox.web.errors import error_response
from pixxel_sandbox.web.faults import FAULTS, too_many_requests

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REDACTED = "(hidden)"
PUBLIC_PATHS = frozenset({"/ping"})


class RequestMiddleware:
    """The ASGI application around the one that has the endpoints."""

    def __init__(self, app: ASGIApp, state: SandboxState) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI calls it."""
        path = scope["path"] if scope["type"] == "http" else ROOT_PATH
        if path == ROOT_PATH or path.startswith(CONTROL_PREFIX):  # the sandbox's own routes
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        record = await _make_record(request)
        self.state.requests.append(record)

        async def send_and_record(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            await send(message)

        request.state.record = record
        await asyncio.sleep(self.state.behavior.latency_ms / 1000)
        await self._choose_app(request, record)(scope, receive, send_and_record)

    def _choose_app(self, request: Request, record: RequestRecord) -> ASGIApp:
        """Return the application that responds: an error, a fault, or the one with endpoints."""
        state, behavior = self.state, self.state.behavior
        if state.on_request is not None:
            state.on_request(record, state.workspace)
        if behavior.future_timestamps and not state.future_dated:
            state.future_dated = True
            set_future_timestamps(state.workspace)
        if behavior.rate_limit and (wait := state.token_bucket.take_token(behavior.rate_limit)):
            return too_many_requests({"Retry-After": str(math.ceil(wait))})
        app = self._check_token(request) or self.app
        if state.happens(behavior.error_rate):
            return FAULTS[state.rng.choice(tuple(FAULTS))](app)
        return app

    def _check_token(self, request: Request) -> Response | None:
        """Return the error of a request without the token, None for one with it."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        matches = hmac.compare_digest(token.encode(), self.state.token.encode())
        if request.url.path in PUBLIC_PATHS or (scheme.lower() == "bearer" and matches):
            return None
        return error_response(HTTPStatus.UNAUTHORIZED, "the token is missing or unknown")


async def _make_record(request: Request) -> RequestRecord:
    raw = await request.body()
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        body = None
    if isinstance(body, dict) and "secrets" in body:
        body["secrets"] = REDACTED
    params = request.query_params
    query = {name: ",".join(params.getlist(name)) for name in params}
    user_agent = request.headers.get("User-Agent", "")
    return RequestRecord(
        request.method, request.url.path, query, body, raw=raw, user_agent=user_agent
    )
