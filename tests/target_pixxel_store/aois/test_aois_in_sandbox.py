"""Areas of interest in the sandbox, which checks what it is asked for and refuses a name twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_api.errors import Forbidden
from pixxel_sandbox import Behavior
from target_pixxel_store.api.errors import UnstableListError
from tests.target_pixxel_store.aoi_service import AOIS, ask, wish

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_runner import Json, Workplace


def wanted(place: Workplace, **more: Any) -> Json:
    """A wish that the sandbox can fulfil."""
    workspace = place.sandbox.workspace
    ids = {
        "project_id": workspace.ids("projects")[0],
        "satellite_id": workspace.ids("satellites")[0],
    }
    return wish(**{"name": "paddies", **ids, **more})


def made(place: Workplace) -> list[Json]:
    return [row for row in place.sandbox.workspace.rows("aois") if row["name"] == "paddies"]


def test_an_area_is_made_once_in_each_project(place: Workplace) -> None:
    images = place.sandbox.workspace.ids("archive_items")[:2]
    first = wanted(place, item_ids=images, description="before the harvest")
    other = wanted(place, project_id=place.sandbox.workspace.ids("projects")[1])
    ran = ask(place, first, other, first)
    assert (ran.error, ran.kinds, ran.states) == (
        None, ["created", "created", "exists"], [{"upto": 1}],
    )  # fmt: skip
    assert {line["aoi_id"] for line in ran.outcomes} == {row["aoi_id"] for row in made(place)}
    [row] = [row for row in made(place) if row["project_id"] == first["record"]["project_id"]]
    assert set(row["images"]) == set(images)
    place.keep_journal()
    ran = ask(place, first, other)
    assert (ran.kinds, ran.reasons) == (["exists", "exists"], ["", ""])
    assert len(place.posts(AOIS)) == len(made(place)) == 2


@pytest.mark.parametrize(
    "behavior",
    [{"drop_accepted": 1.0, "list_lag": 0.3}, {"fail_accepted": 1.0},
     {"accept_late": 1.0, "accept_late_seconds": 0.3}],
    ids=["dropped and lagging", "failed", "late"],
)  # fmt: skip
def test_one_area_whatever_the_answer(place: Workplace, behavior: dict[str, Any]) -> None:
    place.sandbox.behavior = Behavior(**behavior)
    ran = ask(place, wanted(place), settle_seconds=1)
    assert (ran.error, ran.kinds) == (None, ["created"])
    [row] = made(place)
    assert ran.outcomes[0]["aoi_id"] == row["aoi_id"]
    assert len(place.posts(AOIS)) == 1


def test_nothing_is_made_while_the_list_changes_too_fast_to_be_read(place: Workplace) -> None:
    place.sandbox.behavior = Behavior(max_limit=3, insert_while_paging=True)
    ran = ask(place, wanted(place))
    assert isinstance(ran.error, UnstableListError)
    assert (ran.states, made(place)) == ([], [])
    place.sandbox.behavior = Behavior(max_limit=3)
    assert ask(place, wanted(place), wanted(place)).kinds == ["created", "exists"]
    place.keep_journal()
    assert ask(place, wanted(place)).kinds == ["exists"]


def test_what_the_sandbox_refuses_fails(place: Workplace) -> None:
    messages = [wanted(place, satellite_id="nonesuch"), wanted(place, item_ids=["nonesuch"])]
    ran = ask(place, *messages, wanted(place), on_error="continue")
    assert ran.kinds == ["failed", "failed", "created"]
    assert all("returned 400" in why for why in ran.reasons[:2])


def test_a_project_that_the_token_may_not_use_ends_the_run_and_names_the_record(
    place: Workplace,
) -> None:
    ran = ask(place, wanted(place), wanted(place, project_id="nonesuch"), on_error="continue")
    assert isinstance(ran.error, Forbidden)
    named = "aoi_requests project_id nonesuch, name paddies: POST /v0/aois returned 403 "
    assert str(ran.error).startswith(named)
    assert ran.summary["ended_because"] == str(ran.error)
    assert (ran.kinds, ran.states) == (["created"], [])
