"""Orders: as records request them, and as the API prices and lists them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_api.timestamps import TimestampError, normalize_timestamp
from target_pixxel_store.errors import RecordError
from target_pixxel_store.geometry.area import compute_area
from target_pixxel_store.geometry.polygon import (
    GEOMETRY,
    canonical_polygons,
    read_polygons,
    to_feature_collection,
)
from target_pixxel_store.locations import normalize_path, path_error, to_folder_path
from target_pixxel_store.purchases.models import (
    PROJECT_ID,
    REQUEST_ID,
    KindWords,
    ListedPurchase,
    Price,
    PurchaseRequest,
    digest_json,
    read_name,
    read_request_id,
    to_number,
)
from target_pixxel_store.records import (
    optional_text,
    read_integer,
    read_text_list,
    read_value,
    required_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from target_pixxel_store.geometry.polygon import CanonicalPolygon, Rings

ORDER = "order"
"""The name of the kind."""
ITEM_IDS, BANDSET_ID = "item_ids", "bandset_id"
START_DATE, END_DATE = "start_date", "end_date"
RECURRENCE, OCCURRENCES = "recurrence", "no_of_occurrences"
TASKING_FIELDS = (
    START_DATE, END_DATE, RECURRENCE, OCCURRENCES, "cloud_cover", "off_nadir", BANDSET_ID,
    "delivery_speed",
)  # fmt: skip
"""Fields of a request for new images; the other kind names images of the archive."""
ORDER_FIELDS = frozenset(
    {REQUEST_ID, PROJECT_ID, "usecase", GEOMETRY, ITEM_IDS, *TASKING_FIELDS}
    | {"name", "store", "path", "reorder"}
)
"""Fields of a request."""
ONCE = "ONCE"
RECURRENCES = (ONCE, "MONTHLY", "BIMONTHLY", "QUARTERLY")
DELIVERY_SPEEDS = ("STANDARD",)
_NUMBERS = {"cloud_cover": (0, 100), "off_nadir": (0, 90), OCCURRENCES: (1, 1000)}
"""The least and the greatest value: percent, degrees from nadir, and a count."""
_UNSET_YEAR = "0001-"  # of a time that is not set
_SECONDS_WIDTH = 19  # characters of a timestamp up to its seconds
_SECONDS_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, eq=False, kw_only=True)
class OrderRequest(PurchaseRequest):
    """A request for an order, as a record states it.

    Attributes:
        polygons: The area.
        tasking: The fields of a tasking order as the API names them; empty for the archive.
        path: The path below the prefix of the store.
    """

    kind = ORDER
    words = KindWords(
        noun="order",
        placed="ordered",
        flag="dry_run",
        quote="dry run",
        object_name="order item",
        permissions="the token lacks the role or the project, or tasking needs an identity check "
        "(KYC); check its ",
        same="project, images and area",
        where="an order",
    )
    usecase: str
    polygons: tuple[Rings, ...]
    tasking: Mapping[str, Any]
    path: str = ""

    @property
    def is_tasking(self) -> bool:
        """Whether new images are requested."""
        return not self.item_ids

    @cached_property
    def area(self) -> float:
        """The area in km², which only sorts requests: the API states the one that is billed."""
        return compute_area(self.polygons)

    @cached_property
    def images_key(self) -> ImagesKey:
        """What identifies an archive order beside its marker."""
        return ImagesKey(self.project_id.lower(), frozenset(self.item_ids))

    @cached_property
    def outline(self) -> frozenset[CanonicalPolygon]:
        """The polygons in a form that can be compared."""
        return canonical_polygons(self.polygons)

    @cached_property
    def content_digest(self) -> str:
        """The SHA-256 of what is requested, in hexadecimal digits."""
        return digest_json([self.to_order_item(self.name, self.store), self.store, self.path])

    def find_past_field(self, now: datetime) -> str | None:
        """Return the date of a tasking order after which nothing is captured, if it has passed.

        Args:
            now: The server's time, in UTC.
        """
        field = START_DATE if self.tasking.get(RECURRENCE) == ONCE else END_DATE
        time = self.tasking.get(field)
        return field if time is not None and time < now.strftime(_SECONDS_FORMAT) else None

    def to_order_item(self, name: str, store_id: str) -> dict[str, Any]:
        """Return the order item of the request that prices or places the order.

        Args:
            name: The name with the marker.
            store_id: Id of the store of an automated delivery; empty for none.
        """
        item = {
            PROJECT_ID: self.project_id,
            "name": name,
            GEOMETRY: to_feature_collection(self.polygons),
            "usecase": self.usecase,
            **self.tasking,
        }
        if self.item_ids:
            item[ITEM_IDS] = list(self.item_ids)
        if store_id:
            item["cloud_delivery"] = {"config": store_id, "path": to_folder_path(self.path)}
        return item


class ImagesKey(NamedTuple):
    """Identifies what an archive order buys: the project, and the images."""

    project_id: str
    item_ids: frozenset[str]


@dataclass(frozen=True)
class ListedOrder(ListedPurchase):
    """An order item of the API, with what is needed of its order.

    Attributes:
        images: What identifies it if it is of the archive.
        outline: The area of its images; None where the API states none.
        is_paid: Whether it has a time or a transaction of a payment, or tokens were used.
    """

    images: ImagesKey | None = None
    outline: frozenset[CanonicalPolygon] | None = None
    is_paid: bool = False


def read_order_request(record: Mapping[str, Any]) -> OrderRequest:
    """Read a record of the stream `order_requests`.

    Raises:
        RecordError: A field is missing or invalid.
    """
    request_id = read_request_id(record)
    name = read_name(record, request_id)
    item_ids = read_text_list(record, ITEM_IDS)
    given = [field for field in TASKING_FIELDS if read_value(record, field) is not None]
    if item_ids and given:
        raise RecordError(f"has both '{ITEM_IDS}' and '{given[0]}'; order one or the other")
    if not item_ids and not given:
        raise RecordError(f"has neither '{ITEM_IDS}' nor '{START_DATE}'; name images, or a time")
    store, path = optional_text(record, "store") or "", optional_text(record, "path") or ""
    if path and not store:
        raise RecordError("has 'path', which requires 'store'")
    if reason := path_error(path):
        raise RecordError(f"'path' {reason}")
    request = OrderRequest(
        request_id=request_id,
        project_id=required_text(record, PROJECT_ID),
        usecase=required_text(record, "usecase"),
        polygons=read_polygons(record.get(GEOMETRY), GEOMETRY),
        item_ids=tuple(dict.fromkeys(item_ids)),
        tasking={} if item_ids else _read_tasking(record),
        name=name,
        store=store,
        path=normalize_path(path),
        reorder=_read_flag(record, "reorder"),
    )
    if not request.area:
        raise RecordError(f"'{GEOMETRY}' has no area")
    return request


def parse_price(order: Mapping[str, Any]) -> Price | None:
    """Parse the price of a response to POST /v0/orders; None where it has none.

    Where the amounts of order and order item differ, the larger one counts.
    """
    items = order.get("order_items")
    item = items[0] if isinstance(items, list) and len(items) == 1 else None
    if not isinstance(item, dict):
        return None
    amounts = [to_number(order.get("total_amount")), to_number(item.get("final_amount"))]
    known = [each for each in amounts if each is not None]
    base = to_number(item.get("base_amount"))
    if not known or min(known) < 0 or base is None:
        return None
    uplifts = item.get("uplifts")
    rows = [each for each in uplifts if isinstance(each, dict)] if isinstance(uplifts, list) else []
    feasibility = str(item.get("feasibility_status") or "").upper()
    return Price(to_number(item.get("area")), base, max(known), rows, feasibility)


def parse_orders(order: Mapping[str, Any]) -> Iterator[ListedOrder]:
    """Parse the order items of an order.

    Raises:
        ValueError: It has no list of them.
    """
    items = order.get("order_items")
    if not isinstance(items, list):
        raise ValueError  # noqa: TRY004 - the caller reports the list
    for item in items:
        if isinstance(item, dict):
            yield _parse_order(order, item, is_single=len(items) == 1)


def _parse_order(
    order: Mapping[str, Any], item: Mapping[str, Any], *, is_single: bool
) -> ListedOrder:
    images = [each for each in item.get("images") or () if isinstance(each, dict)]
    ids = frozenset(str(each.get("item_id")) for each in images if each.get("item_id"))
    amounts = [to_number(item.get("final_amount"))]
    if is_single:
        amounts.append(to_number(order.get("total_amount")))
    tasks = [each for each in item.get("tasks") or () if isinstance(each, dict)]
    return ListedOrder(
        purchase_id=str(order.get("id") or ""),
        item_id=str(item.get("id") or ""),
        name=str(item.get("name") or ""),
        images=ImagesKey(str(item.get(PROJECT_ID) or "").lower(), ids),
        outline=_parse_outline([each.get(GEOMETRY) for each in images]),
        status=str(item.get("status") or "").upper(),
        amount=max((each for each in amounts if each is not None), default=None),
        is_paid=any(
            each.get(field) and not str(each[field]).startswith(_UNSET_YEAR)
            for each in (order, item, *tasks)
            for field in ("paid_at", "transaction_id", "tokens_used")
        ),
    )


def _parse_outline(geometries: list[object]) -> frozenset[CanonicalPolygon] | None:
    """Return the area that all images have; None where one has none that can be parsed."""
    try:
        outlines = {canonical_polygons(read_polygons(each, GEOMETRY)) for each in geometries}
    except RecordError:
        return None
    return outlines.pop() if len(outlines) == 1 else frozenset()


def _read_tasking(record: Mapping[str, Any]) -> dict[str, Any]:
    recurrence = _read_choice(record, RECURRENCE, RECURRENCES)
    if recurrence is None:
        raise RecordError(f"has no '{RECURRENCE}'")
    bandset = required_text(record, BANDSET_ID)
    start, end = _read_time(record, START_DATE), _read_time(record, END_DATE)
    numbers = {name: _read_integer(record, name, *bounds) for name, bounds in _NUMBERS.items()}
    if start is None:
        raise RecordError(f"has no '{START_DATE}'")
    has_count = numbers[OCCURRENCES] is not None
    if recurrence == ONCE and (end is None or has_count):
        raise RecordError(f"must have '{END_DATE}' and no '{OCCURRENCES}' to be ordered {ONCE}")
    if recurrence != ONCE and (end is None) is not has_count:
        raise RecordError(f"must have either '{END_DATE}' or '{OCCURRENCES}' to recur")
    if end is not None and end <= start:
        raise RecordError(f"'{END_DATE}' must be after '{START_DATE}'; it is exclusive")
    fields = {
        RECURRENCE: recurrence,
        START_DATE: start,
        END_DATE: end,
        "bandset": {BANDSET_ID: bandset},
        "delivery_speed": _read_choice(record, "delivery_speed", DELIVERY_SPEEDS),
        **numbers,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _read_choice(record: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str | None:
    found = (optional_text(record, name) or "").upper()
    if found and found not in choices:
        raise RecordError(f"'{name}' must be one of {', '.join(choices)}")
    return found or None


def _read_time(record: Mapping[str, Any], name: str) -> str | None:
    text = optional_text(record, name)
    if not text:
        return None
    try:
        return f"{normalize_timestamp(text)[:_SECONDS_WIDTH]}Z"
    except TimestampError:
        raise RecordError(f"'{name}' must be a date or a timestamp such as 2026-01-31") from None


def _read_integer(record: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    value = read_value(record, name)
    if value is None:
        return None
    found = read_integer(value)
    if found is None or not low <= found <= high:
        raise RecordError(f"'{name}' must be a whole number from {low} to {high}")
    return found


def _read_flag(record: Mapping[str, Any], name: str) -> bool:
    value = read_value(record, name)
    if value is not None and not isinstance(value, bool):
        raise RecordError(f"'{name}' must be true or false")
    return bool(value)
