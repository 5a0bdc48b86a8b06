"""Tests of the settings: an error is one line, without the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from singer_sdk.exceptions import ConfigValidationError

from pixxel_singer.exit_codes import ExitCode
from tests.target_stac.exports import (
    DATA,
    Json,
    export,
    make_item,
    make_target,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

INVALID_SETTINGS: list[tuple[str, Json, str]] = [
    ("no output", {"output": None}, "Setting 'output' is missing"),
    ("blank output", {"output": " "}, "Setting 'output' is empty"),
    ("no format", {"formats": []}, "Setting 'formats' is empty; choose from catalog, ndjson"),
    ("unknown format", {"formats": ["s3cret"]}, "Setting 'formats.0' must be one of catalog"),
    ("unknown mode", {"mode": "s3cret"}, "Setting 'mode' must be one of update, overwrite"),
    ("blank id", {"catalog_id": ""}, "Setting 'catalog_id' is empty"),
    ("blank title", {"title": " "}, "Setting 'title' is empty"),
    ("title of a number", {"title": 7}, "Setting 'title' must be a string"),
    ("blank description", {"description": " "}, "Setting 'description' is empty"),
    ("no URL", {"root_href": "s3cret"}, "Setting 'root_href' must be a URL such as https"),
    ("URL of a query", {"root_href": "https://h/x?s3cret"}, "Setting 'root_href' must be a URL"),
    ("URL of a bucket", {"root_href": "s3://s3cret/x"}, "Setting 'root_href' must be a URL"),
    ("half a URL", {"root_href": "https://[s3cret"}, "Setting 'root_href' must be a URL"),
    ("unknown check", {"validate": "s3cret"}, "Setting 'validate' must be one of off, sample, all"),
    ("no folder", {"schemas": "/no/s3cret"}, "Setting 'schemas' must be a folder that can be read"),
    (
        "folder of a long name",
        {"schemas": "s3cret" * 50},
        "Setting 'schemas' must be a folder that can",
    ),
    (
        "folder of nobody",
        {"schemas": "~s3cret/x"},
        "Setting 'schemas' must be a folder that can be read",
    ),
    (
        "folder with a NUL",
        {"schemas": "s3cret\0"},
        "Setting 'schemas' must be a folder that can be read",
    ),
    ("schemas of a file", {"schemas": str(DATA / "small.singer")}, "Setting 'schemas' must be a f"),
]


@pytest.mark.parametrize(
    ("settings", "line"), [m[1:] for m in INVALID_SETTINGS], ids=[m[0] for m in INVALID_SETTINGS]
)
def test_invalid_setting_is_one_line_without_value(
    tmp_path: Path, settings: Json, line: str
) -> None:
    config = {"output": str(tmp_path / "out")} | settings
    with pytest.raises(ConfigValidationError) as caught:
        type(make_target("x"))(config=config)
    [error] = caught.value.errors
    assert line in error
    assert "s3cret" not in error
    assert not (tmp_path / "out").exists()


def test_update_without_catalog_or_ndjson_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="bad settings") as caught:
        make_target(tmp_path / "out", formats=["geoparquet"])
    assert "must include catalog or ndjson" in caught.value.errors[0]  # type: ignore[attr-defined]  # SDK
    assert export(tmp_path, make_item("a"), formats=["geoparquet"], mode="overwrite") == ExitCode.OK
    assert list(snapshot(tmp_path)) == ["geoparquet/l2a.parquet", "manifest.sqlite.gz"]
