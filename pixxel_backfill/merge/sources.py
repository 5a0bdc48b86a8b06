"""The files that count of all attempts: those that `_DONE` names, of shards and of catch-ups."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from typing import TYPE_CHECKING

import obstore
import pyarrow as pa

from pixxel_backfill.outputs.geoparquet import LINES, PARQUET
from pixxel_backfill.plan import Shard
from pixxel_singer.errors import InputError
from pixxel_singer.log_setup import join_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pixxel_backfill.folder import BackfillFolder, Done, ItemFile
    from pixxel_backfill.plan import Plan

_CATCH_UPS = "catch-up"
_REPAIR = "restore it, or delete the shard's _DONE and run the shard again"
READS = 16
"""Files that are read at once."""


@dataclass(frozen=True)
class DoneShard:
    """A shard or a catch-up that is done.

    Attributes:
        shard: The shard.
        done: What the attempt that counts has done.
        is_catch_up: Whether it is a catch-up, which was read after all shards.
    """

    shard: Shard
    done: Done
    is_catch_up: bool = False

    def find_path(self, path: str) -> str:
        """Return the path below the plan's folder of a file of the attempt."""
        return f"{self.shard.folder}/{self.done.attempt}/{path}"


@dataclass(frozen=True)
class Source:
    """A GeoParquet file of a shard that is done, with the files beside it.

    Attributes:
        origin: The shard.
        file: The file.
    """

    origin: DoneShard
    file: ItemFile

    def find_path(self, suffix: str) -> str:
        """Return the path below the plan's folder of the file, or of one beside it."""
        return self.origin.find_path(self.file.path.removesuffix(PARQUET) + suffix)

    def read(self, folder: BackfillFolder, suffix: str) -> bytes:
        """Return the content of the file, or of one beside it.

        Raises:
            InputError: It is missing.
        """
        path = self.find_path(suffix)
        content = folder.read(path)
        if content is None:
            raise make_missing_error(folder, path)
        return content

    def download(self, folder: BackfillFolder, suffix: str, target: Path) -> None:
        """Copy the file, or one beside it, to a local path.

        Raises:
            InputError: It is missing.
        """
        download(folder, self.find_path(suffix), target)

    def read_lines(self, folder: BackfillFolder, scratch: Path) -> Iterator[bytes]:
        """Yield the lines of the file's items, in the order of its rows.

        Args:
            folder: The folder of the backfill.
            scratch: A local folder, in which the lines are compressed.
        """
        yield from read_compressed_lines(folder, self.find_path(LINES), scratch)


def download(folder: BackfillFolder, path: str, target: Path) -> None:
    """Copy a file that `_DONE` names to a local path.

    Raises:
        InputError: It is missing.
    """
    try:
        chunks = obstore.get(folder.store, path).stream()
    except FileNotFoundError:
        raise make_missing_error(folder, path) from None
    with target.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)


def read_compressed_lines(folder: BackfillFolder, path: str, scratch: Path) -> Iterator[bytes]:
    """Yield the lines of a compressed file, which is copied to a local folder."""
    local = scratch / "lines.zst"
    download(folder, path, local)
    with BufferedReader(pa.input_stream(str(local), compression="zstd")) as file:
        yield from file


@contextmanager
def name_damage(folder: BackfillFolder, path: str) -> Iterator[None]:
    """Raise an error of a file's content as one that names the file.

    Raises:
        InputError: The file is damaged.
    """
    try:
        yield
    except pa.ArrowInvalid as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{folder.url}/{path}: is damaged: {reason}; {_REPAIR}") from None


def make_missing_error(folder: BackfillFolder, path: str) -> InputError:
    """Return the error for a file that `_DONE` names and that is missing."""
    return InputError(f"{folder.url}/{path}: is missing although its shard is done; {_REPAIR}")


def make_catch_up(number: int) -> Shard:
    """Return the shard of a catch-up, which owns items of all times and collections.

    Args:
        number: Its number, from 1.
    """
    return Shard(f"{_CATCH_UPS}/{number:04}", "", None, None)


def read_done_shards(
    folder: BackfillFolder, plan: Plan, *, is_partial: bool = False, hint: str = "run them first"
) -> list[DoneShard]:
    """Return all that is done, in the order in which it was read.

    Args:
        folder: The folder of the backfill.
        plan: The plan.
        is_partial: Whether shards may be missing.
        hint: What the error says to do if some are.

    Raises:
        InputError: Shards are not done.
    """
    with ThreadPoolExecutor(READS) as pool:
        dones = list(pool.map(folder.read_done, plan.shards))
    found = [
        DoneShard(shard, done)
        for shard, done in zip(plan.shards, dones, strict=True)
        if done is not None
    ]
    missing = [shard.id for shard, done in zip(plan.shards, dones, strict=True) if done is None]
    if missing and not is_partial:
        raise InputError(
            f"{folder.url}: {len(missing):,} of {len(plan.shards):,} shards are not done: "
            f"{join_names(missing)}; {hint}"
        )
    found.sort(key=lambda each: (each.done.started_at or "", each.shard.id))
    return found + read_catch_ups(folder)


def read_catch_ups(folder: BackfillFolder) -> list[DoneShard]:
    """Return the catch-ups that are done, in their order."""
    found: list[DoneShard] = []
    shard = make_catch_up(1)
    while (done := folder.read_done(shard)) is not None:
        found.append(DoneShard(shard, done, is_catch_up=True))
        shard = make_catch_up(len(found) + 1)
    return found


def group_sources(origins: Sequence[DoneShard]) -> dict[str, list[Source]]:
    """Return the GeoParquet files by collection, in the order in which they were read."""
    groups: dict[str, list[Source]] = {}
    for origin in origins:
        for file in origin.done.files:
            if file.partition:
                groups.setdefault(file.collection, []).append(Source(origin, file))
    return dict(sorted(groups.items()))
