"""Purchases of any kind: as records request them, and as the API prices and lists them."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec

from target_pixxel_store.errors import RecordError
from target_pixxel_store.journal.journal_state import PurchaseKey
from target_pixxel_store.records import optional_text, required_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_pixxel_store.outcomes.checkpoints import InflightRecord

REQUEST_ID, PROJECT_ID = "request_id", "project_id"
MAX_NAME_LENGTH = 100
"""Characters of an order item's name in the contract, which has no limit for an insight's."""
_MARKER_DIGITS = 12
MAX_OWN_NAME_LENGTH = MAX_NAME_LENGTH - len(" [px:]") - _MARKER_DIGITS
_MARKER = re.compile(rf"\[px:([0-9a-f]{{{_MARKER_DIGITS}}})\]")
_MAX_ROUNDING = 0.5  # of the amount of an uplift, which the API states in whole numbers
DELETED = "DELETED"
ENDED_STATUSES = frozenset({"CANCELLED", "FAILED", DELETED})
"""Statuses of what has no result, so that the same may be requested again."""


@dataclass(frozen=True)
class KindWords:
    """The words for a kind in messages.

    Attributes:
        noun: What is purchased.
        placed: What is done with a request.
        flag: The field that makes a request one for a price.
        quote: What a price comes from.
        object_name: The object whose name has the marker.
        permissions: What the token may lack, and which fields to check.
        same: What two purchases of the same content have in common.
        where: Where to look for one that is in doubt.
        unlisted: Why it is not known whether it exists.
    """

    noun: str
    placed: str
    flag: str
    quote: str
    object_name: str
    permissions: str
    same: str
    where: str
    unlisted: str = "the API does not list it"


@dataclass(frozen=True, eq=False, kw_only=True)
class PurchaseRequest:
    """A request for a purchase, as a record states it; each kind has a class of its own.

    Attributes:
        kind, words: The name of its kind, and its words in messages.
        place_field: The field of what is sent that names the object whose list has it; empty
            where there is one list.
        name: The name before the marker.
        item_ids: Ids of images in the archive.
        store: Name or id of the store of an automated delivery; empty for none.
        reorder: Whether images that the workspace owns are ordered again.
    """

    kind: ClassVar[str]
    words: ClassVar[KindWords]
    place_field: ClassVar[str] = ""
    request_id: str
    project_id: str
    name: str
    item_ids: tuple[str, ...] = ()
    store: str = ""
    reorder: bool = False

    @property
    def key(self) -> PurchaseKey:
        """What identifies it in the journal."""
        return PurchaseKey(self.kind, self.request_id)

    @property
    def place(self) -> str:
        """Id of the object whose list has what it creates; empty where there is one list."""
        return ""

    @property
    def is_tasking(self) -> bool:
        """Whether new images are requested."""
        return False

    @property
    def area(self) -> float:
        """The area in km², which only sorts requests; 0 where it is not known."""
        return 0.0

    @property
    def content_digest(self) -> str:
        """The SHA-256 of what is requested, in hexadecimal digits."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Purchase:
    """A request, with the records that make it and what it sends.

    Attributes:
        records: The record, and those that repeat it.
        item: What is sent, named with the marker; the plan states it.
    """

    request: PurchaseRequest
    records: list[InflightRecord]
    item: dict[str, Any]


class Price(NamedTuple):
    """The price of a purchase, and what else the API states about it.

    Attributes:
        area: In km², as the API computes it; None where it states none.
        base_amount, final_amount: In the currency of the workspace, or in tokens.
        uplifts: Their titles, percentages and amounts, as the API lists them.
        feasibility: The status of a tasking order's feasibility.
    """

    area: float | None
    base_amount: float
    final_amount: float
    uplifts: list[dict[str, Any]]
    feasibility: str

    @property
    def uplift_percent(self) -> float:
        """The largest uplift in percent of the base amount, or of all of them together.

        The API rounds the amount of each uplift to a whole number, so that 20 % of 224 are 45. So
        the percentages that it states count for the sum, where the amounts are at most that much
        above them; otherwise the amounts do. An uplift is listed once for each image.
        """
        stated = {
            (str(each.get("title")), value)
            for each in self.uplifts
            if (value := to_number(each.get("percentage")))
        }
        single = [value for _, value in stated]
        more = self.final_amount - self.base_amount
        total = 100 * more / self.base_amount if self.base_amount else math.inf if more > 0 else 0.0
        rounding = more - self.base_amount * sum(single) / 100
        if 0 < rounding <= _MAX_ROUNDING * len(self.uplifts):
            total = sum(single)
        return max(total, *single, 0.0)


