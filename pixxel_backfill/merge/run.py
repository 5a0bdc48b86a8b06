"""Merge what all shards and catch-ups have written, report what it lacks, and write the state."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import obstore

from pixxel_backfill.folder import STATE_FILE
from pixxel_backfill.merge.catalog import write_catalog
from pixxel_backfill.merge.dataset import DATASET_FOLDER, DatasetMerge
from pixxel_backfill.merge.rejected import MERGED_FILE, merge_rejected
from pixxel_backfill.merge.sources import read_done_shards
from pixxel_backfill.merge.state import make_state
from pixxel_singer.errors import InputError
from pixxel_singer.log_setup import join_names, log_result
from pixxel_singer.progress import StageProgress
from target_stac.formats.omissions import describe_omissions
from target_stac.scratch import open_scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pixxel_backfill.folder import BackfillFolder
    from pixxel_backfill.merge.dataset import DatasetIndex, MergeResult
    from pixxel_backfill.merge.rejected import RejectedItem
    from pixxel_backfill.merge.sources import DoneShard
    from pixxel_backfill.plan import Plan
    from target_stac.formats.omissions import Omission

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MergeReport:
    """What a merge has made.

    Attributes:
        dataset: The dataset; None if a loader has stored the items.
        is_whole: Whether the dataset has all items, with all of their values.
    """

    dataset: MergeResult | None
    is_whole: bool


def merge_shards(
    folder: BackfillFolder,
    plan: Plan,
    *,
    is_partial: bool = False,
    catalog: str | None = None,
    check: Callable[[], None],
) -> MergeReport:
    """Make the dataset of all shards and catch-ups that are done; in the end write `state.json`.

    Args:
        folder: The folder of the backfill.
        plan: The plan.
        is_partial: Whether shards may be missing; without some there is no state.
        catalog: Path or URL of a static catalog to write; None for none.
        check: Raises if a stop was requested.

    Raises:
        InputError: Shards are not done, or a file of one is missing, or the items are in a loader.
        StorageError: The catalog cannot be written.
    """
    if plan.loader and catalog:
        raise InputError("--catalog: the loader has stored the items; it must write the catalog")
    origins = read_done_shards(
        folder, plan, is_partial=is_partial, hint="run them, or merge with --partial"
    )
    dataset = None
    rejected: list[RejectedItem] = []
    if plan.loader is None:
        with open_scratch_folder() as scratch, StageProgress(logger) as progress:
            merge = DatasetMerge(folder, plan, scratch=scratch, progress=progress, check=check)
            dataset = merge.run(origins)
            rejected = merge_rejected(folder, origins, scratch)
            if catalog is not None:
                write_catalog(plan, merge.read_items(dataset), catalog, check)
    is_whole = _report(folder, origins, dataset, rejected)
    if sum(not each.is_catch_up for each in origins) == len(plan.shards):
        state = msgspec.json.encode(read_state(plan, origins))
        obstore.put(folder.store, STATE_FILE, msgspec.json.format(state))
    return MergeReport(dataset, is_whole)


def read_state(plan: Plan, origins: Sequence[DoneShard]) -> dict[str, Any]:
    """Return the state from which the tap's next sync emits what has changed since.

    Args:
        plan: The plan.
        origins: All shards, and the catch-ups that are done.
    """
    last = origins[-1].done.state if origins else None
    if last is not None:
        return last
    return make_state(plan, {each.shard.id: each.done for each in origins})


def _report(
    folder: BackfillFolder,
    origins: Sequence[DoneShard],
    dataset: MergeResult | None,
    rejected: list[RejectedItem],
) -> bool:
    """Log what was made, and what it lacks; return whether it lacks nothing."""
    omissions: list[Omission] = []
    if dataset is not None:
        omissions = _add_up(dataset.index)
        lost = sum(len(rows) for each in dataset.sources.values() for _, rows in each)
        log_result(
            logger,
            f"{folder.url}/{DATASET_FOLDER}: {dataset.index.rows:,} items in "
            f"{len(dataset.index.files):,} files, {dataset.copied:,} copied and "
            f"{dataset.rewritten:,} rewritten; {lost:,} older rows left out",
        )
    has_caught_up = any(origin.is_catch_up for origin in origins)  # which has read the undated
    seen = {name for origin in origins for name in origin.done.undated if not has_caught_up}
    undated = sorted(seen - {each.id for each in rejected})
    if rejected:
        logger.error(
            "%s records are no STAC items, so the dataset lacks them; see %s/%s: %s",
            f"{len(rejected):,}",
            folder.url,
            MERGED_FILE,
            join_names([each.id for each in rejected]),
        )
    if undated:
        logger.error(
            "%s items have no time, so no shard owns them; catch-up reads them: %s",
            f"{len(undated):,}",
            join_names(undated),
        )
    if omissions:
        logger.warning(
            "GeoParquet: null where its column cannot hold the value: %s",
            describe_omissions(omissions),
        )
    return not (rejected or undated or omissions)


def _add_up(index: DatasetIndex) -> list[Omission]:
    """Return the omissions of all files by field."""
    by_path: dict[str, Omission] = {}
    for file in index.files.values():
        for omission in file.omissions:
            known = by_path.get(omission.path, omission._replace(items=0))
            by_path[omission.path] = known._replace(items=known.items + omission.items)
    return list(by_path.values())
