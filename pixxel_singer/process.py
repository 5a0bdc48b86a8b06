"""How a command's process begins and ends."""

from __future__ import annotations

import gc
import logging
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def lasting() -> Iterator[None]:
    """Import in here what lives as long as the process: none of it is ever garbage.

    So no collection goes through it, while it comes or later.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def leave(status: int) -> NoReturn:
    """Exit at once: no thread that hangs in a read is waited for, and a dead pipe is let be."""
    logging.shutdown()
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(status)
