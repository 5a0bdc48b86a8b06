"""Client connections that the application can close or abort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Receive, Scope


class ClientConnection(H11Protocol):
    """A client's connection, available to the application as `scope["state"]["connection"]`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the transport into the state of its requests; uvicorn narrows the type too."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "connection": transport}


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until the connection is closed, or the response is complete."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def close_connection(scope: Scope, receive: Receive) -> None:
    """Close a connection after everything that was sent on it."""
    scope["state"]["connection"].close()
    await wait_for_disconnect(receive)
