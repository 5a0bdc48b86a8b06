"""Example polygons."""

from __future__ import annotations

from typing import Any

SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]
BOX = [0, 0, 2, 2]


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}
