"""Remember where items are in local ndjson files, to read them in any order."""

from __future__ import annotations

import os
from array import array
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class ItemLines:
    """Lines of local ndjson files, with the centres of their items' bboxes.

    Args:
        paths: The files by source.

    Attributes:
        sources: Source of each line.
        offsets: First byte of each line in its file.
        lengths: Length of each line in bytes, with its newline.
        longitudes: Longitude of each item's centre in degrees, NaN without a bbox.
        latitudes: Latitude of each item's centre in degrees, NaN without a bbox.
    """

    def __init__(self, paths: dict[int, Path]) -> None:
        self._paths = paths
        self.sources = array("b")
        self.offsets = array("q")
        self.lengths = array("q")
        self.longitudes = array("f")
        self.latitudes = array("f")

    def __len__(self) -> int:
        return len(self.lengths)

    def append(
        self,
        source: int,
        offset: int,
        length: int,
        bbox: tuple[float, float, float, float] | None,
    ) -> None:
        """Append a line.

        Args:
            source: Its file.
            offset: Its first byte.
            length: Its length in bytes.
            bbox: West, south, east, north of its item in degrees, if it has a geometry.
        """
        self.sources.append(source)
        self.offsets.append(offset)
        self.lengths.append(length)
        longitude = latitude = float("nan")
        if bbox is not None:
            west, south, east, north = bbox
            turn = 360.0 if west > east else 0.0  # across the antimeridian
            longitude = (west + east + turn) / 2
            longitude -= 360.0 if longitude > 180.0 else 0.0  # noqa: PLR2004 - half a turn
            latitude = (south + north) / 2
        self.longitudes.append(longitude)
        self.latitudes.append(latitude)

    @contextmanager
    def open(self) -> Iterator[Callable[[int], bytes]]:
        """Open the files; yield a function that returns a line by its number."""
        files = {source: path.open("rb") for source, path in self._paths.items()}
        try:
            fds = {source: file.fileno() for source, file in files.items()}

            def read(number: int) -> bytes:
                return os.pread(
                    fds[self.sources[number]], self.lengths[number], self.offsets[number]
                )

            yield read
        finally:
            for file in files.values():
                file.close()
