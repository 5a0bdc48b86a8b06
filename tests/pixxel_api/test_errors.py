"""Which errors affect other requests too, for every class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixxel_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

AFFECT_ALL_REQUESTS = {
    errors.AddressError,
    errors.ClientClosedError,
    errors.ConnectError,
    errors.ProxyError,
    errors.RateLimited,
    errors.RequestTimeout,
    errors.TlsError,
    errors.Unauthorized,
}
"""No token, no connection, another server, or a limit on all requests."""


def iter_subclasses(error: type[errors.PixxelError]) -> Iterator[type[errors.PixxelError]]:
    for each in error.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from iter_subclasses(each)


def test_errors_that_affect_all_requests_are_those_of_token_and_connection() -> None:
    found = {each for each in iter_subclasses(errors.PixxelError) if each.affects_all_requests}
    assert found == AFFECT_ALL_REQUESTS
