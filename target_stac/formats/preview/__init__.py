"""Write preview.html: a map of the export's footprints in one file that needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_stac.formats.preview.features import FeatureEncoder, PreviewItem
from target_stac.formats.preview.html import PreviewHtml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["MAX_FOOTPRINTS", "FeatureEncoder", "PreviewItem", "write_preview"]

MAX_FOOTPRINTS = 20_000  # a browser draws and filters this many without a noticeable delay


def write_preview(
    write: Callable[[bytes], object],
    *,
    title: str,
    items: Iterable[PreviewItem | bytes],
    collections: Mapping[str, str],
    total: int | None = None,
) -> int:
    """Write the page item by item, so that memory use does not grow with their number.

    Args:
        write: Called with the page's bytes, part by part; the same input gives the same bytes.
        title: The page's title.
        items: The items, or what `FeatureEncoder` with the sorted collections has made of them,
            empty without a shape; read one at a time. With a `total`, none is read beyond the
            maximum.
        collections: Titles by collection id.
        total: Number of items in the export; None to count `items`.

    Returns:
        The number of footprints drawn: at most `MAX_FOOTPRINTS`.
    """
    collection_ids = sorted(collections)
    html = PreviewHtml(title, [(name, collections[name]) for name in collection_ids])
    encoder = FeatureEncoder(collection_ids)
    drawn = without_shape = read = 0
    write(html.encode_head())
    for item in items:
        if drawn == MAX_FOOTPRINTS and total is not None:
            break
        read += 1
        if drawn == MAX_FOOTPRINTS:
            continue
        row = item if isinstance(item, bytes) else encoder.encode(item)
        if not row:
            without_shape += 1
            continue
        write(b",\n" + row if drawn else row)
        drawn += 1
    write(html.encode_tail(_describe_omissions(drawn, max(read, total or 0), without_shape)))
    return drawn


def _describe_omissions(drawn: int, total: int, without_shape: int) -> str:
    """Return the page's note on the items that the map does not show."""
    sentences = []
    if drawn < total:
        sentences.append(f"{drawn:,} of {total:,} items are drawn.")
    if without_shape:
        subject = "1 item has" if without_shape == 1 else f"{without_shape:,} items have"
        sentences.append(f"{subject} no geometry that can be drawn.")
    return " ".join(sentences)
