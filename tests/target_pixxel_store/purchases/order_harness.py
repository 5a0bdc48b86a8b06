"""Harnesses that plan and place orders, insights and jobs in a sandbox."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from pixxel_sandbox.seed.orders import CatalogRow
from tests.target_pixxel_store.target_harness import read_json_lines, record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import RequestRecord, Sandbox
    from pixxel_sandbox.seed.archive_items import ItemRow
    from tests.target_pixxel_store.target_harness import Json, RunResult, TargetHarness

ORDERS = "/v0/orders"
SETTLE_SECONDS = 0.2
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
    stream: ClassVar[str] = "order_requests"

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
        return self.target.run(*self.make_input(*requests), **settings)

    def make_input(self, *requests: Json) -> list[Json]:
        """Return the messages with requests, each followed by a STATE."""
        streams = dict.fromkeys([each["stream"] for each in requests] or [self.stream])
        messages = [schema(each, ["request_id"]) for each in streams]
        for number, each in enumerate(requests, 1):
            messages += [each, state(number)]
        return messages

    @staticmethod
    def is_placement(request: RequestRecord) -> bool:
        """Return whether a request places something."""
        return is_placement(request)

    @staticmethod
    def is_pricing(request: RequestRecord) -> bool:
        """Return whether a request asks for a price."""
        return request.method == "POST" and request.path == ORDERS and request.body["dry_run"]

    @property
    def spent(self) -> float:
        """What was placed costs."""
        return self.sandbox.spent_amount()

    @property
    def amounts(self) -> list[tuple[str, float]]:
        """The name and the amount of each that was placed."""
        placed = self.sandbox.placed_orders()
        return [(each["order_items"][0]["name"], float(each["total_amount"])) for each in placed]

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
        """How many exist of each name."""
        return Counter(name for name, _ in self.amounts)

    def behave(self, **behavior: Any) -> None:
        """Change the sandbox's behavior."""
        self.sandbox.behavior = replace(self.sandbox.behavior, **behavior)

    def behave_when_placing(self, **behavior: Any) -> None:
        """Change the sandbox's behavior when an order is placed, before the response."""

        def change(request: RequestRecord, _workspace: object) -> None:
            if self.is_placement(request):
                self.behave(**behavior)

        self.sandbox.on_request = change


@dataclass
class InsightHarness(OrderHarness):
    """Runs the target on requests for insights."""

    stream = "insight_requests"

    @property
    def aoi_ids(self) -> list[str]:
        """Ids of areas of interest."""
        return self.sandbox.workspace.ids("aois")

    def request(self, number: int, image: int | None = None, **fields: Any) -> Json:
        """Return a record that requests an insight.

        Args:
            number: Makes the id of the request, and its input.
            image: The number of the area; by default that of the request.
            fields: Other fields, or other values; None for a missing one.
        """
        ids = self.aoi_ids
        defaults: Json = {
            "request_id": f"field-{number}",
            "project_id": self.project_id,
            "aoi_id": ids[(number if image is None else image) % len(ids)],
            "block": "land-cover",
            "block_version": "1.1.0",
            "input": {"threshold": number},
        }
        return record(self.stream, **(defaults | fields))

    @staticmethod
    def is_placement(request: RequestRecord) -> bool:
        """Return whether a request creates an insight."""
        is_post = request.method == "POST" and request.path.endswith("/insights")
        return is_post and not request.body.get("estimate")

    @staticmethod
    def is_pricing(request: RequestRecord) -> bool:
        """Return whether a request asks for an estimate."""
        is_post = request.method == "POST" and request.path.endswith("/insights")
        return is_post and bool(request.body.get("estimate"))

    @property
    def spent(self) -> float:
        """What the insights and jobs cost that were placed."""
        return self.sandbox.spent_tokens()

    @property
    def amounts(self) -> list[tuple[str, float]]:
        """The name and the cost of each insight that was placed."""
        rows = self.sandbox.placed_analyses()
        return [(each["name"], float(each["cost"])) for each in rows if "aoi_id" in each]

    @property
    def placements(self) -> list[Json]:
        """The bodies that were sent to create insights."""
        return [each.body for each in self.sandbox.requests if self.is_placement(each)]


@dataclass
class JobHarness(InsightHarness):
    """Runs the target on requests for jobs, each of a workflow of its own."""

    stream = "job_requests"

    def request(self, number: int, image: int | None = None, **fields: Any) -> Json:
        """Return a record that runs a workflow; workflows are added where there are too few."""
        workspace, at = self.sandbox.workspace, number if image is None else image
        while len(workspace.rows("workflows")) <= at:
            first = {k: v for k, v in workspace.rows("workflows")[0].items() if k != "id"}
            workspace.insert("workflows", first)
        workflow = workspace.rows("workflows")[at]
        defaults: Json = {
            "request_id": f"field-{number}",
            "workflow_id": workflow["id"],
            "project_id": workflow["project_id"],
        }
        return record(self.stream, **(defaults | fields))

    @staticmethod
    def is_placement(request: RequestRecord) -> bool:
        """Return whether a request creates a job."""
        return request.method == "POST" and request.path.endswith("/jobs")

    @staticmethod
    def is_pricing(request: RequestRecord) -> bool:
        """Return whether a request asks for an estimate."""
        return request.path.endswith("/estimate")

    @property
    def amounts(self) -> list[tuple[str, float]]:
        """The workflow and the cost of each job that was placed."""
        rows = self.sandbox.placed_analyses()
        return [(each["workflow_id"], float(each["cost"])) for each in rows if "aoi_id" not in each]

    @property
    def placements(self) -> list[Json]:
        """The paths that were requested to create jobs."""
        return [{"path": it.path} for it in self.sandbox.requests if self.is_placement(it)]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of all lines of a file but the last one."""
    lines = path.read_bytes().splitlines(keepends=True)
    return hashlib.sha256(b"".join(lines[:-1])).hexdigest()
