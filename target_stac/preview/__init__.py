"""preview.html: the footprints of a STAC export on a map, in one file that needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_stac.preview.page import Page
from target_stac.preview.rows import Footprint, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["LIMIT", "Footprint", "write_preview"]

LIMIT = 20_000  # footprints that a browser draws and filters without a pause


def write_preview(
    write: Callable[[bytes], object],
    *,
    title: str,
    items: Iterable[Footprint],
    collections: Mapping[str, str],
    total: int | None = None,
) -> int:
    """Write the page, item by item; memory does not grow with their number.

    Args:
        write: Takes the page's bytes, piece by piece; the same input gives the same bytes.
        title: The page's title.
        items: The items, read one at a time. With a `total`, none is read past the limit.
        collections: Titles by collection id.
        total: How many items the export has; None counts them.

    Returns:
        The number of footprints drawn: at most `LIMIT`.
    """
    known = sorted(collections)
    page = Page(title, [(name, collections[name]) for name in known])
    rows = Rows(known)
    drawn = bare = seen = 0
    write(page.head())
    for footprint in items:
        if drawn == LIMIT and total is not None:
            break
        seen += 1
        if drawn == LIMIT:
            continue
        row = rows.row(footprint)
        if row is None:
            bare += 1
            continue
        write(b",\n" + row if drawn else row)
        drawn += 1
    write(page.tail(_note(drawn, max(seen, total or 0), bare)))
    return drawn


def _note(drawn: int, total: int, bare: int) -> str:
    """Say in words what the map leaves out."""
    sentences = []
    if drawn < total:
        sentences.append(f"{drawn:,} of {total:,} items are drawn.")
    if bare:
        subject = "1 item has" if bare == 1 else f"{bare:,} items have"
        sentences.append(f"{subject} no geometry that can be drawn.")
    return " ".join(sentences)
