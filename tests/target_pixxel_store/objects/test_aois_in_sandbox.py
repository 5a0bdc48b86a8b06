"""AOIs in the sandbox, which validates requests and rejects a duplicate name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from target_pixxel_store.api.errors import UnstableListError
from tests.target_pixxel_store.objects.aoi_service import AOIS_PATH, run_aoi_requests
from tests.target_pixxel_store.objects.object_requests import aoi_request

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import Json, TargetHarness


def sandbox_aoi_request(harness: TargetHarness, **more: Any) -> Json:
    """Return an AOI request that the sandbox accepts."""
    workspace = harness.sandbox.workspace
    ids = {
        "project_id": workspace.ids("projects")[0],
        "satellite_id": workspace.ids("satellites")[0],
    }
    return aoi_request(**{"name": "paddies", **ids, **more})


def created_aois(harness: TargetHarness) -> list[Json]:
    return [row for row in harness.sandbox.workspace.rows("aois") if row["name"] == "paddies"]


def test_aoi_same_name_created_once_per_project(harness: TargetHarness) -> None:
    image_ids = harness.sandbox.workspace.ids("archive_items")[:2]
    first = sandbox_aoi_request(harness, item_ids=image_ids, description="before the harvest")
    other = sandbox_aoi_request(harness, project_id=harness.sandbox.workspace.ids("projects")[1])
    result = run_aoi_requests(harness, first, other, first)
    assert (result.error, result.kinds, result.states) == (
        None, ["created", "created", "exists"], [{"upto": 1}],
    )  # fmt: skip
    assert {line["aoi_id"] for line in result.outcomes} == {
        row["aoi_id"] for row in created_aois(harness)
    }
    [row] = [
        row for row in created_aois(harness) if row["project_id"] == first["record"]["project_id"]
    ]
    assert set(row["images"]) == set(image_ids)
    harness.reset_journal()
    result = run_aoi_requests(harness, first, other)
    assert (result.kinds, result.reasons) == (["exists", "exists"], ["", ""])
    assert len(harness.posted_bodies(AOIS_PATH)) == len(created_aois(harness)) == 2


@pytest.mark.parametrize(
    "behavior",
    [{"drop_accepted": 1.0, "list_lag": 0.3}, {"fail_accepted": 1.0},
     {"accept_late": 1.0, "accept_late_seconds": 0.3}],
    ids=["dropped and lagging", "failed", "late"],
)  # fmt: skip
def test_aoi_ambiguous_response_created_once_in_sandbox(
    harness: TargetHarness, behavior: dict[str, Any]
) -> None:
    harness.sandbox.behavior = Behavior(**behavior)
    result = run_aoi_requests(harness, sandbox_aoi_request(harness), settle_seconds=1)
    assert (result.error, result.kinds) == (None, ["created"])
    [row] = created_aois(harness)
    assert result.outcomes[0]["aoi_id"] == row["aoi_id"]
    assert len(harness.posted_bodies(AOIS_PATH)) == 1


def test_aoi_list_unstable_creates_nothing(harness: TargetHarness) -> None:
    harness.sandbox.behavior = Behavior(max_limit=3, insert_while_paging=True)
    result = run_aoi_requests(harness, sandbox_aoi_request(harness))
    assert isinstance(result.error, UnstableListError)
    assert (result.states, created_aois(harness)) == ([], [])
    harness.sandbox.behavior = Behavior(max_limit=3)
    assert run_aoi_requests(
        harness, sandbox_aoi_request(harness), sandbox_aoi_request(harness)
    ).kinds == ["created", "exists"]
    harness.reset_journal()
    assert run_aoi_requests(harness, sandbox_aoi_request(harness)).kinds == ["exists"]


def test_aoi_rejected_by_sandbox_fails(harness: TargetHarness) -> None:
    messages = [
        sandbox_aoi_request(harness, satellite_id="nonesuch"),
        sandbox_aoi_request(harness, item_ids=["nonesuch"]),
    ]
    result = run_aoi_requests(harness, *messages, sandbox_aoi_request(harness), on_error="continue")
    assert result.kinds == ["failed", "failed", "created"]
    assert all("returned 400" in reason for reason in result.reasons[:2])


def test_aoi_forbidden_project_fails_only_its_record(harness: TargetHarness) -> None:
    """By the contract, 403 is the answer for another project. The others can still be created."""
    for kinds in (["created", "failed", "created"], ["exists", "failed", "exists"]):
        result = run_aoi_requests(
            harness,
            sandbox_aoi_request(harness),
            sandbox_aoi_request(harness, project_id="nonesuch"),
            sandbox_aoi_request(harness, name="next"),
            on_error="continue",
        )
        assert (result.error, result.kinds, len(result.rejected)) == (None, kinds, 2)
        reason = "POST /v0/aois returned 403: the token may not use what the record names"
        assert result.reasons[1].startswith(reason)
        assert "waiting" not in result.log
