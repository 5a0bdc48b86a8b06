"""Ranges: the header that asks for a part of an object."""

import re
from typing import Final

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def span(header: str | None, size: int) -> range | None:
    """Reads a Range header as RFC 9110 (14.1.2) says.

    Returns:
        The places that are asked for; none of them when all would be beyond the end. None when the
        header is missing, malformed, or asks for several ranges: all is answered then.
    """
    found = _RANGE.fullmatch(header or "")
    first, last = found.groups() if found else ("", "")
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    stop = min(int(last) + 1, size) if last else size
    return range(min(int(first), stop), stop)
