"""The contents of downloads: small zips in memory, and large zips generated while they are read."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from pixxel_sandbox.seed.rng import rng_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixxel_sandbox.json_types import Json

CHUNK_BYTES = 1 << 18
BLOCK_BYTES = 1 << 18
BLOCK_SHIFT = 4099
"""The rotation of each block relative to the previous one; odd, so that all blocks differ."""

ZIP_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
MEMBER_NAME = b"image.bin"
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
MIN_ZIP_BYTES = _LOCAL.size + _CENTRAL.size + _END.size + 2 * len(MEMBER_NAME)
MAX_ZIP_BYTES = (1 << 32) - 1
"""The size of the largest zip that does not need ZIP64."""

_VERSION = 20
_DOS_TIMESTAMP = (0, 0x21)
"""1980-01-01T00:00:00, as zip files encode it."""


class Content(Protocol):
    """The bytes of an object."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    @property
    def etag(self) -> str:
        """The entity tag, in quotes, which differs for different bytes."""

    def read_at(self, offset: int) -> memoryview:
        """Return one or more of the bytes from an offset on."""


class Digest(NamedTuple):
    """The size in bytes and the SHA-256, in hexadecimal, of an object."""

    size: int
    sha256: str


@dataclass(frozen=True)
class InMemoryContent:
    """An object in memory."""

    content: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.content)

    @property
    def etag(self) -> str:
        """The MD5 of the bytes, as S3 states it."""
        return f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'

    def read_at(self, offset: int) -> memoryview:
        """Return all bytes from an offset on."""
        return memoryview(self.content)[offset:]


@dataclass(frozen=True)
class GeneratedZip:
    """A zip of one uncompressed member of pseudo-random bytes.

    Attributes:
        key: Decides the bytes.
        size: The size of the zip in bytes, `MIN_ZIP_BYTES` to `MAX_ZIP_BYTES`.
    """

    key: str
    size: int

    @property
    def etag(self) -> str:
        """A hash of the key and the size, in the form that S3 gives to multipart uploads."""
        identity = f"{self.size} {self.key}".encode()
        return f'"{hashlib.blake2b(identity, digest_size=16).hexdigest()}-2"'

    def read_at(self, offset: int) -> memoryview:
        """Return the bytes from an offset on, to the end of the header, block or trailer."""
        head, tail = _header_and_trailer(self.key, self.size)
        rest = self.size - len(tail) - offset
        if offset < len(head):
            return memoryview(head)[offset:]
        if rest <= 0:
            return memoryview(tail)[-rest:]
        number, within = divmod(offset - len(head), BLOCK_BYTES)
        return _block(self.key, number)[within : within + rest]


def iter_chunks(
    content: Content, byte_range: range, max_bytes: int = CHUNK_BYTES
) -> Iterator[bytes]:
    """Yield the bytes of a range in chunks of at most `max_bytes`."""
    offset = byte_range.start
    while offset < byte_range.stop:
        chunk = bytes(content.read_at(offset)[: min(max_bytes, byte_range.stop - offset)])
        yield chunk
        offset += len(chunk)


def compute_digest(content: Content) -> Digest:
    """Compute the digest of an object, holding no more than a chunk of it in memory."""
    sha256 = hashlib.sha256()
    for chunk in iter_chunks(content, range(content.size)):
        sha256.update(chunk)
    return Digest(content.size, sha256.hexdigest())


@lru_cache(maxsize=16)
def _random_block(key: str) -> memoryview:
    """Return a block of random bytes twice in a row, of which every rotation is a slice."""
    return memoryview(rng_for(0, f"bulk {key}").randbytes(BLOCK_BYTES) * 2)


def _block(key: str, number: int) -> memoryview:
    start = number * BLOCK_SHIFT % BLOCK_BYTES
    return _random_block(key)[start : start + BLOCK_BYTES]


@lru_cache(maxsize=256)
def _header_and_trailer(key: str, size: int) -> tuple[bytes, bytes]:
    """Return the bytes before and after the member; its checksum needs a pass over all of it."""
    stored, checksum = size - MIN_ZIP_BYTES, 0
    for number, offset in enumerate(range(0, stored, BLOCK_BYTES)):
        checksum = zlib.crc32(_block(key, number)[: stored - offset], checksum)
    entry = (*_DOS_TIMESTAMP, checksum, stored, stored, len(MEMBER_NAME), 0)
    head = _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, *entry) + MEMBER_NAME
    directory = (
        _CENTRAL.pack(b"PK\1\2", _VERSION, _VERSION, 0, 0, *entry, 0, 0, 0, 0, 0) + MEMBER_NAME
    )
    end = _END.pack(b"PK\5\6", 0, 0, 1, 1, len(directory), len(head) + stored, 0)
    return head, directory + end


def make_zip(members: Json) -> bytes:
    """Return a zip of JSON by file name, objects without their many assets.

    The same JSON makes the same bytes.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            short = value
            if isinstance(value, dict):
                short = {key: member for key, member in value.items() if key != "assets"}
            archive.writestr(zipfile.ZipInfo(name, ZIP_TIMESTAMP), msgspec.json.encode(short))
    return content.getvalue()
