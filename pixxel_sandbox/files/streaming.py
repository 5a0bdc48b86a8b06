"""Send an object's bytes: at a limited rate, and interrupted if the behavior sets it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from pixxel_sandbox.connections import close_connection, wait_for_disconnect
from pixxel_sandbox.generated_zip import CHUNK_BYTES, Content, iter_chunks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http import HTTPStatus

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pixxel_sandbox.runtime_state import DownloadState, FetchRecord

CHUNK_SECONDS = 0.05
"""A throttled body is sent in chunks of the bytes that are due in this time."""


@dataclass(frozen=True)
class ThrottledResponse:
    """A response that sends a part of an object.

    Attributes:
        status: The status.
        headers: The headers.
        content: The object.
        byte_range: The offsets of the bytes to send.
        rate: The highest rate in bytes per second; 0 for no limit.
        interrupt_after: The bytes after which the connection is closed; None to send all.
    """

    status: HTTPStatus
    headers: Mapping[str, str]
    content: Content
    byte_range: range
    rate: float = 0
    interrupt_after: int | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI calls it."""
        if scope["method"] == "HEAD":
            await self._send_headers(send)
            await send({"type": "http.response.body"})
            return
        # The first chunk of a large object waits for its checksum; others are served meanwhile.
        await asyncio.to_thread(self.content.read_at, self.byte_range.start)
        await self._send_headers(send)
        disconnect = asyncio.create_task(wait_for_disconnect(receive))
        try:
            await self._send_body(send, disconnect)
        finally:
            disconnect.cancel()
        if self.interrupt_after is not None:
            await close_connection(scope, receive)

    async def _send_headers(self, send: Send) -> None:
        headers = [
            (name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()
        ]
        await send({"type": "http.response.start", "status": int(self.status), "headers": headers})

    async def _send_body(self, send: Send, disconnect: asyncio.Task[None]) -> None:
        """Send the bytes until the client disconnects."""
        start, sent = monotonic(), 0
        chunk_bytes = CHUNK_BYTES
        if self.rate:
            chunk_bytes = min(CHUNK_BYTES, max(1, int(self.rate * CHUNK_SECONDS)))
        for chunk in iter_chunks(
            self.content, self.byte_range[: self.interrupt_after], chunk_bytes
        ):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            sent += len(chunk)
            due = start + sent / self.rate if self.rate else start
            # Without a limit this only yields to the loop's other tasks.
            await asyncio.wait({disconnect}, timeout=max(0, due - monotonic()))
            if disconnect.done():
                return
        if self.interrupt_after is None:
            await send({"type": "http.response.body"})


def record_fetch(downloads: DownloadState, record: FetchRecord, app: ASGIApp) -> ASGIApp:
    """Wrap an application so that it records the response and its connection while it is sent."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_record(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            elif scope["method"] != "HEAD":
                record.sent += len(message.get("body", b""))
            await send(message)

        connection = scope["state"]["connection"]
        downloads.connections.add(connection)
        try:
            await app(scope, receive, send_and_record)
        finally:
            downloads.connections.discard(connection)

    return respond
