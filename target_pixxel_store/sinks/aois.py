"""The sink of areas of interest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from target_pixxel_store.aois.models import AOI_FIELDS, read_aoi_request
from target_pixxel_store.sinks.base import StoreTargetSink

if TYPE_CHECKING:
    from target_pixxel_store.outcomes.checkpoints import InflightRecord


class AoiRequestsSink(StoreTargetSink):
    """`aoi_requests`: areas of interest, created unless their project has one of the name."""

    known_fields = AOI_FIELDS

    def handle(self, inflight: InflightRecord, record: dict[str, Any]) -> None:
        """Create an area of interest."""
        self._reconcile(inflight, partial(self._run.aois.ensure, read_aoi_request(record)))
