"""STAC: Pixxel's items, catalog records and collections as valid STAC 1.1.

Pure functions from plain dicts to plain dicts, and notes on what could not simply be passed on.
"""

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