@dataclass(frozen=True)
class ListedPurchase:
    """A purchase that the API lists, or that it has confirmed.

    Attributes:
        purchase_id: Empty for one that this run plans.
        name: With the marker, where this target has placed it; empty where it is not known.
        item_id: Id of the order item.
        status: In upper case.
        amount: What it costs; None where the API states no price.
        digest: The digest of its content; empty where the API states none.
        request_id: The request that plans it, where `purchase_id` is empty.
    """

    purchase_id: str
    name: str = ""
    item_id: str = ""
    status: str = ""
    amount: float | None = None
    digest: str = field(default="", kw_only=True)
    request_id: str = field(default="", kw_only=True)

    @property
    def has_ended(self) -> bool:
        """Whether it has no result."""
        return self.status in ENDED_STATUSES

    @property
    def markers(self) -> list[str]:
        """The markers in its name."""
        return _MARKER.findall(self.name)


class Quote(NamedTuple):
    """What the API responds to a request for a price.

    Attributes:
        price: None where it states none.
        placed: What it has placed although a price was requested.
        names: The names that it states.
    """

    price: Price | None
    placed: ListedPurchase | None = None
    names: tuple[str, ...] = ()


def name_ids(request: PurchaseRequest, listed: ListedPurchase) -> dict[str, Any]:
    """Return the ids of a purchase by the names that outcomes have for them.

    The object that it belongs to is named, too, as its download requires that.
    """
    ids = {f"{request.kind}_id": listed.purchase_id or None}
    if request.place:
        ids[request.place_field] = request.place
    return ids | ({"order_item_id": listed.item_id} if listed.item_id else {})


def format_amount(amount: float) -> str:
    """Return an amount as messages and tables show it: no zeros at its end, and thousands apart."""
    return f"{amount:,.12g}"


@lru_cache(maxsize=16_384)  # it is made for each line of a plan before each purchase
def make_marker(workspace_id: str, request_id: str) -> str:
    """Return the digits that identify a request of a workspace in the names of its objects."""
    return digest_json([workspace_id, request_id])[:_MARKER_DIGITS]


def mark_name(name: str, marker: str) -> str:
    """Return the name of an object: at most 82 characters of a name, and a marker."""
    return f"{name[:MAX_OWN_NAME_LENGTH].rstrip()} [px:{marker}]"


def digest_json(content: object) -> str:
    """Return the SHA-256 of JSON, whatever the order of its names, in hexadecimal digits."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def to_plain_json(item: dict[str, Any]) -> dict[str, Any]:
    """Return what is sent as it is read back from a plan, with lists instead of tuples."""
    return msgspec.json.decode(msgspec.json.encode(item), type=dict[str, Any])


def read_request_id(record: Mapping[str, Any]) -> str:
    """Return the id; a whole number, such as the key of a table, as its text.

    Raises:
        RecordError: It is missing or invalid.
    """
    value = record.get(REQUEST_ID)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise RecordError(
            f"'{REQUEST_ID}' must be a string or a whole number; in a stream map, write "
            f'"{REQUEST_ID}": "str(id)"'
        )
    return required_text(record, REQUEST_ID)


def read_name(record: Mapping[str, Any], request_id: str) -> str:
    """Return the name before the marker; by default the id of the request.

    Raises:
        RecordError: It is invalid, or contains a marker.
    """
    name = optional_text(record, "name") or request_id
    if _MARKER.search(name):
        raise RecordError("'name' must not contain a marker such as [px:0123456789ab]")
    return name


def to_number(value: object) -> float | None:
    """Return a finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
