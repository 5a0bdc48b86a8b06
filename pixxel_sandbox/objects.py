"""Objects: what signed URLs lead to, outside the API and without its token, as S3 serves it."""

import hmac
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from time import time
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from pixxel_sandbox.bulk import Bulk, Content, Small
from pixxel_sandbox.front import OUTSIDE, Desk
from pixxel_sandbox.parcels import packed
from pixxel_sandbox.ranges import span
from pixxel_sandbox.shelf import Download, FetchRecord
from pixxel_sandbox.shipment import Shipment, noted

OBJECTS: Final = f"{OUTSIDE}/objects"
PATH: Final = OBJECTS + "/{id}/{name}"
PAGE: Final = "<html><head><title>Busy</title></head><body>Come back in a minute.</body></html>"


class Refusal(NamedTuple):
    """An answer without the object: S3's code for the reason, and a text for a person."""

    status: HTTPStatus
    code: str
    message: str


AUTHORISED: Final = Refusal(
    HTTPStatus.BAD_REQUEST, "InvalidArgument", "A signed URL and an Authorization header are two."
)
FORGED: Final = Refusal(
    HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch", "The signature is not of this URL."
)
EXPIRED: Final = Refusal(HTTPStatus.FORBIDDEN, "AccessDenied", "Request has expired")
MISSING: Final = Refusal(HTTPStatus.NOT_FOUND, "NoSuchKey", "There is no such object.")
BEYOND: Final = Refusal(
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "InvalidRange", "The range is beyond the end."
)


def signed_url(desk: Desk, base: str, key: str, download: Download) -> str:
    """Returns a URL of a download's object that is good for a while, from now on."""
    expires = f"{time() + desk.habits.url_seconds:.6f}"
    signed = {"expires": expires, "signature": _signature(desk, key, download.name, expires)}
    return f"{base.rstrip('/')}{OBJECTS}/{key}/{quote(download.name)}?{urlencode(signed)}"


def content_of(desk: Desk, catalogs: tuple[str, ...]) -> Content:
    """Returns the object of some catalogs, as large as the habits say.

    Raises:
        KeyError: there is no such catalog.
    """
    with desk.workspace.lock:
        rows = {key: desk.workspace.get("catalogs", key) for key in catalogs}
    if size := desk.habits.download_bytes:
        return Bulk(" ".join(catalogs), size)
    return Small(packed({f"{key}.json": row["details"] for key, row in rows.items()}))


def fetching(desk: Desk) -> Callable[[Request], Coroutine[Any, Any, ASGIApp]]:
    """Returns what answers requests for objects."""

    async def fetch(request: Request) -> ASGIApp:
        headers = request.headers
        record = FetchRecord(
            request.method,
            request.path_params["id"],
            headers.get("Range"),
            headers.get("If-Range"),
            authorised="Authorization" in headers,
        )
        desk.shelf.fetches.append(record)
        return noted(desk.shelf, record, _answer(desk, request, record))

    return fetch


def _answer(desk: Desk, request: Request, record: FetchRecord) -> ASGIApp:
    if refusal := _refusal(desk, request, authorised=record.authorised):
        return _refused(refusal)
    download = desk.shelf.downloads.get(record.download)
    try:
        content = content_of(desk, download.catalogs) if download else None
    except KeyError:
        content = None
    if download is None or content is None:
        return _refused(MISSING)
    habits, sends = desk.habits, request.method == "GET"
    if sends and desk.chances(habits.error_page):
        return HTMLResponse(PAGE)
    part = _part(record, content, ignored=habits.ignore_range)
    if part is not None and not part:
        return _refused(BEYOND, {"Content-Range": f"bytes */{content.size}"})
    headers = {
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="{download.name}"',
        "Accept-Ranges": "bytes",
        "ETag": content.etag,
    }
    status, places = HTTPStatus.OK, range(content.size)
    if part is not None:
        status, places = HTTPStatus.PARTIAL_CONTENT, part
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{content.size}"
    headers["Content-Length"] = str(len(places))
    cut = _cut(desk, content.etag, len(places)) if sends else None
    return Shipment(status, headers, content, places, habits.download_rate, cut)


def _refusal(desk: Desk, request: Request, *, authorised: bool) -> Refusal | None:
    """Says why a request may not have the object, whatever that is."""
    if authorised:
        return AUTHORISED
    key, name = request.path_params["id"], request.path_params["name"]
    expires = request.query_params.get("expires", "")
    signature = request.query_params.get("signature", "")
    good = _signature(desk, key, name, expires)
    if not hmac.compare_digest(signature.encode(), good.encode()):
        return FORGED
    return EXPIRED if float(expires) <= time() else None


def _signature(desk: Desk, *signed: str) -> str:
    return hmac.new(desk.shelf.key, "/".join(signed).encode(), "sha256").hexdigest()


def _part(record: FetchRecord, content: Content, *, ignored: bool) -> range | None:
    """Returns the places that are asked for, None for all of them."""
    changed = record.if_range not in {None, content.etag}
    return None if ignored or changed else span(record.range, content.size)


def _cut(desk: Desk, etag: str, length: int) -> int | None:
    """Says after how many bytes a body breaks off, None if it does not."""
    left = desk.habits.breaks - desk.shelf.broken[etag]
    if left > 0:
        desk.shelf.broken[etag] += 1
        return length // (left + 1)
    return desk.chance.randrange(length) if desk.chances(desk.habits.break_downloads) else None


def _refused(refusal: Refusal, headers: dict[str, str] | None = None) -> Response:
    status, code, message = refusal
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
    return Response(xml, int(status), headers, media_type="application/xml")
