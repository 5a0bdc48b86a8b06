"""The workers' shares of one rate of requests, and the pauses that the API requests of all.

A worker on another machine holds its share by a lease, which it renews by a message. The budget
counts a lease from the time at which a renewal arrives, and the worker from the time before it sent
it. So a worker that has lost the connection stops sending before another one gets its share.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable


class Grant(msgspec.Struct, frozen=True):
    """The answer to the renewal of a lease.

    Attributes:
        is_held: Whether the worker has a share.
        pause: Seconds for which no worker may send a request.
    """

    is_held: bool
    pause: float


class RateBudget:
    """A rate of requests in equal shares, each of which one lease can hold at a time.

    Args:
        shares: Number of shares; None if the rate has no limit.
        spacing: Seconds between two requests of one share; a share is free that long after its
            lease has ended.
        lease_seconds: Time after which a lease ends that is not renewed.
        clock: Returns the time in seconds; it must never be set back.
    """

    def __init__(
        self,
        shares: int | None,
        spacing: float,
        lease_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shares = math.inf if shares is None else shares
        self._spacing = spacing
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._ends: dict[str, float] = {}
        self._resume_at = -math.inf

    def renew(self, lease: str, pause: float = 0.0, *, is_last: bool = False) -> Grant:
        """Renew a lease, or grant it if a share is free.

        Args:
            lease: Name of the lease.
            pause: Seconds for which the API requests a pause.
            is_last: End the lease.
        """
        now = self._clock()
        self._resume_at = max(self._resume_at, now + pause)
        self._ends = {name: end for name, end in self._ends.items() if end > now}
        is_held = lease in self._ends or (not is_last and len(self._ends) < self._shares)
        if is_held:
            self._ends[lease] = now + self._spacing + (0 if is_last else self._lease_seconds)
        return Grant(is_held, max(0.0, self._resume_at - now))


class SendRenewal(Protocol):
    """Sends a renewal to the budget."""

    def __call__(self, pause: float, *, is_last: bool) -> Grant:
        """Return the answer.

        Args:
            pause: Seconds for which the API requests a pause.
            is_last: End the lease.

        Raises:
            OSError: There is no answer.
        """


class LeasedShare:
    """A worker's share, as far as the worker knows; safe for threads.

    Args:
        send: Sends the renewals.
        lease_seconds: As of the budget.
        clock: Returns the time in seconds; it must never be set back.
    """

    def __init__(
        self,
        send: SendRenewal,
        lease_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._held_until = -math.inf
        self._resume_at = -math.inf
        self._requested_until = -math.inf  # end of the pause that a response to this worker asked

    def renew(self, *, is_last: bool = False) -> None:
        """Renew the lease; without an answer, it ends at its time.

        Args:
            is_last: End it instead.
        """
        sent_at = self._clock()
        if is_last:
            self._held_until = -math.inf  # before the budget can give the share to another worker
        try:
            grant = self._send(max(0.0, self._requested_until - sent_at), is_last=is_last)
        except OSError:
            return
        with self._lock:
            is_held = grant.is_held and not is_last
            self._held_until = sent_at + self._lease_seconds if is_held else -math.inf
            self._resume_at = max(self._resume_at, self._clock() + grant.pause)

    def begin(self, seconds: float) -> None:
        """Let no worker send a request for some seconds; the next renewal carries it to others."""
        with self._lock:
            self._requested_until = max(self._requested_until, self._clock() + seconds)
            self._resume_at = max(self._resume_at, self._requested_until)

    def is_held(self) -> bool:
        """Return whether the worker has a share."""
        return self._clock() < self._held_until

    def seconds_left(self) -> float:
        """Return the seconds of the pause that are left; infinity without a share."""
        return max(0.0, self._resume_at - self._clock()) if self.is_held() else math.inf
