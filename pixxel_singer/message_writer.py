"""Writer of whole Singer lines to standard output, stoppable even if the pipe is not read.

A line is written only if it fits into the pipe. So a stop request can end the wait for the reader
at any time without leaving a partial line. Capacity for a final STATE is reserved.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import struct
import sys
import termios
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import StateMessage

from pixxel_singer.durable_io import write_all
from pixxel_singer.errors import OutputClosedError
from pixxel_singer.signals import StopRequested

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_sdk.singerlib import Message

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PIPE_BYTES = 1 << 20  # default limit of Linux for unprivileged users
_MIN_RESERVED_PAGES = 4  # for a STATE
_LAST_STATE_SECONDS = 5.0  # to wait for the reader after a stop request


class PipeWriter:
    """Writing end of a pipe, which accepts a line only if all of it fits (Linux).

    A write occupies at most its length in pages, rounded up. A page becomes free when all of it was
    read. So the pages of the lines that are not completely read are an upper bound of the usage.

    Args:
        fd: The descriptor of the pipe.
        check: Called while waiting for capacity; raises to stop.

    Attributes:
        has_partial_line: Whether a stop request left a partial line in the pipe.
    """

    def __init__(self, fd: int, check: Callable[[], None]) -> None:
        self._fd = fd
        self._check = check
        self._capacity_pages = _enlarge_pipe(fd) // _PAGE_BYTES
        # Per line: the bytes written up to its end, and its pages.
        self._unread_lines: deque[tuple[int, int]] = deque()
        self._used_pages = 0
        self._written_bytes = 0
        self.has_partial_line = False
        self._errors = select.poll()
        self._errors.register(fd, select.POLLERR)

    def write(self, line: bytearray, *, reserve: int, timeout: float | None = None) -> bool:
        """Write a line as soon as it fits and leaves `reserve` pages free.

        Args:
            line: The line with its newline.
            reserve: Pages to leave free.
            timeout: Seconds to wait for capacity, regardless of stop requests; None waits without
                a limit, until a stop request.

        Returns:
            Whether the line was written; False after the timeout.

        Raises:
            OutputClosedError: The reader has closed the pipe.
            StopRequested: A stop was requested; nothing of the line was written.
        """
        pages = -(-len(line) // _PAGE_BYTES)
        end = None if timeout is None else time.monotonic() + timeout
        pause = 1  # milliseconds
        # A line longer than the pipe is started when the pipe is empty.
        while self._pages_in_use() and self._used_pages + pages + reserve > self._capacity_pages:
            if end is None:
                self._check()
            elif time.monotonic() > end:
                return False
            if self._errors.poll(pause):
                raise OutputClosedError
            pause = min(2 * pause, 20)
        self._written_bytes += len(line)
        self._unread_lines.append((self._written_bytes, pages))
        self._used_pages += pages
        try:
            if pages <= self._capacity_pages:
                write_all(self._fd, line)
            else:
                self._write_in_pieces(line)
        except OSError:
            raise OutputClosedError from None
        return True

    def _write_in_pieces(self, line: bytearray) -> None:
        """Write a line longer than the pipe; a stop request waits some seconds for the reader."""
        writable = select.poll()
        writable.register(self._fd, select.POLLOUT)
        view = memoryview(line)
        remaining = _LAST_STATE_SECONDS
        while view:
            if writable.poll(100):  # a page is free, so a write of a page does not block
                view = view[os.write(self._fd, view[:_PAGE_BYTES]) :]
                continue
            try:
                self._check()
            except StopRequested:
                remaining -= 0.1
                if remaining < 0:
                    self.has_partial_line = True
                    raise

    def _pages_in_use(self) -> int:
        raw = fcntl.ioctl(self._fd, termios.FIONREAD, struct.pack("i", 0))
        read_bytes = self._written_bytes - struct.unpack("i", raw)[0]
        while self._unread_lines and self._unread_lines[0][0] <= read_bytes:
            self._used_pages -= self._unread_lines.popleft()[1]
        return self._used_pages


def _enlarge_pipe(fd: int) -> int:
    """Enlarge a pipe if permitted, and return its capacity in bytes."""
    try:
        return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:  # the user's limit of pipe memory is reached
        return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)


class StoppableMessageWriter(MsgSpecWriter):
    """Writer of Singer messages to standard output, in whole lines.

    Attributes:
        check: Called before each message and while waiting for the reader; raises to stop.
    """

    def __init__(self) -> None:
        self.check: Callable[[], None] = lambda: None
        self._write_line: Callable[[bytearray], object] | None = None
        self._pipe: PipeWriter | None = None
        self._reserved_pages = _MIN_RESERVED_PAGES

    def write_message(self, message: Message) -> None:
        """Write a message.

        Raises:
            OutputClosedError: The reader has closed the pipe, or the disk is full.
            StopRequested: A stop was requested; the message was not written.
        """
        self.check()
        line = self.format_message(message)
        if isinstance(message, StateMessage):
            self._reserved_pages = max(self._reserved_pages, 2 * (len(line) // _PAGE_BYTES + 1))
        self._write(line)

    def write_last_state(self, state: Mapping[str, Any]) -> bool:
        """Write the final STATE before the exit, into the reserved capacity.

        Returns:
            Whether it was written; False if the pipe stayed full. Earlier lines are whole anyway.
        """
        line = self.format_message(StateMessage(value=dict(state)))
        try:
            if self._pipe is None:
                self._write(line)
                return True
            return not self._pipe.has_partial_line and self._pipe.write(
                line, reserve=0, timeout=_LAST_STATE_SECONDS
            )
        except OutputClosedError:
            return False

    def _write(self, line: bytearray) -> None:
        if self._write_line is None:
            self._write_line = self._open_stdout()
        try:
            self._write_line(line)
        except OSError:  # also a full disk
            raise OutputClosedError from None

    def _open_stdout(self) -> Callable[[bytearray], object]:
        """Return the function that writes a line to what standard output is: pipe, file, memory."""
        sys.stdout.flush()
        try:
            fd = sys.stdout.fileno()
        except OSError:  # a buffer in memory
            return sys.stdout.buffer.write
        if os.isatty(fd):  # rich prints what goes through `sys.stdout` above its progress bars
            return lambda line: sys.stdout.write(line.decode())
        if hasattr(fcntl, "F_SETPIPE_SZ") and stat.S_ISFIFO(os.fstat(fd).st_mode):
            pipe = self._pipe = PipeWriter(fd, self.check)
            return lambda line: pipe.write(line, reserve=self._reserved_pages)
        return partial(write_all, fd)
