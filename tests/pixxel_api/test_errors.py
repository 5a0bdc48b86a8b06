"""Which errors affect other requests too, for every class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixxel_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterator


def iter_subclasses(error: type[errors.PixxelError]) -> Iterator[type[errors.PixxelError]]:
    for each in error.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from iter_subclasses(each)
