"""Images of any provider: both ways of paging, all forms of the answer, the settings needed."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

from pixxel_api.errors import BadRequest, EndlessList, UnexpectedResponse
from pixxel_sandbox import Behavior, Sandbox
from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.tap import TapPixxel
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.pixxel_sandbox.contract_checks import request_validator
from tests.tap.commands import errors, run_tap
from tests.tap.syncs import Synced, catalog_of, config_for, sync
from tests.tap_pixxel.stac.validation import needs_schemas, schema_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tap.syncs import Server

WORLD: dict[str, Any] = {"datetime": "2020/..", "bbox": [-180, -90, 180, 90]}
SATELLITES = b'{"satellites": [{"id": "s", "name": "S", "collections": [{"id": "c"}]}]}'
IMAGE = '{"id": "%s", "collection": "c", "properties": {"datetime": "2025-01-01T00:00:00Z"}}'


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, items=40) as server:
        yield server


@pytest.fixture(scope="module")
def whole(sandbox: Sandbox) -> Synced:
    return sync(sandbox, "satellite_images", **WORLD)


def images(server: Server, **settings: Any) -> list[dict[str, Any]]:
    return sync(server, "satellite_images", **(WORLD | settings)).records["satellite_images"]


def page(items: str, more: str = "") -> bytes:
    return answer(body=f'{{"items": {items}{more}}}'.encode())


@pytest.mark.parametrize("skip", [False, True], ids=["by token", "by skip"])
@pytest.mark.parametrize("page_size", [1, 7, 100])
def test_every_image_comes_once_in_both_ways_of_paging(
    sandbox: Sandbox, whole: Synced, *, skip: bool, page_size: int
) -> None:
    sandbox.behavior = Behavior(skip_paging=skip)
    found = images(sandbox, page_size=page_size)
    sandbox.behavior = Behavior()
    keys = [(each["collection"], each["id"]) for each in found]
    assert len(keys) == len(set(keys))
    assert sorted(keys) == sorted(
        (each["collection"], each["id"]) for each in whole.records["satellite_images"]
    )
    names, archive = {name for _, name in keys}, set(sandbox.workspace.ids("archive_items"))
    assert len(names & archive) > 30
    assert names - archive, "another provider's images are among them"


def test_the_first_request_keeps_to_the_contract(sandbox: Sandbox, whole: Synced) -> None:
    assert whole.records
    asked = [each.body for each in sandbox.requests if each.path == "/v0/search"]
    firsts = [body for body in asked if not {"next_token", "skip"} & body.keys()]
    check = request_validator("post", "/v0/search")
    assert firsts
    assert [list(check.iter_errors(body)) for body in firsts] == [[]] * len(firsts)


@needs_schemas
def test_images_are_valid_stac_that_cannot_be_ordered(whole: Synced) -> None:
    for record in whole.records["satellite_images"]:
        item = record["stac_item"]
        assert schema_errors(item) == []
        assert "order:status" not in item["properties"]
        assert "satellite_id" not in json.dumps(item)
        assert {each["rel"] for each in item["links"]} >= {"collection"}


def test_a_record_names_its_satellite_and_its_collection(sandbox: Sandbox, whole: Synced) -> None:
    known = {
        (row["id"], each["id"])
        for row in sandbox.workspace.rows("satellites")
        for each in row["collections"]
    }
    records = whole.records["satellite_images"]
    found = {(each["satellite_id"], each["collection"]) for each in records}
    assert found <= known
    assert len(found) > 3


@pytest.mark.parametrize("stac", [True, False])
def test_each_record_obeys_the_schema_sent_before_it(sandbox: Sandbox, *, stac: bool) -> None:
    """A partition's context is added to its records, so it must be of columns."""
    synced = sync(sandbox, "satellite_images", stac=stac, **WORLD)
    [schema] = [each["schema"] for each in synced.messages if each["type"] == "SCHEMA"]
    check = Draft7Validator(
        {**schema, "additionalProperties": False}, format_checker=FormatChecker()
    )
    assert synced.records["satellite_images"]
    for record in synced.records["satellite_images"]:
        check.validate(record)


