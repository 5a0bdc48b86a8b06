"""How a command's process begins and ends."""

from __future__ import annotations

import atexit
import ctypes
import gc
import logging
import os
import platform
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from pixxel_singer.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE_BYTES = 1 << 18

logger = logging.getLogger(__name__)


@contextmanager
def freeze_gc() -> Iterator[None]:
    """Import in here what lives as long as the process: none of it is ever garbage.

    So no collection goes through it, while it comes or later.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def exit_now(status: int) -> NoReturn:
    """Exit at once: no thread that hangs in a read is waited for, and a dead pipe is let be.

    What is registered with `atexit` is done, as a profiler's last word.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if status == ExitCode.OK:  # else it is told already why
            logger.error("standard output: %s", error.strerror)  # noqa: TRY400 - one line
            status = ExitCode.FAILED
    atexit._run_exitfuncs()  # noqa: SLF001 - nothing public does it without joining threads
    os._exit(status)


def return_large_buffers() -> None:
    """Fix glibc's threshold for separate mappings.

    It rises with each large block freed; then pages of several megabytes come to lie in the heap
    between small objects, and a long run grows by fragments. Other C libraries do not do this.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
