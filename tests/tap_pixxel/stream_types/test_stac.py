"""Items and collections are emitted as STAC, with summary columns to filter by."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pytest
import shapely
from shapely.geometry import shape

import tap_pixxel.stac
from pixxel_sandbox import MISSING, Sandbox
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.stac import ConversionNote
from tap_pixxel.stream_types.stac import MAX_LOGGED_NOTES, format_note_table
from tap_pixxel.tap import TapPixxel
from tests.tap_pixxel.stac.semantic_checks import find_problems
from tests.tap_pixxel.stac.validation import needs_schemas, schema_errors
from tests.tap_pixxel.syncs import MessageCollector, SyncResult, make_catalog, make_config, sync

STREAMS = ("archive_items", "catalogs")
FLAT = {
    "start_datetime": "start_datetime",
    "end_datetime": "end_datetime",
    "platform": "platform",
    "constellation": "constellation",
    "gsd": "gsd",
    "cloud_cover": "eo:cloud_cover",
    "off_nadir": "view:off_nadir",
    "sun_azimuth": "view:sun_azimuth",
    "sun_elevation": "view:sun_elevation",
    "processing_level": "processing:level",
}


def sync_without_columns(sandbox: Sandbox, stream: str, *columns: str) -> list[dict[str, Any]]:
    """Sync a stream with columns deselected; return its records."""
    config = make_config(sandbox)
    catalog = make_catalog(config, stream)
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            if part["breadcrumb"][-1:] and part["breadcrumb"][-1] in columns:
                part["metadata"]["selected"] = False
    writer = MessageCollector()
    TapPixxel(config=config, catalog=catalog, message_writer=writer).run()
    return SyncResult(ExitCode.OK, writer.messages).records[stream]


@needs_schemas
def test_emitted_items_and_collections_are_valid_stac(sandbox: Sandbox) -> None:
    synced = sync(sandbox, *STREAMS, "collections")
    for stream in STREAMS:
        assert synced.records[stream]
        for record in synced.records[stream]:
            assert schema_errors(record["stac_item"]) == []
            assert find_problems(record["stac_item"]) == []
            assert record["stac_error"] is None if "stac_error" in record else True
    assert synced.records["collections"]
    for record in synced.records["collections"]:
        assert schema_errors(record["stac_collection"]) == []


@pytest.mark.parametrize("stream", STREAMS)
def test_summary_columns_equal_item_properties(sandbox: Sandbox, stream: str) -> None:
    records = sync(sandbox, stream).records[stream]
    for record in records:
        item = record["stac_item"]
        for column, name in FLAT.items():
            assert record[column] == item["properties"].get(name), column
        assert record.get("epsg") == 4326
        edges = [record.get(f"bbox_{edge}") for edge in ("west", "south", "east", "north")]
        assert edges == item.get("bbox", [None] * 4)
        assert record["geometry"] == item["geometry"]
        if item["geometry"] is None:
            assert record.get("geometry_wkt") is None
        else:
            written = shapely.from_wkt(record["geometry_wkt"])
            assert written.equals(shape(item["geometry"]))
    assert any(record["geometry"] is None for record in records) or stream == "catalogs"


@pytest.mark.parametrize("stream", STREAMS)
def test_deselected_stac_item_is_not_converted(
    sandbox: Sandbox, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sync(sandbox, stream).records[stream]
    for name in ("to_item", "catalog_to_item"):
        monkeypatch.delattr(tap_pixxel.stac, name)
    some = sync_without_columns(sandbox, stream, "stac_item")
    assert some == [{k: v for k, v in r.items() if k != "stac_item"} for r in whole]
    assert sync(sandbox, stream, stac=False).records[stream]


@pytest.mark.parametrize("stream", STREAMS)
def test_unconvertible_item_is_emitted_with_error_and_raw_fields(
    sandbox: Sandbox, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    [key, *_] = sandbox.workspace.ids(stream)
    raw = sandbox.workspace.get(stream, key)
    lost = {"datetime": None, "startdatetime": None, "enddatetime": None}
    if stream == "archive_items":
        sandbox.workspace.update(stream, key, **lost)
        member = "assets"
    else:
        properties = {**raw["details"]["properties"], **lost}
        sandbox.workspace.update(stream, key, details={**raw["details"], "properties": properties})
        member = "details"
    with caplog.at_level(logging.WARNING):
        synced = sync(sandbox, stream)
    assert synced.status is ExitCode.OK
    record = next(r for r in synced.records[stream] if r["id"] == key)
    assert record["stac_item"] is None
    assert "no datetime" in record["stac_error"]
    assert record["extra"][member] == sandbox.workspace.get(stream, key)[member]
    log_lines = [m for m in caplog.messages if "cannot be converted to STAC" in m]
    assert log_lines == [
        f"{stream}: 1 records cannot be converted to STAC; see their column stac_error"
    ]


def test_format_note_table_is_aligned_and_short() -> None:
    counts = Counter(
        {
            ConversionNote(f"field{n}", "converted", "why"): 1000 * n
            for n in range(1, MAX_LOGGED_NOTES + 3)
        }
    )
    counts[ConversionNote("a.long.name", "kept", "because")] = 10**6
    header, first, second, *_, last = format_note_table(counts)
    assert header == "    notes  action     field        reason"
    assert first == "1,000,000  kept       a.long.name  because"
    assert second == "   14,000  converted  field14      why"
    assert last == "6,000 notes of 3 other kinds"
    assert len(format_note_table(counts)) == MAX_LOGGED_NOTES + 2
    assert format_note_table(Counter()) == []


@pytest.mark.parametrize("stream", STREAMS)
def test_only_emitted_records_are_converted(
    sandbox: Sandbox, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sync(sandbox, stream)
    name = "to_item" if stream == "archive_items" else "catalog_to_item"
    convert = getattr(tap_pixxel.stac, name)
    converted: list[str] = []

    def watch(raw: dict[str, Any], **options: Any) -> Any:
        converted.append(raw["id"])
        return convert(raw, **options)

    monkeypatch.setattr(tap_pixxel.stac, name, watch)
    second = sync(sandbox, stream, state=first.state)
    assert converted == second.ids(stream)
    assert 0 < len(converted) < len(first.ids(stream))


def test_catalog_collection_setting_names_collection_of_owned_items(sandbox: Sandbox) -> None:
    records = sync(sandbox, "catalogs", catalog_collection="mine").records["catalogs"]
    assert {record["stac_item"]["collection"] for record in records} == {"mine"}
    assert "mine" not in {record["collection"] for record in records}
    owned = sync(sandbox, "catalogs").records["catalogs"]
    assert all(r["stac_item"]["collection"] == f"{r['collection']}-owned" for r in owned)


@pytest.mark.parametrize(("stac", "column"), [(True, "stac_item['assets']"), (False, "assets")])
def test_stream_map_on_assets_gets_objects(sandbox: Sandbox, *, stac: bool, column: str) -> None:
    """They stay JSON text only if no stream map reads them."""
    for key in sandbox.workspace.ids("archive_items"):
        sandbox.workspace.update(
            "archive_items", key, properties={"datetime": "2025-01-01T00:00:00Z"}
        )
    maps = {"archive_items": {"id": "id", "look": f"{column}['thumbnail']['href']"}}
    synced = sync(sandbox, "archive_items", stac=stac, stream_maps=maps)
    assert synced.records["archive_items"]
    assert all(each["look"].startswith("http") for each in synced.records["archive_items"])


@pytest.mark.parametrize("stream", STREAMS)
def test_summary_columns_are_equal_with_and_without_stac(sandbox: Sandbox, stream: str) -> None:
    names = [*FLAT, "epsg", "bbox_west", "geometry_wkt", "datetime", "collection"]
    stac, raw = (sync(sandbox, stream, stac=stac).records[stream] for stac in (True, False))
    assert raw
    assert [[r.get(name) for name in names] for r in stac] == [
        [r.get(name) for name in names] for r in raw
    ]
    assert not any("stac_item" in record for record in raw)


@pytest.mark.parametrize("code", ["EPSG:" + "9" * 5_000, "EPSG:x"])
def test_invalid_epsg_code_leaves_column_null(code: str) -> None:
    with Sandbox(seed=5, items=2) as sandbox:
        key = sandbox.workspace.ids("archive_items")[0]
        sandbox.workspace.update("archive_items", key, **{"proj:code": code, "proj:epsg": MISSING})
        records = sync(sandbox, "archive_items").records["archive_items"]
    assert {record["id"]: record.get("epsg") for record in records}[key] is None


@pytest.mark.parametrize("stream", STREAMS)
def test_assume_cog_setting_changes_media_types(sandbox: Sandbox, stream: str) -> None:
    def types(**settings: Any) -> set[str]:
        records = sync(sandbox, stream, **settings).records[stream]
        assets = [a for r in records for a in r["stac_item"]["assets"].values()]
        return {a["type"] for a in assets if a["type"].startswith("image/tiff")}

    assert types() == {"image/tiff; application=geotiff"}
    assert types(assume_cog=True) == {"image/tiff; application=geotiff; profile=cloud-optimized"}


def test_stac_columns_equal_conversion_and_replace_raw_fields(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    converters: dict[str, tuple[str, Any]] = {
        "archive_items": ("stac_item", tap_pixxel.stac.to_item),
        "catalogs": ("stac_item", tap_pixxel.stac.catalog_to_item),
        "collections": ("stac_collection", tap_pixxel.stac.to_collection),
    }
    with caplog.at_level(logging.INFO):
        synced = sync(sandbox, *converters)
    for name, (column, convert) in converters.items():
        for key, record in zip(synced.ids(name), synced.records[name], strict=True):
            raw = sandbox.workspace.get(name, key)
            assert record[column] == convert(raw, api_url=sandbox.url).stac
            assert not {"assets", "links", "details"} & (record["extra"] or {}).keys()
        assert any(each.startswith(f"{name}: STAC conversion: ") for each in caplog.messages)
