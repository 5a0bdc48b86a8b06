"""Start and exit of a command's process: garbage collection, memory, exit without joins."""

from __future__ import annotations

import atexit
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

_GC_THRESHOLD = 50_000
"""Objects made and not freed before a collection starts; Python's 700 are those of one image."""
_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE_BYTES = 1 << 18

logger = logging.getLogger(__name__)


@contextmanager
def freeze_gc() -> Iterator[None]:
    """Exclude objects created in this context from garbage collection.

    Imports in it are faster, and later collections do not traverse the modules. Collections become
    rare: records contain no cycles, so reference counting frees them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD)
        gc.enable()


def exit_without_extra(command: str, extra: str, error: ModuleNotFoundError) -> NoReturn:
    """Exit, because the extra of a command is not installed."""
    sys.stderr.write(
        f"{command} needs '{error.name}'; run: pip install 'pixxel-singer[{extra}]' "
        f"(in a checkout: pip install '.[{extra}]')\n"
    )
    raise SystemExit(int(ExitCode.BAD_INPUT))


def open_standard_descriptors() -> None:
    """Open the null device at each of the descriptors 0 to 2 that is closed.

    Otherwise a file or a socket would get the number, and what is written to standard output or
    error would go into it. This must be called before other imports, since some keep files open:
    ctypes does, where it is built with the static trampolines of libffi. Standard input then fails
    when it is read; `sys.stdout` stays None.
    """
    for fd, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - stays open
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - stays open


def exit_now(status: int) -> NoReturn:
    """Exit immediately, without joining threads, and without an error from a closed pipe.

    Functions registered with `atexit` are called, for example those of a profiler.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if status == ExitCode.OK:  # otherwise the cause is logged already
            logger.error("standard output: %s", error.strerror)  # noqa: TRY400 - one line
            status = ExitCode.FAILED
    atexit._run_exitfuncs()  # noqa: SLF001 - no public function does this without joins
    os._exit(status)


def return_large_buffers() -> None:
    """Set a fixed mmap threshold in glibc, so that large buffers return to the system when freed.

    By default the threshold rises with each large block freed. Then pages of several megabytes
    are allocated on the heap between small objects, and fragmentation grows the memory of a long
    run. Other C libraries do not do this.
    """
    import ctypes  # noqa: PLC0415 - opens a file, see open_standard_descriptors

    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
