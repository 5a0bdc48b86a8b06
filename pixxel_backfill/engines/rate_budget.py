"""The workers' shares of one rate of requests, and the pauses that the API requests of all."""

from __future__ import annotations

from typing import Protocol


class SharedPause(Protocol):
    """A pause of the requests of all workers, which the API requests from one of them by a 429."""

    def begin(self, seconds: float) -> None:
        """Let no worker send a request for some seconds."""

    def seconds_left(self) -> float:
        """Return the seconds until requests may be sent again; 0 without a pause."""
