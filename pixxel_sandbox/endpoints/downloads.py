"""The endpoints that start downloads and return their signed URLs."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from pixxel_sandbox.endpoints.indices import parse_asset_ids
from pixxel_sandbox.files.contents import list_members
from pixxel_sandbox.files.object_server import make_signed_url
from pixxel_sandbox.runtime_state import PreparedDownload, SandboxState
from pixxel_sandbox.seed.orders import CatalogRow
from pixxel_sandbox.seed.rng import draw_uuid
from pixxel_sandbox.web.errors import bad_request, json_response, not_found
from pixxel_sandbox.web.responses import get_or_404
from pixxel_sandbox.web.search_params import decode_body, parse_texts, read_catalog_ids
from pixxel_sandbox.web.write_faults import PendingWrite, perform_write

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from pixxel_sandbox.json_types import Json

COMPLETED = "completed"
"""The status of the insights, jobs and tasks that have results."""
SUCCESS, FAILED = "success", "failed"
INSIGHT_PARTS = ("inputs", "outputs")


def create(state: SandboxState, request: Request) -> ASGIApp:
    """Start one download of all catalogs in the request, given by their ids or order items."""
    return perform_write(state, partial(_prepare_create, state, request.state.record.raw))


def _prepare_create(state: SandboxState, raw: bytes) -> PendingWrite:
    catalog_ids = read_catalog_ids(state.workspace, decode_body(raw), "catalog_ids")
    name = _catalogs_file_name(state, catalog_ids)
    return PendingWrite(
        [PreparedDownload("catalogs", tuple(catalog_ids), name)], partial(_create, state)
    )


def _create(state: SandboxState, parts: list[Any]) -> Response:
    key, status = _start(state, *parts)
    return json_response({"id": key, "status": status}, HTTPStatus.CREATED)


def get(state: SandboxState, request: Request) -> object:
    """Return the status of a download, and a newly signed URL once it is prepared."""
    key = request.path_params["id"]
    download = _find(state, key)
    return {"id": key, **_describe(state, request, key, download)}


def create_for_aoi(state: SandboxState, request: Request) -> ASGIApp:
    """Start one download of assets of an AOI."""
    key, raw = request.path_params["aoi_id"], request.state.record.raw
    return perform_write(state, partial(_prepare_for_aoi, state, key, raw))


def _prepare_for_aoi(state: SandboxState, aoi_id: str, raw: bytes) -> PendingWrite:
    get_or_404(state, "aois", aoi_id)
    asset_ids = parse_asset_ids(state, aoi_id, decode_body(raw).get("asset_ids"), "asset_ids")
    if not asset_ids or len(set(asset_ids)) < len(asset_ids):
        raise bad_request("asset_ids must have an id, and none twice", field="asset_ids")
    name = f"{asset_ids[0]}.zip" if len(asset_ids) == 1 else f"aoi_{aoi_id}.zip"
    download = PreparedDownload("aoi_assets", tuple(asset_ids), name, aoi_id)
    return PendingWrite([download], partial(_create_for_aoi, state))


def _create_for_aoi(state: SandboxState, parts: list[Any]) -> Response:
    key, status = _start(state, *parts)
    return json_response({"download_id": key, "status": status.upper()}, HTTPStatus.CREATED)


def get_for_aoi(state: SandboxState, request: Request) -> object:
    """Return the status of an AOI's download, in upper case, and a newly signed URL."""
    key, aoi_id = request.path_params["download_id"], request.path_params["aoi_id"]
    get_or_404(state, "aois", aoi_id)
    described = _describe(state, request, key, _find(state, key, aoi_id))
    return {"download_id": key, **described, "status": described["status"].upper()}


def package_insight(state: SandboxState, request: Request) -> ASGIApp:
    """Prepare a download of an insight's inputs and outputs, or return its signed URL."""
    aoi_id, key = request.path_params["aoi_id"], request.path_params["insight_id"]

    def prepare() -> PendingWrite:
        get_or_404(state, "aois", aoi_id)
        _check_completed("insight", get_or_404(state, "insights", key, aoi_id=aoi_id))
        parts = _read_parts(state, key, request.state.record.raw)
        download = PreparedDownload("insights", (key, *parts), f"insight_{key}.zip", key)
        return _prepare_package(state, request, download, {"id": key})

    return perform_write(state, prepare)


