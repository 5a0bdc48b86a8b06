"""Order items along a Hilbert curve, so that neighbours on the globe are neighbours in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from target_stac.formats.item_lines import ItemLines

_BITS = 16  # a cell is 600 m wide at the equator
_CELLS = 1 << _BITS


def sort_along_hilbert_curve(lines: ItemLines) -> NDArray[np.int64]:
    """Return the numbers of lines in the order of their items' centres on a Hilbert curve.

    Items in the same cell of the curve keep their order, and those without a bbox come last.
    """
    longitudes = np.frombuffer(lines.longitudes, dtype=np.float32)
    latitudes = np.frombuffer(lines.latitudes, dtype=np.float32)
    is_located = ~np.isnan(longitudes)
    distances = np.full(len(lines), _CELLS * _CELLS, dtype=np.int64)
    distances[is_located] = compute_hilbert_distances(longitudes[is_located], latitudes[is_located])
    return np.argsort(distances, kind="stable")


def compute_hilbert_distances(
    longitudes: NDArray[np.float32], latitudes: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Return how far along the Hilbert curve over the globe points are, in cells.

    Args:
        longitudes: Degrees; those beyond ±180 count as ±180.
        latitudes: Degrees; those beyond ±90 count as ±90.
    """
    x = _find_cells(longitudes, 180.0)
    y = _find_cells(latitudes, 90.0)
    distances = np.zeros_like(x)
    side = _CELLS >> 1
    while side:
        right = (x & side) > 0
        upper = (y & side) > 0
        distances += side * side * ((3 * right) ^ upper)
        # Turn the quadrant, so that the curve in it starts and ends beside its neighbours.
        mirrored = right & ~upper
        x[mirrored] = _CELLS - 1 - x[mirrored]
        y[mirrored] = _CELLS - 1 - y[mirrored]
        x[~upper], y[~upper] = y[~upper], x[~upper]
        side >>= 1
    return distances


def _find_cells(degrees: NDArray[np.float32], limit: float) -> NDArray[np.int64]:
    share = (degrees.astype(np.float64) + limit) / (2 * limit)
    return np.clip(share * _CELLS, 0, _CELLS - 1).astype(np.int64)
