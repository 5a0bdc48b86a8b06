"""The manifest: the index that an export was written with, stored beside it to speed up updates.

It is never the source of truth. A run replaces it by a mark before it changes the export, and
writes the new one at the end. If it is missing, marked, damaged or of another root catalog, the
index is rebuilt from the files.
"""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import time
import uuid
import zlib
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from pixxel_singer.errors import InputError
from target_stac.links import ROOT_FILE, find_links
from target_stac.records import METADATA_MEMBER
from target_stac.settings import CATALOG, NDJSON
from target_stac.state.item_index import APPLICATION_ID, INDEX_FILE, VERSION, ItemIndex
from target_stac.state.rebuild import IndexRebuild, make_damage_error

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from pathlib import Path

    from target_stac.records import Json
    from target_stac.storage import Storage

MANIFEST_FILE = "manifest.sqlite.gz"
LAYOUT_VERSION = 2
"""Of the export; incremented when a later version cannot update an earlier one's export."""
ROOT_SETTING = "root sha256"
_CLAIM = b"An export is being written by run "
_POLL_SECONDS = 0.25
_GZIP_LEVEL = 1  # a fifth of the size; higher levels take more time than they save
_COPIED_BYTES = 1 << 20
_SOURCES = (CATALOG, NDJSON)
"""Formats that items are read from."""
_NO_SOURCE = (
    "the export at 'output' has items, but neither of the formats catalog and ndjson to read them "
    "from; overwrite once: run with 'mode' overwrite and a sync of everything"
)

_decode_document = msgspec.json.Decoder(dict[str, Any]).decode


