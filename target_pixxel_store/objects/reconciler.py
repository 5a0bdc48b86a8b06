"""Create objects that do not exist; never twice.

The API can neither change nor delete them. So an existing one is not changed.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pixxel_api.errors import (
    ApiError,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    RequestNotProcessed,
    Unauthorized,
    UnexpectedResponse,
)
from target_pixxel_store.api.errors import (
    MAX_ATTEMPTS,
    REFUSAL_STATUSES,
    describe_refusal,
    find_failure_kind,
)
from target_pixxel_store.circuit_breaker import CircuitBreaker
from target_pixxel_store.objects.models import ListedObject
from target_pixxel_store.outcomes import Outcome, OutcomeKind, UnexpectedObjectError
from target_pixxel_store.polling import poll_for
from target_pixxel_store.remote_state import MAX_AGE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.journal.journal_state import ObjectKey
    from target_pixxel_store.objects.models import ObjectKind, ObjectSpec
    from target_pixxel_store.settings import Settings

MAX_LISTS = 200
"""Lists that are kept, as there is one for each area of interest."""
UNKNOWN_RESULT = "this run has requested it before, with an unknown result; run again"


@dataclass(slots=True, eq=False)
class _ObjectList:
    """A list of the API, as it was read last, and what was created in it since.

    Attributes:
        requested_at: The monotonic time when it was requested.
        max_age: Seconds from then on until it is read again.
        ids: The ids of all objects in it.
    """

    requested_at: float = -math.inf
    max_age: float = MAX_AGE_SECONDS
    objects: dict[ObjectKey, ListedObject] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)


@dataclass(eq=False, repr=False)
class ObjectReconciler:
    """Creates the objects that records request.

    Attributes:
        api: Lists and creates objects.
        journal: Records every request before it is sent.
        check: Called while waiting; raises to stop.
    """

    settings: Settings
    api: StoreApi
    journal: Journal
    check: Callable[[], None]
    _lists: dict[str, _ObjectList] = field(init=False, default_factory=dict)
    _earlier_intents: set[ObjectKey] = field(init=False)
    _uncertain_keys: set[ObjectKey] = field(init=False, default_factory=set)
    _breaker: CircuitBreaker = field(init=False, default_factory=CircuitBreaker)

    def __post_init__(self) -> None:
        self._earlier_intents = set(self.journal.state.object_intents)

    def ensure(self, spec: ObjectSpec) -> Outcome:
        """Create an object unless it exists.

        Raises:
            ApiError: The API cannot be read, or the token has no permission.
            UnexpectedObjectError: The API created a different one than requested, as which no list
                would show it.
            CircuitOpenError: Too many requests in a row failed in the same way.
        """
        kind = spec.kind
        listed = self._find_list(spec.path)
        if listed is None:
            try:
                listed = self._read_list(kind, spec.path, spec.key)
            except ApiError as error:
                return self._fail_unreadable(spec, error)
        if (existing := self._find_existing(spec)) is not None:
            return existing
        if self.settings.dry_run:
            listed.objects[spec.key] = _make_object(spec, "")
            return Outcome(OutcomeKind.CREATED)
        if listed.requested_at < self.journal.objects_settled_at:
            self.journal.wait_settled(self.check)
            self._read_list(kind, spec.path, spec.key)
            self._close_earlier_intents(kind)
            if (existing := self._find_existing(spec)) is not None:
                return existing
        if spec.key in self._uncertain_keys:
            return Outcome(OutcomeKind.FAILED, UNKNOWN_RESULT)
        return self._create(spec)

    def _find_list(self, path: str) -> _ObjectList | None:
        """Return a list that was read not long ago; forget those that were not used for longest."""
        listed = self._lists.pop(path, None)
        while len(self._lists) >= MAX_LISTS:
            del self._lists[next(iter(self._lists))]
        if listed is None or time.monotonic() - listed.requested_at > listed.max_age:
            return None
        self._lists[path] = listed
        return listed

    def _fail_unreadable(self, spec: ObjectSpec, error: ApiError) -> Outcome:
        """Return the outcome where the list of a parent cannot be read; raise for any other."""
        kind = spec.kind
        if kind.has_parents and isinstance(error, Forbidden):
            return Outcome(OutcomeKind.FAILED, self.api.describe_forbidden(error))
        if not kind.is_unknown_parent(error):
            raise error
        reason = f"GET {spec.path} returned {error.status}: {kind.unknown_parent}"
        return Outcome(OutcomeKind.FAILED, reason)

    def _read_list(self, kind: ObjectKind, path: str, key: ObjectKey) -> _ObjectList:
        """Read a whole list; a filter that the server misinterprets could hide an object.

        Args:
            kind: The kind of its objects.
            path: Its path.
            key: The key of one of its objects, which may not exist.
        """
        listed = _ObjectList(time.monotonic())
        # The rows need not repeat what the path says.
        shared = {kind.identity_fields[0]: key.identity[0]} if kind.has_parents else {}
        for row in self.api.list_rows(path, kind.rows_name, key=kind.id_field):
            found = kind.parse_row(row | shared)
            if found:
                listed.ids.add(found.id)
            if found and (found.key not in listed.objects or listed.objects[found.key].has_failed):
                listed.objects[found.key] = found
        # A long list is not read again for each record.
        listed.max_age = max(MAX_AGE_SECONDS, 2 * (time.monotonic() - listed.requested_at))
        self._lists[path] = listed
        return listed

    def _close_earlier_intents(self, kind: ObjectKind) -> None:
        """Record what came of the requests of earlier runs; the lists have settled."""
        keys = [key for key in self._earlier_intents if key.kind == kind.name]
        self._earlier_intents.difference_update(keys)
        for key in keys:
            path = kind.make_path(key.identity)
            listed = self._lists.get(path)
            try:
                if listed is None or listed.requested_at < self.journal.objects_settled_at:
                    listed = self._read_list(kind, path, key)
            except ApiError as error:
                if not kind.is_unknown_parent(error):
                    if not (kind.has_parents and isinstance(error, Forbidden)):
                        raise
                    self.api.describe_forbidden(error)
                    continue
                listed = _ObjectList()
            if (found := listed.objects.get(key)) is not None:
                self.journal.record_object(key, found.id)
            else:
                self.journal.record_object_refusal(key)

    def _find_existing(self, spec: ObjectSpec) -> Outcome | None:
        """Return the outcome where the list or the journal contains the object."""
        key, state, listed = spec.key, self.journal.state, self._lists[spec.path]
        found = listed.objects.get(key)
        if found is None:
            if (object_id := state.object_ids.get(key)) is None:
                return None
            reason = "recorded in the journal, not (yet) listed by the API"
            if object_id in listed.ids:
                reason = (
                    f"the API lists it with a different {' or '.join(spec.kind.identity_fields)}"
                )
            return _name_object(spec.kind, Outcome(OutcomeKind.EXISTS, reason), object_id)
        if key in state.object_intents:
            self.journal.record_object(key, found.id)
        return _existing_outcome(found, spec)

    def _create(self, spec: ObjectSpec) -> Outcome:
        """Request an object; again only after `settle_seconds` without it in the list."""
        key, is_uncertain = spec.key, False
        for attempt in range(1, MAX_ATTEMPTS + 1):
            sent_at = time.monotonic()
            response = self._post(spec, attempt)
            if isinstance(response, ListedObject):
                return self._record(spec, response, Outcome(OutcomeKind.CREATED, attempts=attempt))
            error, is_refusal = response, _is_refusal(response)
            reason = _describe_error(spec.kind, error)
            if isinstance(error, Forbidden):
                reason = self.api.describe_forbidden(error)
            is_uncertain = is_uncertain or not is_refusal
            # The list may lag behind both for an object that is there and after a lost response.
            is_late = isinstance(error, Conflict) or not is_refusal
            seconds = self.settings.settle_seconds if is_late else 0
            if attempt < MAX_ATTEMPTS and _may_be_executed(error):
                # A gateway may have given up before the API, which then creates it all the same.
                seconds += max(0, sent_at + self.settings.request_timeout - time.monotonic())
            found = poll_for(
                seconds,
                lambda: self._read_list(spec.kind, spec.path, key).objects.get(key),
                self.check,
            )
            if found is not None:
                is_existing = attempt == 1 and isinstance(error, Conflict)
                outcome = (
                    _existing_outcome(found, spec) if is_existing else Outcome(OutcomeKind.CREATED)
                )
                return self._record(spec, found, outcome._replace(attempts=attempt))
            if is_refusal:
                break
            self._breaker.record_failure(find_failure_kind(error), str(error))
            if not error.retryable:
                break
        if is_uncertain:
            self._uncertain_keys.add(key)
        else:
            self.journal.record_object_refusal(key)
        return Outcome(OutcomeKind.FAILED, reason, attempts=attempt)

    def _post(self, spec: ObjectSpec, attempt: int) -> ListedObject | ApiError:
        """Send one request; return the object that it created, or its error.

        Args:
            spec: The object.
            attempt: The number of requests for it, with this one.

        Raises:
            Unauthorized: The token is invalid.
            UnexpectedObjectError: The API created a different one than requested.
        """
        self.check()
        kind, key = spec.kind, spec.key
        self.journal.record_object_intent(key)
        try:
            row = self.api.create(spec.path, spec.to_request_body())
        except Unauthorized:
            raise
        except ApiError as error:
            return error
        object_id = row.get(kind.id_field)
        if not isinstance(object_id, str):
            reason = f"the response is no {kind.noun}"
            return UnexpectedResponse("POST", spec.path, reason=reason)
        identity = dict(zip(kind.identity_fields, key.identity, strict=True))
        created = {name: row.get(name) or value for name, value in identity.items()}
        if kind.find_key(created) != key:
            # The key is of the request, so that a later run creates nothing again.
            self.journal.record_object(key, object_id)
            differs = [
                name for name in identity if kind.find_key(identity | {name: created[name]}) != key
            ]
            reason = f"the API created it with a different {' and '.join(differs)} than requested"
            outcome = Outcome(OutcomeKind.CREATED, reason, attempts=attempt)
            raise UnexpectedObjectError(
                _name_object(kind, outcome, object_id), f"{kind.noun} {object_id}"
            )
        return _make_object(spec, object_id)

    def _record(self, spec: ObjectSpec, found: ListedObject, outcome: Outcome) -> Outcome:
        self._breaker.record_success()
        self.journal.record_object(found.key, found.id)
        self._lists[spec.path].objects[found.key] = found
        return _name_object(spec.kind, outcome, found.id)


def _is_refusal(error: ApiError) -> bool:
    return error.status in REFUSAL_STATUSES or isinstance(error, Forbidden)


def _may_be_executed(error: ApiError) -> bool:
    """Return whether the API may execute a request after its error, and up to its deadline."""
    is_unexecuted = isinstance(error, RateLimited | RequestNotProcessed)
    return error.retryable and not is_unexecuted


def _make_object(spec: ObjectSpec, object_id: str) -> ListedObject:
    return ListedObject(object_id, spec.key, spec.kind.select_fields(spec.to_request_body()))


def _name_object(kind: ObjectKind, outcome: Outcome, object_id: str) -> Outcome:
    """Return an outcome with the id of its object."""
    named: dict[str, Any] = {kind.outcome_field: object_id or None}
    return outcome._replace(**named)


def _existing_outcome(found: ListedObject, spec: ObjectSpec) -> Outcome:
    kind, reason = spec.kind, ""
    if found.has_failed:
        reason = f"its status is {kind.failed_status}; a request does not create another one"
    elif differs := spec.find_differences(found.fields):
        reason = f"not changed, although it differs in {', '.join(differs)}"
    return _name_object(kind, Outcome(OutcomeKind.EXISTS, reason), found.id)


def _describe_error(kind: ObjectKind, error: ApiError) -> str:
    if isinstance(error, Conflict):
        return f"{error}; {kind.conflict}"
    if isinstance(error, NotFound) and kind.unknown_reference:
        return f"{error.method} {error.path} returned {error.status}: {kind.unknown_reference}"
    if error.status in REFUSAL_STATUSES:
        hint = f"the API refuses the {kind.noun}; check its "
        return describe_refusal(error, hint, kind.request_fields)
    return str(error)
