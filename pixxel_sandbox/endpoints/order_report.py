"""The endpoint that exports the order history as CSV, in the requested time zone."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.responses import Response

from pixxel_sandbox.seed.timestamp_formats import parse_timestamp
from pixxel_sandbox.web.errors import bad_request

if TYPE_CHECKING:
    from starlette.requests import Request

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState
    from pixxel_sandbox.workspace import Workspace

CellValue = Callable[["ReportRow"], object]

UTC_NAME = "UTC"


class ReportRow:
    """A row of the report: an order item, its order, and the report's own fields."""

    def __init__(self, workspace: Workspace, report: Json, zone: ZoneInfo) -> None:
        self.report = report
        self.item = _find_row(workspace, "order_items", report.get("order_item_id", ""))
        self.order = _find_row(workspace, "orders", self.item.get("order_id", ""))
        self._zone = zone

    def format_local(self, value: object) -> str:
        """Return a time in the time zone, with its offset from UTC."""
        moment = parse_timestamp(value)
        return moment.astimezone(self._zone).isoformat(" ", "seconds") if moment else ""


def _find_row(workspace: Workspace, resource: str, key: str) -> Json:
    row = workspace.find(resource, key)
    return row if isinstance(row, dict) else {}


COLUMNS: dict[str, CellValue] = {
    "Order ID": lambda row: row.item.get("order_id"),
    "Order Item ID": lambda row: row.report.get("order_item_id"),
    "Type": lambda row: row.item.get("type"),
    "Status": lambda row: row.item.get("status"),
    "Area (sq km)": lambda row: row.item.get("area"),
    "Amount": lambda row: row.item.get("final_amount"),
    "Bands": lambda row: row.item.get("number_of_bands"),
    "Created At": lambda row: row.format_local(row.item.get("created_at")),
    "Paid At": lambda row: row.format_local(row.order.get("paid_at")),
    "Priority": lambda row: "true" if row.report.get("priority") else "false",
    "Note": lambda row: row.report.get("note"),
}
"""The columns of the report, and the values of their cells; None is an empty cell."""


def export_orders(state: SandboxState, request: Request) -> Response:
    """Return the whole order history as CSV."""
    zone = _parse_time_zone(request.query_params.get("tz", UTC_NAME))
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\r\n")
    sheet.writerow(COLUMNS)
    for report in state.workspace.rows("order_report"):
        row = ReportRow(state.workspace, report, zone)
        sheet.writerow([cell(row) for cell in COLUMNS.values()])
    headers = {"Content-Disposition": 'attachment; filename="orders.csv"'}
    return Response(text.getvalue(), headers=headers, media_type="text/csv")


def _parse_time_zone(name: str) -> ZoneInfo:
    """Return the time zone of a name.

    A name that is a path outside of the zones is a ValueError. That of a folder of zones is an
    OSError if the zones come from the package tzdata.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise bad_request("no such time zone", field="tz") from error
