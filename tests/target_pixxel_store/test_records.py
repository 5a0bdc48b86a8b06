"""Records as CSV files, warehouses and stream maps make them: all texts, blank where nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_pixxel_store.download_sources import DownloadSource, make_source
from target_pixxel_store.records import (
    SOURCE_FIELDS,
    SOURCES,
    SourceRequest,
    read_delivery_request,
    read_download_request,
    read_store,
    read_store_deletion,
)

if TYPE_CHECKING:
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
