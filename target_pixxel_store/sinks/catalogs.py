"""The sinks of catalogs and of downloads, by requests or as tap-pixxel emits them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_pixxel_store.errors import RecordError
from target_pixxel_store.records import (
    REPLACE_DELIVERY,
    REQUEST_FIELDS,
    SOURCE_FIELDS,
    STORE,
    SourceRequest,
    read_delivery_request,
    read_download_request,
    read_tap_record,
)
from target_pixxel_store.sinks.base import CATALOGS, StoreTargetSink

if TYPE_CHECKING:
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.sinks.base import SinkOwner


class DeliverySink(StoreTargetSink):
    """A sink that requests deliveries."""

    def __init__(self, target: SinkOwner, **kwargs: Any) -> None:
        super().__init__(target, **kwargs)
        self._run.will_deliver = True


class DeliveryRequestsSink(DeliverySink):
    """`delivery_requests`: each a catalog or an order item, and a store."""

    known_fields = REQUEST_FIELDS | {STORE, REPLACE_DELIVERY}

    def handle(self, inflight: InflightRecord, record: dict[str, Any]) -> None:
        """Request deliveries."""
        request = read_delivery_request(record)
        self._run.deliveries.add_request(inflight, request)


class DownloadRequestsSink(StoreTargetSink):
    """`download_requests`: each a catalog, an order item, or another source of a file."""

    known_fields = REQUEST_FIELDS | SOURCE_FIELDS

    def handle(self, inflight: InflightRecord, record: dict[str, Any]) -> None:
        """Request downloads."""
        if self._run.downloads is None:
            raise RecordError("set 'download_to' to download files")
        request = read_download_request(record)
        if isinstance(request, SourceRequest):
            self._run.downloads.add_source_request(inflight, request)
        else:
            self._run.downloads.add_request(inflight, request)


class TapSink(DeliverySink):
    """`catalogs` and `order_items` of tap-pixxel: delivered, or else downloaded."""

    def handle(self, inflight: InflightRecord, record: dict[str, Any]) -> None:
        """Request a delivery, or a download."""
        store, downloads = self._run.settings.deliver_to, self._run.downloads
        request = read_tap_record(record, store or "", is_catalog=self.stream_name == CATALOGS)
        pipeline = self._run.deliveries if store or downloads is None else downloads
        pipeline.add_request(inflight, request)
