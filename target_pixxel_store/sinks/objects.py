"""The sinks of areas of interest, indices and visualizations: created unless they exist."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from target_pixxel_store.objects.aois import AOI, read_aoi_request
from target_pixxel_store.objects.indices import INDEX, read_index_request
from target_pixxel_store.objects.visualizations import VISUALIZATION, read_visualization_request
from target_pixxel_store.sinks.base import StoreTargetSink

if TYPE_CHECKING:
    from target_pixxel_store.outcomes.checkpoints import InflightRecord


class AoiRequestsSink(StoreTargetSink):
    """`aoi_requests`: areas of interest, identified by project and name."""

    known_fields = AOI.request_fields

    def handle(self, inflight: InflightRecord, record: dict[str, Any]) -> None:
        """Create an area of interest."""
        self._reconcile(inflight, partial(self._run.objects.ensure, read_aoi_request(record)))


class IndexRequestsSink(StoreTargetSink):
    """`index_requests`: indices, identified by satellite, name and expression."""

    known_fields = INDEX.request_fields

    def handle(self, inflight: InflightRecord, record: dict[str, Any]) -> None:
        """Create an index."""
        self._reconcile(inflight, partial(self._run.objects.ensure, read_index_request(record)))


class VisualizationRequestsSink(StoreTargetSink):
    """`visualization_requests`: visualizations, identified by area and index."""

    known_fields = VISUALIZATION.request_fields

    def handle(self, inflight: InflightRecord, record: dict[str, Any]) -> None:
        """Create a visualization."""
        spec = read_visualization_request(record)
        self._reconcile(inflight, partial(self._run.objects.ensure, spec))
