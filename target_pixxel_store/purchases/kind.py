"""What a kind of purchase must be able to do: the interface of the modules in `kinds/`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.purchases.models import (
        KindWords,
        ListedPurchase,
        Purchase,
        PurchaseRequest,
        Quote,
    )
    from target_pixxel_store.remote_state import RemoteState

MONEY, TOKENS = "money", "tokens"
"""The units of amounts; no limit can hold for both of them."""


@dataclass(frozen=True, eq=False)
class KindServices:
    """What a kind needs of the run.

    Attributes:
        api: Sends the requests.
        remote: The stores of automated deliveries.
        journal: What earlier runs requested.
        workspace_id: Id of the workspace, which is part of each marker.
    """

    api: StoreApi
    remote: RemoteState
    journal: Journal
    workspace_id: str


class PurchaseKind(Protocol):
    """A kind of purchase, in one run: its requests, and the list of what exists.

    Attributes:
        name: Its name in the journal, in plans and in requests.
        unit: Of its amounts.
        words: Its words in messages.
        fields: The fields of its records.
        place_field: The field of what is sent that names the object whose list has it; empty
            where there is one list.
        prices_by_post: Whether a price is requested by the POST request that also places it, so
            that an API that does not honour this places it.
        is_listed: Whether a list shows what exists, so that it decides. Otherwise only the journal
            does, and what was sent without a response stays in doubt.
        states_cost_in_list: Whether the list, not the response, states what it costs.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    words: ClassVar[KindWords]
    fields: ClassVar[frozenset[str]]
    place_field: ClassVar[str]
    prices_by_post: ClassVar[bool]
    is_listed: ClassVar[bool]
    states_cost_in_list: ClassVar[bool]

    def find_faults(self) -> Mapping[str, str]:
        """Return why requests are invalid, by their ids: they name what the API does not have."""

    def find_owned(self) -> Collection[str]:
        """Return the ids of those images of the requests that the workspace owns."""

    def make_item(self, request: PurchaseRequest, name: str) -> dict[str, Any]:
        """Return what a request sends, named with the marker; the plan states it."""

    def refresh(self, max_age: float | None = None, place: str | None = None) -> None:
        """Read the lists again where they are older than `max_age` seconds.

        Args:
            max_age: By default one minute.
            place: Id of the object whose list is read; None for all.
        """

    def is_settled(self, request: PurchaseRequest) -> bool:
        """Return whether the list has everything that earlier runs requested."""

    def find_marked(self, request_id: str) -> tuple[ListedPurchase, ...]:
        """Return what is listed with the marker of a request; mostly one or nothing."""

    def find_by_id(self, request: PurchaseRequest, purchase_id: str) -> ListedPurchase | None:
        """Return what the list shows of a purchase of a request, whatever its name."""

    def find_same(self, request: PurchaseRequest) -> ListedPurchase | None:
        """Return another purchase of the same content that has not ended."""

    def find_doubted(self, request: PurchaseRequest) -> str:
        """Return the id of another request of the same content that is in doubt; else nothing."""

    def add(self, request: PurchaseRequest, listed: ListedPurchase) -> None:
        """Add what this run plans or has placed, as the list may lag behind."""

    def request_price(self, purchase: Purchase) -> Quote:
        """Request the price.

        Raises:
            ApiError: The API fails, refuses the request, or responds something else.
        """

    def place(self, purchase: Purchase) -> ListedPurchase:
        """Place it, which costs money or tokens.

        Raises:
            ApiError: The API fails or refuses the request. It may exist all the same.
        """


class KindFactory(Protocol):
    """The class of a kind: makes one for a run."""

    unit: str
    words: KindWords
    fields: frozenset[str]
    place_field: str
    is_listed: bool

    def __call__(
        self, services: KindServices, requests: Sequence[Any], places: frozenset[str]
    ) -> PurchaseKind:
        """Return the kind.

        Args:
            services: What it needs of the run.
            requests: The requests of this kind.
            places: Ids of the objects whose lists may have what earlier runs requested.
        """


def count_amount(kind: PurchaseKind, placed: ListedPurchase, quoted: float) -> float:
    """Return what counts of a purchase that exists: what the API states that it costs.

    Of tokens, which the API may count later, at least its price counts.
    """
    amount = quoted if placed.amount is None else placed.amount
    return max(amount, quoted) if kind.unit == TOKENS else amount