def package_job(state: SandboxState, request: Request) -> ASGIApp:
    """Prepare a download of the results of a job's tasks, or return its signed URL."""

    def prepare() -> PendingWrite:
        job = _find_job(state, request)
        _check_completed("job", job)
        download = PreparedDownload("jobs", (job["id"],), f"job_{job['id']}.zip", job["id"])
        ids = {"id": job["id"], "workflowId": job["workflow_id"]}
        return _prepare_package(state, request, download, ids)

    return perform_write(state, prepare)


def package_task(state: SandboxState, request: Request) -> ASGIApp:
    """Prepare a download of the result of a job's task, or return its signed URL."""

    def prepare() -> PendingWrite:
        job, key = _find_job(state, request), request.path_params["task_id"]
        task = next((each for each in job["tasks"] if each["id"] == key), None)
        if task is None:
            raise not_found("tasks", key)
        _check_completed("task", task)
        name = f"{task['name']}_{key}.zip"
        download = PreparedDownload("jobs", (job["id"], key), name, job["id"])
        ids = {"id": key, "job_id": job["id"], "workflow_id": job["workflow_id"]}
        return _prepare_package(state, request, download, ids)

    return perform_write(state, prepare)


def _find_job(state: SandboxState, request: Request) -> Json:
    workflow_id, job_id = request.path_params["workflow_id"], request.path_params["job_id"]
    get_or_404(state, "workflows", workflow_id)
    return get_or_404(state, "jobs", job_id, workflow_id=workflow_id)


def _check_completed(kind: str, row: Json) -> None:
    if row["status"] != COMPLETED:
        raise bad_request(f"the {kind} is not {COMPLETED}", id=row["id"], status=row["status"])


def _read_parts(state: SandboxState, insight_id: str, raw: bytes) -> list[str]:
    """Return the inputs and outputs that a request names, none for all of them."""
    body = decode_body(raw) if raw else {}
    known = list_members(state.workspace, "insights", (insight_id,))
    parts = []
    for folder in INSIGHT_PARTS:
        names = parse_texts(body.get(folder) or [], folder)
        if unknown := [name for name in names if f"{folder}/{name}.json" not in known]:
            raise bad_request(f"the insight has no such {folder}", field=folder, names=unknown)
        parts += [f"{folder}/{name}" for name in dict.fromkeys(names)]
    return parts


def _prepare_package(
    state: SandboxState, request: Request, download: PreparedDownload, ids: Json
) -> PendingWrite:
    """Return the write of a request that is repeated until the download is prepared.

    The download's id follows from its content, so that a repeated request finds it. Once a failure
    was reported, the next request starts again.
    """
    key = str(uuid5(NAMESPACE_OID, " ".join(download.keys)))

    def execute(_: list[Any]) -> Response:
        if key not in state.downloads.by_id:
            _start(state, download, key)
        described = _describe(state, request, key, state.downloads.by_id[key])
        if described["status"] == FAILED:
            del state.downloads.by_id[key]
        return json_response({**ids, **described})

    return PendingWrite([download], execute)


def _find(state: SandboxState, key: str, owner: str = "") -> PreparedDownload:
    download = state.downloads.by_id.get(key)
    if download is None or download.owner != owner:
        raise not_found("downloads", key)
    return download


def _describe(
    state: SandboxState, request: Request, key: str, download: PreparedDownload
) -> dict[str, str]:
    """Return a download's status, and a newly signed URL once it is prepared."""
    body = {"status": download.status}
    if download.status == SUCCESS:
        body["signed_url"] = make_signed_url(state, str(request.base_url), key, download)
    return body


def _catalogs_file_name(state: SandboxState, catalog_ids: list[str]) -> str:
    """Return the file name of a download, which is the image's name if it has only one."""
    images = [state.workspace.find("catalogs", key) for key in catalog_ids]
    if len(images) == 1 and isinstance(images[0], CatalogRow):
        return f"{images[0].item.id}.zip"
    return "catalogs.zip"


def _start(state: SandboxState, download: PreparedDownload, key: str = "") -> tuple[str, str]:
    """Start a download, and return its id and its first status.

    It is completed now if it takes no time.
    """
    key = key or draw_uuid(state.workspace.rng)
    state.downloads.by_id[key] = download
    first, seconds = download.status, state.behavior.download_seconds
    end = FAILED if state.happens(state.behavior.fail_downloads) else SUCCESS
    if seconds:
        state.scheduler.call_later(seconds / 2, partial(setattr, download, "status", "in_progress"))
        state.scheduler.call_later(seconds, partial(setattr, download, "status", end))
    else:
        download.status = end
    return key, first
