"""Typed errors of the API client; their text has method, path and status, no body, no secret."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Self

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.\- ]{0,63}")


class PixxelError(Exception):
    """Base class of the errors that this package raises.

    Attributes:
        retryable: Whether the same request may succeed later.
        affects_all_requests: Whether requests to other paths fail too.
    """

    retryable: bool = False
    affects_all_requests: bool = False


class ClientClosedError(PixxelError):
    """The client was closed while a thread was waiting for a response."""

    affects_all_requests = True


class EndlessList(PixxelError):
    """The server repeats a page regardless of the offset or token, so the list has no end."""


class ApiError(PixxelError):
    """A request to the API failed.

    Attributes:
        method: The HTTP method.
        path: The path below the base URL, without the query.
        status: The HTTP status; None if no response arrived.
        code: `error.code` of the API's error envelope, if present.
        field: `error.details.field` of the envelope; not in the text, as it may be any text.
        retry_after: Seconds to wait before a retry (`Retry-After`), if the server sent it.
    """

    reason: ClassVar[str] = "the request failed"

    def __init__(
        self,
        method: str,
        path: str,
        status: int | None = None,
        *,
        reason: str | None = None,
        code: str | None = None,
        field: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.status = status
        self.code = code
        self.field = field
        self.retry_after = retry_after
        status_text = f" returned {status}" if status else ""
        code_text = f" ({code})" if code else ""
        super().__init__(f"{method} {path}{status_text}{code_text}: {reason or self.reason}")

    def add_context(self, context: str) -> Self:
        """Prefix the text with the purpose of the request."""
        self.args = (f"{context}: {self}",)
        return self

    def add_hint(self, hint: str) -> Self:
        """Append what the user can do."""
        self.args = (f"{self}; {hint}",)
        return self


class BadRequest(ApiError):
    """400, 422: the request is invalid."""

    reason = "the API rejected the request as invalid"


class Unauthorized(ApiError):
    """401: the token is invalid."""

    reason = "invalid token; check the setting 'api_token'"
    affects_all_requests = True


class Forbidden(ApiError):
    """403: the token is expired or revoked, or it lacks the role or the project."""

    reason = (
        "the token lacks permission (expired, revoked, or missing the role or project); "
        "check the setting 'api_token'"
    )


class NotFound(ApiError):
    """404: the URL does not exist."""

    reason = "not found; check the setting 'api_url'"


class Conflict(ApiError):
    """409: the object is in use, or its name exists already."""

    reason = "the request conflicts with an existing object"


class Redirected(ApiError):
    """3xx: redirects are not followed, so that no other host receives the token."""

    reason = "the server redirects to another URL; check the setting 'api_url'"


class RequestNotProcessed(ApiError):
    """408, 425: the server has not processed the request, and expects it again."""

    reason = "the server has not processed the request"
    retryable = True


class RateLimited(ApiError):
    """429: too many requests."""

    reason = "too many requests; lower the setting 'requests_per_second' or 'concurrency'"
    retryable = True
    affects_all_requests = True


class ServerError(ApiError):
    """501: the server does not support the request."""

    reason = "server error"


class ServerUnavailable(ServerError):
    """Any other 5xx: the server or its gateway failed, maybe for a short time only."""

    retryable = True


class ConnectError(ApiError):
    """No connection, or it broke before the response was complete.

    `connection_causes` finds the cause, and the host and port that it concerns. It and its
    subclasses concern all requests of a run, not the path of this one.
    """

    reason = "the connection failed"
    retryable = True
    affects_all_requests = True


class AddressError(ConnectError):
    """The URL is invalid or has no such server: unknown host, another protocol on the port.

    Not retryable, unless the server has responded before.
    """

    retryable = False


class TlsError(ConnectError):
    """The TLS handshake failed, or the CA bundle cannot be read."""

    retryable = False


class ProxyError(ConnectError):
    """The proxy refuses the connection (407, for example), or cannot be used as it is set."""

    reason = "credentials of a proxy are missing or invalid"
    retryable = False


class RequestTimeout(ApiError):
    """The response did not arrive in time."""

    reason = "timed out"
    retryable = True
    affects_all_requests = True


class InvalidBody(ApiError):
    """The body is not JSON: truncated, or an HTML page."""

    reason = "the response is not JSON"
    retryable = True


class UndecodableBody(ApiError):
    """The body is complete but cannot be decoded; a retry would return the same."""

    reason = "the response cannot be decoded"


class BodyTooLarge(ApiError):
    """The body exceeds the limit on its size."""

    reason = "the response is too large; lower the setting 'page_size'"


class UnexpectedResponse(ApiError):
    """The body is JSON, but not of the documented structure."""

    reason = "the response does not have the documented structure"


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    407: ProxyError,
    408: RequestNotProcessed,
    409: Conflict,
    422: BadRequest,
    425: RequestNotProcessed,
    429: RateLimited,
    501: ServerError,
}
_BY_HUNDRED: dict[int, type[ApiError]] = {3: Redirected, 5: ServerUnavailable}


def error_class_for(status: int) -> type[ApiError]:
    """Return the error class for an HTTP status other than 2xx; it states whether to retry."""
    return _BY_STATUS.get(status) or _BY_HUNDRED.get(status // 100, ApiError)


def parse_error_code(body: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Read `error.code` from the envelope `{"error": {code, message, details}}`.

    Only a short identifier is accepted, so that no other text of a body gets into an error.
    """
    match body:
        case {"error": {"code": str() as code}} if _CODE.fullmatch(code):
            return code
        case _:
            return None


def parse_error_field(body: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Read `error.details.field` from the envelope: the field of the request that is invalid."""
    match body:
        case {"error": {"details": {"field": str() as field}}}:
            return field
        case _:
            return None
