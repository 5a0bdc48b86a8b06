"""How a command's process begins and ends."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from pixxel_singer.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


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
    """Exit at once: no thread that hangs in a read is waited for, and a dead pipe is let be.

    What is registered with `atexit` is done, as a profiler's last word.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if status == Exit.OK:  # else it is told already why
            logger.error("standard output: %s", error.strerror)  # noqa: TRY400 - one line
            status = Exit.FAILED
    atexit._run_exitfuncs()  # noqa: SLF001 - nothing public does it without joining threads
    os._exit(status)