def test_raw_images_flow_without_conversion(sandbox: Sandbox) -> None:
    found = images(sandbox, stac=False)
    assert all(each["assets"] and each["properties"] for each in found)
    assert not any("stac_item" in each for each in found)


def test_only_the_satellites_of_the_settings_are_searched(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    rows = sandbox.workspace.rows("satellites")
    first, second = rows[0], next(row for row in rows if len(row["collections"]) > 1)
    collection = second["collections"][0]["id"]
    with caplog.at_level(logging.WARNING):
        found = images(
            sandbox, satellites=[first["name"], f"{second['id']}/{collection}", "no-such"]
        )
    expected = {each["id"] for each in first["collections"]} | {collection}
    assert {each["collection"] for each in found} <= expected
    assert collection in {each["collection"] for each in found}
    assert [each for each in caplog.messages if "no-such" in each] != []
    assert not any(first["name"] in each for each in caplog.messages)


def test_an_area_over_the_antimeridian_is_asked_for_in_two_parts(
    sandbox: Sandbox, whole: Synced
) -> None:
    """An image that lies in both comes once."""
    before = len(sandbox.requests)
    found = [each["id"] for each in images(sandbox, bbox=[90, -90, -90, 90])]
    asked = [each for each in sandbox.requests[before:] if each.path == "/v0/search"]
    pairs = sum(len(row["collections"]) for row in sandbox.workspace.rows("satellites"))
    assert len([each for each in asked if "skip" not in each.body]) == 2 * pairs
    assert len(found) == len(set(found))
    over = {
        each["id"]
        for each in whole.records["satellite_images"]
        if each.get("bbox_west") and each["bbox_west"] > each["bbox_east"]
    }
    assert over
    assert over <= set(found)


def test_a_second_run_gives_what_changed_and_what_has_no_time(
    sandbox: Sandbox, whole: Synced
) -> None:
    key = next(
        each["id"] for each in whole.records["satellite_images"] if each["collection"] == "td1-l1c"
    )
    sandbox.workspace.update("archive_items", key)
    second = sync(sandbox, "satellite_images", state=whole.state, **WORLD)
    found = set(second.ids("satellite_images"))
    timeless = {each["id"] for each in whole.records["satellite_images"] if not each.get("updated")}
    assert key in found
    assert timeless <= found
    assert len(found) < len(whole.ids("satellite_images"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, ["'datetime'", "'bbox'"]),
        ({"datetime": "../2025", "bbox": [0, 0, 1, 1]}, ["'datetime'"]),
        ({"datetime": "2025", "intersects": '{"type":"Point","coordinates":[1,2]}'}, ["polygon"]),
    ],
)
def test_a_selected_stream_says_which_settings_it_lacks(
    sandbox: Sandbox, settings: dict[str, Any], told: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        sync(sandbox, "satellite_images", **settings)
    assert len(caught.value.lines) == len(told)
    for line, words in zip(caught.value.lines, told, strict=True):
        assert line.startswith("stream satellite_images needs")
        assert words in line


def test_what_is_lacking_is_a_line_and_a_status_on_the_command_line(
    sandbox: Sandbox, tmp_path: Any
) -> None:
    entry = {
        "tap_stream_id": "satellite_images",
        "schema": {"properties": {"id": {}}},
        "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}],
    }
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps({"streams": [entry]}))
    before = len(sandbox.requests)
    result = run_tap(
        "--config=ENV",
        "--catalog",
        str(path),
        TAP_PIXXEL_API_URL=sandbox.url,
        TAP_PIXXEL_API_TOKEN=sandbox.token,
    )
    assert result.returncode == 2
    assert any("satellite_images needs" in line for line in errors(result))
    assert len(sandbox.requests) == before


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
def test_images_are_found_under_each_form_of_the_map(items: str) -> None:
    with ScriptedServer(answer(body=SATELLITES), page(items)) as server:
        assert [each["id"] for each in images(server)] == ["1", "2"]


