"""Reports: the order history as a spreadsheet has it, in the time zone that is asked for."""

import csv
import io
from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.requests import Request
from starlette.responses import Response

from pixxel_sandbox.complaints import malformed
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.front import Desk
from pixxel_sandbox.times import instant
from pixxel_sandbox.workspace import Workspace

Cell = Callable[["Line"], object]

UTC_NAME: Final = "UTC"


class Line:
    """A line of the report: an order item, its order, and what was remarked."""

    def __init__(self, workspace: Workspace, remark: Json, zone: ZoneInfo) -> None:
        self.remark = remark
        self.item = _plain(workspace, "order_items", remark.get("order_item_id", ""))
        self.order = _plain(workspace, "orders", self.item.get("order_id", ""))
        self._zone = zone

    def local(self, value: object) -> str:
        """Writes a time as the clocks of the zone show it, with their distance from UTC."""
        moment = instant(value)
        return moment.astimezone(self._zone).isoformat(" ", "seconds") if moment else ""


def _plain(workspace: Workspace, resource: str, key: str) -> Json:
    row = workspace.find(resource, key)
    return row if isinstance(row, dict) else {}


COLUMNS: Final[dict[str, Cell]] = {
    "Order ID": lambda line: line.item.get("order_id"),
    "Order Item ID": lambda line: line.remark.get("order_item_id"),
    "Type": lambda line: line.item.get("type"),
    "Status": lambda line: line.item.get("status"),
    "Area (sq km)": lambda line: line.item.get("area"),
    "Amount": lambda line: line.item.get("final_amount"),
    "Bands": lambda line: line.item.get("number_of_bands"),
    "Created At": lambda line: line.local(line.item.get("created_at")),
    "Paid At": lambda line: line.local(line.order.get("paid_at")),
    "Priority": lambda line: "true" if line.remark.get("priority") else "false",
    "Note": lambda line: line.remark.get("note"),
}
"""The columns of the report, and what stands in them; None is an empty cell."""


def orders(desk: Desk, request: Request) -> Response:
    """Writes the whole order history as CSV."""
    zone = _zone(request.query_params.get("tz", UTC_NAME))
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\r\n")
    sheet.writerow(COLUMNS)
    for remark in desk.workspace.rows("order_report"):
        line = Line(desk.workspace, remark, zone)
        sheet.writerow([cell(line) for cell in COLUMNS.values()])
    headers = {"Content-Disposition": 'attachment; filename="orders.csv"'}
    return Response(text.getvalue(), headers=headers, media_type="text/csv")


def _zone(name: str) -> ZoneInfo:
    """Finds a time zone by its name; a path out of the zones is none.

    Nor is a folder of them, which is an OSError where they come from the package tzdata.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise malformed("no such time zone", field="tz") from error
