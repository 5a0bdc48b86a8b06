"""Convert Pixxel's items, catalog records and collections to valid STAC 1.1.

The functions are pure: they take plain dicts and return plain dicts, with a note for each field
that could not be passed on unchanged.
"""

from __future__ import annotations

from tap_pixxel.stac.catalog_record import catalog_to_item, catalog_to_partial_item
from tap_pixxel.stac.collection import to_collection
from tap_pixxel.stac.item import to_item, to_partial_item
from tap_pixxel.stac.result import (
    CONVERTED,
    DROPPED,
    KEPT,
    REPAIRED,
    ConversionError,
    ConversionNote,
    ConversionResult,
)

__all__ = [
    "CONVERTED",
    "DROPPED",
    "KEPT",
    "REPAIRED",
    "ConversionError",
    "ConversionNote",
    "ConversionResult",
    "catalog_to_item",
    "catalog_to_partial_item",
    "to_collection",
    "to_item",
    "to_partial_item",
]
