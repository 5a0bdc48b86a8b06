"""A harness that plans and places orders of a sandbox's archive."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pixxel_sandbox.seed.orders import CatalogRow
from tests.target_pixxel_store.target_harness import read_json_lines, record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import RequestRecord, Sandbox
    from pixxel_sandbox.seed.archive_items import ItemRow
    from tests.target_pixxel_store.target_harness import Json, RunResult, TargetHarness

ORDERS = "/v0/orders"
SETTLE_SECONDS = 0.2
REQUESTS = schema("order_requests", ["request_id"])
TASKING: Json = {
    "start_date": "2127-01-01",
    "end_date": "2127-02-01",
    "recurrence": "ONCE",
    "cloud_cover": 20,
    "off_nadir": 20,
}


def make_square(lon: float, lat: float, size: float = 0.01) -> Json:
    """Return a square Polygon around a position, of a size in degrees of latitude."""
    width = size / math.cos(math.radians(lat))
    west, south, east, north = lon - width, lat - size, lon + width, lat + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def is_placement(request: RequestRecord) -> bool:
    """Return whether a request places an order."""
    return request.method == "POST" and request.path == ORDERS and not request.body["dry_run"]


@dataclass
class OrderHarness:
    """Runs the target on requests for orders.

    Attributes:
        target: Runs it.
    """

    target: TargetHarness
    _free: list[ItemRow] = field(init=False)

    def __post_init__(self) -> None:
        workspace = self.sandbox.workspace
        rows = workspace.image_rows("catalogs")
        owned = {row.item.id for row in rows if isinstance(row, CatalogRow)}
        self._free = [
            each
            for each in workspace.image_rows("archive_items")
            if not isinstance(each, CatalogRow)
            and each.id not in owned
            and self._is_usable(each.geometry())
        ]
        self.target.settings |= {
            "plan_path": str(self.plan_path),
            "settle_seconds": SETTLE_SECONDS,
            "on_error": "continue",
        }

    @staticmethod
    def _is_usable(geometry: Json | None) -> bool:
        if geometry is None or geometry["type"] != "Polygon":
            return False
        return all(abs(lon) < 170 for lon, *_ in geometry["coordinates"][0])

    @property
    def sandbox(self) -> Sandbox:
        """The API."""
        return self.target.sandbox

    @property
    def plan_path(self) -> Path:
        """The path of the plan."""
        return self.target.folder / "plan.ndjson"

    @property
    def project_id(self) -> str:
        """The id of a project."""
        return str(self.sandbox.workspace.ids("projects")[0])

    @property
    def image_ids(self) -> list[str]:
        """Ids of images that the workspace does not own."""
        return [each.id for each in self._free]

    def center(self, image: int) -> tuple[float, float]:
        """Return the position of the centre of an image that is not owned."""
        ring = (self._free[image].geometry() or {})["coordinates"][0][:-1]
        lon, lat = (sum(each[axis] for each in ring) / len(ring) for axis in (0, 1))
        return lon, lat

    def request(self, number: int, image: int | None = None, **fields: Any) -> Json:
        """Return a record that orders a square in an image that is not owned.

        Args:
            number: Makes the id of the request, and the size of the square.
            image: The number of the image; by default that of the request.
            fields: Other fields, or other values; None for a missing one.
        """
        at = number if image is None else image
        defaults: Json = {
            "request_id": f"field-{number}",
            "project_id": self.project_id,
            "usecase": "agriculture",
            "geometry": make_square(*self.center(at), 0.03 + 0.001 * number),
            "item_ids": [self._free[at].id],
        }
        return record("order_requests", **(defaults | fields))

    def tasking_request(self, number: int, **fields: Any) -> Json:
        """Return a record that orders new images."""
        bandset = self.sandbox.workspace.ids("bandsets")[0]
        others = {"item_ids": None, "bandset_id": bandset, **TASKING}
        return self.request(number, **(others | fields))

    def run(self, *requests: Json, **settings: Any) -> RunResult:
        """Run the target on requests, each followed by a STATE."""
        messages = [REQUESTS]
        for number, each in enumerate(requests, 1):
            messages += [each, state(number)]
        return self.target.run(*messages, **settings)

    def plan(self, *requests: Json, **settings: Any) -> RunResult:
        """Make a plan."""
        return self.run(*requests, **settings)

    def place(self, *requests: Json, **settings: Any) -> RunResult:
        """Place the orders of the last plan."""
        return self.run(*requests, **(self.approval | settings))

    @property
    def approval(self) -> Json:
        """The settings that approve the last plan, as it is."""
        total = self.total
        return {"approve_plan": total["plan_digest"], "max_total_amount": total["total_amount"]}

    @property
    def permissions(self) -> dict[str, str]:
        """What permits to send an order in doubt once more, by the id of its request."""
        lines = read_json_lines(self.target.journal_path)
        sent = [line for line in lines if line["is"] == "purchase_intent"]
        return {line["request"]: f"{line['request']}:{line['send']}" for line in sent}

    @property
    def lines(self) -> list[Json]:
        """The lines of the last plan but the last one."""
        return read_json_lines(self.plan_path)[:-1]

    @property
    def total(self) -> Json:
        """The last line of the last plan."""
        return read_json_lines(self.plan_path)[-1]

    @property
    def dry_runs(self) -> list[Json]:
        """The order items that were priced, in the order of the requests."""
        bodies = self.target.posted_bodies(ORDERS)
        return [each["order_items"][0] for each in bodies if each["dry_run"] is True]

    @property
    def placements(self) -> list[Json]:
        """The order items that were sent to be placed."""
        return [each.body["order_items"][0] for each in self.sandbox.requests if is_placement(each)]

    @property
    def placed(self) -> Counter[str]:
        """How many orders of each name exist."""
        orders = self.sandbox.placed_orders()
        return Counter(item["name"] for order in orders for item in order["order_items"])

    def behave(self, **behavior: Any) -> None:
        """Change the sandbox's behavior."""
        self.sandbox.behavior = replace(self.sandbox.behavior, **behavior)

    def behave_when_placing(self, **behavior: Any) -> None:
        """Change the sandbox's behavior when an order is placed, before the response."""

        def change(request: RequestRecord, _workspace: object) -> None:
            if is_placement(request):
                self.behave(**behavior)

        self.sandbox.on_request = change


def digest_of(path: Path) -> str:
    """Return the SHA-256 of all lines of a file but the last one."""
    lines = path.read_bytes().splitlines(keepends=True)
    return hashlib.sha256(b"".join(lines[:-1])).hexdigest()
