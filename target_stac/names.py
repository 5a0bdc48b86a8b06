"""Names of files: one for each id, inside the export, whatever the id is."""

from __future__ import annotations

import re
from hashlib import sha256

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,118}[A-Za-z0-9_-])?")
_HASHED = re.compile(r".*-[0-9a-f]{16}", re.DOTALL)
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
TEMPORARY = ".part"
"""Ends the name of a file that is being written, and so no other."""
_KEPT = 60  # characters of the id, for a person to recognise it by
_TAKEN = frozenset(
    {
        *("catalog", "catalog.json", "collection", "collection.json"),
        *("items.ndjson", "unlocated.ndjson", "rejected.ndjson", "collections.ndjson"),
        *("itemcollection.json", "preview.html", "geoparquet", "no-collection"),
        # Devices of Windows, which no file there may be named after.
        *("con", "prn", "aux", "nul"),
        *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)),
    }
)


def file_name(identifier: str) -> str:
    """Name the file or folder of an id, without a suffix.

    A plain id names itself. Any other (with a slash, a leading dot, of 300 characters, or named as
    one of the export's own files) gives what of it is fit for a name, and a hash of all of it.
    """
    if (
        _PLAIN.fullmatch(identifier)
        and identifier.lower().split(".")[0] not in _TAKEN
        and identifier.lower() not in _TAKEN
        and not _HASHED.fullmatch(identifier)
        and not identifier.lower().endswith(TEMPORARY)
    ):
        return identifier
    return hashed_name(identifier)


def hashed_name(identifier: str) -> str:
    """Name a file by what is fit of its id and a hash; for an id whose own name is taken."""
    digest = sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    fit = _UNFIT.sub("_", identifier)[:_KEPT].strip("._-")
    return f"{fit or 'id'}-{digest}"
