"""The kinds of purchases, by name; only what the input needs is imported."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from target_pixxel_store.purchases.kind import KindFactory

_KINDS = {
    "order": ("orders", "Orders"),
    "insight": ("insights", "Insights"),
    "job": ("jobs", "Jobs"),
}
"""Module in this package, and class, of each kind."""


def load_kind(name: str) -> KindFactory:
    """Return the class of a kind."""
    module, class_name = _KINDS[name]
    found = getattr(import_module(f"{__name__}.{module}"), class_name)
    return cast("KindFactory", found)
