"""The server: a sandbox on a port of this machine, for as long as a ``with`` block lasts."""

import asyncio
import socket
import threading
import time
from collections.abc import Mapping
from importlib.metadata import version
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import uvicorn

from pixxel_sandbox.app import application
from pixxel_sandbox.bulk import Digest, digest
from pixxel_sandbox.faults import Line
from pixxel_sandbox.front import Desk, OnRequest, RequestRecord
from pixxel_sandbox.habits import Habits
from pixxel_sandbox.objects import content_of
from pixxel_sandbox.shelf import FetchRecord, Shelf
from pixxel_sandbox.stores import SECRETS
from pixxel_sandbox.workspace import Workspace

HEADER: Final = "X-Pixxel-Sandbox"
TOKEN: Final = "sandbox-token"  # noqa: S105 - opens nothing but the sandbox
POLL_SECONDS: Final = 0.002
TICK_SECONDS: Final = 0.02
GRACE_SECONDS: Final = 1


class _Server(uvicorn.Server):
    """Looks more often than uvicorn does whether it is to stop, as tests start many sandboxes."""

    def __init__(self, config: uvicorn.Config, shelf: Shelf) -> None:
        super().__init__(config)
        self._shelf = shelf

    async def main_loop(self) -> None:
        """Runs until told to stop; what is fetched then may take longer than anybody waits."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            await asyncio.sleep(TICK_SECONDS)
        self._shelf.hang_up()


class Sandbox:
    """A local Pixxel API with a seeded workspace.

    Args:
        seed: decides every row of the workspace and every fault.
        items: how many archive items there are; all else is sized from it.
        habits: how the service misbehaves.
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        token: the one access token that is accepted.
        endpoints: where the buckets of stores are, a URL by the stores' type. A delivery to a store
            of another type, or of unknown credentials, writes nothing.
        secrets: the credentials of seeded stores, by name.

    Attributes:
        workspace: the rows that are served; may be changed at any time.
        token: the token to send.

    Raises:
        ValueError: an endpoint is no URL, or ``secrets`` names no store.
        OSError: on entering, when the address cannot be had.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        items: int = 200,
        habits: Habits | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = TOKEN,
        endpoints: Mapping[str, str] | None = None,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.workspace = Workspace(seed, items)
        self.token = token
        self._desk = Desk(self.workspace, habits or Habits(), token, seed)
        self._desk.endpoints = _checked(endpoints or {})
        self._desk.secrets = _by_id(self.workspace, secrets or {})
        self._address = (host, port)
        self._url = ""
        config = uvicorn.Config(
            application(self._desk),
            http=Line,
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            headers=[(HEADER, version("pixxel-singer"))],
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = _Server(config, self._desk.shelf)
        self._thread = threading.Thread(target=self._serve, name="pixxel-sandbox", daemon=True)
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return self._url

    @property
    def habits(self) -> Habits:
        """How the service misbehaves; may be changed or replaced while it runs."""
        return self._desk.habits

    @habits.setter
    def habits(self, habits: Habits) -> None:
        self._desk.habits = habits

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests to the API so far, in the order of arrival."""
        return self._desk.requests

    @property
    def fetches(self) -> list[FetchRecord]:
        """The requests to signed URLs so far, which are no requests to the API."""
        return self._desk.shelf.fetches

    @property
    def on_request(self) -> OnRequest | None:
        """Called with a request and the workspace before the request is answered."""
        return self._desk.on_request

    @on_request.setter
    def on_request(self, call: OnRequest | None) -> None:
        self._desk.on_request = call

    def counts(self) -> dict[str, int]:
        """Counts the workspace's rows by resource."""
        return self.workspace.counts()

    def digest(self, *catalogs: str) -> Digest:
        """Says what a download of some catalogs is to be, without holding it in memory.

        Raises:
            KeyError: there is no such catalog.
        """
        return digest(content_of(self._desk, catalogs))

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket] if self._socket else None)

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family)
        # Head and body leave in two packets; without this the second waits for an ACK, 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = listener
        host, port = listener.getsockname()[:2]
        self._url = (
            f"http://[{host}]:{port}" if family == socket.AF_INET6 else f"http://{host}:{port}"
        )
        self._desk.agenda.start()
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
        self._desk.agenda.stop()
        if self._socket is not None:
            self._socket.close()


def _checked(endpoints: Mapping[str, str]) -> Mapping[str, str]:
    for kind, url in endpoints.items():
        parts = urlsplit(url)
        if kind not in SECRETS or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"endpoints: {kind!r} is no type of store, or {url!r} is no URL")
    return {kind: url.rstrip("/") for kind, url in endpoints.items()}


def _by_id(
    workspace: Workspace, secrets: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    ids = {row["name"]: row["id"] for row in workspace.rows("stores")}
    if unknown := sorted(set(secrets) - set(ids)):
        raise ValueError(f"secrets: no store is named {', '.join(unknown)}")
    return {ids[name]: pair for name, pair in secrets.items()}
