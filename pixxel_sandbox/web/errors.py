"""Responses in JSON, and errors in the API's form `{"error": {"code", "message", "details"}}`."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from starlette.responses import Response

ERROR_CODES = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.UNAUTHORIZED: "unauthenticated",
    HTTPStatus.FORBIDDEN: "permission_denied",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.TOO_MANY_REQUESTS: "too_many_requests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal",
}


class RequestRejected(Exception):
    """A request that gets an error as its response.

    Attributes:
        status: The HTTP status of the response.
        message: What is wrong, as a sentence.
        details: What is wrong, as any JSON.
    """

    def __init__(self, status: HTTPStatus, message: str, details: object = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details


def bad_request(message: str, **details: object) -> RequestRejected:
    """Return the error of a malformed request."""
    return RequestRejected(HTTPStatus.BAD_REQUEST, message, details)


def forbidden(message: str, **details: object) -> RequestRejected:
    """Return the error of a request that the token does not permit."""
    return RequestRejected(HTTPStatus.FORBIDDEN, message, details)


def not_found(resource: str, key: str) -> RequestRejected:
    """Return the error of a request for a row that does not exist."""
    return RequestRejected(HTTPStatus.NOT_FOUND, f"no such {resource}", {"id": key})


def conflict(message: str, **details: object) -> RequestRejected:
    """Return the error of a request that conflicts with existing rows."""
    return RequestRejected(HTTPStatus.CONFLICT, message, details)


def error_response(
    status: HTTPStatus,
    message: str,
    details: object = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return the response of an error."""
    error = {"code": ERROR_CODES.get(status, "error"), "message": message, "details": details}
    return json_response({"error": error}, status, headers)


def json_response(
    document: object, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> Response:
    """Return a response in JSON."""
    return Response(
        msgspec.json.encode(document), int(status), headers, media_type="application/json"
    )
