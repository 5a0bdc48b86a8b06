"""Shipment: the answer that sends an object, in its own time and perhaps not to its end."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixxel_sandbox.bulk import PIECE, Content, pieces
from pixxel_sandbox.faults import hang_up, until_gone
from pixxel_sandbox.shelf import FetchRecord, Shelf

STEP_SECONDS: Final = 0.05
"""A throttled body leaves in pieces as large as are due in this time."""


@dataclass(frozen=True)
class Shipment:
    """An object on its way to a client.

    Attributes:
        span: the places of the bytes that are sent.
        rate: bytes per second at most; 0 is no limit.
        cut: after how many bytes the connection ends; None is after all of them.
    """

    status: HTTPStatus
    headers: Mapping[str, str]
    content: Content
    span: range
    rate: float = 0
    cut: int | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, as ASGI calls it."""
        if scope["method"] == "HEAD":
            await self._begin(send)
            await send({"type": "http.response.body"})
            return
        # The first piece of a large object waits for its checksum; others are served meanwhile.
        await asyncio.to_thread(self.content.at, self.span.start)
        await self._begin(send)
        gone = asyncio.create_task(until_gone(receive))
        try:
            await self._send(send, gone)
        finally:
            gone.cancel()
        if self.cut is not None:
            await hang_up(scope, receive)

    async def _begin(self, send: Send) -> None:
        headers = [
            (name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()
        ]
        await send({"type": "http.response.start", "status": int(self.status), "headers": headers})

    async def _send(self, send: Send, gone: asyncio.Task[None]) -> None:
        """Sends the bytes for as long as there is somebody to take them."""
        began, sent = monotonic(), 0
        whole = self.cut is None
        span = self.span if whole else self.span[: self.cut]
        most = min(PIECE, max(1, int(self.rate * STEP_SECONDS))) if self.rate else PIECE
        for piece in pieces(self.content, span, most):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            sent += len(piece)
            due = began + sent / self.rate if self.rate else began
            # Without a limit this only lets the loop see to its other work.
            await asyncio.wait({gone}, timeout=max(0, due - monotonic()))
            if gone.done():
                return
        if whole:
            await send({"type": "http.response.body"})


def noted(shelf: Shelf, record: FetchRecord, app: ASGIApp) -> ASGIApp:
    """Notes what is answered to a request, and on which connection for as long as it takes."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            elif scope["method"] != "HEAD":
                record.sent += len(message.get("body", b""))
            await send(message)

        line = scope["state"]["line"]
        shelf.lines.add(line)
        try:
            await app(scope, receive, noting)
        finally:
            shelf.lines.discard(line)

    return answer
