"""The plan: what stands where, and what is to be done about a catalog; no I/O.

A delivery is the same as another when catalog and place are: type of cloud, bucket and full
prefix. So a store that was made anew on the same bucket changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from target_pixxel_store.memory import Identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_pixxel_store.api import Delivery, Store
    from target_pixxel_store.memory import Memory
    from target_pixxel_store.places import Destination


class Kind(StrEnum):
    """What became of a record."""

    CREATED = "created"
    EXISTS = "exists"
    REPLACED = "replaced"
    DELETED = "deleted"
    SKIPPED = "skipped"
    FAILED = "failed"


class Step(StrEnum):
    """What is still to be done about a catalog."""

    DELIVER = "deliver"
    WAIT = "wait"


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A catalog to be delivered.

    Attributes:
        path: Below the store's prefix.
        place: Where that is.
    """

    catalog: str
    store: Store
    path: str
    place: Destination

    @property
    def identity(self) -> Identity:
        """What the delivery is known by."""
        return Identity(self.catalog, self.place)


class Verdict(NamedTuple):
    """A decision.

    Attributes:
        kind: What became of it already, or what is to be done.
        reason: Why, where that is not plain.
        delivery: Id of the delivery that stands there.
        target: Its object's key below the place, where the API says it.
        doubt: WAIT: what was asked for and is not listed.
    """

    kind: Kind | Step
    reason: str = ""
    delivery: str | None = None
    target: str = ""
    doubt: Identity | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that decide."""

    redeliver: bool = False
    retry_failed: int = 0


@dataclass(slots=True)
class View:
    """What stands where, by the API's lists and by the journal.

    Attributes:
        stores: The stores, by id.
        memory: What the journal says.
        ids: Of all deliveries that are listed.
    """

    stores: dict[str, Store]
    memory: Memory
    ids: set[str] = field(default_factory=set)
    _of: dict[str, dict[str, tuple[Destination | None, Delivery]]] = field(default_factory=dict)
    _at: dict[Destination, set[str]] = field(default_factory=dict)
    _asked: dict[str, list[tuple[Destination, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, made in self.memory.made.items():
            catalog, place = made.identity
            self._at.setdefault(place, set()).add(catalog)
            self._asked.setdefault(catalog, []).append((place, key))

    def see(self, deliveries: Iterable[Delivery]) -> None:
        """Take up deliveries that are listed, in any order, also again."""
        for delivery in deliveries:
            place = self.place_of(delivery)
            self.ids.add(delivery.id)
            self._of.setdefault(delivery.catalog, {})[delivery.id] = place, delivery
            if place is not None:
                self._at.setdefault(place, set()).add(delivery.catalog)

    def place_of(self, delivery: Delivery) -> Destination | None:
        """Tell where a delivery goes; None when its store is gone and nobody knows."""
        if (made := self.memory.made.get(delivery.id)) is not None:
            return made.identity.place
        store = self.stores.get(delivery.store)
        base = store.place if store else self.memory.stores.get(delivery.store)
        return base.below(delivery.path) if base else None

    def here(self, identity: Identity) -> list[Delivery]:
        """List the deliveries of an identity, the newest last."""
        rows = self._of.get(identity.catalog, {}).values()
        found = [delivery for where, delivery in rows if where == identity.place]
        return sorted(found, key=lambda row: row.created)

    def answers(self) -> Iterator[tuple[Identity, str, str]]:
        """Find what is listed by now of all that was asked for without an answer.

        Yields:
            Identity, id of the store, id of the delivery.
        """
        for identity, intent in self.memory.intents.items():
            for delivery in self.here(identity):
                if delivery.id not in intent.before:
                    yield identity, delivery.store, delivery.id

    def unfinished(self, store: str, since: float) -> int:
        """Count the deliveries to a store that are not done, or of which nothing is known.

        Args:
            store: Its id.
            since: What was asked for before, in seconds since 1970, is surely listed.
        """
        memory = self.memory
        listed = sum(
            delivery.store == store and not (delivery.failed or delivery.succeeded)
            for rows in self._of.values()
            for _, delivery in rows.values()
        )
        unlisted = sum(
            made.store == store and key not in self.ids and key not in memory.final
            for key, made in memory.made.items()
        )
        unanswered = sum(
            each.store == store and each.at > since for each in memory.intents.values()
        )
        return listed + unlisted + unanswered

    def elsewhere(self, identity: Identity) -> tuple[str, str, bool] | None:
        """Find a delivery of the catalog in the same bucket, or nobody knows where.

        Returns:
            Its id, its object's key below the place, and whether the place is known.
        """
        catalog, place = identity
        for where, delivery in self._of.get(catalog, {}).values():
            if delivery.failed or where == place:
                continue
            if where is None or where.shares_bucket(place):
                return delivery.id, delivery.target, where is not None
        for where, key in self._asked.get(catalog, ()):
            if key not in self.ids and where != place and where.shares_bucket(place):
                return key, "", True
        return None

    def doubt(self, identity: Identity) -> Identity | None:
        """Find something that was asked for, of the catalog and in the same bucket, unanswered."""
        if identity in self.memory.intents:
            return identity
        catalog, place = identity
        return next(
            (
                other
                for other in self.memory.intents
                if other.catalog == catalog and other.place.shares_bucket(place)
            ),
            None,
        )

    def others_at(self, identity: Identity) -> bool:
        """Tell whether another catalog goes, or went, to the very same place."""
        return not self._at.get(identity.place, set()) <= {identity.catalog}

    def by_name(self, name: str) -> Store | None:
        """Find a store by its name, or by its id."""
        if name in self.stores:
            return self.stores[name]
        return next((store for store in self.stores.values() if store.name == name), None)


class Claims:
    """The places that are about to be delivered to, before the API knows of them."""

    def __init__(self) -> None:
        self.jobs: dict[Identity, Job] = {}
        self._at: dict[Destination, str] = {}
        self._buckets: set[tuple[str, str, str]] = set()

    def add(self, job: Job) -> None:
        """Claim a job's place."""
        self.jobs[job.identity] = job
        self._at[job.place] = job.catalog
        self._buckets.add((job.catalog, job.place.cloud, job.place.bucket))

    def in_bucket(self, identity: Identity) -> bool:
        """Tell whether the catalog is about to be delivered to the same bucket."""
        catalog, place = identity
        return (catalog, place.cloud, place.bucket) in self._buckets

    def others_at(self, identity: Identity) -> bool:
        """Tell whether another catalog is about to be delivered to the very same place."""
        return self._at.get(identity.place, identity.catalog) != identity.catalog


