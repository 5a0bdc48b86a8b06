"""Areas of interest are made as documented, or refused with a reason, or it is not certain."""

from typing import Any

import pytest
import requests

from pixxel_sandbox import Behavior, Sandbox

from .client import get, send
from .conftest import Start
from .contracts import request_validator, unexplained, validator
from .writes import until

SQUARE = [[77.0, 12.0], [77.1, 12.0], [77.1, 12.1], [77.0, 12.1], [77.0, 12.0]]


def body_for(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """Returns a request for an area."""
    body = {
        "name": "mine",
        "description": "",
        "satellite_id": sandbox.workspace.ids("satellites")[0],
        "provider": "pixxel",
        "project_id": sandbox.workspace.ids("projects")[0],
        "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
        "item_ids": sandbox.workspace.ids("archive_items")[:2],
    }
    return {**body, **changes}


def ask(sandbox: Sandbox, **changes: Any) -> requests.Response:
    return send(sandbox, "POST", "/v0/aois", json=body_for(sandbox, **changes))


def mine(sandbox: Sandbox) -> list[Any]:
    rows: list[Any] = get(sandbox, "/v0/aois", aoi_name="mine")["aois"]
    return rows


def test_an_area_is_made_by_the_contract_and_done_by_the_next_look(start: Start) -> None:
    sandbox = start()
    body = body_for(sandbox)
    assert list(unexplained(request_validator("post", "/v0/aois"), body)) == []
    answer = send(sandbox, "POST", "/v0/aois", json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert list(unexplained(validator("post", "/v0/aois", "201"), made)) == []
    assert (made["status"], made["progress"]) == ("started", 0)
    assert {name: made[name] for name in ("name", "geometry", "project_id", "satellite_id")} == {
        name: body[name] for name in ("name", "geometry", "project_id", "satellite_id")
    }
    assert made["area_in_sq_m"] == pytest.approx(1.21e8, rel=0.05)
    assert made["centroid"] == pytest.approx([77.05, 12.05])
    assert set(made["images"]) == set(body["item_ids"])
    [listed] = mine(sandbox)
    assert (listed["aoi_id"], listed["status"]) == (made["aoi_id"], "success")
    assert get(sandbox, f"/v0/aois/{made['aoi_id']}/assets")["assets"] == []


def test_a_name_is_unique_within_its_project(start: Start) -> None:
    sandbox = start()
    assert ask(sandbox).status_code == 201
    again = ask(sandbox)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert list(unexplained(validator("post", "/v0/aois", "409"), again.json())) == []
    other = sandbox.workspace.ids("projects")[1]
    assert ask(sandbox, project_id=other).status_code == 201
    assert ask(sandbox, name="mine too").status_code == 201


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"name": ""}, 400),
        ({"name": None}, 400),
        ({"description": None}, 400),
        ({"satellite_id": "nonesuch"}, 400),
        ({"provider": "nonesuch"}, 400),
        ({"project_id": "nonesuch"}, 403),
        ({"item_ids": "one"}, 400),
        ({"item_ids": ["nonesuch"]}, 400),
        ({"geometry": None}, 400),
        ({"geometry": {"type": "Point", "coordinates": [77, 12]}}, 400),
        ({"geometry": {"type": "Polygon", "coordinates": [SQUARE[:4]]}}, 400),
        ({"geometry": {"type": "Polygon", "coordinates": [[SQUARE[0], SQUARE[1]] * 2]}}, 400),
        ({"geometry": {"type": "Polygon", "coordinates": [[SQUARE[0]] * 5]}}, 400),
        (
            {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 99], [1, 0], [0, 0]]]}},
            400,
        ),
    ],
)
def test_a_wrong_request_is_refused_and_nothing_is_made(
    shared: Sandbox, wrong: dict[str, Any], status: int
) -> None:
    before = shared.workspace.ids("aois")
    answer = ask(shared, **wrong)
    assert answer.status_code == status
    assert answer.json()["error"]["details"]["field"] == next(iter(wrong))
    assert shared.workspace.ids("aois") == before


def test_a_write_may_be_accepted_and_not_answered_or_only_later(start: Start) -> None:
    sandbox = start(drop_accepted=1)
    with pytest.raises(requests.ConnectionError):
        ask(sandbox)
    assert len(mine(sandbox)) == 1
    sandbox.behavior = Behavior(fail_accepted=1)
    assert ask(sandbox, name="other").status_code == 500
    assert get(sandbox, "/v0/aois", aoi_name="other")["aois"]
    sandbox.behavior = Behavior(accept_late=1, accept_late_seconds=0.1)
    with pytest.raises(requests.ConnectionError):
        ask(sandbox, name="late")
    assert until(lambda: get(sandbox, "/v0/aois", aoi_name="late")["aois"])


def test_the_list_may_lag_and_the_area_itself_not(start: Start) -> None:
    sandbox = start(list_lag=0.5)
    key = ask(sandbox).json()["aoi_id"]
    assert mine(sandbox) == []
    assert get(sandbox, f"/v0/aoi/{key}")["name"] == "mine"
    assert until(lambda: mine(sandbox))
