"""The state that all requests to a sandbox share."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_sandbox.scheduler import Scheduler
from pixxel_sandbox.seed.rng import rng_for
from pixxel_sandbox.workspace import Workspace, row_key

if TYPE_CHECKING:
    import asyncio

    from pixxel_sandbox.behavior import Behavior
    from pixxel_sandbox.seed.generate import ResourceRow

ROOT_PATH = "/"
CONTROL_PREFIX = "/_sandbox"


@dataclass(slots=True)
class PreparedDownload:
    """A download that a client requested.

    Attributes:
        resource: The resource of what is in it.
        keys: What is in it, as `contents.list_members` describes.
        name: The name of its file.
        owner: The id in whose path it is requested; empty for catalogs.
        status: `created`, `in_progress`, then `success` or `failed`.
    """

    resource: str
    keys: tuple[str, ...]
    name: str
    owner: str = ""
    status: str = "created"


@dataclass(slots=True)
class FetchRecord:
    """A request to a signed URL.

    Attributes:
        download_id: The id of the download.
        range: The `Range` header, None if missing.
        if_range: The `If-Range` header, None if missing.
        has_authorization: Whether it had an `Authorization` header, which it must not have.
        status: The status of the response; None before the response.
        sent: Bytes of the response's body so far.
    """

    method: str
    download_id: str
    range: str | None
    if_range: str | None
    has_authorization: bool
    status: int | None = None
    sent: int = 0


@dataclass(slots=True)
class DownloadState:
    """The downloads of a sandbox.

    Attributes:
        by_id: The downloads by their ids.
        fetches: The requests to signed URLs so far, in the order of arrival.
        interruptions: How often `interrupt_fetches` has interrupted an object, by its ETag.
        signing_key: The key that URLs are signed with.
        connections: The connections of the fetches in progress.
    """

    by_id: dict[str, PreparedDownload] = field(default_factory=dict)
    fetches: list[FetchRecord] = field(default_factory=list)
    interruptions: Counter[str] = field(default_factory=Counter)
    signing_key: bytes = field(default_factory=lambda: token_bytes(32), repr=False)
    connections: set[asyncio.Transport] = field(default_factory=set, repr=False)

    def abort_connections(self) -> None:
        """Abort the fetches in progress; to be called within the server's loop."""
        for connection in self.connections:
            connection.abort()


@dataclass(slots=True)
class RequestRecord:
    """A request to the API.

    Attributes:
        query: The parameters of the query string; the values of a repeated one joined by commas.
        body: The JSON of the body, None if it has none; `secrets` are replaced.
        status: The status of the response; None before it, and after a dropped connection.
        raw: The body as received.
        user_agent: The header of this name.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int | None = None
    raw: bytes = field(default=b"", repr=False)
    user_agent: str = ""


OnRequest = Callable[[RequestRecord, Workspace], None]


@dataclass(slots=True)
class TokenBucket:
    """A token bucket: requests of up to one second are saved up.

    Attributes:
        tokens: The requests that may be sent at once.
        refilled_at: When the tokens were counted last, by the monotonic clock.
    """

    tokens: float = math.inf
    refilled_at: float = field(default_factory=time.monotonic)

    def take_token(self, rate: float) -> float:
        """Take a token and return 0, or return the seconds until there is one.

        Args:
            rate: The tokens that are added per second.
        """
        now = time.monotonic()
        self.tokens = min(max(1.0, rate), self.tokens + (now - self.refilled_at) * rate)
        self.refilled_at = now
        if self.tokens < 1:
            return (1 - self.tokens) / rate
        self.tokens -= 1
        return 0.0


class SearchCursor(NamedTuple):
    """The state behind a pagination token: the search, and its position.

    Attributes:
        query: The body of the search without its paging fields.
        position: The sort key of the last item that was returned.
    """

    query: bytes
    position: tuple[float, str]


@dataclass
class SandboxState:
    """The workspace, the behavior and everything else that all requests share.

    Attributes:
        workspace: The rows that are served.
        behavior: How the service behaves.
        token: The access token that is accepted.
        seed: Decides all random faults.
        requests: The requests to the API so far, in the order of arrival.
        on_request: Called before the response to each API request, within the server's loop. The
            server responds to nothing else meanwhile, so it must not wait for a request.
        token_bucket: Limits the rate of requests.
        future_dated: Whether rows were dated into the future already.
        endpoints: The URLs of the buckets of stores, by the stores' type.
        secrets: The credentials of stores, by the stores' ids.
        scheduler: Runs what is due later.
        placed_ids: The ids of the orders, insights and jobs that requests have placed.
        pending_deliveries: The ids of deliveries that the scheduler has not finished.
        listed_from: When the lists begin to show a row, by its id and the monotonic clock.
        downloads: The downloads, which are in no list.
        cursors: The state of searches by their pagination tokens.
        rng: Draws the faults.
    """

    workspace: Workspace
    behavior: Behavior
    token: str
    seed: int
    requests: list[RequestRecord] = field(default_factory=list)
    on_request: OnRequest | None = None
    token_bucket: TokenBucket = field(default_factory=TokenBucket)
    future_dated: bool = False
    endpoints: Mapping[str, str] = field(default_factory=dict)
    secrets: dict[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    scheduler: Scheduler = field(default_factory=Scheduler, repr=False)
    placed_ids: set[str] = field(default_factory=set, repr=False)
    pending_deliveries: set[str] = field(default_factory=set, repr=False)
    listed_from: dict[str, float] = field(default_factory=dict, repr=False)
    downloads: DownloadState = field(default_factory=DownloadState, repr=False)
    cursors: dict[str, SearchCursor] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.rng = rng_for(self.seed, "faults")

    def happens(self, probability: float) -> bool:
        """Draw whether an event of a probability happens."""
        return probability > 0 and self.rng.random() < probability

    def price_analysis(self, tokens: int, *, placed: bool) -> int:
        """Return the price of an analysis as the behavior sets it.

        Args:
            tokens: The price without any increase.
            placed: Whether it is the cost of a placed analysis; otherwise it is its estimate.
        """
        uplift, increase = self.behavior.order_uplift, self.behavior.price_increase
        return round(tokens * (1 + uplift / 100) * (1 + (increase if placed else 0) / 100))

    def complete_later(self, resource: str, key: str, **fields: object) -> None:
        """Change a new row when its analysis is complete; now if that takes no time."""
        complete = partial(self._update_existing, resource, key, fields)
        if seconds := self.behavior.analysis_seconds:
            self.scheduler.call_later(seconds, complete)
        else:
            complete()

    def _update_existing(self, resource: str, key: str, fields: dict[str, object]) -> None:
        with self.workspace.lock:
            if self.workspace.find(resource, key) is not None:
                self.workspace.update(resource, key, **fields)

    def hide_from_lists(self, key: str) -> None:
        """Hide a new row from the lists for the lag that the behavior sets."""
        if self.behavior.list_lag:
            self.listed_from[key] = time.monotonic() + self.behavior.list_lag

    def visible_rows(self, resource: str, rows: Sequence[ResourceRow]) -> Sequence[ResourceRow]:
        """Return the rows of a resource without those that are hidden from the lists."""
        if not self.listed_from:
            return rows
        now = time.monotonic()
        for key in [key for key, moment in self.listed_from.items() if moment <= now]:
            del self.listed_from[key]
        return [row for row in rows if row_key(resource, row) not in self.listed_from]
