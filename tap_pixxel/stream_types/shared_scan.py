"""Scans that are made once in a run, for all child streams of a stream."""

from __future__ import annotations

import logging
import tempfile
import weakref
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_pixxel.stream_types.scan_report import ScanReport

PathParams = dict[str, str]
"""Values of the parameters of a path: the ids of the rows above a list."""

MAX_BYTES_IN_MEMORY = 1 << 20  # of path parameters, some 15,000 parents; more are in a file
_UNSAFE_PATH_VALUES = frozenset({"", ".", ".."})  # lead to another list (RFC 3986, 5.2.4)

logger = logging.getLogger(__name__)


def is_path_value(value: object) -> bool:
    """Return whether a value can be the value of a path's parameter."""
    return value is not None and str(value) not in _UNSAFE_PATH_VALUES


def format_path(path: str, values: Mapping[str, str]) -> str:
    """Return a path with the values of its parameters.

    Example:
        >>> format_path("/v0/aois/{aoi_id}/assets", {"aoi_id": "a/b"})
        '/v0/aois/a%2Fb/assets'
    """
    return path.format_map({name: quote(value, safe="") for name, value in values.items()})


class SharedScan:
    """The path parameters that a scan finds; later readers get them without another scan.

    They are kept only if the scan was read to its end. A scan that failed is made again by the
    next reader, which fails itself then.

    Args:
        scan: Yields the path parameters of the child lists, and fills a report.
    """

    def __init__(self, scan: Callable[[ScanReport], Iterator[PathParams]]) -> None:
        self._scan = scan
        self._saved: _PathParamsFile | None = None
        self._report: ScanReport | None = None

    def read(self, report: ScanReport) -> Iterator[PathParams]:
        """Yield the path parameters.

        Args:
            report: Gets what the scan has found out, as if it had been made for this reader: its
                time bounds the bookmark, since lists of later rows are not read.
        """
        if self._saved and self._report:
            report.include(self._report)
            yield from self._saved
            return
        part, saved = report.make_part(), _PathParamsFile()
        for path_params in self._scan(part):
            report.started_at = report.started_at or part.started_at
            saved.append(path_params)
            yield path_params
        report.include(part)
        if not saved.failed:
            self._saved, self._report = saved, part


class _PathParamsFile:
    """Path parameters in a temporary file, one line each."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(MAX_BYTES_IN_MEMORY)  # noqa: SIM115 - closed with this object
        weakref.finalize(self, self._file.close)
        self.failed = False

    def append(self, path_params: PathParams) -> None:
        if self.failed:
            return
        try:
            self._file.write(msgspec.json.encode(path_params) + b"\n")
        except OSError as error:
            self.failed = True
            logger.warning(
                "no temporary file for ids (%s); each child stream reads its parents itself",
                error.strerror,
            )

    def __iter__(self) -> Iterator[PathParams]:
        position = 0  # of this reader: there may be several at the same time
        self._file.seek(position)
        while line := self._file.readline():
            position += len(line)
            yield cast("PathParams", msgspec.json.decode(line))
            self._file.seek(position)
