"""Points at which a process is killed: before it puts an object into a store."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import obstore

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class KillAtPut:
    """A point among all objects that a process puts, which each appear whole or not at all.

    Attributes:
        put_number: Number of the put before which the process is killed, from 1.
    """

    put_number: int

    def install(self) -> None:
        """Make this process kill itself at this point."""
        put: Callable[..., Any] = obstore.put
        puts_left = self.put_number

        def put_or_die(*args: Any, **kwargs: Any) -> Any:
            nonlocal puts_left
            puts_left -= 1
            if puts_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return put(*args, **kwargs)

        obstore.put = put_or_die
