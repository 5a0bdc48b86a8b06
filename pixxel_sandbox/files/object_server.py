"""Serve the objects of downloads at signed URLs as S3 does, outside the API and its token."""

from __future__ import annotations

import hmac
import re
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from starlette.responses import HTMLResponse, Response

from pixxel_sandbox.files.contents import list_members
from pixxel_sandbox.files.streaming import ThrottledResponse, record_fetch
from pixxel_sandbox.generated_zip import Content, GeneratedZip, InMemoryContent, make_zip
from pixxel_sandbox.runtime_state import CONTROL_PREFIX, FetchRecord, PreparedDownload, SandboxState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request
    from starlette.types import ASGIApp

OBJECTS_PATH = f"{CONTROL_PREFIX}/objects"
ROUTE_PATH = OBJECTS_PATH + "/{id}/{name}"
ERROR_PAGE_HTML = "<html><head><title>Busy</title></head><body>Come back in a minute.</body></html>"


_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class S3Error(NamedTuple):
    """An error instead of the object: its status, S3's code and a message."""

    status: HTTPStatus
    code: str
    message: str


AUTHORIZATION_SENT = S3Error(
    HTTPStatus.BAD_REQUEST,
    "InvalidArgument",
    "Give either a signed URL or an Authorization header.",
)
SIGNATURE_MISMATCH = S3Error(
    HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch", "The signature does not match the URL."
)
URL_EXPIRED = S3Error(HTTPStatus.FORBIDDEN, "AccessDenied", "Request has expired")
NO_SUCH_KEY = S3Error(HTTPStatus.NOT_FOUND, "NoSuchKey", "There is no such object.")
INVALID_RANGE = S3Error(
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "InvalidRange", "The range is beyond the end."
)


def make_signed_url(state: SandboxState, base: str, key: str, download: PreparedDownload) -> str:
    """Return a URL of a download's object that is valid for a time from now on."""
    expires = f"{time() + state.behavior.url_seconds:.6f}"
    signed = {"expires": expires, "signature": _sign(state, key, download.name, expires)}
    return f"{base.rstrip('/')}{OBJECTS_PATH}/{key}/{quote(download.name)}?{urlencode(signed)}"


def make_content(state: SandboxState, resource: str, keys: tuple[str, ...]) -> Content:
    """Return the object of a download, of the size that the behavior sets.

    Args:
        state: The sandbox's state.
        resource: The resource of what is in it.
        keys: What is in it, see `list_members`.

    Raises:
        KeyError: It does not exist.
    """
    with state.workspace.lock:
        members = list_members(state.workspace, resource, keys)
    if size := state.behavior.download_bytes:
        return GeneratedZip(" ".join(keys), size)
    return InMemoryContent(make_zip(members))


def make_fetch_endpoint(state: SandboxState) -> Callable[[Request], Coroutine[Any, Any, ASGIApp]]:
    """Return the endpoint that serves objects."""

    async def fetch(request: Request) -> ASGIApp:
        """Serve an object at its signed URL."""
        headers = request.headers
        record = FetchRecord(
            request.method,
            request.path_params["id"],
            headers.get("Range"),
            headers.get("If-Range"),
            has_authorization="Authorization" in headers,
        )
        state.downloads.fetches.append(record)
        return record_fetch(state.downloads, record, _make_response(state, request, record))

    return fetch


def _make_response(state: SandboxState, request: Request, record: FetchRecord) -> ASGIApp:
    if error := _check_url(state, request, has_authorization=record.has_authorization):
        return _error_response(error)
    download = state.downloads.by_id.get(record.download_id)
    try:
        content = make_content(state, download.resource, download.keys) if download else None
    except KeyError:
        content = None
    if download is None or content is None:
        return _error_response(NO_SUCH_KEY)
    behavior, is_get = state.behavior, request.method == "GET"
    if is_get and state.happens(behavior.error_page):
        return HTMLResponse(ERROR_PAGE_HTML)
    part = _requested_range(record, content, ignore_range=behavior.ignore_range)
    if part is not None and not part:
        return _error_response(INVALID_RANGE, {"Content-Range": f"bytes */{content.size}"})
    headers = {
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="{download.name}"',
        "Accept-Ranges": "bytes",
        "ETag": content.etag,
    }
    status, byte_range = HTTPStatus.OK, range(content.size)
    if part is not None:
        status, byte_range = HTTPStatus.PARTIAL_CONTENT, part
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{content.size}"
    headers["Content-Length"] = str(len(byte_range))
    interrupt_after = _draw_interruption(state, content.etag, len(byte_range)) if is_get else None
    return ThrottledResponse(
        status, headers, content, byte_range, behavior.download_rate, interrupt_after
    )


def _check_url(state: SandboxState, request: Request, *, has_authorization: bool) -> S3Error | None:
    """Return the error of a request whose URL is not valid, None for a valid one."""
    if has_authorization:
        return AUTHORIZATION_SENT
    key, name = request.path_params["id"], request.path_params["name"]
    expires = request.query_params.get("expires", "")
    signature = request.query_params.get("signature", "")
    expected = _sign(state, key, name, expires)
    if not hmac.compare_digest(signature.encode(), expected.encode()):
        return SIGNATURE_MISMATCH
    return URL_EXPIRED if float(expires) <= time() else None


def _sign(state: SandboxState, *signed: str) -> str:
    return hmac.new(state.downloads.signing_key, "/".join(signed).encode(), "sha256").hexdigest()


def _requested_range(record: FetchRecord, content: Content, *, ignore_range: bool) -> range | None:
    """Return the offsets that a request asks for, None for all of them."""
    changed = record.if_range not in {None, content.etag}
    return None if ignore_range or changed else parse_range_header(record.range, content.size)


def _draw_interruption(state: SandboxState, etag: str, length: int) -> int | None:
    """Return the bytes after which the body is interrupted, None if it is not."""
    remaining = state.behavior.interrupt_fetches - state.downloads.interruptions[etag]
    if remaining > 0:
        state.downloads.interruptions[etag] += 1
        return length // (remaining + 1)
    return state.rng.randrange(length) if state.happens(state.behavior.break_downloads) else None


def _error_response(error: S3Error, headers: dict[str, str] | None = None) -> Response:
    status, code, message = error
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
    return Response(xml, int(status), headers, media_type="application/xml")


def parse_range_header(header: str | None, size: int) -> range | None:
    """Parse a `Range` header as RFC 9110 (14.1.2) says.

    Returns:
        The offsets that it asks for, an empty range if all are beyond the end. None if the header
        is missing, malformed, or asks for several ranges, and so for the whole object.
    """
    match = _RANGE.fullmatch(header or "")
    first, last = match.groups() if match else ("", "")
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    stop = min(int(last) + 1, size) if last else size
    return range(min(int(first), stop), stop)
