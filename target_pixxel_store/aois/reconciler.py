"""Create areas of interest where their project has none of the name; never twice.

The API can neither change nor delete an area of interest. So an existing one is not changed.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixxel_api.errors import ApiError, Conflict, Forbidden, Unauthorized, UnexpectedResponse
from target_pixxel_store.aois.models import AOI_FIELDS, Aoi, aoi_key, parse_aoi
from target_pixxel_store.api.errors import (
    MAX_ATTEMPTS,
    REFUSAL_STATUSES,
    describe_refusal,
    find_failure_kind,
)
from target_pixxel_store.circuit_breaker import CircuitBreaker
from target_pixxel_store.errors import UnexpectedDeliveryError
from target_pixxel_store.outcomes import Outcome, OutcomeKind
from target_pixxel_store.polling import poll_for
from target_pixxel_store.remote_state import MAX_AGE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.aois.models import AoiSpec
    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.journal.journal_state import AoiKey
    from target_pixxel_store.settings import Settings

AOIS = "/v0/aois"
NAME_TAKEN = "the name is taken, but the API lists no area of interest with it in the project"
REFUSAL_HINT = "the API refuses the area of interest; check its "


@dataclass(eq=False, repr=False)
class AoiReconciler:
    """Creates the areas of interest that records specify.

    Attributes:
        api: Lists and creates areas of interest.
        journal: Records every request before it is sent.
        check: Called while waiting; raises to stop.
    """

    settings: Settings
    api: StoreApi
    journal: Journal
    check: Callable[[], None]
    _aois: dict[AoiKey, Aoi] = field(init=False, default_factory=dict)
    _refreshed_at: float = field(init=False, default=-math.inf)
    _breaker: CircuitBreaker = field(init=False, default_factory=CircuitBreaker)

    def ensure(self, spec: AoiSpec) -> Outcome:
        """Create an area of interest unless it exists.

        Raises:
            ApiError: The API cannot be read, or the token has no permission.
            UnexpectedDeliveryError: The API created a different one than requested.
            CircuitOpenError: Too many requests in a row failed in the same way.
        """
        if time.monotonic() - self._refreshed_at > MAX_AGE_SECONDS:
            self._refresh()
        if (existing := self._find_existing(spec)) is not None:
            return existing
        if self.settings.dry_run:
            self._aois[spec.key] = _aoi_from_spec(spec, "")
            return Outcome(OutcomeKind.CREATED)
        if self._refreshed_at < self.journal.aois_settled_at:
            self.journal.wait_settled(self.check)
            self._refresh()
            self._close_intents()
            if (existing := self._find_existing(spec)) is not None:
                return existing
        return self._create(spec)

    def _refresh(self) -> dict[AoiKey, Aoi]:
        """Read all areas of interest; a filter that the server misinterprets could hide one."""
        now = time.monotonic()
        self._aois = {}
        for row in self.api.list_rows(AOIS, "aois", key="aoi_id"):
            if (aoi := parse_aoi(row)) is not None:
                self._aois.setdefault(aoi.key, aoi)
        self._refreshed_at = now
        return self._aois

    def _close_intents(self) -> None:
        """Record what came of the requests of earlier runs."""
        for key in list(self.journal.state.aoi_intents):
            if (found := self._aois.get(key)) is not None:
                self.journal.record_aoi(key, found.id)
            else:
                self.journal.record_aoi_refusal(key)

    def _find_existing(self, spec: AoiSpec) -> Outcome | None:
        """Return the outcome where the list or the journal contains the area of interest."""
        key, state = spec.key, self.journal.state
        found = self._aois.get(key)
        if found is None:
            if (aoi_id := state.aoi_ids.get(key)) is None:
                return None
            return Outcome(
                OutcomeKind.EXISTS,
                "recorded in the journal, not (yet) listed by the API",
                aoi_id=aoi_id,
            )
        if key in state.aoi_intents:
            self.journal.record_aoi(key, found.id)
        return _existing_outcome(found, spec)

    def _create(self, spec: AoiSpec) -> Outcome:
        """Request an area of interest; again only after `settle_seconds` without it in the list."""
        key, is_uncertain = spec.key, False
        for attempt in range(1, MAX_ATTEMPTS + 1):
            response = self._post(spec)
            if isinstance(response, Aoi):
                return self._record(response, Outcome(OutcomeKind.CREATED, attempts=attempt))
            error, is_refusal = response, response.status in REFUSAL_STATUSES
            is_uncertain = is_uncertain or not is_refusal
            # The list may lag behind both for a name that is taken and after a lost response.
            is_late = isinstance(error, Conflict) or not is_refusal
            seconds = self.settings.settle_seconds if is_late else 0
            found = poll_for(seconds, lambda: self._refresh().get(key), self.check)
            if found is not None:
                is_existing = attempt == 1 and isinstance(error, Conflict)
                outcome = (
                    _existing_outcome(found, spec) if is_existing else Outcome(OutcomeKind.CREATED)
                )
                return self._record(found, outcome._replace(attempts=attempt))
            if is_refusal:
                break
            self._breaker.record_failure(find_failure_kind(error), str(error))
            if not error.retryable:
                break
        if not is_uncertain:
            self.journal.record_aoi_refusal(key)
        return Outcome(OutcomeKind.FAILED, _describe_error(error), attempts=attempt)

    def _post(self, spec: AoiSpec) -> Aoi | ApiError:
        """Send one request; return the area of interest that it created, or its error."""
        self.check()
        self.journal.record_aoi_intent(spec.key)
        try:
            row = self.api.create(AOIS, spec.to_request_body())
        except (Unauthorized, Forbidden):
            raise
        except ApiError as error:
            return error
        aoi_id = row.get("aoi_id")
        if not isinstance(aoi_id, str):
            return UnexpectedResponse(
                "POST", AOIS, reason="the response is not an area of interest"
            )
        created_key = aoi_key(
            str(row.get("project_id") or spec.project_id), str(row.get("name") or spec.name)
        )
        if created_key != spec.key:
            self.journal.record_aoi(spec.key, aoi_id)
            raise UnexpectedDeliveryError(
                f"area of interest {aoi_id}: the API created it with a different name or project "
                "than requested; stopping, so that nothing is created twice"
            )
        return _aoi_from_spec(spec, aoi_id)

    def _record(self, aoi: Aoi, outcome: Outcome) -> Outcome:
        self._breaker.record_success()
        self.journal.record_aoi(aoi.key, aoi.id)
        self._aois[aoi.key] = aoi
        return outcome._replace(aoi_id=aoi.id)


def _aoi_from_spec(spec: AoiSpec, aoi_id: str) -> Aoi:
    return Aoi(aoi_id, spec.key, spec.satellite_id, spec.rings)


def _existing_outcome(found: Aoi, spec: AoiSpec) -> Outcome:
    differs = found.find_differences(spec)
    reason = f"not changed, although it differs in {', '.join(differs)}" if differs else ""
    return Outcome(OutcomeKind.EXISTS, reason, aoi_id=found.id or None)


def _describe_error(error: ApiError) -> str:
    if isinstance(error, Conflict):
        return f"{error}; {NAME_TAKEN}"
    if error.status in REFUSAL_STATUSES:
        return describe_refusal(error, REFUSAL_HINT, AOI_FIELDS)
    return str(error)
