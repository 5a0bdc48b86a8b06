"""Fixtures of the target-stac tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.target_stac.exports import EXAMPLE_ITEMS, export, make_collection

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def example_export(tmp_path: Path) -> Path:
    """Return the folder of an export of `EXAMPLE_ITEMS` and a collection in all formats."""
    output = tmp_path / "out"
    formats = ["catalog", "ndjson", "geoparquet", "itemcollection"]
    export(output, *EXAMPLE_ITEMS, make_collection("l2a"), formats=formats)
    return output
