"""Typed errors of the API; their text holds method, path and status, never a body or a secret."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Self

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.\- ]{0,63}")


class PixxelError(Exception):
    """Anything that this package raises on purpose."""


class ClientClosedError(PixxelError):
    """The client was closed while a thread was still reading."""


class EndlessList(PixxelError):
    """The server returns the same page repeatedly, whatever the offset."""


class ApiError(PixxelError):
    """A request to the API did not bring what it should.

    Attributes:
        method: The HTTP method.
        path: The path below the base URL, without the query.
        status: The HTTP status, None when no answer came.
        code: `error.code` of the API's error envelope, when there was one.
        retry_after: Seconds the server asked to wait (`Retry-After`), when it did.
    """

    reason: ClassVar[str] = "the request failed"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        method: str,
        path: str,
        status: int | None = None,
        *,
        reason: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.status = status
        self.code = code
        self.retry_after = retry_after
        answer = f" answered {status}" if status else ""
        code_text = f" ({code})" if code else ""
        super().__init__(f"{method} {path}{answer}{code_text}: {reason or self.reason}")

    def add_context(self, what: str) -> Self:
        """Say in front of the text what the request was for."""
        self.args = (f"{what}: {self}",)
        return self

    def add_hint(self, what: str) -> Self:
        """Say behind the text what to do."""
        self.args = (f"{self}; {what}",)
        return self


class BadRequest(ApiError):
    """400, 422: the API does not take the request as it stands."""

    reason = "the API refuses the request"


class Unauthorized(ApiError):
    """401: the token is unknown."""

    reason = "the token is not known; check the setting 'api_token'"


class Forbidden(ApiError):
    """403: the token is expired or revoked, or lacks the role or the project."""

    reason = (
        "the token may not do this (expired, revoked, or without the role or project); "
        "check the setting 'api_token'"
    )


class NotFound(ApiError):
    """404: nothing there."""

    reason = "nothing is there; check the setting 'api_url'"


class Conflict(ApiError):
    """409: in use, or the name is taken."""

    reason = "it conflicts with what is there"


class Redirected(ApiError):
    """3xx: redirects are not followed, so that the token goes nowhere else."""

    reason = "the server redirects elsewhere; check the setting 'api_url'"


class RateLimited(ApiError):
    """429: too many requests."""

    reason = "too many requests; lower the setting 'requests_per_second' or 'concurrency'"
    retryable = True


class ServerError(ApiError):
    """5xx: the service or its gateway failed."""

    reason = "the service failed"


class ServerUnavailable(ServerError):
    """500, 502, 503, 504: a failure that passes."""

    retryable = True


class ConnectError(ApiError):
    """No connection could be made, or it broke before the answer was whole."""

    reason = "no whole answer came; check the network and the setting 'api_url'"
    retryable = True


class InvalidUrl(ApiError):
    """The base URL is none."""

    reason = "no such address; check the setting 'api_url'"


class TlsError(ApiError):
    """TLS failed."""

    reason = (
        "the server's certificate is not trusted; check the setting 'api_url', and "
        "REQUESTS_CA_BUNDLE where it is set"
    )


class RequestTimeout(ApiError):
    """The answer did not come in time."""

    reason = "no answer in time; raise the setting 'request_timeout' if this is usual"
    retryable = True


class InvalidBody(ApiError):
    """The body is not the JSON it should be: cut off, or a page of HTML."""

    reason = "the answer is not JSON"
    retryable = True


class UndecodableBody(ApiError):
    """The body came whole, but no reader can take it; another try would bring the same."""

    reason = "the answer cannot be read"


class BodyTooLarge(ApiError):
    """The body is larger than any that is read."""

    reason = "the answer is too large; lower the setting 'page_size'"


class UnexpectedResponse(ApiError):
    """The body is JSON, but not of the shape that the contract gives."""

    reason = "the answer has not the shape that the API documents"


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: BadRequest,
    429: RateLimited,
    500: ServerUnavailable,
    502: ServerUnavailable,
    503: ServerUnavailable,
    504: ServerUnavailable,
}


def error_class_for(status: int) -> type[ApiError]:
    """Choose the error of an HTTP status other than 2xx."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP's own ranges
        return Redirected
    return ServerError if status >= 500 else ApiError  # noqa: PLR2004


def parse_error_code(body: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Read `error.code` from the envelope ``{"error": {code, message, details}}``.

    Only a short plain word is taken, so that nothing of a body can reach an error's text.
    """
    match body:
        case {"error": {"code": str() as code}} if _CODE.fullmatch(code):
            return code
        case _:
            return None
