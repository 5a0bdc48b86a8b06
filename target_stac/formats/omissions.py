"""Collect and describe what a format cannot hold, by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMED_FIELDS = 10


class Omission(NamedTuple):
    """Values of a field that a file lacks because its format cannot hold them.

    Attributes:
        path: Path of the field.
        items: Number of items that have such a value.
        first_item: Id of the first of them.
    """

    path: str
    items: int
    first_item: str


class Omissions:
    """Collector of the omissions of a file."""

    def __init__(self) -> None:
        self._omissions: dict[str, Omission] = {}
        self._last_items: dict[str, str] = {}

    def add(self, path: str, item: str) -> None:
        """Add a value of an item.

        Args:
            path: Path of its field.
            item: Id of the item.
        """
        if self._last_items.get(path) != item:
            _, items, first_item = self._omissions.get(path, (path, 0, item))
            self._omissions[path] = Omission(path, items + 1, first_item)
            self._last_items[path] = item

    def list(self) -> list[Omission]:
        """Return all omissions."""
        return list(self._omissions.values())


def describe_omissions(omissions: Iterable[Omission]) -> str:
    """Return the fields, each with the number of items and the first of them."""
    ordered = sorted(omissions, key=lambda each: (-each.items, each.path))
    texts = [
        f"'{path}' of {items:,} items, first '{first_item}'"
        if items > 1
        else f"'{path}' of item '{first_item}'"
        for path, items, first_item in ordered[:_NAMED_FIELDS]
    ]
    if len(ordered) > _NAMED_FIELDS:
        texts.append(f"{len(ordered) - _NAMED_FIELDS:,} more columns")
    return "; ".join(texts)
