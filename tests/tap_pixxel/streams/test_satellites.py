"""Images of any provider: both ways of paging, all forms of the response, missing settings."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

from pixxel_sandbox import Behavior, Sandbox
from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.pixxel_sandbox.contract_checks import request_validator
from tests.tap_pixxel.stac.validation import needs_schemas, schema_errors
from tests.tap_pixxel.syncs import SyncResult, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tap_pixxel.syncs import Server

WORLD: dict[str, Any] = {"datetime": "2020/..", "bbox": [-180, -90, 180, 90]}
SATELLITES = b'{"satellites": [{"id": "s", "name": "S", "collections": [{"id": "c"}]}]}'
IMAGE = '{"id": "%s", "collection": "c", "properties": {"datetime": "2025-01-01T00:00:00Z"}}'


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, items=40) as server:
        yield server


@pytest.fixture(scope="module")
def full_sync(sandbox: Sandbox) -> SyncResult:
    return sync(sandbox, "satellite_images", **WORLD)


def sync_images(server: Server, **settings: Any) -> list[dict[str, Any]]:
    return sync(server, "satellite_images", **(WORLD | settings)).records["satellite_images"]


def make_page(items: str, more: str = "") -> bytes:
    return answer(body=f'{{"items": {items}{more}}}'.encode())


@pytest.mark.parametrize(
    ("skip", "page_size"), [(False, 1), (True, 7)], ids=["by token", "by skip"]
)
def test_images_token_or_skip_paging_emits_each_once(
    sandbox: Sandbox, full_sync: SyncResult, *, skip: bool, page_size: int
) -> None:
    sandbox.behavior = Behavior(skip_paging=skip)
    found = sync_images(sandbox, page_size=page_size)
    sandbox.behavior = Behavior()
    keys = [(each["collection"], each["id"]) for each in found]
    assert len(keys) == len(set(keys))
    assert sorted(keys) == sorted(
        (each["collection"], each["id"]) for each in full_sync.records["satellite_images"]
    )
    names, archive = {name for _, name in keys}, set(sandbox.workspace.ids("archive_items"))
    assert len(names & archive) > 30
    assert names - archive, "another provider's images are among them"


def test_first_search_request_matches_the_contract(sandbox: Sandbox, full_sync: SyncResult) -> None:
    assert full_sync.records
    requested = [each.body for each in sandbox.requests if each.path == "/v0/search"]
    firsts = [body for body in requested if not {"next_token", "skip"} & body.keys()]
    check = request_validator("post", "/v0/search")
    assert firsts
    assert [list(check.iter_errors(body)) for body in firsts] == [[]] * len(firsts)


@needs_schemas
def test_images_are_valid_stac_without_order_status(full_sync: SyncResult) -> None:
    for record in full_sync.records["satellite_images"]:
        item = record["stac_item"]
        assert schema_errors(item) == []
        assert "order:status" not in item["properties"]
        assert "satellite_id" not in json.dumps(item)
        assert {each["rel"] for each in item["links"]} >= {"collection"}


@pytest.mark.parametrize("stac", [True, False])
def test_satellite_image_records_match_their_schema(sandbox: Sandbox, *, stac: bool) -> None:
    """The context of a partition is added to its records, so its names must be columns."""
    synced = sync(sandbox, "satellite_images", stac=stac, **WORLD)
    [schema] = [each["schema"] for each in synced.messages if each["type"] == "SCHEMA"]
    check = Draft7Validator(
        {**schema, "additionalProperties": False}, format_checker=FormatChecker()
    )
    assert synced.records["satellite_images"]
    for record in synced.records["satellite_images"]:
        check.validate(record)


def test_satellites_setting_limits_searches_and_logs_unknown_names(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    rows = sandbox.workspace.rows("satellites")
    first, second = rows[0], next(row for row in rows if len(row["collections"]) > 1)
    collection = second["collections"][0]["id"]
    with caplog.at_level(logging.WARNING):
        found = sync_images(
            sandbox, satellites=[first["name"], f"{second['id']}/{collection}", "no-such"]
        )
    expected = {each["id"] for each in first["collections"]} | {collection}
    assert {each["collection"] for each in found} <= expected
    assert collection in {each["collection"] for each in found}
    assert [each for each in caplog.messages if "no-such" in each] != []
    assert not any(first["name"] in each for each in caplog.messages)


def test_bbox_across_antimeridian_is_searched_in_two_parts(
    sandbox: Sandbox, full_sync: SyncResult
) -> None:
    """An image in both parts is emitted once."""
    before = len(sandbox.requests)
    found = [each["id"] for each in sync_images(sandbox, bbox=[90, -90, -90, 90])]
    requested = [each for each in sandbox.requests[before:] if each.path == "/v0/search"]
    pairs = sum(len(row["collections"]) for row in sandbox.workspace.rows("satellites"))
    assert len([each for each in requested if "skip" not in each.body]) == 2 * pairs
    assert len(found) == len(set(found))
    over = {
        each["id"]
        for each in full_sync.records["satellite_images"]
        if each.get("bbox_west") and each["bbox_west"] > each["bbox_east"]
    }
    assert over
    assert over <= set(found)


@pytest.mark.parametrize(
    ("settings", "fragments"),
    [
        ({}, ["'datetime'", "'bbox'"]),
        ({"datetime": "../2025", "bbox": [0, 0, 1, 1]}, ["'datetime'"]),
        ({"datetime": "2025", "intersects": '{"type":"Point","coordinates":[1,2]}'}, ["polygon"]),
    ],
)
def test_selected_stream_with_missing_settings_raises_a_line_each(
    sandbox: Sandbox, settings: dict[str, Any], fragments: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        sync(sandbox, "satellite_images", **settings)
    assert len(caught.value.lines) == len(fragments)
    for line, words in zip(caught.value.lines, fragments, strict=True):
        assert line.startswith("stream satellite_images needs")
        assert words in line


@pytest.mark.parametrize(
    "items",
    [
        f'{{"a": {IMAGE % 1}, "b": {IMAGE % 2}}}',
        f'{{"s/c": [{IMAGE % 1}, {IMAGE % 2}]}}',
        f'{{"s/c": {{"type": "FeatureCollection", "features": [{IMAGE % 1}, {IMAGE % 2}]}}}}',
        f"[{IMAGE % 1}, {IMAGE % 2}]",
        f'{{"s/c": null, "s/d": [{IMAGE % 1}, {IMAGE % 2}]}}',
    ],
)
def test_images_in_any_form_of_the_map_are_found(items: str) -> None:
    with ScriptedServer(answer(body=SATELLITES), make_page(items)) as server:
        assert [each["id"] for each in sync_images(server)] == ["1", "2"]


@pytest.mark.parametrize(
    "body", ['{"items": null}', '{"items": {}}', "{}", '{"items": [{"collection": "c"}]}']
)
def test_response_without_images_emits_nothing(body: str) -> None:
    with ScriptedServer(answer(body=SATELLITES), answer(body=body.encode())) as server:
        assert sync_images(server) == []


def test_next_token_overrides_total_and_may_be_in_pagination() -> None:
    scripts = (
        make_page(f'{{"a": {IMAGE % 1}}}', ', "pagination": {"total": 2, "next_token": "t1"}'),
        make_page(f'{{"a": {IMAGE % 2}}}', ', "pagination": {"total": 2}, "next_token": ""'),
    )
    with ScriptedServer(answer(body=SATELLITES), *scripts) as server:
        assert [each["id"] for each in sync_images(server)] == ["1", "2"]
    assert b'"next_token":"t1"' in server.requests[-1].replace(b": ", b":")


@pytest.mark.parametrize(
    "collections",
    ["null", "5", "true", '"c"', '{"c": {"id": "c"}}', '[null, 5, "c", {"id": null}, {"id": [1]}]'],
)
def test_invalid_collections_of_a_satellite_are_ignored(collections: str) -> None:
    odd = f'{{"satellites": [{{"id": "s", "collections": {collections}}}]}}'.encode()
    with ScriptedServer(answer(body=odd), make_page(f"[{IMAGE % 1}]")) as server:
        assert sync_images(server) == []
        assert len(server.requests) == 1


def test_error_instead_of_images_fails_the_partition() -> None:
    script = answer(body=b'{"error": {"code": "internal"}}')
    with ScriptedServer(answer(body=SATELLITES), script) as server:
        synced = sync(server, "satellite_images", **WORLD)
    assert "(internal): the response contains an error" in synced.failures


def test_rejected_search_error_names_the_settings() -> None:
    with ScriptedServer(answer(body=SATELLITES), answer(400)) as server:
        synced = sync(server, "satellite_images", **WORLD)
    assert synced.failures.endswith("; check the settings that filter the search)")


def test_open_datetime_end_is_sent_as_now() -> None:
    with ScriptedServer(answer(body=SATELLITES), make_page("{}")) as server:
        sync_images(server)
    body = json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])
    assert body["start_date"] == "2020-01-01T00:00:00.000000Z"
    age = datetime.now(UTC) - datetime.fromisoformat(body["end_date"])
    assert abs(age.total_seconds()) < 60


@pytest.mark.parametrize("status", [403, 404])
def test_unreadable_collection_is_skipped_and_others_are_read(status: int) -> None:
    several = b'{"satellites": [{"id": "s", "collections": [{"id": "c"}, {"id": "d"}]}]}'
    scripts = answer(status), make_page(f'{{"a": {IMAGE % 1}}}', ', "pagination": {"total": 1}')
    with ScriptedServer(answer(body=several), *scripts) as server:
        synced = sync(server, "satellite_images", **WORLD)
    assert synced.ids("satellite_images") == ["1"]
    assert synced.status is ExitCode.INCOMPLETE
    assert synced.failures.startswith(f"satellite_images (s c: POST /v0/search returned {status}")


@pytest.mark.parametrize("more", ["", ', "pagination": {"total": 1}'], ids=["alone", "by skip"])
def test_image_bookmark_never_passes_server_time(more: str) -> None:
    """Images that change during the search are emitted by the next run."""
    late = '[{"id": "1", "properties": {"updated": "2025-01-01T02:00:00Z"}}]'
    clock = ("Date: Wed, 01 Jan 2025 00:00:09 GMT",)
    found = answer(body=f'{{"items": {late}{more}}}'.encode(), headers=clock)
    with ScriptedServer(answer(body=SATELLITES), found) as server:
        state = sync(server, "satellite_images", **WORLD).bookmark("satellite_images")
    value = state["partitions"][0]["replication_key_value"]
    assert "2025-01-01T00:00:00" <= value < "2025-01-01T00:00:10"


def test_collection_named_twice_is_searched_once() -> None:
    twice = b'{"satellites": [{"id": "s", "collections": [{"id": "c"}, {"id": "c"}]}]}'
    with ScriptedServer(answer(body=twice), make_page(f"[{IMAGE % 1}]")) as server:
        assert [each["id"] for each in sync_images(server)] == ["1"]


def test_numeric_next_token_is_followed_and_invalid_pagination_ignored() -> None:
    more = ', "next_token": 7, "pagination": 5'
    scripts = make_page(f"[{IMAGE % 1}]", more), make_page(f"[{IMAGE % 2}]")
    with ScriptedServer(answer(body=SATELLITES), *scripts) as server:
        assert [each["id"] for each in sync_images(server)] == ["1", "2"]
    assert b'"next_token":7' in server.requests[-1].replace(b": ", b":")


@pytest.mark.parametrize("found", ["7", '{"a": 7}'])
def test_value_not_a_list_of_images_fails_the_partition(found: str) -> None:
    with ScriptedServer(answer(body=SATELLITES), make_page(found)) as server:
        synced = sync(server, "satellite_images", **WORLD)
    assert "the response has no 'items' of images" in synced.failures
