"""The sink of stores."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from target_pixxel_store.records import read_store, read_store_deletion
from target_pixxel_store.sinks.base import StoreTargetSink

if TYPE_CHECKING:
    from target_pixxel_store.outcomes.checkpoints import InflightRecord


class StoresSink(StoreTargetSink):
    """`stores`: created, kept, replaced or deleted."""

    def handle(self, inflight: InflightRecord, record: dict[str, Any]) -> None:
        """Create or delete a store."""
        if (deletion := read_store_deletion(record)) is not None:
            self._reconcile(inflight, partial(self._run.stores.delete, *deletion))
        else:
            self._reconcile(inflight, partial(self._run.stores.ensure, read_store(record)))
