"""The endpoints that start downloads of catalogs and return their signed URLs."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pixxel_sandbox.files.object_server import make_signed_url
from pixxel_sandbox.runtime_state import PreparedDownload, SandboxState
from pixxel_sandbox.seed.orders import CatalogRow
from pixxel_sandbox.seed.rng import draw_uuid
from pixxel_sandbox.web.errors import json_response, not_found
from pixxel_sandbox.web.search_params import decode_body, read_catalog_ids
from pixxel_sandbox.web.write_faults import PendingWrite, perform_write

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp


def create(state: SandboxState, request: Request) -> ASGIApp:
    """Start one download of all catalogs in the request, given by their ids or order items."""
    return perform_write(state, partial(_prepare_create, state, request.state.record.raw))


def get(state: SandboxState, request: Request) -> object:
    """Return the status of a download, and a newly signed URL once it is prepared."""
    key = request.path_params["id"]
    download = state.downloads.by_id.get(key)
    if download is None:
        raise not_found("downloads", key)
    body = {"id": key, "status": download.status}
    if download.status == "success":
        body["signed_url"] = make_signed_url(state, str(request.base_url), key, download)
    return body


def _prepare_create(state: SandboxState, raw: bytes) -> PendingWrite:
    catalog_ids = read_catalog_ids(state.workspace, decode_body(raw), "catalog_ids")
    return PendingWrite([catalog_ids], partial(_create, state))


def _create(state: SandboxState, parts: list[Any]) -> Response:
    [catalog_ids] = parts
    key = draw_uuid(state.workspace.rng)
    download = PreparedDownload(tuple(catalog_ids), _file_name(state, catalog_ids))
    state.downloads.by_id[key] = download
    response = json_response({"id": key, "status": download.status}, HTTPStatus.CREATED)
    _schedule(state, download)
    return response


def _file_name(state: SandboxState, catalog_ids: list[str]) -> str:
    """Return the file name of a download, which is the image's name if it has only one."""
    images = [state.workspace.find("catalogs", key) for key in catalog_ids]
    if len(images) == 1 and isinstance(images[0], CatalogRow):
        return f"{images[0].item.id}.zip"
    return "catalogs.zip"


def _schedule(state: SandboxState, download: PreparedDownload) -> None:
    """Schedule a download's progress; complete it now if it takes no time."""
    seconds = state.behavior.download_seconds
    end = "failed" if state.happens(state.behavior.fail_downloads) else "success"
    if not seconds:
        download.status = end
        return
    state.scheduler.call_later(seconds / 2, partial(setattr, download, "status", "in_progress"))
    state.scheduler.call_later(seconds, partial(setattr, download, "status", end))
