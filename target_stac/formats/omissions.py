"""Collect what a format cannot hold, by field."""

from __future__ import annotations

from dataclasses import dataclass

_NAMED_COLUMNS = 10


@dataclass(slots=True)
class _FieldOmissions:
    items: int
    first_item: str
    last_item: str


class Omissions:
    """Values of items that a format cannot hold."""

    def __init__(self) -> None:
        self._columns: dict[str, _FieldOmissions] = {}

    def __bool__(self) -> bool:
        return bool(self._columns)

    def add(self, path: str, item: str) -> None:
        """Add a value of an item.

        Args:
            path: Path of its field, which in GeoParquet is its column.
            item: Id of the item.
        """
        column = self._columns.get(path)
        if column is None:
            self._columns[path] = _FieldOmissions(1, item, item)
        elif column.last_item != item:
            column.items += 1
            column.last_item = item

    def describe(self) -> str:
        """Return the columns, each with the number of items and the first of them."""
        columns = sorted(self._columns.items(), key=lambda entry: (-entry[1].items, entry[0]))
        texts = [
            f"'{path}' of {column.items:,} items, first '{column.first_item}'"
            if column.items > 1
            else f"'{path}' of item '{column.first_item}'"
            for path, column in columns[:_NAMED_COLUMNS]
        ]
        if len(columns) > _NAMED_COLUMNS:
            texts.append(f"{len(columns) - _NAMED_COLUMNS:,} more columns")
        return "; ".join(texts)
