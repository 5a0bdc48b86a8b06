"""Sinks: one for each stream, by the stream's name; each reads a record and processes it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from target_pixxel_store.sinks.base import CATALOGS, ORDER_ITEMS, IgnoredSink

if TYPE_CHECKING:
    from target_pixxel_store.sinks.base import StoreTargetSink

SINKS_BY_STREAM = {
    "stores": ("stores", "StoresSink"),
    "delivery_requests": ("catalogs", "DeliveryRequestsSink"),
    "aoi_requests": ("objects", "AoiRequestsSink"),
    "index_requests": ("objects", "IndexRequestsSink"),
    "visualization_requests": ("objects", "VisualizationRequestsSink"),
    "download_requests": ("catalogs", "DownloadRequestsSink"),
    "order_requests": ("orders", "OrderRequestsSink"),
    "insight_requests": ("analyses", "InsightRequestsSink"),
    "job_requests": ("analyses", "JobRequestsSink"),
    CATALOGS: ("catalogs", "TapSink"),
    ORDER_ITEMS: ("catalogs", "TapSink"),
}
"""Module in this package, and class, of the sink of each stream."""


def load_sink_class(stream: str) -> type[StoreTargetSink]:
    """Return the sink class of a stream; only what the input needs is imported."""
    if stream not in SINKS_BY_STREAM:
        return IgnoredSink
    module, name = SINKS_BY_STREAM[stream]
    found = getattr(import_module(f"{__name__}.{module}"), name)
    return cast("type[StoreTargetSink]", found)
