"""Areas of interest: made where none of that name is in the project, and never twice.

The API neither changes an area nor deletes one. So what is there is left as it is, whoever made it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from pixxel_api.errors import ApiError, Conflict, Forbidden, Unauthorized, UnexpectedResponse
from target_pixxel_store.accounts import Outcome
from target_pixxel_store.areas import Area, identity_of, read_listed
from target_pixxel_store.deliverer import REFUSALS, TRIES
from target_pixxel_store.look import OLDEST, MisunderstoodError, look_until, wait_settled
from target_pixxel_store.memory import listed_by
from target_pixxel_store.plan import Kind
from target_pixxel_store.streak import Streak

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.api import Api
    from target_pixxel_store.areas import AreaWish
    from target_pixxel_store.journal import Journal
    from target_pixxel_store.memory import AreaIdentity
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)

AOIS = "/v0/aois"
TAKEN = "the name is taken, and the API lists no area of that name in the project"
REFUSED = (
    "the API refuses the area; check its 'project_id', 'satellite_id', 'provider', 'item_ids', "
    "'description' and 'geometry'"
)


class AreaKeeper:
    """Brings about the areas that records want.

    Args:
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self, settings: Settings, api: Api, journal: Journal, *, check: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._api = api
        self._journal = journal
        self._check = check
        self._areas: dict[AreaIdentity, Area] = {}
        self._read_at = float("-inf")
        self._seen_at = 0.0
        self._streak = Streak()

    def ensure(self, wish: AreaWish) -> Outcome:
        """Make an area, or find it there.

        Raises:
            ApiError: The API cannot be read, or the token may not do this.
            MisunderstoodError: The API has made another area than it was asked for.
            ServiceFailing: The API fails in the same way again and again.
        """
        if time.monotonic() - self._read_at > OLDEST:
            self._read()
        if (met := self._met(wish)) is not None:
            return met
        if self._settings.dry_run:
            self._areas[wish.identity] = _as_wanted(wish, "")
            return Outcome(Kind.CREATED)
        if until := self._unsettled(wish.identity):
            wait_settled(until, self._check)
            self._journal.memory.settled(time.time())
            self._read()
            if (met := self._met(wish)) is not None:
                return met
        return self._make(wish)

    def _read(self) -> None:
        """Read all areas; a filter that the server understands otherwise could hide one."""
        began, seen_at = time.monotonic(), time.time()
        self._areas = {}
        for row in self._api.listed(AOIS, "aois", key="aoi_id"):
            if (area := read_listed(row)) is not None:
                self._areas.setdefault(area.identity, area)
        self._read_at, self._seen_at = began, seen_at

    def _listed(self, identity: AreaIdentity) -> Area | None:
        self._read()
        return self._areas.get(identity)

    def _met(self, wish: AreaWish) -> Outcome | None:
        """Find the area by the list, or by the journal."""
        identity, memory = wish.identity, self._journal.memory
        found = self._areas.get(identity)
        if found is None:
            if (key := memory.areas.get(identity)) is None:
                return None
            return Outcome(Kind.EXISTS, "by the journal; the API does not list it", area=key)
        if identity in memory.area_intents:
            self._journal.made_area(identity, found.id)
        return _exists(found, wish)

    def _unsettled(self, identity: AreaIdentity) -> float:
        """Tell until when to wait before an area is asked for; 0 when there is no doubt."""
        memory, settle, now = self._journal.memory, self._settings.settle_seconds, time.time()
        until = memory.settles(self._seen_at, now, settle)
        if (asked := memory.area_intents.get(identity)) is not None:
            until = max(until, listed_by(asked, now, settle))
        return until

    def _make(self, wish: AreaWish) -> Outcome:
        """Ask for an area, again only when it is surely not there."""
        identity = wish.identity
        for attempt in range(1, TRIES + 1):
            made = self._ask(wish)
            if isinstance(made, Area):
                return self._noted(made, Outcome(Kind.CREATED, attempts=attempt))
            error, refused = made, made.status in REFUSALS
            # What has the name already may be listed late, as what got no answer may be.
            doubt = isinstance(error, Conflict) or not refused
            seconds = self._settings.settle_seconds if doubt else 0
            found = look_until(time.time() + seconds, lambda: self._listed(identity), self._check)
            if found is not None:
                theirs = attempt == 1 and isinstance(error, Conflict)
                outcome = _exists(found, wish) if theirs else Outcome(Kind.CREATED)
                return self._noted(found, outcome._replace(attempts=attempt))
            if refused:
                self._journal.refused_area(identity)
                break
            self._streak.fail(str(error))
            self._streak.check()
            if not error.retryable:
                break
        return Outcome(Kind.FAILED, _words(error), attempts=attempt)

    def _ask(self, wish: AreaWish) -> Area | ApiError:
        """Make a request; give the area that it surely made, or how it failed."""
        self._check()
        self._journal.intend_area(wish.identity)
        try:
            made = self._api.make(AOIS, wish.body())
        except (Unauthorized, Forbidden):
            raise
        except ApiError as error:
            return error
        key = made.get("aoi_id")
        if not isinstance(key, str):
            return UnexpectedResponse("POST", AOIS, reason="the answer is no area")
        named = identity_of(
            str(made.get("project_id") or wish.project), str(made.get("name") or wish.name)
        )
        if named != wish.identity:
            self._journal.made_area(wish.identity, key)
            raise MisunderstoodError(
                f"area {key}: the API has made it under another name, or in another project, than "
                "it was asked for; nothing more is sent, so that nothing is made twice"
            )
        return _as_wanted(wish, key)

    def _noted(self, area: Area, outcome: Outcome) -> Outcome:
        self._streak.end()
        self._journal.made_area(area.identity, area.id)
        self._areas[area.identity] = area
        return outcome._replace(area=area.id)


def _as_wanted(wish: AreaWish, key: str) -> Area:
    return Area(key, wish.identity, wish.satellite, wish.rings)


def _exists(found: Area, wish: AreaWish) -> Outcome:
    differs = found.differences(wish)
    why = f"left as it is, though it differs in {', '.join(differs)}" if differs else ""
    return Outcome(Kind.EXISTS, why, area=found.id or None)


def _words(error: ApiError) -> str:
    if isinstance(error, Conflict):
        return f"{error}; {TAKEN}"
    if error.status in REFUSALS:
        return f"{error.method} {error.path} returned {error.status}: {REFUSED}"
    return str(error)
