"""Make a safe, unique file name from any id."""

from __future__ import annotations

import re
from hashlib import sha256

_SAFE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,118}[A-Za-z0-9_-])?")
_HASHED_NAME = re.compile(r".*-[0-9a-f]{16}", re.DOTALL)
_UNSAFE_CHARACTERS = re.compile(r"[^A-Za-z0-9._-]+")
TEMPORARY_SUFFIX = ".part"
"""Suffix of a file that is being written; no other file name ends with it."""
_MAX_READABLE = 60  # characters of the id in a hashed name, so that people recognise it
_RESERVED_NAMES = frozenset(
    {
        *("catalog", "catalog.json", "collection", "collection.json"),
        *("items.ndjson", "unlocated.ndjson", "rejected.ndjson", "collections.ndjson"),
        *("itemcollection.json", "preview.html", "geoparquet", "ndjson", "no-collection"),
        "manifest.sqlite.gz",
        # Device names of Windows, which does not allow them as file names.
        *("con", "prn", "aux", "nul"),
        *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)),
    }
)


def make_file_name(identifier: str) -> str:
    """Return the name, without a suffix, of the file or folder of an id.

    A safe id is its own name. Any other id (with a slash, a leading dot, of 300 characters, or
    equal to one of the export's own file names) becomes its safe characters and a hash of all of
    it.
    """
    if (
        _SAFE_NAME.fullmatch(identifier)
        and identifier.lower().split(".")[0] not in _RESERVED_NAMES
        and identifier.lower() not in _RESERVED_NAMES
        and not _HASHED_NAME.fullmatch(identifier)
        and not identifier.lower().endswith(TEMPORARY_SUFFIX)
    ):
        return identifier
    return make_hashed_name(identifier)


def make_hashed_name(identifier: str) -> str:
    """Return a name of an id's safe characters and its hash; for an id whose name is in use."""
    digest = sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    readable = _UNSAFE_CHARACTERS.sub("_", identifier)[:_MAX_READABLE].strip("._-")
    return f"{readable or 'id'}-{digest}"
