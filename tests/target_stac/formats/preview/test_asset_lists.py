"""Tests of the asset lists that the page has room for."""

from __future__ import annotations

import json
from typing import Any

from target_stac.formats.preview.asset_lists import AssetListEncoder
from target_stac.formats.preview.features import PreviewItem


def encode_list(assets: Any, href: str | None = "l2a/a.json", room: int = 10_000) -> Any:
    encoder = AssetListEncoder(room)
    member = encoder.encode(PreviewItem(href, {"id": "a", "assets": assets}))
    return member and json.loads(b"{" + member + b"}"), json.loads(encoder.encode_kinds())


def test_asset_list_has_common_start_of_hrefs_once() -> None:
    band = {"eo:center_wavelength": 0.47}
    assets = {
        "B001": {"href": "https://x.org/a/B001.tif", "type": "image/tiff", "roles": ["data", "x"]},
        "B002": {"href": "https://x.org/a/B002.tif", "title": "Blue", "bands": [band]},
    }
    assert encode_list(assets) == (
        {
            "./l2a/a.json": [
                "https://x.org/a/B00",
                [["1.tif", "B001", None, 0], ["2.tif", "B002", "Blue", None, 4700]],
            ]
        },
        ["image/tiff \u00b7 data, x"],
    )


def test_asset_list_marks_unsafe_hrefs() -> None:
    assets = {"a": {"href": "s3://bucket/a"}, "b": {"href": "./b.tif"}, "c": {}, "d": None}
    [member], _ = encode_list(assets)[0].values(), None
    rows = {row[1]: (member[0] + row[0], row[5] if len(row) > 5 else None) for row in member[1]}
    assert rows == {
        "a": ("s3://bucket/a", 1),
        "b": ("./l2a/b.tif", None),
        "c": ("", 1),
        "d": ("", 1),
    }


def test_asset_list_beyond_room_is_left_out() -> None:
    assets = {f"B{number:03}": {"href": f"./B{number:03}.tif"} for number in range(100)}
    assert encode_list(assets, room=1000)[0] is None
    assert encode_list(assets, room=10_000)[0]
    many = {f"B{number:03}": {"type": f"x/{number}" * 9} for number in range(100)}
    assert encode_list(many, room=5000)[0] is None  # the kinds of assets take room too


def test_item_without_file_or_assets_has_no_asset_list() -> None:
    assert encode_list({}, href=None)[0] == b""
    assert encode_list([]) == ({"./l2a/a.json": ["", []]}, [])
