"""Memory: what the journal says of earlier runs, and of this one; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from target_pixxel_store.locations import BucketPath

RUN: Final = "run"
INTENT: Final = "intent"
MADE: Final = "made"
REFUSED: Final = "refused"
STORE: Final = "store"
FINAL: Final = "final"
AREA_INTENT: Final = "area_intent"
AREA_MADE: Final = "area_made"
AREA_REFUSED: Final = "area_refused"
ASK: Final = "ask"
DOWNLOAD: Final = "download"
FILE: Final = "file"


class DeliveryKey(NamedTuple):
    """What a delivery is known by: two that have it are one."""

    catalog_id: str
    location: BucketPath


class AoiKey(NamedTuple):
    """What an area of interest is known by: the id of its project, and its name there."""

    project_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Intent:
    """Something that was asked for, and of which no outcome is known.

    Attributes:
        at: When, in seconds since 1970.
        store: Id of the store.
        before: Ids of the deliveries that stood there already, all of them FAILED.
    """

    requested_at: float
    store_id: str
    earlier_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class KnownDelivery:
    """A delivery that a run has asked for and seen.

    Attributes:
        at: When it was asked for, in seconds since 1970.
    """

    key: DeliveryKey
    store_id: str
    requested_at: float


class DownloadKey(NamedTuple):
    """What a download is known by: the catalog, and the folder that its file goes into."""

    catalog_id: str
    folder: str


class DownloadedFile(NamedTuple):
    """A file that a download ended with; `size` in bytes."""

    name: str
    size: int
    download_id: str | None


@dataclass(slots=True)
class JournalState:
    """What the journal says.

    Attributes:
        intents: What was asked for and has no outcome.
        made: Deliveries by id, in the order in which they were asked for.
        last: The newest delivery of each identity.
        tries: Deliveries that each identity has had.
        final: Ids of the deliveries that need not be looked after any more.
        stores: Where the deliveries of stores begin that may be gone.
        downloads: Ids of downloads that were asked for and have not ended; None where the API has
            not answered, as far as is known.
        files: What downloads ended with.
        holders: The catalog that each file in a folder is of.
        workspaces: Ids of the workspaces that earlier runs wrote to.
        unsettled: Until when, in seconds since 1970, a run that nobody remembers may have asked
            for things that are not listed yet.
        area_intents: When each area was asked for that has no outcome, in seconds since 1970.
        areas: Ids of the areas that runs have asked for and seen.
    """

    intents: dict[DeliveryKey, Intent] = field(default_factory=dict)
    deliveries: dict[str, KnownDelivery] = field(default_factory=dict)
    latest_ids: dict[DeliveryKey, str] = field(default_factory=dict)
    attempt_ids: dict[DeliveryKey, set[str]] = field(default_factory=dict)
    final_ids: set[str] = field(default_factory=set)
    store_locations: dict[str, BucketPath] = field(default_factory=dict)
    download_ids: dict[DownloadKey, str | None] = field(default_factory=dict)
    files: dict[DownloadKey, DownloadedFile] = field(default_factory=dict)
    file_owners: dict[tuple[str, str], str] = field(default_factory=dict)
    workspace_ids: set[str] = field(default_factory=set)
    unknown_run_until: float = 0.0
    aoi_intents: dict[AoiKey, float] = field(default_factory=dict)
    aoi_ids: dict[AoiKey, str] = field(default_factory=dict)

    def uncertain_until(self, refreshed_at: float, now: float, settle_seconds: float) -> float:
        """Tell until when to wait for a run that nobody remembers; 0 when all of it was seen.

        Args:
            refreshed_at: When the API's lists were last read. Lists read before
                `unknown_run_until` may lack what that run requested, however old they are now.
            now: The current time.
            settle_seconds: The longest time until a request is listed; a clock that was set back
                must not extend the wait.
        """
        return (
            min(self.unknown_run_until, now + settle_seconds)
            if self.unknown_run_until > refreshed_at
            else 0.0
        )

    def end_uncertainty(self, now: float) -> None:
        """Note that a look from now on sees all that was asked for by a run nobody remembers."""
        self.unknown_run_until = min(self.unknown_run_until, now)

    def apply(self, line: dict[str, Any]) -> None:
        """Learn from a line.

        Raises:
            KeyError, TypeError, ValueError: It is no line of a journal.
        """
        match line["is"]:
            case "run":
                self.workspace_ids.update(line["workspaces"])
                self.unknown_run_until = max(
                    self.unknown_run_until, float(line.get("unsettled", 0))
                )
            case "intent":
                self._apply_intents(line["of"], float(line["at"]))
            case "made":
                for each in line["of"]:
                    self._apply_delivery(each, float(line["at"]))
            case "refused":
                self._apply_refusals(line["of"])
            case "store":
                self.store_locations[line["id"]] = BucketPath(*line["place"])
            case "final":
                self.final_ids.add(line["id"])
            case "area_intent" | "area_made" | "area_refused":
                self._apply_aoi(line)
            case _:
                self._apply_download(line)

    def _apply_download(self, line: dict[str, Any]) -> None:
        spot, key = DownloadKey(line["catalog"], line["folder"]), line.get("id")
        match line["is"]:
            case "ask" | "download":
                self.download_ids[spot] = key
            case "file":
                self.download_ids.pop(spot, None)
                self.files[spot] = DownloadedFile(line["name"], int(line["size"]), key)
                self.file_owners[spot.folder, line["name"]] = spot.catalog_id
            case _:
                raise ValueError

    def _apply_intents(self, wanted: list[dict[str, Any]], at: float) -> None:
        for each in wanted:
            before = frozenset(each.get("before", ()))
            self.intents[_decode_delivery_key(each)] = Intent(
                at, str(each.get("store", "")), before
            )

    def _apply_refusals(self, refused: list[dict[str, Any]]) -> None:
        for each in refused:
            self.intents.pop(_decode_delivery_key(each), None)

    def _apply_delivery(self, each: dict[str, Any], at: float) -> None:
        identity, key = _decode_delivery_key(each), each["id"]
        intent = self.intents.pop(identity, None)
        self.deliveries[key] = KnownDelivery(
            identity, each["store"], intent.requested_at if intent else at
        )
        self.latest_ids[identity] = key
        self.attempt_ids.setdefault(identity, set()).add(key)

    def _apply_aoi(self, line: dict[str, Any]) -> None:
        identity = AoiKey(line["project"], line["name"])
        if line["is"] == AREA_INTENT:
            self.aoi_intents[identity] = float(line["at"])
            return
        self.aoi_intents.pop(identity, None)
        if line["is"] == AREA_MADE:
            self.aoi_ids[identity] = line["id"]


def settled_at(requested_at: float, now: float, settle_seconds: float) -> float:
    """Tell when what was asked for is surely listed.

    Args:
        requested_at: When that was.
        now: The time. A clock that was set back must not make this later than it would be.
        settle_seconds: The longest that it may take.
    """
    return min(requested_at, now) + settle_seconds


def _decode_delivery_key(each: dict[str, Any]) -> DeliveryKey:
    return DeliveryKey(each["catalog"], BucketPath(*each["place"]))
