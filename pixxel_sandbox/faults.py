"""Faults: answers of a gateway in trouble, and answers that never arrive whole."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pixxel_sandbox.complaints import envelope

Fault = Callable[[ASGIApp], ASGIApp]

WAIT_SECONDS: Final = 1


class Line(H11Protocol):
    """A client's connection, handed to the application so that it can be hung up."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Puts the connection into the state of its requests; uvicorn narrows the argument too."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "line": transport}


async def until_gone(receive: Receive) -> None:
    """Waits until the connection has ended, or the answer is complete."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Ends a connection after all that was sent on it."""
    scope["state"]["line"].close()
    await until_gone(receive)


def dropped(_app: ASGIApp) -> ASGIApp:
    """The connection ends before the answer begins."""

    async def abort(scope: Scope, receive: Receive, _send: Send) -> None:
        scope["state"]["line"].abort()
        await until_gone(receive)

    return abort


def truncated(app: ASGIApp) -> ASGIApp:
    """The right answer, announced in full length, ends in the middle of its JSON."""

    async def cut_short(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_half(message: Message) -> None:
            if message["type"] == "http.response.body":
                half = message["body"][: len(message["body"]) // 2]
                message = {**message, "body": half, "more_body": True}
            await send(message)

        await app(scope, receive, send_half)
        await hang_up(scope, receive)

    return cut_short


def _instead(make: Callable[[], Response]) -> Fault:
    return lambda _app: make()


def _page(status: HTTPStatus) -> Fault:
    """An answer in HTML, as a gateway gives it."""
    html = f"<html><head><title>{status.phrase}</title></head><body>{status.phrase}</body></html>"
    return _instead(lambda: HTMLResponse(html, int(status)))


def too_many(headers: dict[str, str]) -> Response:
    """Returns the answer to a client that asks too often."""
    return envelope(HTTPStatus.TOO_MANY_REQUESTS, "too many requests", headers=headers)


def _http_date() -> str:
    moment = datetime.now(UTC) + timedelta(seconds=WAIT_SECONDS)
    return format_datetime(moment, usegmt=True)


FAULTS: Final[dict[str, Fault]] = {
    "500": _instead(lambda: envelope(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong")),
    "502": _page(HTTPStatus.BAD_GATEWAY),
    "503": _page(HTTPStatus.SERVICE_UNAVAILABLE),
    "504": _page(HTTPStatus.GATEWAY_TIMEOUT),
    "429": _instead(lambda: too_many({})),
    "429 seconds": _instead(lambda: too_many({"Retry-After": str(WAIT_SECONDS)})),
    "429 date": _instead(lambda: too_many({"Retry-After": _http_date()})),
    "dropped": dropped,
    "truncated": truncated,
}
"""Everything that can go wrong with a request, by name."""
