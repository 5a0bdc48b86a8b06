"""The server: a sandbox on a port of this machine, within a `with` block."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import uvicorn

from pixxel_sandbox.app import create_app
from pixxel_sandbox.behavior import Behavior
from pixxel_sandbox.connections import ClientConnection
from pixxel_sandbox.endpoints.stores import SECRET_NAMES
from pixxel_sandbox.files.object_server import make_content
from pixxel_sandbox.generated_zip import Digest, compute_digest
from pixxel_sandbox.runtime_state import (
    DownloadState,
    FetchRecord,
    OnRequest,
    RequestRecord,
    SandboxState,
)
from pixxel_sandbox.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from pixxel_sandbox.json_types import Json

VERSION_HEADER = "X-Pixxel-Sandbox"
TOKEN = "sandbox-token"  # noqa: S105 - opens nothing but the sandbox
POLL_SECONDS = 0.002
TICK_SECONDS = 0.02
SHUTDOWN_TIMEOUT_SECONDS = 1


class _Server(uvicorn.Server):
    """A uvicorn server that stops faster, since tests start many sandboxes."""

    def __init__(self, config: uvicorn.Config, downloads: DownloadState) -> None:
        super().__init__(config)
        self._downloads = downloads

    async def main_loop(self) -> None:
        """Run until stopped, then abort the fetches in progress."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            await asyncio.sleep(TICK_SECONDS)
        self._downloads.abort_connections()


class Sandbox:
    """A local Pixxel API with a seeded workspace.

    Args:
        seed: Decides every row of the workspace and every fault.
        items: The number of archive items; the rest is sized from it.
        behavior: How the service behaves.
        host: The address to listen on.
        port: The port to listen on; 0 for a free one.
        token: The access token to accept.
        endpoints: The URLs of the buckets of stores, by the stores' type. A delivery to a store
            of another type, or with unknown credentials, writes nothing.
        secrets: The credentials of seeded stores, by the stores' names.

    Attributes:
        workspace: The rows that are served; may be changed at any time.
        token: The token to send.

    Raises:
        ValueError: An endpoint is not a URL, or `secrets` has an unknown store.
        OSError: On entering, if the address is not available.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        items: int = 200,
        behavior: Behavior | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = TOKEN,
        endpoints: Mapping[str, str] | None = None,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.workspace = Workspace(seed, items)
        self.token = token
        self._state = SandboxState(self.workspace, behavior or Behavior(), token, seed)
        self._state.endpoints = _check_endpoints(endpoints or {})
        self._state.secrets = _secrets_by_id(self.workspace, secrets or {})
        self._address = (host, port)
        self._url = ""
        config = uvicorn.Config(
            create_app(self._state),
            http=ClientConnection,
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            headers=[(VERSION_HEADER, version("pixxel-singer"))],
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_SECONDS,
        )
        self._server = _Server(config, self._state.downloads)
        self._thread = threading.Thread(target=self._serve, name="pixxel-sandbox", daemon=True)
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return self._url

    @property
    def behavior(self) -> Behavior:
        """How the service behaves; may be changed or replaced while it runs."""
        return self._state.behavior

    @behavior.setter
    def behavior(self, behavior: Behavior) -> None:
        self._state.behavior = behavior

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests to the API so far, in the order of arrival."""
        return self._state.requests

    @property
    def fetches(self) -> list[FetchRecord]:
        """The requests to signed URLs so far, which are not in `requests`."""
        return self._state.downloads.fetches

    @property
    def on_request(self) -> OnRequest | None:
        """Called with a request and the workspace before the response."""
        return self._state.on_request

    @on_request.setter
    def on_request(self, call: OnRequest | None) -> None:
        self._state.on_request = call

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each resource."""
        return self.workspace.counts()

    def placed_orders(self) -> list[Json]:
        """Return the orders that were placed by requests, with their order items, listed or not."""
        with self.workspace.lock:
            return [self.workspace.render_order(row) for row in self._placed_rows("orders")]

    def placed_analyses(self) -> list[Json]:
        """Return the insights and jobs that were placed by requests, listed or not."""
        with self.workspace.lock:
            return [*self._placed_rows("insights"), *self._placed_rows("jobs")]

    def _placed_rows(self, resource: str) -> list[Json]:
        placed = self._state.placed_ids
        return [row for row in self.workspace.rows(resource) if row["id"] in placed]

    def spent_amount(self) -> float:
        """Return the sum of the amounts of all orders that were placed by requests."""
        amounts: list[float] = [order["total_amount"] for order in self.placed_orders()]
        return round(sum(amounts), 2)

    def spent_tokens(self) -> int:
        """Return the sum of the costs of all insights and jobs that were placed by requests."""
        return sum(each["cost"] for each in self.placed_analyses())

    def digest(self, *keys: str, resource: str = "catalogs") -> Digest:
        """Return the size and SHA-256 of a download, without holding it in memory.

        Args:
            keys: The ids of catalogs. Of `aoi_assets`, the ids of the assets. Of `insights`, the id
                of one, and any of its `inputs/NAME` and `outputs/NAME`. Of `jobs`, the id of
                one, and any of its tasks.
            resource: The resource of what is in the download.

        Raises:
            KeyError: Something does not exist.
        """
        return compute_digest(make_content(self._state, resource, keys))

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket] if self._socket else None)

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family)
        # Headers and body are two packets; without this the second one waits 40 ms for an ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = listener
        host, port = listener.getsockname()[:2]
        self._url = (
            f"http://[{host}]:{port}" if family == socket.AF_INET6 else f"http://{host}:{port}"
        )
        self._state.scheduler.start()
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(POLL_SECONDS)
        if not self._server.started:
            raise RuntimeError("the sandbox's server did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._state.scheduler.stop()
        if self._socket is not None:
            self._socket.close()


def _check_endpoints(endpoints: Mapping[str, str]) -> Mapping[str, str]:
    for store_type, url in endpoints.items():
        parts = urlsplit(url)
        if (
            store_type not in SECRET_NAMES
            or parts.scheme not in {"http", "https"}
            or not parts.hostname
        ):
            raise ValueError(
                f"endpoints: {store_type!r} is not a store type, or {url!r} is not a URL"
            )
    return {store_type: url.rstrip("/") for store_type, url in endpoints.items()}


def _secrets_by_id(
    workspace: Workspace, secrets: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    ids = {row["name"]: row["id"] for row in workspace.rows("stores")}
    if unknown := sorted(set(secrets) - set(ids)):
        raise ValueError(f"secrets: unknown stores: {', '.join(unknown)}")
    return {ids[name]: credentials for name, credentials in secrets.items()}
