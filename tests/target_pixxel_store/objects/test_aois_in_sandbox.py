"""AOIs in the sandbox, which validates requests and rejects a duplicate name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixxel_sandbox import Behavior
from target_pixxel_store.api.errors import UnstableListError
from tests.target_pixxel_store.objects.aoi_service import run_aoi_requests
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