@pytest.mark.parametrize("body", ['{"items": null}', '{"items": {}}', "{}"])
def test_no_images_are_no_error(body: str) -> None:
    with ScriptedServer(answer(body=SATELLITES), answer(body=body.encode())) as server:
        assert images(server) == []


def test_a_token_wins_over_a_total_and_may_stand_beside_it() -> None:
    scripts = (
        page(f'{{"a": {IMAGE % 1}}}', ', "pagination": {"total": 2, "next_token": "t1"}'),
        page(f'{{"a": {IMAGE % 2}}}', ', "pagination": {"total": 2}, "next_token": ""'),
    )
    with ScriptedServer(answer(body=SATELLITES), *scripts) as server:
        assert [each["id"] for each in images(server)] == ["1", "2"]
    assert b'"next_token":"t1"' in server.requests[-1].replace(b": ", b":")


@pytest.mark.parametrize(
    "collections",
    ["null", "5", "true", '"c"', '{"c": {"id": "c"}}', '[null, 5, "c", {"id": null}, {"id": [1]}]'],
)
def test_collections_of_a_satellite_that_are_none_are_passed_over(collections: str) -> None:
    odd = f'{{"satellites": [{{"id": "s", "collections": {collections}}}]}}'.encode()
    with ScriptedServer(answer(body=odd), page(f"[{IMAGE % 1}]")) as server:
        assert images(server) == []
        assert len(server.requests) == 1


def test_a_collection_that_a_satellite_names_twice_is_searched_once() -> None:
    twice = b'{"satellites": [{"id": "s", "collections": [{"id": "c"}, {"id": "c"}]}]}'
    with ScriptedServer(answer(body=twice), page(f"[{IMAGE % 1}]")) as server:
        assert [each["id"] for each in images(server)] == ["1"]


@pytest.mark.parametrize("pagination", ["5", '"x"', "[]", "null", '{"total": "2"}'])
def test_a_pagination_of_another_type_is_none(pagination: str) -> None:
    scripts = answer(body=SATELLITES), page(f"[{IMAGE % 1}]", f', "pagination": {pagination}')
    with ScriptedServer(*scripts) as server:
        assert [each["id"] for each in images(server)] == ["1"]


def test_a_token_may_be_a_number() -> None:
    scripts = page(f"[{IMAGE % 1}]", ', "next_token": 7'), page(f"[{IMAGE % 2}]")
    with ScriptedServer(answer(body=SATELLITES), *scripts) as server:
        assert [each["id"] for each in images(server)] == ["1", "2"]
    assert b'"next_token":7' in server.requests[-1].replace(b": ", b":")


def test_a_token_that_comes_again_ends_the_run() -> None:
    script = page(f'{{"a": {IMAGE % 1}}}', ', "next_token": "t1"')
    with ScriptedServer(answer(body=SATELLITES), script) as server:
        sync(server, "satellite_images", expect=EndlessList, **WORLD)
        assert len(server.requests) == 3


@pytest.mark.parametrize("more", ["", ', "pagination": {"total": 1}'], ids=["alone", "by skip"])
def test_a_bookmark_stays_before_the_servers_clock(more: str) -> None:
    """What changes while images are searched is met again."""
    late = '[{"id": "1", "properties": {"updated": "2025-01-01T02:00:00Z"}}]'
    clock = ("Date: Wed, 01 Jan 2025 00:00:09 GMT",)
    found = answer(body=f'{{"items": {late}{more}}}'.encode(), headers=clock)
    with ScriptedServer(answer(body=SATELLITES), found) as server:
        state = sync(server, "satellite_images", **WORLD).bookmark("satellite_images")
    value = state["partitions"][0]["replication_key_value"]
    assert "2025-01-01T00:00:00" <= value < "2025-01-01T00:00:10"