def decide(job: Job, view: View, claims: Claims, rules: Rules) -> Verdict:
    """Decide what is to be done about a catalog."""
    return _by_what_is_here(job.identity, view, rules) or _by_what_is_elsewhere(
        job.identity, view, claims, rules
    )


def _by_what_is_here(identity: Identity, view: View, rules: Rules) -> Verdict | None:
    memory = view.memory
    here = view.here(identity)
    newest = here[-1] if here else None
    asked = memory.last.get(identity)
    if asked is not None and asked not in view.ids:
        return Verdict(Kind.EXISTS, "by the journal; the API does not list it", asked)
    if newest is not None and not newest.failed:
        return Verdict(Kind.EXISTS, "", newest.id, newest.target)
    if (doubt := view.doubt(identity)) is not None:
        return Verdict(Step.WAIT, "asked for already, and not listed yet", doubt=doubt)
    if newest is None:
        return None
    tries = len(memory.tries.get(identity, set()) | {delivery.id for delivery in here})
    if tries > rules.retry_failed:
        why = f"its delivery has FAILED, after {tries} of {rules.retry_failed + 1} tries; find out "
        return Verdict(Kind.FAILED, f"{why}why, then raise 'retry_failed'", newest.id)
    return Verdict(Step.DELIVER, f"try {tries + 1}")


def _by_what_is_elsewhere(identity: Identity, view: View, claims: Claims, rules: Rules) -> Verdict:
    if not rules.redeliver:
        if (other := view.elsewhere(identity)) is not None:
            key, target, known = other
            where = "elsewhere in the bucket" if known else "to a store that is gone"
            why = f"delivered {where} already; see 'redeliver'"
            return Verdict(Kind.SKIPPED, why, key, target)
        if identity not in claims.jobs and claims.in_bucket(identity):
            why = "delivered elsewhere in the bucket by this run; see 'redeliver'"
            return Verdict(Kind.SKIPPED, why)
    if view.others_at(identity) or claims.others_at(identity):
        return Verdict(
            Kind.FAILED,
            "another catalog is delivered to the same path, and two files may share a name; give "
            "each catalog a path of its own",
        )
    return Verdict(Step.DELIVER)
