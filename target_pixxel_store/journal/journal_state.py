"""The state that the lines of a journal describe; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from target_pixxel_store.download_sources import (
    KINDS,
    DownloadSource,
    catalog_source,
    make_source,
)
from target_pixxel_store.locations import BucketPath, DeliveryKey


class ObjectKey(NamedTuple):
    """Identifies an object of the workspace, such as an area of interest.

    Attributes:
        kind: The name of its kind.
        identity: What identifies it among its kind, such as its project and its name.
    """

    kind: str
    identity: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Intent:
    """A requested delivery whose result is unknown.

    Attributes:
        store_id: Id of the store.
        earlier_ids: Ids of the earlier deliveries with its key.
        replaces: Id of the delivery that it replaces, at the request of a record.
    """

    store_id: str
    earlier_ids: frozenset[str]
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class KnownDelivery:
    """A delivery that a run requested and that the API listed.

    Attributes:
        recorded_at: In seconds since 1970, by the clock of the run that recorded it.
    """

    key: DeliveryKey
    store_id: str
    recorded_at: float


class DownloadKey(NamedTuple):
    """Identifies a download: its source, and the folder of its file."""

    source: DownloadSource
    folder: str


class DownloadedFile(NamedTuple):
    """The file of a finished download; `size` is in bytes."""

    name: str
    size: int
    download_id: str | None


class PurchaseKey(NamedTuple):
    """Identifies a request for a purchase: its kind, and its id."""

    kind: str
    request_id: str


class KnownPurchase(NamedTuple):
    """A purchase that exists.

    Attributes:
        content: The digest of what the record requested; empty where it is not known.
        amount: What it costs.
        purchase_id: Empty where the API returned none.
        place: Id of the object whose list has it; empty where there is one list.
    """

    content: str
    amount: float
    purchase_id: str = ""
    place: str = ""


class PurchaseIntent(NamedTuple):
    """A request that was sent, once or more often, without a known result.

    Attributes:
        content: The digest of what the record requested.
        amounts: The price of each send whose result is unknown, the last one last.
        send: Identifies the last send; a permission to send it again must name it.
        place: Id of the object whose list has what it creates; empty where there is one list.
    """

    content: str
    amounts: tuple[float, ...]
    send: str
    place: str = ""

    def name(self, key: PurchaseKey) -> str:
        """Return what settings must have to decide about its last send."""
        return f"{key.request_id}:{self.send}"


class PurchaseProblem(NamedTuple):
    """Why no run sends anything until a person has acknowledged a purchase.

    Attributes:
        key: Its request.
        amount: What it costs.
        quoted: The price that was requested before; None where that request itself placed it.
    """

    key: PurchaseKey
    amount: float
    quoted: float | None


class OpenQuote(NamedTuple):
    """A request for a price, the first one of a run, without a known result.

    Attributes:
        request_id: Id of the request.
        place: Id of the object whose list has what it may have created.
    """

    request_id: str
    place: str = ""


@dataclass(slots=True)
class JournalState:
    """What runs requested, and what came of it.

    Attributes:
        intents: The requested deliveries whose result is unknown.
        deliveries: The listed deliveries by id, in the order of the requests.
        final_ids: Ids of the deliveries that need no more checks.
        stuck_ids: Ids of the deliveries that were reported as unfinished.
        replaced_ids: Ids of the deliveries that records had replaced.
        store_locations: The locations of stores that may be deleted.
        download_ids: Ids of unfinished downloads; None where no response is known.
        files: The files of finished downloads.
        file_owners: The source of each file, by folder and name.
        workspace_ids: Ids of the workspaces that earlier runs wrote to.
        is_settled: Whether a run has waited until the API listed what runs that are not in the
            journal had requested.
        object_intents: The requested objects whose result is unknown.
        object_ids: Ids of the objects that exist.
        purchase_intents: The purchases that were sent and whose result is unknown.
        purchases: The purchases that exist, by request, then by their ids.
        keys_by_content: The requests that were sent, or that have a purchase, by the digest of
            their content.
        purchase_problems: The purchases that a person must acknowledge, by their ids, or that of
            the request where one has none.
        plan_digests: The digests of the plans that were made with this journal.
        open_quotes: For each kind, the request for a price that has no known result.
        paid_quotes: The kinds whose last known request for a price has placed the purchase.
    """

    intents: dict[DeliveryKey, Intent] = field(default_factory=dict)
    deliveries: dict[str, KnownDelivery] = field(default_factory=dict)
    final_ids: set[str] = field(default_factory=set)
    stuck_ids: set[str] = field(default_factory=set)
    replaced_ids: set[str] = field(default_factory=set)
    store_locations: dict[str, BucketPath] = field(default_factory=dict)
    download_ids: dict[DownloadKey, str | None] = field(default_factory=dict)
    files: dict[DownloadKey, DownloadedFile] = field(default_factory=dict)
    file_owners: dict[tuple[str, str], DownloadSource] = field(default_factory=dict)
    workspace_ids: set[str] = field(default_factory=set)
    is_settled: bool = False
    object_intents: set[ObjectKey] = field(default_factory=set)
    object_ids: dict[ObjectKey, str] = field(default_factory=dict)
    purchase_intents: dict[PurchaseKey, PurchaseIntent] = field(default_factory=dict)
    purchases: dict[PurchaseKey, dict[str, KnownPurchase]] = field(default_factory=dict)
    keys_by_content: dict[str, set[PurchaseKey]] = field(default_factory=dict)
    purchase_problems: dict[str, PurchaseProblem] = field(default_factory=dict)
    plan_digests: set[str] = field(default_factory=set)
    open_quotes: dict[str, OpenQuote] = field(default_factory=dict)
    paid_quotes: set[str] = field(default_factory=set)

    def apply(self, line: dict[str, Any]) -> None:
        """Apply a line.

        Raises:
            KeyError, TypeError, ValueError: It is not a valid line of a journal.
        """
        match line["is"]:
            case "run":
                self.workspace_ids.update(line["workspaces"])
            case "settled":
                self.is_settled = True
            case "intent":
                self._apply_intents(line["of"])
            case "made":
                for each in line["of"]:
                    self._apply_delivery(each, float(line["at"]))
            case "refused":
                self._apply_refusals(line["of"])
            case "store":
                self.store_locations[line["id"]] = BucketPath(*line["place"])
            case "final" | "stuck":
                (self.final_ids if line["is"] == "final" else self.stuck_ids).add(line["id"])
            case _:
                self._apply_other(line)

    def _apply_other(self, line: dict[str, Any]) -> None:
        match line["is"]:
            case "object_intent" | "object_made" | "object_refused":
                self._apply_object(ObjectKey(line["kind"], tuple(line["identity"])), line)
            case "area_intent" | "area_made" | "area_refused":  # of earlier versions
                self._apply_object(ObjectKey("aoi", (line["project"], line["name"])), line)
            case "quote":
                self.open_quotes[line["kind"]] = OpenQuote(line["request"], line["place"])
            case "quote_refused" | "quote_honoured":
                self.open_quotes.pop(line["kind"], None)
                if line["is"] == "quote_honoured":
                    self.paid_quotes.discard(line["kind"])
            case "plan":
                self.plan_digests.add(line["digest"])
            case "purchase_acknowledged":
                self.purchase_problems.pop(line["id"], None)
            case "purchase_intent" | "purchase_refused":
                self._apply_purchase_intent(line)
            case "purchase_made":
                self._apply_purchase(line)
            case _:
                self._apply_download(line)

    def _apply_download(self, line: dict[str, Any]) -> None:
        key, download_id = _decode_download_key(line), line.get("id")
        match line["is"]:
            case "ask" | "download":
                self.download_ids[key] = download_id
            case "file":
                self.download_ids.pop(key, None)
                self.files[key] = DownloadedFile(line["name"], int(line["size"]), download_id)
                self.file_owners[key.folder, line["name"]] = key.source
            case _:
                raise ValueError

    def _apply_intents(self, wanted: list[dict[str, Any]]) -> None:
        for each in wanted:
            before = frozenset(each.get("before", ()))
            self.intents[_decode_delivery_key(each)] = Intent(
                str(each.get("store", "")), before, each.get("replaces")
            )

    def _apply_refusals(self, refused: list[dict[str, Any]]) -> None:
        for each in refused:
            self.intents.pop(_decode_delivery_key(each), None)

    def _apply_delivery(self, each: dict[str, Any], at: float) -> None:
        key, delivery_id = _decode_delivery_key(each), each["id"]
        self.deliveries[delivery_id] = KnownDelivery(key, each["store"], at)
        intent = self.intents.pop(key, None)
        if intent is not None and intent.replaces is not None:
            self.replaced_ids.add(intent.replaces)

    def _apply_object(self, key: ObjectKey, line: dict[str, Any]) -> None:
        if line["is"].endswith("_intent"):
            self.object_intents.add(key)
            return
        self.object_intents.discard(key)
        if line["is"].endswith("_made"):
            self.object_ids[key] = line["id"]

    def _apply_purchase_intent(self, line: dict[str, Any]) -> None:
        """Add a send, or remove the last one, which the API has refused."""
        key = PurchaseKey(line["kind"], line["request"])
        intent = self.purchase_intents.get(key)
        if line["is"] == "purchase_intent":
            self.keys_by_content.setdefault(line["content"], set()).add(key)
            amounts = (*(intent.amounts if intent else ()), float(line["amount"]))
            self.purchase_intents[key] = PurchaseIntent(
                line["content"], amounts, line["send"], line["place"]
            )
        elif intent is not None:
            self._keep_sends(key, intent, intent.amounts[:-1])

    def _keep_sends(
        self, key: PurchaseKey, intent: PurchaseIntent, amounts: tuple[float, ...]
    ) -> None:
        if amounts:
            self.purchase_intents[key] = intent._replace(amounts=amounts)
        else:
            del self.purchase_intents[key]

    def _apply_purchase(self, line: dict[str, Any]) -> None:
        """Add a purchase, or what it costs now; it is the result of one send, at most."""
        key, purchase_id = PurchaseKey(line["kind"], line["request"]), line["id"]
        amount, quoted = float(line["amount"]), line.get("quoted")
        self.keys_by_content.setdefault(line["content"], set()).add(key)
        known = self.purchases.setdefault(key, {})
        earlier = known.get(purchase_id)
        known[purchase_id] = KnownPurchase(line["content"], amount, purchase_id, line["place"])
        if line.get("by_quote"):
            self.open_quotes.pop(key.kind, None)
            self.paid_quotes.add(key.kind)
        elif earlier is None and (intent := self.purchase_intents.get(key)):
            # Which send it is may be unknown, so the cheapest no longer counts.
            self._keep_sends(key, intent, tuple(sorted(intent.amounts)[1:]))
        is_dearer = quoted is not None and amount > quoted
        if line.get("by_quote") or (is_dearer and (earlier is None or amount > earlier.amount)):
            problem = PurchaseProblem(key, amount, quoted)
            self.purchase_problems[purchase_id or key.request_id] = problem


def _decode_delivery_key(each: dict[str, Any]) -> DeliveryKey:
    return DeliveryKey(each["catalog"], BucketPath(*each["place"]))


def _decode_download_key(line: dict[str, Any]) -> DownloadKey:
    if "catalog" in line:
        return DownloadKey(catalog_source(line["catalog"]), line["folder"])
    source = line["source"]
    return DownloadKey(make_source(KINDS[source["kind"]], source), line["folder"])
