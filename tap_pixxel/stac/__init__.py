"""STAC: Pixxel's items, catalog records and collections as valid STAC 1.1.

Pure functions from plain dicts to plain dicts, and notes on what could not simply be passed on.
"""

from tap_pixxel.stac.catalog import catalog_outline, catalog_to_item
from tap_pixxel.stac.collection import to_collection
from tap_pixxel.stac.item import outline, to_item
from tap_pixxel.stac.notes import CONVERTED, DROPPED, KEPT, REPAIRED, Converted, NotAnItem, Note

__all__ = [
    "CONVERTED",
    "DROPPED",
    "KEPT",
    "REPAIRED",
    "Converted",
    "NotAnItem",
    "Note",
    "catalog_outline",
    "catalog_to_item",
    "outline",
    "to_collection",
    "to_item",
]