@pytest.mark.parametrize("paging", ["7", '"none"', "[]", '{"total": 1e400}'])
def test_paging_of_another_shape_says_nothing(paging: str) -> None:
    script = page(f'{{"a": {IMAGE % 1}}}', f', "pagination": {paging}')
    with ScriptedServer(answer(body=SATELLITES), script) as server:
        assert [each["id"] for each in images(server)] == ["1"]


def test_images_without_ids_are_no_endless_list() -> None:
    with ScriptedServer(answer(body=SATELLITES), page('[{"collection": "c"}]')) as server:
        assert images(server) == []
    assert len(server.requests) == 2


def test_an_error_in_place_of_images_is_none_of_no_images() -> None:
    script = answer(body=b'{"error": {"code": "internal"}}')
    with ScriptedServer(answer(body=SATELLITES), script) as server:
        sync(server, "satellite_images", expect=UnexpectedResponse, **WORLD)


def test_a_search_that_is_refused_points_at_the_settings() -> None:
    with ScriptedServer(answer(body=SATELLITES), answer(400)) as server:
        config = config_for(server, **WORLD)
        tap = TapPixxel(config=config, catalog=catalog_of(config, "satellite_images"))
        with pytest.raises(BadRequest, match=r"; check the settings that filter the search$"):
            tap.run()


@pytest.mark.parametrize("found", ["7", '{"a": 7}'])
def test_what_is_no_list_of_images_ends_the_sync(found: str) -> None:
    with ScriptedServer(answer(body=SATELLITES), page(found)) as server:
        sync(server, "satellite_images", expect=UnexpectedResponse, **WORLD)


def test_an_open_end_is_now() -> None:
    with ScriptedServer(answer(body=SATELLITES), page("{}")) as server:
        images(server)
    body = json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])
    assert body["start_date"] == "2020-01-01T00:00:00.000000Z"
    age = datetime.now(UTC) - datetime.fromisoformat(body["end_date"])
    assert abs(age.total_seconds()) < 60


@pytest.mark.parametrize("told", ["", ', "pagination": {"limit": 2, "skip": 0}'])
def test_a_page_that_tells_of_no_end_is_followed_until_nothing_new_comes(told: str) -> None:
    scripts = [page(f'{{"a": {IMAGE % 1}, "b": {IMAGE % 2}}}', told)]
    scripts.append(page(f'{{"a": {IMAGE % 2}, "b": {IMAGE % 3}}}', told))
    scripts.append(page(f'{{"b": {IMAGE % 3}}}', told))
    with ScriptedServer(answer(body=SATELLITES), *scripts) as server:
        assert [each["id"] for each in images(server, page_size=2)] == ["1", "2", "3"]
    bodies = [json.loads(each.partition(b"\r\n\r\n")[2]) for each in server.requests[1:]]
    assert [body.get("skip") for body in bodies] == [None, 2, 4]


@pytest.mark.parametrize("status", [403, 404])
def test_a_collection_that_may_not_be_searched_is_left_out_and_the_others_are_read(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    several = b'{"satellites": [{"id": "s", "collections": [{"id": "c"}, {"id": "d"}]}]}'
    scripts = answer(status), page(f'{{"a": {IMAGE % 1}}}', ', "pagination": {"total": 1}')
    with ScriptedServer(answer(body=several), *scripts) as server:
        synced = sync(server, "satellite_images", **WORLD)
    assert synced.ids("satellite_images") == ["1"]
    assert synced.status is ExitCode.OK
    assert any("skipped 1 lists" in each for each in caplog.messages)


def test_when_no_collection_may_be_searched_the_stream_is_left_out() -> None:
    with ScriptedServer(answer(body=SATELLITES), answer(403)) as server:
        synced = sync(server, "satellite_images", **WORLD)
    assert synced.status is ExitCode.INCOMPLETE