class Manifest:
    """The index of the previous export, and its replacement by that of the new one.

    Args:
        storage: The storage.
        scratch: A local folder for the index.
        root_href: URL that the export is published under, if any.
        is_update: Whether the run merges into the previous export; else it may be damaged.
        logger: Logs why the index is rebuilt.
        check: Raises if a stop was requested.

    Attributes:
        index: The index.
        root: The root catalog of the previous export, if any.
        is_damaged: Whether the previous export cannot be read as a whole, or is of an earlier
            version.
        is_rebuilt: Whether the state of the files is in doubt, so that all must be verified.

    Raises:
        InputError: The previous export is of another program, version or root href, or its items
            cannot be read.
        StorageError: The previous export is damaged.
    """

    def __init__(
        self,
        storage: Storage,
        scratch: Path,
        root_href: str | None,
        *,
        is_update: bool,
        logger: logging.Logger,
        check: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._scratch = scratch
        stored = storage.read_claim(MANIFEST_FILE)
        is_claimed = stored is not None and _is_claim(stored)
        if is_claimed:
            self._take_over(check)
        content = storage.read(ROOT_FILE)
        self.root = _parse_root(content, is_update=is_update)
        if is_update:
            self.check_root_href(root_href)
        self.is_rebuilt = stored is None or not _unpack(stored, scratch / INDEX_FILE, content)
        self.is_damaged = _is_earlier(self.root)
        self.index = ItemIndex(scratch)
        has_source = self.is_rebuilt or any(map(self.index.has_format, _SOURCES))
        if not has_source and not is_update:  # what is not received again goes, files included
            self.index.close()
            (scratch / INDEX_FILE).unlink()
            self.index, self.is_rebuilt = ItemIndex(scratch), True
        is_own = is_claimed or self.root is not None or not has_source
        rebuild = IndexRebuild(
            storage,
            self.index,
            find_root_href(self.root) if self.root else root_href,
            is_strict=is_update,
            check=check,
        )
        is_unreadable = not has_source and self.index.count() > 0
        try:
            if self.is_rebuilt:
                rebuild.run(self.root, is_own=is_own)
                self.is_damaged |= rebuild.is_damaged
                has_items = self.root is not None or self.index.count() > 0
                is_unreadable = rebuild.has_other_copies and not has_items
        except BaseException:
            self.index.close()
            raise
        if is_update and is_unreadable:
            self.index.close()
            raise InputError(_NO_SOURCE)
        if self.is_rebuilt and self.index.count():
            logger.warning(
                "the manifest is missing or was not finished, so all files are read and verified"
            )

    def check_root_href(self, root_href: str | None) -> None:
        """Raise unless the previous export is published under this URL.

        Raises:
            InputError: It is published under another one.
        """
        if self.root is not None and find_root_href(self.root) != root_href:
            raise InputError(
                "the export at 'output' has another 'root_href'; use that one, or set 'mode' to "
                "overwrite"
            )

    def claim(self) -> None:
        """Mark the export as being written.

        Raises:
            ConflictError: Another run has written it since this run read it.
        """
        self._storage.claim(MANIFEST_FILE, _CLAIM + uuid.uuid4().hex.encode() + b"\n")

    def finish(self, *, has_lines: bool) -> None:
        """Store the index as the manifest: the export is complete.

        Args:
            has_lines: Whether the export has ndjson.

        Raises:
            ConflictError: Another run has claimed the export.
        """
        self.index.write_settings(
            self.index.read_settings() | {ROOT_SETTING: _hash_root(self._storage.read(ROOT_FILE))}
        )
        self.index.finish(has_lines=has_lines)
        packed = self._scratch / MANIFEST_FILE
        with self.index.path.open("rb") as source, gzip.open(packed, "wb", _GZIP_LEVEL) as target:
            shutil.copyfileobj(source, target, _COPIED_BYTES)
        self._storage.release(MANIFEST_FILE, packed)

    def _take_over(self, check: Callable[[], None]) -> None:
        """Claim the export of a run that was killed; wait until it has stopped if it was not."""
        if not self._storage.takeover_seconds:
            return
        self.claim()
        end = time.monotonic() + self._storage.takeover_seconds
        while time.monotonic() < end:
            check()
            time.sleep(_POLL_SECONDS)


def find_root_href(root: Json) -> str | None:
    """Return the URL that an export is published under, from the root's link to itself."""
    for link in find_links(root):
        if link.get("rel") == "self":
            return str(link.get("href")).removesuffix(f"/{ROOT_FILE}")
    return None


def _parse_root(content: bytes | None, *, is_update: bool) -> Json | None:
    if content is None:
        return None
    try:
        root: Json = _decode_document(content)
    except msgspec.DecodeError:
        raise make_damage_error(ROOT_FILE) from None
    if is_update and _is_earlier(root):
        raise InputError(
            "the export at 'output' was written by an earlier version; overwrite once: run with "
            "'mode' overwrite and a sync of everything"
        )
    match root.get(METADATA_MEMBER):
        case {"layout": 1 | 2}:
            return root
        case _:
            raise InputError(
                "output: another program wrote the existing catalog.json; choose another folder, "
                "or remove the file"
            )


def _is_earlier(root: Json | None) -> bool:
    match root:
        case {"target_stac": {"layout": 1}}:
            return True
        case _:
            return False


def _is_claim(file: Path) -> bool:
    with file.open("rb") as content:
        return content.read(len(_CLAIM)) == _CLAIM


def _unpack(stored: Path, index: Path, root: bytes | None) -> bool:
    """Unpack a manifest; return whether it is an undamaged one of the export with this root."""
    try:
        with gzip.open(stored) as source, index.open("wb") as target:
            shutil.copyfileobj(source, target, _COPIED_BYTES)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        is_valid = False
    else:
        is_valid = _is_valid(index, _hash_root(root))
    if not is_valid:
        index.unlink()
    return is_valid


def _is_valid(file: Path, root_hash: str | None) -> bool:
    """Return whether a file is an undamaged manifest of the export with this root catalog."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)) as db:
            versions = [
                db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version", "quick_check")
            ]
            query = "SELECT value FROM settings WHERE name = ?"
            return versions == [APPLICATION_ID, VERSION, "ok"] and (
                db.execute(query, (ROOT_SETTING,)).fetchone() == (root_hash,)
            )
    except sqlite3.Error:
        return False


def _hash_root(content: bytes | None) -> str | None:
    return None if content is None else sha256(content).hexdigest()
