"""The creation of AOIs: valid and invalid requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .api_client import get, send_request
from .contract_checks import request_validator, response_validator, unexplained_violations
from .write_table import SQUARE, aoi_body

if TYPE_CHECKING:
    import requests

    from pixxel_sandbox import Sandbox

    from .conftest import StartSandbox


def create_aoi(sandbox: Sandbox, **changes: Any) -> requests.Response:
    return send_request(sandbox, "POST", "/v0/aois", json=aoi_body(sandbox, **changes))


def list_mine(sandbox: Sandbox) -> list[Any]:
    rows: list[Any] = get(sandbox, "/v0/aois", aoi_name="mine")["aois"]
    return rows


def test_aoi_creation_matches_contract_and_succeeds(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    body = aoi_body(sandbox)
    assert list(unexplained_violations(request_validator("post", "/v0/aois"), body)) == []
    response = send_request(sandbox, "POST", "/v0/aois", json=body)
    assert response.status_code == 201
    made = response.json()
    assert list(unexplained_violations(response_validator("post", "/v0/aois", "201"), made)) == []
    assert (made["status"], made["progress"]) == ("started", 0)
    assert {name: made[name] for name in ("name", "geometry", "project_id", "satellite_id")} == {
        name: body[name] for name in ("name", "geometry", "project_id", "satellite_id")
    }
    assert made["area_in_sq_m"] == pytest.approx(1.21e8, rel=0.05)
    assert made["centroid"] == pytest.approx([77.05, 12.05])
    assert set(made["images"]) == set(body["item_ids"])
    [listed] = list_mine(sandbox)
    assert (listed["aoi_id"], listed["status"]) == (made["aoi_id"], "success")
    assert get(sandbox, f"/v0/aois/{made['aoi_id']}/assets")["assets"] == []


def test_aoi_with_existing_name_in_project_returns_409(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    assert create_aoi(sandbox).status_code == 201
    again = create_aoi(sandbox)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert (
        list(unexplained_violations(response_validator("post", "/v0/aois", "409"), again.json()))
        == []
    )
    other = sandbox.workspace.ids("projects")[1]
    assert create_aoi(sandbox, project_id=other).status_code == 201
    assert create_aoi(sandbox, name="mine too").status_code == 201


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
def test_aoi_with_invalid_body_is_rejected(
    shared_sandbox: Sandbox, wrong: dict[str, Any], status: int
) -> None:
    before = shared_sandbox.workspace.ids("aois")
    response = create_aoi(shared_sandbox, **wrong)
    assert response.status_code == status
    assert response.json()["error"]["details"]["field"] == next(iter(wrong))
    assert shared_sandbox.workspace.ids("aois") == before
