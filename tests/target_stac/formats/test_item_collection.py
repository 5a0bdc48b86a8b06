"""Tests of the ItemCollection file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio

from pixxel_singer.exit_codes import ExitCode
from tests.target_stac.exports import (
    EXPORT_ERRORS,
    Json,
    export,
    find_item_files,
    make_item,
    read_json,
    read_log,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"


def test_gdal_opens_item_collection_as_one_image(tmp_path: Path) -> None:
    items = []
    for number in range(3):
        file = tmp_path / f"{number}.tif"
        transform = rasterio.Affine(10, 0, 500_000 + number * 40, 0, -10, 1_400_000)
        profile: dict[str, Any] = {"width": 4, "height": 4, "count": 1, "dtype": "uint16"}
        with rasterio.open(
            file, "w", driver="GTiff", crs="EPSG:32643", transform=transform, **profile
        ) as image:
            image.write(np.full((1, 4, 4), number + 1, dtype="uint16"))
        asset = {
            "href": str(file),
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "proj:code": "EPSG:32643",
            "proj:transform": list(transform)[:6],
            "proj:shape": [4, 4],
        }
        items.append(make_item(str(number), assets={"B001": asset}, stac_extensions=[PROJECTION]))
    export(tmp_path / "out", *items, formats=["itemcollection", "catalog"])
    file = tmp_path / "out/itemcollection.json"
    assert len(read_json(file)["features"]) == 3
    with rasterio.open(f'STACIT:"{file}":asset=B001') as mosaic:
        assert (mosaic.width, mosaic.height) == (12, 4)
        assert mosaic.read(1)[0].tolist() == [1] * 4 + [2] * 4 + [3] * 4


def test_item_collection_of_too_many_items_alone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_stac.export.MAX_ITEM_COLLECTION", 2)
    export(tmp_path, make_item("a"), make_item("b"), formats=["itemcollection"], mode="overwrite")
    before = snapshot(tmp_path)
    items = [make_item(name) for name in "abc"]
    problem = "3 items, but an ItemCollection may have at most 2; remove"
    with pytest.raises(EXPORT_ERRORS, match=problem):
        export(tmp_path, *items, formats=["itemcollection"], mode="overwrite")
    assert snapshot(tmp_path) == before


def test_item_collection_of_too_many_items_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An export that grows beyond the limit must not stop being written."""
    monkeypatch.setattr("target_stac.export.MAX_ITEM_COLLECTION", 2)
    settings: Json = {"formats": ["catalog", "itemcollection"]}
    assert export(tmp_path, make_item("a"), make_item("b"), **settings) == ExitCode.OK
    items = [make_item(name) for name in "abc"]
    for _ in range(2):
        caplog.clear()
        assert export(tmp_path, *items, **settings) == ExitCode.INCOMPLETE
        assert set(find_item_files(tmp_path)) == {"l2a/a", "l2a/b", "l2a/c"}
        assert not (tmp_path / "itemcollection.json").exists()
        [warning] = read_log(caplog)
        assert warning.startswith("itemcollection.json is left out: the export has 3 items, but")
    assert export(tmp_path, *items[:2], **settings, mode="overwrite") == ExitCode.OK
    collection = read_json(tmp_path / "itemcollection.json")
    assert [each["id"] for each in collection["features"]] == ["a", "b"]
