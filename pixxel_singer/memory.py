"""Memory that stays flat: large buffers go back to the system when they are freed."""

import ctypes
import platform

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 1 << 18  # bytes


def return_large_buffers() -> None:
    """Fix glibc's threshold for separate mappings.

    It rises with each large block freed; then pages of several megabytes come to lie in the heap
    between small objects, and a long run grows by fragments. Other C libraries do not do this.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
