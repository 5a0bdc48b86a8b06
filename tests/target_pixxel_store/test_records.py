"""Records as CSV files, warehouses and stream maps make them: all texts, blank where nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_pixxel_store.download_sources import DownloadSource, make_source
from target_pixxel_store.errors import RecordError
from target_pixxel_store.objects.visualizations import read_visualization_request
from target_pixxel_store.purchases.kinds.insights import read_insight_request
from target_pixxel_store.purchases.kinds.jobs import read_job_request
from target_pixxel_store.records import (
    SOURCE_FIELDS,
    SOURCES,
    SourceRequest,
    read_delivery_request,
    read_download_request,
    read_store,
    read_store_deletion,
    read_tap_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_harness import Json

BLANK_ROW: Json = dict.fromkeys([*SOURCE_FIELDS, "catalog_id", "order_item_id", "path"], " ")


def read_source(fields: Json) -> DownloadSource:
    request = read_download_request(BLANK_ROW | fields)
    assert isinstance(request, SourceRequest)
    assert request.path is None
    return request.source


def test_blank_text_of_download_request_counts_as_missing() -> None:
    """Every row of a CSV file has every column."""
    insight = {"aoi_id": "a", "insight_id": "i"}
    assert read_source(insight) == make_source(SOURCES["insight_id"], insight)
    assert read_source(insight | {"asset_ids": "[]", "inputs": "[]"}).parts == ((), ())
    assets = {"aoi_id": "a", "asset_ids": '["x"]'}
    assert read_source(assets).parts == (("x",),)
    assert read_source({"workflow_id": "w", "job_id": "j"}).kind is SOURCES["job_id"]


def test_blank_text_of_delivery_request_counts_as_missing() -> None:
    row = BLANK_ROW | {"catalog_id": "c", "store": "s", "replace_delivery": ""}
    request = read_delivery_request(row)
    assert (request.catalog_id, request.path, request.replace_delivery) == ("c", None, None)


@pytest.mark.parametrize("blank", ["", " "])
def test_blank_text_of_store_counts_as_missing(blank: str) -> None:
    row = {"name": "s", "type": "S3", "bucket": "b", "region": "r"}
    row |= dict.fromkeys(["labels", "configs", "path_prefix", "credentials"], blank)
    store = read_store(row)
    assert (store.labels, store.location.prefix, store.credentials_name) == (None, "", "s")
    assert read_store_deletion(row | {"_sdc_deleted_at": blank}) is None


TASK = {"workflow_id": "w", "job_id": "j", "task_id": "t"}
INSIGHT = {
    "request_id": "a/b", "project_id": "p", "aoi_id": "a", "input": {}, "block": "b",
    "block_version": "1/2",
}  # fmt: skip
URL_FIELDS: list[tuple[Callable[[Json], object], Json, str]] = [
    (read_visualization_request, {"aoi_id": "a", "index_id": "i"}, "aoi_id"),
    (read_insight_request, INSIGHT, "aoi_id"),
    (read_insight_request, INSIGHT, "block"),
    (read_job_request, {"request_id": "a/b", "workflow_id": "w", "project_id": "p"}, "workflow_id"),
    (read_download_request, {"aoi_id": "a", "asset_ids": "x"}, "aoi_id"),
    (read_download_request, {"aoi_id": "a", "insight_id": "i"}, "insight_id"),
    *((read_download_request, TASK, name) for name in TASK),
    (read_download_request, {"order_item_id": "o"}, "order_item_id"),
    (read_delivery_request, {"order_item_id": "o", "store": "s"}, "order_item_id"),
    (lambda record: read_tap_record(record, "s", is_catalog=False), {"id": "o"}, "id"),
]


@pytest.mark.parametrize(("read_request", "record", "name"), URL_FIELDS)
def test_id_that_leads_to_another_endpoint_refused(
    read_request: Callable[[Json], object], record: Json, name: str
) -> None:
    read_request(record)
    for value in (".", " .. ", "../../v0/indices", "a/b", "a%2fb", "a?b", "a#b", "a\\b", "a;b"):
        with pytest.raises(RecordError, match=rf"^'{name}' must not be \. or \.\., or contain"):
            read_request(record | {name: value})
