"""Write the merged items as a static catalog, as target-stac does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from target_stac.export import Export
from target_stac.records import COLLECTION, ITEM
from target_stac.scratch import open_scratch_folder
from target_stac.settings import CATALOG, NO_PARTITION, OFF, OVERWRITE, StacSettings
from target_stac.storage import open_storage
from target_stac.validation import StacValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pixxel_backfill.plan import Plan

logger = logging.getLogger(__name__)


def write_catalog(plan: Plan, lines: Iterable[bytes], url: str, check: Callable[[], None]) -> None:
    """Write a catalog, or update one so that it has these items only.

    Args:
        plan: The plan, with the collections.
        lines: The items.
        url: A local path, or the URL of a folder in an object store.
        check: Raises if a stop was requested.

    Raises:
        InputError: The URL cannot be used.
        StorageError: The catalog cannot be written.
    """
    settings = StacSettings(
        output=url,
        formats=frozenset({CATALOG}),
        partition=NO_PARTITION,
        mode=OVERWRITE,
        allow_empty=True,
        catalog_id="pixxel",
        title="Pixxel archive",
        description="Items and collections of a backfill.",
        root_href=None,
        validate=OFF,
        schemas=None,
    )
    with open_storage(url) as storage, open_scratch_folder() as scratch:
        export = Export(
            settings=settings,
            storage=storage,
            scratch=scratch,
            validator=StacValidator(OFF, None),
            logger=logger,
            check=check,
        )
        try:
            for document in plan.collections.values():
                export.take("collections", COLLECTION, document)
            for line in lines:
                check()
                export.take("archive_items", ITEM, msgspec.json.decode(line))
            export.publish()
        finally:
            export.close()
