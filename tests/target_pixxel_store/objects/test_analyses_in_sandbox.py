"""Indices and visualizations in the sandbox, which validates requests and rejects duplicates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from target_pixxel_store.objects import reconciler
from tests.target_pixxel_store.objects.object_requests import (
    index_request,
    visualization_request,
)
from tests.target_pixxel_store.target_harness import schema

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import Json, RunResult, TargetHarness

INDICES = "/v0/indices"


def run_requests(harness: TargetHarness, *requests: Json, **settings: Any) -> RunResult:
    """Run the target with requests of one stream."""
    return harness.run(schema(requests[0]["stream"], []), *requests, **settings)


def first_ids(harness: TargetHarness) -> tuple[str, str]:
    """Return an area and an index that have no visualization."""
    workspace = harness.sandbox.workspace
    taken = {row["aoi_id"] for row in workspace.rows("visualizations")}
    return next(key for key in workspace.ids("aois") if key not in taken), workspace.ids("indices")[
        0
    ]


def count_lists(harness: TargetHarness, path: str) -> int:
    requests = harness.sandbox.requests
    return sum(each.method == "GET" and each.path == path for each in requests)


def test_index_created_once_per_satellite_name_and_expression(harness: TargetHarness) -> None:
    first, other = harness.sandbox.workspace.ids("satellites")[:2]
    requests = [
        index_request("mine", first),
        index_request("mine", other),
        index_request("mine", first, expression="B04/B08"),
        index_request("Mine", first),
    ]
    again = index_request(" mine ", first.upper(), rescale="[0, 9]", colormap="greens")
    result = run_requests(harness, *requests, again)
    assert (result.error, result.kinds) == (None, ["created"] * 4 + ["exists"])
    assert result.reasons[4] == "not changed, although it differs in colormap, rescale"
    assert result.outcomes[4]["index_id"] == result.outcomes[0]["index_id"]
    assert len(harness.posted_bodies(INDICES)) == 4
    harness.reset_journal()  # leaves the list as the only source
    rerun = run_requests(harness, *requests)
    assert (rerun.kinds, rerun.reasons) == (["exists"] * 4, [""] * 4)
    assert [line["index_id"] for line in rerun.outcomes] == [
        line["index_id"] for line in result.outcomes[:4]
    ]
    assert count_lists(harness, INDICES) == 2


def test_visualization_created_once_per_area_and_index(harness: TargetHarness) -> None:
    workspace = harness.sandbox.workspace
    aoi, index = first_ids(harness)
    other_aoi = next(key for key in workspace.ids("aois") if key != aoi)
    other_index = next(
        key for key in workspace.ids("indices")
        if all(row["index_id"] != key for row in workspace.rows("visualizations"))
    )  # fmt: skip
    requests = [
        visualization_request(aoi, index, resolution=10),
        visualization_request(aoi, other_index, src_asset_ids=[]),
        visualization_request(other_aoi, other_index),
    ]
    result = run_requests(harness, *requests, visualization_request(aoi, index.upper()))
    assert (result.error, result.kinds) == (None, ["created"] * 3 + ["exists"])
    ids = [line["visualization_id"] for line in result.outcomes]
    assert ids[3] == ids[0]
    assert len(set(ids) & set(workspace.ids("visualizations"))) == 3
    harness.reset_journal()
    rerun = run_requests(harness, *requests)
    assert rerun.kinds == ["exists"] * 3
    assert [line["visualization_id"] for line in rerun.outcomes] == ids[:3]
    assert count_lists(harness, f"/v0/aois/{aoi}/visualizations") == 2  # once in each run
    assert harness.posted_bodies(f"/v0/aois/{aoi}/visualizations")[0] == {
        "index_id": index,
        "resolution": 10,
    }


def test_failed_visualization_exists_with_reason(harness: TargetHarness) -> None:
    aoi, index = first_ids(harness)
    row = {"aoi_id": aoi, "index_id": index, "created_at": "2024-01-01T00:00:00Z"}
    workspace = harness.sandbox.workspace
    failed = workspace.insert("visualizations", row | {"status": "failed"})
    result = run_requests(harness, visualization_request(aoi, index))
    assert (result.kinds, result.outcomes[0]["visualization_id"]) == (["exists"], failed)
    assert result.reasons == ["its status is failed; a request does not create another one"]
    for first in (True, False):  # of several, one that has not failed counts, wherever it is
        good = workspace.insert("visualizations", row | {"status": "success"}, first=first)
        result = run_requests(harness, visualization_request(aoi, index))
        assert (result.outcomes[0]["visualization_id"], result.reasons) == (good, [""])
        workspace.delete("visualizations", good)


def test_visualization_of_unknown_ids_fails_with_one_line(harness: TargetHarness) -> None:
    aoi, index = first_ids(harness)
    result = run_requests(
        harness,
        visualization_request("nonesuch", index),
        visualization_request(aoi, "nonesuch"),
        visualization_request(aoi, index, src_asset_ids=["nonesuch"]),
        visualization_request(aoi, index),
        on_error="continue",
    )
    assert result.kinds == ["failed"] * 3 + ["created"]
    assert result.reasons[0] == (
        "GET /v0/aois/nonesuch/visualizations returned 404: "
        "no area of interest has the id in 'aoi_id'"
    )
    refused = (
        f"POST /v0/aois/{aoi}/visualizations returned 404: no index has the id in 'index_id', or "
        "the area has no asset with an id in 'src_asset_ids'"
    )
    assert result.reasons[1:3] == [refused] * 2
    assert len(result.rejected) == 4  # a SCHEMA, too


def test_visualization_of_forbidden_area_fails_only_its_record(harness: TargetHarness) -> None:
    aoi, index = first_ids(harness)
    other = next(key for key in harness.sandbox.workspace.ids("aois") if key != aoi)
    harness.sandbox.behavior = replace(harness.sandbox.behavior, forbid_id=frozenset({other}))
    requests = [visualization_request(other, index), visualization_request(aoi, index)]
    result = run_requests(harness, *requests, on_error="continue")
    assert (result.error, result.kinds) == (None, ["failed", "created"])
    assert result.reasons[0].startswith(f"GET /v0/aois/{other}/visualizations returned 403: the ")


def test_lists_of_areas_not_used_for_longest_forgotten(
    harness: TargetHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lists of all areas would not fit into the memory."""
    monkeypatch.setattr(reconciler, "MAX_LISTS", 2)
    _, index = first_ids(harness)
    [a, b, c] = harness.sandbox.workspace.ids("aois")[:3]
    requests = [visualization_request(each, index) for each in (a, b, a, c, a, b)]
    kinds = run_requests(harness, *requests).kinds
    assert kinds[2] == kinds[4] == kinds[5] == "exists"
    counts = [count_lists(harness, f"/v0/aois/{each}/visualizations") for each in (a, b, c)]
    assert counts == [1, 2, 1]


