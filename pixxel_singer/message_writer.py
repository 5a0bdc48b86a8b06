"""Whole lines on standard output, also when the process must stop and nobody reads the pipe.

A line is written only when the pipe has room for all of it, so that waiting for the reader can be
ended at any time without leaving half a line behind; room for a last STATE is kept free.
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
from typing import TYPE_CHECKING, Any

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import StateMessage

from pixxel_singer.durable_io import write_all
from pixxel_singer.errors import OutputClosedError
from pixxel_singer.signals import StopRequested

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_sdk.singerlib import Message

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PIPE_BYTES = 1 << 20  # bytes of pipe; what Linux grants to anyone
_MIN_RESERVED_PAGES = 4  # for a STATE, at the least
_LAST_STATE_SECONDS = 5.0  # to wait for the reader when a stop was asked for


class PipeWriter:
    """The writing end of a pipe, written to only where a whole line has room (Linux).

    A write takes at most its length in pages, rounded up; a page is free again when all of it was
    read. So the pages of the lines that are not wholly read bound what the pipe holds.
    """

    def __init__(self, fd: int, check: Callable[[], None]) -> None:
        self._fd = fd
        self._check = check
        self._pages = _enlarge_pipe(fd) // _PAGE
        self._unread: deque[tuple[int, int]] = deque()  # (bytes written up to its end, pages)
        self._used = 0
        self._written = 0
        self.has_partial_line = False
        self._errors = select.poll()
        self._errors.register(fd, select.POLLERR)

    def write(self, line: bytearray, *, reserve: int, timeout: float | None = None) -> bool:
        """Write a line when it fits beside `reserve` free pages.

        Args:
            line: The line with its end.
            reserve: Pages to leave free.
            timeout: How long to wait for room, whatever the stop flag says; None waits as long as
                it takes, and the stop flag ends it.

        Returns:
            Whether it was written: False when the time was up.

        Raises:
            ReaderGoneError: The reader is gone.
            Stopped: A stop was asked for; nothing of the line was written.
        """
        need = -(-len(line) // _PAGE)
        end = None if timeout is None else time.monotonic() + timeout
        pause = 1  # milliseconds
        # A line longer than the pipe goes when the pipe is empty, and then must be read through.
        while self._pages_in_use() and self._used + need + reserve > self._pages:
            if end is None:
                self._check()
            elif time.monotonic() > end:
                return False
            if self._errors.poll(pause):
                raise OutputClosedError
            pause = min(2 * pause, 20)
        self._written += len(line)
        self._unread.append((self._written, need))
        self._used += need
        try:
            if need <= self._pages:
                write_all(self._fd, line)
            else:
                self._write_in_pieces(line)
        except OSError:
            raise OutputClosedError from None
        return True

    def _write_in_pieces(self, line: bytearray) -> None:
        """Write what the pipe cannot hold at once; a stop waits a while for its reader."""
        room = select.poll()
        room.register(self._fd, select.POLLOUT)
        view = memoryview(line)
        patience = _LAST_STATE_SECONDS
        while view:
            if room.poll(100):  # then a page is free, and a write of a page does not block
                view = view[os.write(self._fd, view[:_PAGE]) :]
                continue
            try:
                self._check()
            except StopRequested:
                patience -= 0.1
                if patience < 0:
                    self.has_partial_line = True
                    raise

    def _pages_in_use(self) -> int:
        raw = fcntl.ioctl(self._fd, termios.FIONREAD, struct.pack("i", 0))
        read = self._written - struct.unpack("i", raw)[0]
        while self._unread and self._unread[0][0] <= read:
            self._used -= self._unread.popleft()[1]
        return self._used


def _enlarge_pipe(fd: int) -> int:
    """Ask for a larger pipe; give the bytes that it holds."""
    try:
        return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:  # the user's share of pipe memory is spent
        return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)


def _check_nothing() -> None:
    """Ask for no stop."""


class StoppableMessageWriter(MsgSpecWriter):
    """Writes Singer messages to standard output, line by whole line.

    Attributes:
        check: Called before a message and while waiting for room; raises to stop.
    """

    def __init__(self) -> None:
        self.check: Callable[[], None] = _check_nothing
        self._pipe: PipeWriter | None = None
        self._file: int | None = None
        self._direct = False
        self._keep = _MIN_RESERVED_PAGES

    def write_message(self, message: Message) -> None:
        """Write a message.

        Raises:
            ReaderGoneError: The reader is gone.
            Stopped: A stop was asked for; the message was not written.
        """
        self.check()
        line = self.format_message(message)
        if isinstance(message, StateMessage):
            self._keep = max(self._keep, 2 * (len(line) // _PAGE + 1))
        self._write(line)

    def write_last_state(self, state: Mapping[str, Any]) -> bool:
        """Write STATE on the way out, into the room kept for it.

        Returns:
            False when the reader made no room in time; the lines before are whole all the same.
        """
        line = self.format_message(StateMessage(value=dict(state)))
        try:
            if self._pipe:
                wait = _LAST_STATE_SECONDS
                return not self._pipe.has_partial_line and self._pipe.write(
                    line, reserve=0, timeout=wait
                )
            self._write(line)
        except OutputClosedError:
            return False
        return True

    def _write(self, line: bytearray) -> None:
        if self._pipe is None and not self._direct:
            self._open()
        if self._pipe:
            self._pipe.write(line, reserve=self._keep)
        else:
            try:
                if self._file is None:
                    sys.stdout.buffer.write(line)
                else:
                    write_all(self._file, line)
            except OSError:  # also a full disk
                raise OutputClosedError from None

    def _check(self) -> None:
        self.check()

    def _open(self) -> None:
        sys.stdout.flush()
        try:
            fd = sys.stdout.fileno()
        except OSError:  # a buffer in memory
            self._direct = True
            return
        if hasattr(fcntl, "F_SETPIPE_SZ") and stat.S_ISFIFO(os.fstat(fd).st_mode):
            self._pipe = PipeWriter(fd, self._check)
        else:
            self._file, self._direct = fd, True
