"""The front desk: notes every API request, lets trouble happen, and asks for the token."""

import asyncio
import hmac
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixxel_sandbox.agenda import Agenda
from pixxel_sandbox.chance import stream
from pixxel_sandbox.complaints import envelope
from pixxel_sandbox.drift import date_into_the_future
from pixxel_sandbox.faults import FAULTS, too_many
from pixxel_sandbox.habits import Habits
from pixxel_sandbox.shelf import Shelf
from pixxel_sandbox.workspace import Workspace

OUTSIDE: Final = "/_sandbox"
HIDDEN: Final = "(hidden)"
WITHOUT_TOKEN: Final = frozenset({"/ping"})


@dataclass(slots=True)
class RequestRecord:
    """A request to the API.

    Attributes:
        query: the query string's parameters; a repeated one is joined by commas.
        body: the request's JSON, None if it had none or other content; ``secrets`` are hidden.
        status: of the answer; None before it, and after a dropped connection.
        raw: the request's body as it came.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int | None = None
    raw: bytes = field(default=b"", repr=False)


OnRequest = Callable[[RequestRecord, Workspace], None]


@dataclass(slots=True)
class Bucket:
    """A token bucket: so many requests per second, and as many saved up."""

    tokens: float = math.inf
    filled: float = field(default_factory=time.monotonic)

    def wait(self, rate: float) -> float:
        """Takes a token; returns the seconds to wait for one if there is none, else 0."""
        moment = time.monotonic()
        self.tokens = min(max(1.0, rate), self.tokens + (moment - self.filled) * rate)
        self.filled = moment
        if self.tokens < 1:
            return (1 - self.tokens) / rate
        self.tokens -= 1
        return 0.0


class Cursor(NamedTuple):
    """What a token to go on with stands for: a search, and the place it has come to."""

    asked: bytes
    place: tuple[float, str]


@dataclass
class Desk:
    """What all requests share: the workspace, how it is served, and what was asked of it.

    Attributes:
        on_request: called before each API request is answered, within the server's loop: nothing
            else is answered between the call and the answer, so it must not wait for a request.
        endpoints: where the buckets of stores are, by the stores' type.
        secrets: the credentials of stores, by id.
        agenda: what is to happen later.
        moving: the ids of deliveries that are on their way.
        unlisted: when the lists begin to show a row, by its id.
        shelf: the downloads, which no list shows.
        cursors: where searches go on, by the token that was given out.
    """

    workspace: Workspace
    habits: Habits
    token: str
    seed: int
    requests: list[RequestRecord] = field(default_factory=list)
    on_request: OnRequest | None = None
    bucket: Bucket = field(default_factory=Bucket)
    dated: bool = False
    endpoints: Mapping[str, str] = field(default_factory=dict)
    secrets: dict[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    agenda: Agenda = field(default_factory=Agenda, repr=False)
    moving: set[str] = field(default_factory=set, repr=False)
    unlisted: dict[str, float] = field(default_factory=dict, repr=False)
    shelf: Shelf = field(default_factory=Shelf, repr=False)
    cursors: dict[str, Cursor] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.chance = stream(self.seed, "faults")

    def chances(self, share: float) -> bool:
        """Draws whether something happens that happens in a share of all cases."""
        return share > 0 and self.chance.random() < share


class FrontDesk:
    """Wraps the application: every request to the API passes here first."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self.app = app
        self.desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, as ASGI calls it."""
        if scope["type"] != "http" or scope["path"].startswith(OUTSIDE):
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        record = await _noted(request)
        self.desk.requests.append(record)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            await send(message)

        request.state.record = record
        await asyncio.sleep(self.desk.habits.latency_ms / 1000)
        await self._answer(request, record)(scope, receive, noting)

    def _answer(self, request: Request, record: RequestRecord) -> ASGIApp:
        """Decides who answers: trouble, the desk itself, or the application."""
        desk, habits = self.desk, self.desk.habits
        if desk.on_request is not None:
            desk.on_request(record, desk.workspace)
        if habits.future_timestamps and not desk.dated:
            desk.dated = True
            date_into_the_future(desk.workspace)
        if habits.rate_limit and (wait := desk.bucket.wait(habits.rate_limit)):
            return too_many({"Retry-After": str(math.ceil(wait))})
        answer = self._unauthorised(request) or self.app
        if desk.chances(habits.error_rate):
            return FAULTS[desk.chance.choice(tuple(FAULTS))](answer)
        return answer

    def _unauthorised(self, request: Request) -> Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(token.encode(), self.desk.token.encode())
        if request.url.path in WITHOUT_TOKEN or (scheme.lower() == "bearer" and known):
            return None
        return envelope(HTTPStatus.UNAUTHORIZED, "the token is missing or unknown")


async def _noted(request: Request) -> RequestRecord:
    raw = await request.body()
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        body = None
    if isinstance(body, dict) and "secrets" in body:
        body["secrets"] = HIDDEN
    params = request.query_params
    query = {name: ",".join(params.getlist(name)) for name in params}
    return RequestRecord(request.method, request.url.path, query, body, raw=raw)
