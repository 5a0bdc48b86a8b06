"""Write preview.html: a map of the export's footprints in one file that needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_stac.formats.preview.asset_lists import AssetListEncoder
from target_stac.formats.preview.band_sets import BandSets
from target_stac.formats.preview.features import FeatureEncoder, PreviewItem, decode_item
from target_stac.formats.preview.html import PreviewHtml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["MAX_ASSET_LISTS", "FeatureEncoder", "PreviewItem", "decode_item", "write_preview"]

MAX_FOOTPRINTS = 20_000  # a browser draws and filters this many without a noticeable delay
MAX_ASSET_LISTS = 500
_MEBIBYTE = 2**20
MAX_FEATURE_BYTES = 6 * _MEBIBYTE
MAX_ASSET_LIST_BYTES = 3 * _MEBIBYTE
MAX_BAND_SET_BYTES = _MEBIBYTE // 2


def write_preview(
    write: Callable[[bytes], object],
    *,
    title: str,
    items: Iterable[PreviewItem | bytes],
    collections: Mapping[str, str],
    newest: Iterable[PreviewItem] = (),
    datasets: Mapping[str, str] | None = None,
    total: int | None = None,
) -> int:
    """Write the page item by item, so that memory use does not grow with their number.

    The page's size is bounded: what has no room is left out, and the page says so.

    Args:
        write: Called with the page's bytes, part by part; the same input gives the same bytes.
        title: The page's title.
        items: The items, or what `FeatureEncoder` with the sorted collections has made of them,
            empty without a shape; read one at a time, the most important ones first. With a
            `total`, none is read after the last one that has room.
        collections: Titles by collection id.
        newest: The items whose assets the page lists, the most important one first; at most
            `MAX_ASSET_LISTS` are read.
        datasets: Path of the GeoParquet by collection id; a folder's ends with a slash.
        total: Number of items in the export; None to count `items`.

    Returns:
        The number of footprints drawn: at most `MAX_FOOTPRINTS`.
    """
    html = PreviewHtml(title, collections, datasets or {})
    encoder = FeatureEncoder(sorted(collections))
    band_sets = BandSets(MAX_BAND_SET_BYTES)
    drawn = without_shape = read = size = 0
    is_full = False
    write(html.encode_head())
    for item in items:
        if is_full and total is not None:
            break
        read += 1
        if is_full:
            continue
        feature = item if isinstance(item, bytes) else encoder.encode(item)
        if not feature:
            without_shape += 1
            continue
        row, _, bands = feature.partition(b"\n")
        size += len(row)
        is_full = size > MAX_FEATURE_BYTES
        if not is_full:
            write(b"%s%s,%d]" % (b",\n" if drawn else b"", row[:-1], band_sets.add(bands)))
            drawn += 1
            is_full = drawn == MAX_FOOTPRINTS
    write(html.encode_middle(band_sets.encode()))
    kinds, listed = _write_asset_lists(write, newest)
    total = max(read, total or 0)
    summary = {"note": _describe_omissions(drawn, total, without_shape), "listed": listed}
    write(html.encode_tail(kinds, summary))
    return drawn


def _write_asset_lists(
    write: Callable[[bytes], object], items: Iterable[PreviewItem]
) -> tuple[bytes, int]:
    """Write the asset lists; return the kinds of assets in them, and their number."""
    encoder = AssetListEncoder(MAX_ASSET_LIST_BYTES)
    listed = 0
    for item in items:
        if listed == MAX_ASSET_LISTS:
            break
        member = encoder.encode(item)
        if member is None:
            break
        if member:
            write(b",\n" + member if listed else member)
            listed += 1
    return encoder.encode_kinds(), listed


def _describe_omissions(drawn: int, total: int, without_shape: int) -> str:
    """Return the page's note on the items that the map does not show."""
    sentences = []
    if drawn < total:
        sentences.append(f"{drawn:,} of {total:,} items are drawn.")
    if without_shape:
        subject = "1 item has" if without_shape == 1 else f"{without_shape:,} items have"
        sentences.append(f"{subject} no geometry that can be drawn.")
    return " ".join(sentences)
