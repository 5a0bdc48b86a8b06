"""Areas of interest: made where none of that name is in the project, and never twice.

The API neither changes an area nor deletes one. So what is there is left as it is, whoever made it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from pixxel_api.errors import ApiError, Conflict, Forbidden, Unauthorized, UnexpectedResponse
from target_pixxel_store.aois.models import Aoi, aoi_key, parse_aoi
from target_pixxel_store.api.errors import MAX_ATTEMPTS, REFUSAL_STATUSES
from target_pixxel_store.circuit_breaker import CircuitBreaker
from target_pixxel_store.errors import UnexpectedDeliveryError
from target_pixxel_store.journal.journal_state import settled_at
from target_pixxel_store.outcomes import Outcome, OutcomeKind
from target_pixxel_store.polling import poll_until, wait_settled
from target_pixxel_store.remote_state import MAX_AGE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.aois.models import AoiSpec
    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.journal.journal_state import AoiKey
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)

AOIS = "/v0/aois"
NAME_TAKEN = "the name is taken, and the API lists no area of that name in the project"
REFUSAL_HINT = (
    "the API refuses the area; check its 'project_id', 'satellite_id', 'provider', 'item_ids', "
    "'description' and 'geometry'"
)


class AoiReconciler:
    """Brings about the areas that records want.

    Args:
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self, settings: Settings, api: StoreApi, journal: Journal, *, check: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._api = api
        self._journal = journal
        self._check = check
        self._aois: dict[AoiKey, Aoi] = {}
        self._refreshed_monotonic = float("-inf")
        self._refreshed_at = 0.0
        self._breaker = CircuitBreaker()

    def ensure(self, spec: AoiSpec) -> Outcome:
        """Make an area, or find it there.

        Raises:
            ApiError: The API cannot be read, or the token may not do this.
            MisunderstoodError: The API has made another area than it was asked for.
            ServiceFailing: The API fails in the same way again and again.
        """
        if time.monotonic() - self._refreshed_monotonic > MAX_AGE_SECONDS:
            self._refresh()
        if (met := self._find_existing(spec)) is not None:
            return met
        if self._settings.dry_run:
            self._aois[spec.key] = _aoi_from_spec(spec, "")
            return Outcome(OutcomeKind.CREATED)
        if until := self._uncertain_until(spec.key):
            wait_settled(until, self._check)
            self._journal.state.end_uncertainty(time.time())
            self._refresh()
            if (met := self._find_existing(spec)) is not None:
                return met
        return self._create(spec)

    def _refresh(self) -> None:
        """Read all areas; a filter that the server understands otherwise could hide one."""
        began, seen_at = time.monotonic(), time.time()
        self._aois = {}
        for row in self._api.list_rows(AOIS, "aois", key="aoi_id"):
            if (area := parse_aoi(row)) is not None:
                self._aois.setdefault(area.key, area)
        self._refreshed_monotonic, self._refreshed_at = began, seen_at

    def _find_listed(self, key: AoiKey) -> Aoi | None:
        self._refresh()
        return self._aois.get(key)

    def _find_existing(self, spec: AoiSpec) -> Outcome | None:
        """Find the area by the list, or by the journal."""
        identity, memory = spec.key, self._journal.state
        found = self._aois.get(identity)
        if found is None:
            if (key := memory.aoi_ids.get(identity)) is None:
                return None
            return Outcome(
                OutcomeKind.EXISTS, "by the journal; the API does not list it", aoi_id=key
            )
        if identity in memory.aoi_intents:
            self._journal.record_aoi(identity, found.id)
        return _existing_outcome(found, spec)

    def _uncertain_until(self, key: AoiKey) -> float:
        """Tell until when to wait before an area is asked for; 0 when there is no doubt."""
        memory, settle, now = self._journal.state, self._settings.settle_seconds, time.time()
        until = memory.uncertain_until(self._refreshed_at, now, settle)
        if (asked := memory.aoi_intents.get(key)) is not None:
            until = max(until, settled_at(asked, now, settle))
        return until

    def _create(self, spec: AoiSpec) -> Outcome:
        """Ask for an area, again only when it is surely not there."""
        identity = spec.key
        for attempt in range(1, MAX_ATTEMPTS + 1):
            made = self._post(spec)
            if isinstance(made, Aoi):
                return self._record(made, Outcome(OutcomeKind.CREATED, attempts=attempt))
            error, refused = made, made.status in REFUSAL_STATUSES
            # What has the name already may be listed late, as what got no answer may be.
            doubt = isinstance(error, Conflict) or not refused
            seconds = self._settings.settle_seconds if doubt else 0
            found = poll_until(
                time.time() + seconds, lambda: self._find_listed(identity), self._check
            )
            if found is not None:
                theirs = attempt == 1 and isinstance(error, Conflict)
                outcome = _existing_outcome(found, spec) if theirs else Outcome(OutcomeKind.CREATED)
                return self._record(found, outcome._replace(attempts=attempt))
            if refused:
                self._journal.record_aoi_refusal(identity)
                break
            self._breaker.record_failure(str(error))
            self._breaker.check()
            if not error.retryable:
                break
        return Outcome(OutcomeKind.FAILED, _describe_error(error), attempts=attempt)

    def _post(self, spec: AoiSpec) -> Aoi | ApiError:
        """Make a request; give the area that it surely made, or how it failed."""
        self._check()
        self._journal.record_aoi_intent(spec.key)
        try:
            made = self._api.create(AOIS, spec.to_request_body())
        except (Unauthorized, Forbidden):
            raise
        except ApiError as error:
            return error
        key = made.get("aoi_id")
        if not isinstance(key, str):
            return UnexpectedResponse("POST", AOIS, reason="the answer is no area")
        named = aoi_key(
            str(made.get("project_id") or spec.project_id), str(made.get("name") or spec.name)
        )
        if named != spec.key:
            self._journal.record_aoi(spec.key, key)
            raise UnexpectedDeliveryError(
                f"area {key}: the API has made it under another name, or in another project, than "
                "it was asked for; nothing more is sent, so that nothing is made twice"
            )
        return _aoi_from_spec(spec, key)

    def _record(self, aoi: Aoi, outcome: Outcome) -> Outcome:
        self._breaker.record_success()
        self._journal.record_aoi(aoi.key, aoi.id)
        self._aois[aoi.key] = aoi
        return outcome._replace(aoi_id=aoi.id)


def _aoi_from_spec(spec: AoiSpec, aoi_id: str) -> Aoi:
    return Aoi(aoi_id, spec.key, spec.satellite_id, spec.rings)


def _existing_outcome(found: Aoi, spec: AoiSpec) -> Outcome:
    differs = found.find_differences(spec)
    why = f"left as it is, though it differs in {', '.join(differs)}" if differs else ""
    return Outcome(OutcomeKind.EXISTS, why, aoi_id=found.id or None)


def _describe_error(error: ApiError) -> str:
    if isinstance(error, Conflict):
        return f"{error}; {NAME_TAKEN}"
    if error.status in REFUSAL_STATUSES:
        return f"{error.method} {error.path} answered {error.status}: {REFUSAL_HINT}"
    return str(error)
