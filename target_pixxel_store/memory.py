"""Memory: what the journal says of earlier runs, and of this one; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from target_pixxel_store.places import Destination

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


class Identity(NamedTuple):
    """What a delivery is known by: two that have it are one."""

    catalog: str
    place: Destination


class AreaIdentity(NamedTuple):
    """What an area of interest is known by: the id of its project, and its name there."""

    project: str
    name: str


@dataclass(frozen=True, slots=True)
class Intent:
    """Something that was asked for, and of which no outcome is known.

    Attributes:
        at: When, in seconds since 1970.
        store: Id of the store.
        before: Ids of the deliveries that stood there already, all of them FAILED.
    """

    at: float
    store: str
    before: frozenset[str]


@dataclass(frozen=True, slots=True)
class Made:
    """A delivery that a run has asked for and seen.

    Attributes:
        at: When it was asked for, in seconds since 1970.
    """

    identity: Identity
    store: str
    at: float


class Spot(NamedTuple):
    """What a download is known by: the catalog, and the folder that its file goes into."""

    catalog: str
    folder: str


class File(NamedTuple):
    """A file that a download ended with; `size` in bytes."""

    name: str
    size: int
    download: str | None


@dataclass(slots=True)
class Memory:
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

    intents: dict[Identity, Intent] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    last: dict[Identity, str] = field(default_factory=dict)
    tries: dict[Identity, set[str]] = field(default_factory=dict)
    final: set[str] = field(default_factory=set)
    stores: dict[str, Destination] = field(default_factory=dict)
    downloads: dict[Spot, str | None] = field(default_factory=dict)
    files: dict[Spot, File] = field(default_factory=dict)
    holders: dict[tuple[str, str], str] = field(default_factory=dict)
    workspaces: set[str] = field(default_factory=set)
    unsettled: float = 0.0
    area_intents: dict[AreaIdentity, float] = field(default_factory=dict)
    areas: dict[AreaIdentity, str] = field(default_factory=dict)

    def settles(self, looked: float, now: float, seconds: float) -> float:
        """Tell until when to wait for a run that nobody remembers; 0 when all of it was seen.

        Args:
            looked: When the API was last looked at. A look from before `unsettled` may have missed
                what that run asked for, however long ago it is by now.
            now: The time.
            seconds: The longest that a request may take to be listed: a clock that was set back
                must not make this wait for longer.
        """
        return min(self.unsettled, now + seconds) if self.unsettled > looked else 0.0

    def settled(self, now: float) -> None:
        """Note that a look from now on sees all that was asked for by a run nobody remembers."""
        self.unsettled = min(self.unsettled, now)

    def take(self, line: dict[str, Any]) -> None:
        """Learn from a line.

        Raises:
            KeyError, TypeError, ValueError: It is no line of a journal.
        """
        match line["is"]:
            case "run":
                self.workspaces.update(line["workspaces"])
                self.unsettled = max(self.unsettled, float(line.get("unsettled", 0)))
            case "intent":
                self._take_intents(line["of"], float(line["at"]))
            case "made":
                for each in line["of"]:
                    self._take_made(each, float(line["at"]))
            case "refused":
                self._take_refused(line["of"])
            case "store":
                self.stores[line["id"]] = Destination(*line["place"])
            case "final":
                self.final.add(line["id"])
            case "area_intent" | "area_made" | "area_refused":
                self._take_area(line)
            case _:
                self._take_download(line)

    def _take_download(self, line: dict[str, Any]) -> None:
        spot, key = Spot(line["catalog"], line["folder"]), line.get("id")
        match line["is"]:
            case "ask" | "download":
                self.downloads[spot] = key
            case "file":
                self.downloads.pop(spot, None)
                self.files[spot] = File(line["name"], int(line["size"]), key)
                self.holders[spot.folder, line["name"]] = spot.catalog
            case _:
                raise ValueError

    def _take_intents(self, wanted: list[dict[str, Any]], at: float) -> None:
        for each in wanted:
            before = frozenset(each.get("before", ()))
            self.intents[_identity(each)] = Intent(at, str(each.get("store", "")), before)

    def _take_refused(self, refused: list[dict[str, Any]]) -> None:
        for each in refused:
            self.intents.pop(_identity(each), None)

    def _take_made(self, each: dict[str, Any], at: float) -> None:
        identity, key = _identity(each), each["id"]
        intent = self.intents.pop(identity, None)
        self.made[key] = Made(identity, each["store"], intent.at if intent else at)
        self.last[identity] = key
        self.tries.setdefault(identity, set()).add(key)

    def _take_area(self, line: dict[str, Any]) -> None:
        identity = AreaIdentity(line["project"], line["name"])
        if line["is"] == AREA_INTENT:
            self.area_intents[identity] = float(line["at"])
            return
        self.area_intents.pop(identity, None)
        if line["is"] == AREA_MADE:
            self.areas[identity] = line["id"]


def listed_by(asked: float, now: float, seconds: float) -> float:
    """Tell when what was asked for is surely listed.

    Args:
        asked: When that was.
        now: The time. A clock that was set back must not make this later than it would be.
        seconds: The longest that it may take.
    """
    return min(asked, now) + seconds


def _identity(each: dict[str, Any]) -> Identity:
    return Identity(each["catalog"], Destination(*each["place"]))
