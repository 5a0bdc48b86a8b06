"""Sources of downloads: equal if they are the same download, and without common names if not."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from target_pixxel_store.download_sources import KINDS, make_source

FIELDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("assets", {"aoi_id": "a", "asset_ids": ["x"]}),
    ("assets", {"aoi_id": "a", "asset_ids": ["x", "y"]}),
    ("assets", {"aoi_id": "b", "asset_ids": ["x"]}),
    ("insight", {"aoi_id": "a", "insight_id": "i"}),
    ("insight", {"aoi_id": "a", "insight_id": "i", "inputs": ["x"]}),
    ("insight", {"aoi_id": "a", "insight_id": "i", "outputs": ["x"]}),
    ("insight", {"aoi_id": "a/insights/i", "insight_id": "i"}),
    ("job", {"workflow_id": "w", "job_id": "j"}),
    ("job", {"workflow_id": "w", "job_id": "j/tasks/t"}),
    ("task", {"workflow_id": "w", "job_id": "j", "task_id": "t"}),
    ("task", {"workflow_id": "w", "job_id": "k", "task_id": "t"}),
)
SOURCES = [make_source(KINDS[kind], fields) for kind, fields in FIELDS]
EACH = [pytest.param(source, id=source.default_folder) for source in SOURCES]


def test_different_sources_share_no_name_or_folder() -> None:
    """Otherwise they would write to one partial file, or to one file."""
    for one, other in combinations(SOURCES, 2):
        assert one != other
        assert one.file_stem != other.file_stem
        assert one.default_folder != other.default_folder


@pytest.mark.parametrize("source", EACH)
def test_source_of_its_own_fields_is_equal(source: Any) -> None:
    """The journal has them."""
    assert make_source(source.kind, source.fields) == source


@pytest.mark.parametrize("source", EACH)
def test_request_path_has_each_id_as_one_segment(source: Any) -> None:
    assert source.request_path.count("/") == source.kind.path.count("/")


def test_names_in_another_order_are_the_same_source() -> None:
    fields = {"aoi_id": "a", "insight_id": "i", "inputs": ["y", "x"], "outputs": ["z", "z"]}
    again = fields | {"inputs": ["x", "y", "x"], "outputs": ["z"]}
    one, other = (make_source(KINDS["insight"], each) for each in (fields, again))
    assert one == other
    assert one.fields == again | {"inputs": ["x", "y"]}
