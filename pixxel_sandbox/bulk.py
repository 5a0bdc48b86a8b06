"""Bulk: what can be downloaded, a small file or a large one that is made as it is read."""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from pixxel_sandbox.chance import stream

PIECE: Final = 1 << 18
BLOCK: Final = 1 << 18
TURN: Final = 4099
"""How far each block is turned against the one before; odd, so that no two blocks are alike."""

MEMBER: Final = b"image.bin"
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
SMALLEST: Final = _LOCAL.size + _CENTRAL.size + _END.size + 2 * len(MEMBER)
LARGEST: Final = (1 << 32) - 1
"""Bytes of the largest zip without the fields that came with ZIP64."""

_VERSION: Final = 20
_PACKED: Final = (0, 0x21)
"""Midnight on the first of January 1980, as a zip writes time and date."""


class Content(Protocol):
    """The bytes of an object."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    @property
    def etag(self) -> str:
        """What is the same only for the same bytes, in quotes."""

    def at(self, place: int) -> memoryview:
        """Returns at least one of the bytes from a place on, and as many as are at hand."""


class Digest(NamedTuple):
    """What an object is known by: bytes, and their SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Small:
    """An object that is held in memory."""

    content: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.content)

    @property
    def etag(self) -> str:
        """The hash of the bytes."""
        return _etag(self.content)

    def at(self, place: int) -> memoryview:
        """Returns all bytes from a place on."""
        return memoryview(self.content)[place:]


@dataclass(frozen=True)
class Bulk:
    """A zip with one member, stored as it is, of bytes that look random.

    Attributes:
        key: decides the bytes.
        size: of the zip, SMALLEST to LARGEST.
    """

    key: str
    size: int

    @property
    def etag(self) -> str:
        """The hash of what decides the bytes."""
        return _etag(f"{self.size} {self.key}".encode())

    def at(self, place: int) -> memoryview:
        """Returns the bytes from a place on, to the end of the head, a block, or the tail."""
        head, tail = _ends(self.key, self.size)
        rest = self.size - len(tail) - place
        if place < len(head):
            return memoryview(head)[place:]
        if rest <= 0:
            return memoryview(tail)[-rest:]
        number, within = divmod(place - len(head), BLOCK)
        return _block(self.key, number)[within : within + rest]


def pieces(content: Content, span: range, most: int = PIECE) -> Iterator[bytes]:
    """Yields the bytes of a span of places, at most so many at a time."""
    place = span.start
    while place < span.stop:
        piece = bytes(content.at(place)[: min(most, span.stop - place)])
        yield piece
        place += len(piece)


def digest(content: Content) -> Digest:
    """Reads an object once, and holds no more than a piece of it."""
    seen = hashlib.sha256()
    for piece in pieces(content, range(content.size)):
        seen.update(piece)
    return Digest(content.size, seen.hexdigest())


def _etag(known: bytes) -> str:
    return f'"{hashlib.blake2b(known, digest_size=16).hexdigest()}"'


@lru_cache(maxsize=16)
def _noise(key: str) -> memoryview:
    """Makes a block of random bytes, twice in a row, so that a turned one is a part of it."""
    return memoryview(stream(0, f"bulk {key}").randbytes(BLOCK) * 2)


def _block(key: str, number: int) -> memoryview:
    turned = number * TURN % BLOCK
    return _noise(key)[turned : turned + BLOCK]


@lru_cache(maxsize=256)
def _ends(key: str, size: int) -> tuple[bytes, bytes]:
    """Makes what stands before and after the member; its checksum takes a pass over all of it."""
    stored, checksum = size - SMALLEST, 0
    for number, place in enumerate(range(0, stored, BLOCK)):
        checksum = zlib.crc32(_block(key, number)[: stored - place], checksum)
    described = (*_PACKED, checksum, stored, stored, len(MEMBER), 0)
    head = _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, *described) + MEMBER
    listed = _CENTRAL.pack(b"PK\1\2", _VERSION, _VERSION, 0, 0, *described, 0, 0, 0, 0, 0) + MEMBER
    end = _END.pack(b"PK\5\6", 0, 0, 1, 1, len(listed), len(head) + stored, 0)
    return head, listed + end
