"""Faults that `error_rate` injects: errors of the service and its gateway, broken responses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixxel_sandbox.connections import close_connection, wait_for_disconnect
from pixxel_sandbox.web.errors import error_response

Fault = Callable[[ASGIApp], ASGIApp]

RETRY_AFTER_SECONDS = 1


def drop_connection(_app: ASGIApp) -> ASGIApp:
    """Return an application that ends the connection without a response."""

    async def abort(scope: Scope, receive: Receive, _send: Send) -> None:
        scope["state"]["connection"].abort()
        await wait_for_disconnect(receive)

    return abort


def truncate_body(app: ASGIApp) -> ASGIApp:
    """Return an application that sends half of the body after the headers of the whole."""

    async def send_truncated(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_half(message: Message) -> None:
            if message["type"] == "http.response.body":
                half = message["body"][: len(message["body"]) // 2]
                message = {**message, "body": half, "more_body": True}
            await send(message)

        await app(scope, receive, send_half)
        await close_connection(scope, receive)

    return send_truncated


def _replace_response(make_response: Callable[[], Response]) -> Fault:
    return lambda _app: make_response()


def _html_error(status: HTTPStatus) -> Fault:
    """Return the fault that responds with HTML, as gateways do."""
    html = f"<html><head><title>{status.phrase}</title></head><body>{status.phrase}</body></html>"
    return _replace_response(lambda: HTMLResponse(html, int(status)))


def too_many_requests(headers: dict[str, str]) -> Response:
    """Return the response to a client that exceeds the rate limit."""
    return error_response(HTTPStatus.TOO_MANY_REQUESTS, "too many requests", headers=headers)


def _http_date() -> str:
    moment = datetime.now(UTC) + timedelta(seconds=RETRY_AFTER_SECONDS)
    return format_datetime(moment, usegmt=True)


FAULTS: dict[str, Fault] = {
    "500": _replace_response(
        lambda: error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong")
    ),
    "502": _html_error(HTTPStatus.BAD_GATEWAY),
    "503": _html_error(HTTPStatus.SERVICE_UNAVAILABLE),
    "504": _html_error(HTTPStatus.GATEWAY_TIMEOUT),
    "429": _replace_response(lambda: too_many_requests({})),
    "429 seconds": _replace_response(
        lambda: too_many_requests({"Retry-After": str(RETRY_AFTER_SECONDS)})
    ),
    "429 date": _replace_response(lambda: too_many_requests({"Retry-After": _http_date()})),
    "dropped": drop_connection,
    "truncated": truncate_body,
}
"""All faults by name."""
