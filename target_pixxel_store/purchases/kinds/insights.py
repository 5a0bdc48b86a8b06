"""Insights: analyses of an area of interest by a block, which cost tokens."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from pixxel_api.errors import UnexpectedResponse
from pixxel_api.timestamps import is_set_time
from target_pixxel_store.api.client import AOI
from target_pixxel_store.errors import RecordError
from target_pixxel_store.purchases.kind import TOKENS, PurchaseKind
from target_pixxel_store.purchases.models import (
    DELETED,
    PROJECT_ID,
    REQUEST_ID,
    KindWords,
    ListedPurchase,
    Price,
    PurchaseRequest,
    Quote,
    digest_json,
    make_marker,
    read_name,
    read_request_id,
    to_number,
)
from target_pixxel_store.records import read_value, reject_secrets, required_text
from target_pixxel_store.remote_state import MAX_AGE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from target_pixxel_store.api.models import Fields
    from target_pixxel_store.journal.journal_state import PurchaseKey
    from target_pixxel_store.purchases.kind import KindServices
    from target_pixxel_store.purchases.models import Purchase

INSIGHT = "insight"
"""The name of the kind."""
AOI_ID, BLOCK, BLOCK_VERSION, INPUT, METADATA = (
    "aoi_id", "block", "block_version", "input", "metadata",
)  # fmt: skip
INSIGHT_FIELDS = frozenset(
    {REQUEST_ID, AOI_ID, PROJECT_ID, BLOCK, BLOCK_VERSION, INPUT, "name", METADATA}
)
"""Fields of a request."""
REQUEST_DIGEST = "request_digest"
"""The name in the metadata of an insight for the digest of what was requested."""


@dataclass(frozen=True, eq=False, kw_only=True)
class InsightRequest(PurchaseRequest):
    """A request for an insight, as a record states it.

    Attributes:
        aoi_id: Id of the area of interest.
        block, block_version: Name and version of the block.
        input: Any JSON, as the block needs it.
        metadata: Texts by name.
    """

    kind = INSIGHT
    place_field = AOI_ID
    words = KindWords(
        noun="insight",
        placed="requested",
        flag="estimate",
        quote="estimate",
        object_name="insight",
        permissions="the token lacks the role or the project; check its ",
        same="area, block, version, input and metadata",
        where="an insight",
    )
    aoi_id: str
    block: str
    block_version: str
    input: Any
    metadata: Mapping[str, str]

    @property
    def place(self) -> str:
        """Id of the area, whose list has the insight."""
        return self.aoi_id

    @cached_property
    def content_digest(self) -> str:
        """The SHA-256 of what is requested, whatever its name, in hexadecimal digits."""
        return digest_json(
            [
                *(self.aoi_id.lower(), self.project_id.lower(), self.block, self.block_version),
                *(_to_comparable(self.input), self.metadata),
            ]
        )


def read_insight_request(record: Mapping[str, Any]) -> InsightRequest:
    """Read a record of the stream `insight_requests`.

    Raises:
        RecordError: A field is missing or invalid.
    """
    request_id = read_request_id(record)
    found = _read_json(record, INPUT)
    if found is None:
        raise RecordError(f"has no '{INPUT}'; it may be an empty object")
    return InsightRequest(
        request_id=request_id,
        project_id=required_text(record, PROJECT_ID),
        name=read_name(record, request_id),
        aoi_id=required_text(record, AOI_ID),
        block=required_text(record, BLOCK),
        block_version=required_text(record, BLOCK_VERSION),
        input=found,
        metadata=_read_metadata(record),
    )


def _to_comparable(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return JSON with whole floats as integers, as warehouses exchange them."""
    if isinstance(value, dict):
        return {name: _to_comparable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_to_comparable(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read_metadata(record: Mapping[str, Any]) -> dict[str, str]:
    found = _read_json(record, METADATA)
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise RecordError(f"'{METADATA}' must be an object of strings")
    if REQUEST_DIGEST in found:
        raise RecordError(f"'{METADATA}' must not have '{REQUEST_DIGEST}', which the target sets")
    return found


def _read_json(record: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON
    """Return a field, or the JSON of its text, as warehouses and stream maps make it.

    Raises:
        RecordError: It is a text that is not JSON, is nested too deeply, or contains a secret.
    """
    value = read_value(record, name)
    if not isinstance(value, str):
        return value
    try:
        found = msgspec.json.decode(value)
        reject_secrets(found)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise RecordError(f"'{name}' is a string that is not JSON") from None
    except RecursionError:
        raise RecordError(f"'{name}' is nested too deeply") from None
    return found


@dataclass(eq=False, repr=False)
class Insights(PurchaseKind):
    """Insights: each area has a list, which is read once a minute and on demand.

    Attributes:
        services: What is needed of the run.
        requests: The requests.
        places: Ids of the areas of these and of earlier requests.
    """

    name = INSIGHT
    unit = TOKENS
    words = InsightRequest.words
    fields = INSIGHT_FIELDS
    place_field = InsightRequest.place_field
    prices_by_post = True
    is_listed = True
    states_cost_in_list = True

    services: KindServices
    requests: Sequence[InsightRequest]
    places: frozenset[str] = frozenset()
    _readable: dict[str, bool] = field(init=False, default_factory=dict)
    _listed: dict[str, list[ListedPurchase]] = field(init=False, default_factory=dict)
    _by_name: dict[str, dict[str, ListedPurchase]] = field(init=False, default_factory=dict)
    _read_at: dict[str, float] = field(init=False, default_factory=dict)
    _own: dict[str, list[ListedPurchase]] = field(init=False, default_factory=dict)

    # What requests name

    def find_faults(self) -> dict[str, str]:
        """Return why requests are invalid, by their ids."""
        api = self.services.api
        projects = {each.lower() for each in api.find_project_ids()}
        names = sorted({each.block for each in self.requests})
        versions = {name: api.find_block_versions(name) for name in names}
        faults = {}
        for request in self.requests:
            if request.project_id.lower() not in projects:
                fault = f"'{PROJECT_ID}' names no project that the token can read"
            elif not self._is_readable(request.aoi_id):
                fault = f"'{AOI_ID}' names no area of interest that the token can read"
            elif not versions[request.block]:
                fault = f"'{BLOCK}' names no block; the stream blocks has their names"
            elif request.block_version not in versions[request.block]:
                fault = f"'{BLOCK_VERSION}' names no version of the block"
            else:
                continue
            faults[request.request_id] = fault
        return faults

    def _is_readable(self, aoi_id: str) -> bool:
        if aoi_id not in self._readable:
            self._readable[aoi_id] = self.services.api.find_aoi(aoi_id)
        return self._readable[aoi_id]

    def find_owned(self) -> Collection[str]:
        """Return nothing: no images are bought."""
        return ()

    def make_item(self, request: PurchaseRequest, name: str) -> Fields:
        """Return the area of a request, and what is sent."""
        insight = _insight_of(request)
        return {
            AOI_ID: insight.aoi_id,
            "name": name,
            BLOCK: {"name": insight.block, "version": insight.block_version},
            INPUT: insight.input,
            PROJECT_ID: insight.project_id,
            METADATA: {**insight.metadata, REQUEST_DIGEST: insight.content_digest},
        }

    # The lists

    def refresh(self, max_age: float | None = None, place: str | None = None) -> None:
        """Read the list of an area, or all of them, again where it is older than `max_age` s."""
        age = MAX_AGE_SECONDS if max_age is None else max_age
        for aoi_id in sorted(self.places) if place is None else [place]:
            now = time.monotonic()
            if now - self._read_at.get(aoi_id, -math.inf) <= age:
                continue
            rows = self.services.api.list_insights(aoi_id) if self._is_readable(aoi_id) else []
            self._replace_rows(aoi_id, [_parse_insight(each) for each in rows])
            self._read_at[aoi_id] = now

    def _replace_rows(self, aoi_id: str, rows: list[ListedPurchase]) -> None:
        for old in self._listed.pop(aoi_id, ()):
            for name in (*old.markers, old.digest):
                self._by_name.get(name, {}).pop(old.purchase_id, None)
        self._listed[aoi_id] = rows
        for each in rows:
            for name in filter(None, (*each.markers, each.digest)):
                self._by_name.setdefault(name, {})[each.purchase_id] = each

    def is_settled(self, request: PurchaseRequest) -> bool:
        """Return whether the list of its area has every insight that earlier runs requested."""
        read_at = self._read_at.get(request.place, -math.inf)
        return read_at >= self.services.journal.purchases_settled_at

    def find_marked(self, request_id: str) -> tuple[ListedPurchase, ...]:
        """Return the listed insights with the marker of a request, deleted ones, too."""
        marker = make_marker(self.services.workspace_id, request_id)
        return tuple(self._by_name.get(marker, {}).values())

    def find_by_id(self, request: PurchaseRequest, purchase_id: str) -> ListedPurchase | None:
        """Return an insight that is listed for the area of a request."""
        rows = self._listed.get(request.place, ())
        return next((each for each in rows if each.purchase_id == purchase_id), None)

    def find_same(self, request: PurchaseRequest) -> ListedPurchase | None:
        """Return an insight of the same content, listed, planned, or recorded in the journal."""
        digest, state = request.content_digest, self.services.journal.state
        listed = self._by_name.get(digest, {})
        rows: list[ListedPurchase] = [*listed.values(), *self._own.get(digest, ())]
        if found := next((each for each in rows if not each.has_ended), None):
            return found
        for key in self._find_others(request):
            for known in state.purchases.get(key, {}).values():
                if known.content == digest and known.purchase_id not in listed:
                    return ListedPurchase(known.purchase_id, amount=known.amount)
        return None

    def find_doubted(self, request: PurchaseRequest) -> str:
        """Return the id of another request of the same content that is in doubt."""
        intents = self.services.journal.state.purchase_intents
        others = (key for key in self._find_others(request) if key in intents)
        return next((key.request_id for key in others), "")

    def _find_others(self, request: PurchaseRequest) -> list[PurchaseKey]:
        """Return the other requests of the same content that the journal has."""
        keys = self.services.journal.state.keys_by_content.get(request.content_digest, ())
        return sorted(key for key in keys if key != request.key)

    def add(self, request: PurchaseRequest, listed: ListedPurchase) -> None:
        """Add an insight that this run plans or has placed, as the list may lag behind."""
        self._own.setdefault(request.content_digest, []).append(listed)

    # Estimates and insights

    def request_price(self, purchase: Purchase) -> Quote:
        """Request the estimate; a response with an id has created the insight."""
        response = self._post(purchase, estimate=True)
        estimate = to_number(response.get("estimate"))
        if found := _read_id(response):
            return Quote(None, ListedPurchase(found, purchase.item["name"]))
        if estimate is None:
            raise _unexpected(purchase, "the response is not an estimate")
        return Quote(None if estimate < 0 else Price(None, estimate, estimate, [], ""))

    def place(self, purchase: Purchase) -> ListedPurchase:
        """Request the insight; the response does not state its cost."""
        found = _read_id(self._post(purchase, estimate=False))
        if not found:
            raise _unexpected(purchase, "the response is not an insight")
        return ListedPurchase(found, purchase.item["name"])

    def _post(self, purchase: Purchase, *, estimate: bool) -> Fields:
        body = {name: value for name, value in purchase.item.items() if name != AOI_ID}
        if estimate:
            body["estimate"] = True
        return self.services.api.request_insight(purchase.item[AOI_ID], body)


def _unexpected(purchase: Purchase, reason: str) -> UnexpectedResponse:
    return UnexpectedResponse("POST", f"{AOI}/{purchase.item[AOI_ID]}/insights", reason=reason)


def _read_id(response: Fields) -> str:
    found = response.get("id")
    return found if isinstance(found, str) else ""


def _parse_insight(row: Fields) -> ListedPurchase:
    metadata = row.get(METADATA)
    digest = metadata.get(REQUEST_DIGEST) if isinstance(metadata, dict) else None
    status = DELETED if is_set_time(row.get("deleted_at")) else str(row.get("status") or "").upper()
    return ListedPurchase(
        str(row.get("id") or ""),
        str(row.get("name") or ""),
        status=status,
        amount=to_number(row.get("cost")),
        digest=digest if isinstance(digest, str) else "",
    )


def _insight_of(request: PurchaseRequest) -> InsightRequest:
    """Return a request as one of this kind."""
    if not isinstance(request, InsightRequest):
        raise TypeError(request.kind)
    return request
