"""Downloads: valid and invalid requests, progress, write faults and content."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import pytest

from pixxel_sandbox import Behavior, Sandbox

from .api_client import get, send_request
from .download_requests import (
    PATH,
    collect_scheduled_calls,
    digest_content,
    fetch,
    get_download,
    instant_behavior,
    prepare_download,
    request_download,
)
from .write_table import (
    AOI_DOWNLOAD,
    INSIGHT_PACKAGE,
    JOB_PACKAGE,
    PACKAGES,
    TASK_PACKAGE,
    Write,
)


@pytest.fixture
def sandbox(clean_sandbox: Sandbox) -> Sandbox:
    return clean_sandbox


def test_download_progress_ends_with_signed_url(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.behavior = instant_behavior(download_seconds=0.2)
    calls = collect_scheduled_calls(monkeypatch)
    response = request_download(
        sandbox, catalog_ids=sandbox.workspace.ids("catalogs")[:1], order_item_ids=[]
    )
    assert response.status_code == 201
    created = response.json()
    assert created == {"id": created["id"], "status": "created"}
    begin, end = calls
    begin()
    assert get_download(sandbox, created["id"]) == {**created, "status": "in_progress"}
    end()
    assert set(get_download(sandbox, created["id"])) == {"id", "status", "signed_url"}


def test_download_with_0_seconds_fails_at_once(sandbox: Sandbox) -> None:
    sandbox.behavior = instant_behavior(download_seconds=0, fail_downloads=1)
    made = request_download(sandbox, catalog_ids=sandbox.workspace.ids("catalogs")[:1]).json()
    assert made["status"] == "created"
    assert get_download(sandbox, made["id"]) == {"id": made["id"], "status": "failed"}


REFUSED = [
    ({}, 400),
    ({"catalog_ids": [], "order_item_ids": []}, 400),
    ({"catalog_ids": ["catalog"], "order_item_ids": ["item"]}, 400),
    ({"catalog_ids": "catalog"}, 400),
    ({"catalog_ids": ["nonesuch"]}, 404),
    ({"order_item_ids": ["nonesuch"]}, 404),
    ({"order_item_ids": ["empty"]}, 409),
]


def test_forbidden_download_returns_403_while_signed_url_works(sandbox: Sandbox) -> None:
    url = prepare_download(sandbox)
    sandbox.behavior = Behavior(forbid=frozenset({"downloads"}))
    assert request_download(sandbox, catalog_ids=["any"]).status_code == 403
    assert send_request(sandbox, "GET", f"{PATH}/any").status_code == 403
    assert {write.send(sandbox).status_code for write in (AOI_DOWNLOAD, *PACKAGES)} == {403}
    assert fetch(url).status_code == 200, "a signed URL needs no permission"


def test_download_is_zip_of_details_with_object_headers(sandbox: Sandbox) -> None:
    [catalog, *_] = sandbox.workspace.ids("catalogs")
    response = fetch(prepare_download(sandbox, catalog))
    details = sandbox.workspace.get("catalogs", catalog)["details"]
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/zip"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{details["id"]}.zip"'
    assert response.headers["Accept-Ranges"] == "bytes"
    assert re.fullmatch(r'"[0-9a-f]{32}"', response.headers["ETag"])
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert json.loads(archive.read(f"{catalog}.json"))["id"] == details["id"]
    assert sandbox.digest(catalog) == digest_content(response.content)
    again = fetch(prepare_download(sandbox, catalog))
    assert (again.content, again.headers["ETag"]) == (response.content, response.headers["ETag"])


@pytest.mark.parametrize("write", PACKAGES, ids=str)
def test_package_request_is_repeated_until_it_has_signed_url(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    sandbox.behavior = Behavior(download_seconds=1)
    calls = collect_scheduled_calls(monkeypatch)
    for _ in range(2):
        assert write.send(sandbox).json()["status"] == "created"
    begin, end = calls
    begin()
    assert write.send(sandbox).json()["status"] == "in_progress"
    end()
    first, second = write.send(sandbox).json(), write.send(sandbox).json()
    assert first["status"] == second["status"] == "success"
    assert fetch(first["signed_url"]).content == fetch(second["signed_url"]).content
    assert len(write.keys(sandbox)) == 1


@pytest.mark.parametrize("write", PACKAGES, ids=str)
def test_failed_package_is_reported_once_and_started_again(sandbox: Sandbox, write: Write) -> None:
    sandbox.behavior = instant_behavior(fail_downloads=1)
    failed = write.send(sandbox).json()
    assert (failed["status"], "signed_url" in failed) == ("failed", False)
    sandbox.behavior = instant_behavior()
    assert write.send(sandbox).json()["status"] == "success"


def test_packages_have_names_members_and_digests(sandbox: Sandbox) -> None:
    insight = INSIGHT_PACKAGE.make(sandbox, 0).places["insight_id"]
    job, task = (JOB_PACKAGE.make(sandbox, 0).places[name] for name in ("job_id", "task_id"))
    tasks = sandbox.workspace.get("jobs", job)["tasks"]
    names = [f"{each['name']}.json" for each in tasks]
    expected: list[tuple[Write, int, str, list[str], str, tuple[str, ...]]] = [
        (INSIGHT_PACKAGE, 0, f"insight_{insight}.zip",
         ["inputs/aoi_id.json", "inputs/threshold.json", "outputs/share.json"],
         "insights", (insight,)),
        (INSIGHT_PACKAGE, 1, f"insight_{insight}.zip", ["inputs/threshold.json"],
         "insights", (insight, "inputs/threshold")),
        (JOB_PACKAGE, 0, f"job_{job}.zip", names, "jobs", (job,)),
        (TASK_PACKAGE, 0, f"{tasks[0]['name']}_{task}.zip", names[:1], "jobs", (job, task)),
    ]  # fmt: skip
    for write, number, name, members, resource, keys in expected:
        response = fetch(write.send(sandbox, number).json()["signed_url"])
        assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
            assert archive.namelist() == members
        assert sandbox.digest(*keys, resource=resource) == digest_content(response.content)


@pytest.mark.parametrize(("body", "status"), REFUSED)
def test_invalid_download_request_is_rejected(
    sandbox: Sandbox, body: dict[str, Any], status: int
) -> None:
    sandbox.workspace.insert("order_items", {"id": "empty"})
    response = request_download(sandbox, **body)
    assert response.status_code == status, response.text
    assert "error" in response.json()


def test_package_of_what_is_not_completed_is_rejected(sandbox: Sandbox) -> None:
    workspace = sandbox.workspace
    insight = next(row for row in workspace.rows("insights") if row["status"] == "running")
    job = next(row for row in workspace.rows("jobs") if row["status"] == "failed")
    places = {
        "aoi_id": insight["aoi_id"],
        "insight_id": insight["id"],
        "workflow_id": job["workflow_id"],
        "job_id": job["id"],
        "task_id": job["tasks"][0]["id"],
    }
    for write in PACKAGES:
        response = send_request(sandbox, "PUT", write.path.format(**places))
        assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")
    unknown = TASK_PACKAGE.path.format(**{**places, "task_id": "nonesuch"})
    assert send_request(sandbox, "PUT", unknown).status_code == 404


def test_aoi_download_is_found_in_its_aoi_only(sandbox: Sandbox) -> None:
    made = AOI_DOWNLOAD.make(sandbox, 0)
    key = AOI_DOWNLOAD.send(sandbox).json()["download_id"]
    other = AOI_DOWNLOAD.path.format(aoi_id=sandbox.workspace.ids("aois")[1])
    assert get(sandbox, f"{AOI_DOWNLOAD.path.format(**made.places)}/{key}")["status"] == "SUCCESS"
    for wrong in (f"{other}/{key}", f"{PATH}/{key}", f"{PATH}/nonesuch"):
        assert send_request(sandbox, "GET", wrong).status_code == 404
