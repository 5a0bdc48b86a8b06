"""Downloads: requests for a URL at which catalogs can be fetched."""

from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from pixxel_sandbox.bookings import Catalog
from pixxel_sandbox.chance import identifier
from pixxel_sandbox.complaints import answer, unknown
from pixxel_sandbox.criteria import body_of
from pixxel_sandbox.deliveries import catalogs_named
from pixxel_sandbox.front import Desk
from pixxel_sandbox.mishaps import Write, written
from pixxel_sandbox.objects import signed_url
from pixxel_sandbox.shelf import Download


def create(desk: Desk, request: Request) -> ASGIApp:
    """Starts one download of all the catalogs that are named, or that came of order items."""
    return written(desk, partial(_requested, desk, request.state.record.raw))


def show(desk: Desk, request: Request) -> object:
    """Shows how far a download is; once it is there, with a URL that is signed anew each time."""
    key = request.path_params["id"]
    download = desk.shelf.downloads.get(key)
    if download is None:
        raise unknown("downloads", key)
    shown = {"id": key, "status": download.status}
    if download.status == "success":
        shown["signed_url"] = signed_url(desk, str(request.base_url), key, download)
    return shown


def _requested(desk: Desk, raw: bytes) -> Write:
    catalogs = catalogs_named(desk, body_of(raw), "catalog_ids")
    return Write([catalogs], partial(_enter, desk))


def _enter(desk: Desk, parts: list[Any]) -> Response:
    [catalogs] = parts
    key, download = identifier(desk.workspace.rng), Download(tuple(catalogs), _name(desk, catalogs))
    desk.shelf.downloads[key] = download
    made = answer({"id": key, "status": download.status}, HTTPStatus.CREATED)
    _prepare(desk, download)
    return made


def _name(desk: Desk, catalogs: list[str]) -> str:
    """Names the file after its image; a file of several has no image's name."""
    images = [desk.workspace.find("catalogs", key) for key in catalogs]
    if len(images) == 1 and isinstance(images[0], Catalog):
        return f"{images[0].scene.id}.zip"
    return "catalogs.zip"


def _prepare(desk: Desk, download: Download) -> None:
    """Plans a download's way; one that takes no time is there at once."""
    seconds = desk.habits.download_seconds
    end = "failed" if desk.chances(desk.habits.fail_downloads) else "success"
    if not seconds:
        download.status = end
        return
    desk.agenda.after(seconds / 2, partial(setattr, download, "status", "in_progress"))
    desk.agenda.after(seconds, partial(setattr, download, "status", end))
