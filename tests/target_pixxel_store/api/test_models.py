"""Rows of deliveries: what is read of them, and in how much memory."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from pixxel_api.errors import UnexpectedResponse
from pixxel_api.json_decoding import decode_object
from pixxel_api.response import JsonResponse
from target_pixxel_store.api.client import StoreApi
from target_pixxel_store.api.models import Delivery

if TYPE_CHECKING:
    from target_pixxel_store.api.models import DeliveryList

COUNT = 2000
MAX_BYTES_PER_ROW = 1000


def make_row(number: int) -> dict[str, Any]:
    """Return a row with texts that differ from those of all others."""
    return {
        "delivery_id": str(UUID(int=number)),
        "catalog_id": str(UUID(int=number + COUNT)),
        "task_id": None,
        "status": "success",
        "target_path": f"image-{number}.zip",
        "cloud_delivery": {"config": "store", "path": f"/images/{number}/"},
        "created_at": f"2026-01-01T00:00:00.{number:06}Z",
        "updated_at": f"2026-01-02T00:00:00.{number:06}Z",
    }


def list_deliveries(content: bytes) -> DeliveryList:
    """List the deliveries of a response with this body."""

    class OneResponse:
        def send_with_retries(self, *_: object, **__: object) -> JsonResponse:
            fields = decode_object(bytearray(content), "GET", "/", 200).fields
            return JsonResponse(fields, None, "GET", "/", 200)

    client: Any = OneResponse()
    return StoreApi(client, 1, lambda: None).list_deliveries()


def test_long_list_read_row_by_row() -> None:
    """Else a workspace with 100,000 deliveries takes several hundred MiB."""
    content = msgspec.json.encode({"deliveries": [make_row(number) for number in range(COUNT)]})
    list_deliveries(msgspec.json.encode({"deliveries": []}))  # imports what it needs
    gc.collect()
    tracemalloc.start()
    try:
        found = list_deliveries(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.deliveries) == found.row_count == COUNT
    assert (peak - len(content)) / COUNT < MAX_BYTES_PER_ROW


def test_unreadable_rows_counted_and_left_out() -> None:
    rows = [7, None, "x", {}, {"delivery_id": "d"}, {"catalog_id": "c"}, make_row(1)]
    found = list_deliveries(msgspec.json.encode({"deliveries": rows}))
    assert found.row_count == len(rows)
    assert found.deliveries == [
        Delivery(
            str(UUID(int=1)), str(UUID(int=1 + COUNT)), "store", "images/1", "image-1.zip",
            "SUCCESS", "2026-01-01T00:00:00.000001Z", automated=False,
        )
    ]  # fmt: skip


def test_number_out_of_range_hides_no_row() -> None:
    content = msgspec.json.encode({"deliveries": [make_row(1) | {"size": 1}]})
    found = list_deliveries(content.replace(b'"size":1', b'"size":1e999'))
    assert [each.path for each in found.deliveries] == ["images/1"]


def test_null_is_an_empty_list_and_no_list_an_error() -> None:
    assert list_deliveries(b'{"deliveries": null}').deliveries == []
    for body in (b"{}", b'{"deliveries": {}}', b'{"deliveries": [], "error": {"code": "no"}}'):
        with pytest.raises(UnexpectedResponse):
            list_deliveries(body)
