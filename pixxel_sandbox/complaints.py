"""Complaints: errors as the API words them, ``{"error": {"code", "message", "details"}}``."""

from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

CODES: Final = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.UNAUTHORIZED: "unauthenticated",
    HTTPStatus.FORBIDDEN: "permission_denied",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.TOO_MANY_REQUESTS: "too_many_requests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal",
}


class Complaint(Exception):
    """A request that is answered with an error.

    Attributes:
        status: the answer's HTTP status.
        message: what is wrong, for a person.
        details: what is wrong, for a program; any JSON.
    """

    def __init__(self, status: HTTPStatus, message: str, details: object = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details


def malformed(message: str, **details: object) -> Complaint:
    """Returns the complaint about a request that cannot be understood."""
    return Complaint(HTTPStatus.BAD_REQUEST, message, details)


def forbidden(message: str, **details: object) -> Complaint:
    """Returns the complaint about a request that the token does not allow."""
    return Complaint(HTTPStatus.FORBIDDEN, message, details)


def unknown(resource: str, key: str) -> Complaint:
    """Returns the complaint about something that is not there."""
    return Complaint(HTTPStatus.NOT_FOUND, f"no such {resource}", {"id": key})


def conflict(message: str, **details: object) -> Complaint:
    """Returns the complaint about a request that what is there does not allow."""
    return Complaint(HTTPStatus.CONFLICT, message, details)


def envelope(
    status: HTTPStatus,
    message: str,
    details: object = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Returns the answer that carries an error."""
    error = {"code": CODES.get(status, "error"), "message": message, "details": details}
    return answer({"error": error}, status, headers)


def answer(
    document: object, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> Response:
    """Returns a JSON answer."""
    return Response(
        msgspec.json.encode(document), int(status), headers, media_type="application/json"
    )