def test_intent_of_area_that_is_not_requested_closed(harness: TargetHarness) -> None:
    """Otherwise each later run would wait for it."""
    aoi, index = first_ids(harness)
    intents = [["gone", index], [harness.sandbox.workspace.ids("aois")[-1], "another"]]
    harness.append_to_journal(
        *({"is": "object_intent", "kind": "visualization", "identity": each} for each in intents)
    )
    result = run_requests(harness, visualization_request(aoi, index))
    assert (result.kinds, "waiting" in result.log) == (["created"], True)
    result = run_requests(harness, visualization_request(aoi, "nonesuch"), on_error="continue")
    assert (result.kinds, "waiting" in result.log) == (["failed"], False)


@pytest.mark.parametrize("stream", ["index_requests", "visualization_requests"])
def test_object_dry_run_creates_nothing(
    harness: TargetHarness, capfd: pytest.CaptureFixture[str], stream: str
) -> None:
    aoi, index = first_ids(harness)
    request = (
        index_request("mine", harness.sandbox.workspace.ids("satellites")[0])
        if stream == "index_requests"
        else visualization_request(aoi, index)
    )
    before = harness.journal_path.read_bytes()
    result = run_requests(harness, request, request, dry_run=True)
    assert (result.status, harness.journal_path.read_bytes()) == (0, before)
    plan = [line for line in capfd.readouterr().err.splitlines() if stream in line]
    assert [line.split("│")[1].strip() for line in plan] == ["would create", "exists"]
    assert not [each for each in harness.sandbox.requests if each.method == "POST"]
