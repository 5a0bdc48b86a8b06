"""A fake AOI service that creates an AOI for each POST.

The service never answers 409 by itself, so a duplicate POST becomes a duplicate AOI.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.target_pixxel_store.intercepting_proxy import ProxiedResponse
from tests.target_pixxel_store.target_harness import schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.intercepting_proxy import ProxiedRequest
    from tests.target_pixxel_store.target_harness import Json, RunResult, TargetHarness

AOIS_PATH = "/v0/aois"
LATE_SECONDS = 0.3
STATUSES = {"refuse": 400, "conflict": 409, "forbid": 403, "nothing": 500}
"""HTTP status of the response to a POST that the service does not accept."""


class FakeAoiService:
    """An AOI service for `InterceptingProxy.intercept` that ignores the filters of the list.

    Args:
        failures: The failure of each POST, in order. `fail` creates the AOI and responds 500;
            `drop` and `late` create it and send no response, and `late` lists it after
            `LATE_SECONDS`; the keys of `STATUSES` create no AOI. An empty text is no failure, and
            POSTs after the last failure have none.
        lag: Seconds until a new AOI is listed.

    Attributes:
        rows: All AOIs, including those that are not listed yet.
        on_write: Called at each POST, before the service acts on it.
        on_list: Called once, after the next list.
        overrides: Fields of new AOIs that replace the requested ones.
    """

    def __init__(self, *failures: str, lag: float = 0) -> None:
        self.rows: list[Json] = []
        self.on_write: Callable[[], object] = lambda: None
        self.on_list: Callable[[], object] | None = None
        self.overrides: Json = {}
        self._failures = list(failures)
        self._lag = lag
        self._listed_from: list[float] = []

    def __call__(
        self, request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse | None:
        if request.path != AOIS_PATH:
            return forward()
        if request.method == "GET":
            page, on_list = self._page(parse_qs(request.query)), self.on_list
            self.on_list = None
            if on_list:
                on_list()
            return page
        self.on_write()
        failure = self._failures.pop(0) if self._failures else ""
        if failure in STATUSES:
            return ProxiedResponse(STATUSES[failure], {"error": {"code": "no", "message": "no"}})
        row = self.add(request.body, delay=LATE_SECONDS if failure == "late" else self._lag)
        if failure == "fail":
            return ProxiedResponse(500, {"error": {"code": "no", "message": "no"}})
        return None if failure in {"drop", "late"} else ProxiedResponse(201, row)

    def add(self, aoi_request: Json, delay: float = 0) -> Json:
        """Create an AOI that is listed after `delay` seconds."""
        values = {
            name: aoi_request[name] for name in aoi_request if name not in {"provider", "item_ids"}
        }
        row = {"aoi_id": f"aoi-{len(self.rows)}", **values, **self.overrides}
        self.rows.append(row)
        self._listed_from.append(time.monotonic() + delay)
        return row

    def _page(self, request: dict[str, list[str]]) -> ProxiedResponse:
        now = time.monotonic()
        listed = [
            row
            for row, listed_from in zip(self.rows, self._listed_from, strict=True)
            if listed_from <= now
        ]
        offset, limit = int(request["offset"][0]), int(request["limit"][0])
        pagination = {"offset": offset, "limit": limit, "total": len(listed)}
        newest = listed[::-1][offset : offset + limit]
        return ProxiedResponse(200, {"aois": newest, "pagination": pagination})


def run_aoi_requests(harness: TargetHarness, *messages: Json, **settings: Any) -> RunResult:
    """Run the target with the schema of `aoi_requests`, the messages and a STATE."""
    keys = ["project_id", "name"]
    return harness.run(schema("aoi_requests", keys), *messages, state(1), **settings)
