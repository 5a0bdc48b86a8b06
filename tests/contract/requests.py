"""What is wrong with a request by the contract, and where a plugin asks for more than that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from .operations import operation, request_check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .operations import Operation

PLUGINS = ("tap-pixxel/", "target-pixxel-store/")
"""How the `User-Agent` of the plugins begins: tests send odd requests of their own, too."""
INTEGER = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Request:
    """A request as it came.

    Attributes:
        query: As it was sent.
        body: As it was sent, empty where there was none.
    """

    method: str
    path: str
    query: str = ""
    body: bytes = b""


@dataclass(frozen=True)
class Liberty:
    """A place where a request may differ from the contract, and why.

    Attributes:
        operation: Which one.
        place: A pattern of where in the body, by names and numbers between slashes.
        reason: Why.
    """

    operation: str
    place: str
    reason: str


LIBERTIES = (
    Liberty("POST /v0/search", r"next_token|skip",
            "the prose has the search paged by next_token, the answer's schema by skip; the "
            "request's schema knows neither, and without one only a first page can be read"),
    Liberty("POST /v0/catalogs/search", r"sort_by/\d+/(field|direction)",
            "the schema allows no value but ASC and DESC, even for field; its own example is "
            "`properties->>'datetime'` and `desc`"),
)  # fmt: skip


def wrongs(request: Request) -> Iterator[str]:
    """Say what is wrong with a request, but for the liberties."""
    asked = operation(request.method, request.path)
    if asked is None:
        yield f"{request.method} {request.path}: the contract has no such operation"
        return
    for place, wrong in (*_of_query(asked, request.query), *_of_body(asked, request.body)):
        if liberty(asked, place) is None:
            yield f"{asked}: {place}: {wrong}"


def liberty(asked: Operation, place: str) -> Liberty | None:
    """Find the liberty that explains what is wrong in a place."""
    for known in LIBERTIES:
        if known.operation == str(asked) and re.fullmatch(known.place, place):
            return known
    return None


def _of_query(asked: Operation, query: str) -> Iterator[tuple[str, str]]:
    sent = parse_qsl(query, keep_blank_values=True)
    for name, value in sent:
        if name not in asked.query:
            yield f"?{name}", "no such parameter"
        elif asked.query[name]["schema"]["type"] == "integer" and not INTEGER.fullmatch(value):
            yield f"?{name}", f"{value!r} is no integer"
    names = [name for name, _ in sent]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"?{name}", "is there twice"
    for name, parameter in asked.query.items():
        if parameter.get("required") and name not in names:
            yield f"?{name}", "is missing"


def _of_body(asked: Operation, body: bytes) -> Iterator[tuple[str, str]]:
    check = request_check(asked.method, asked.path)
    if check is None or not body:
        if body or check is not None:
            yield "body", "is there and should not" if body else "is missing"
        return
    try:
        value: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        yield "body", "is no JSON"
        return
    for error in check.iter_errors(value):
        where = "/".join(map(str, error.instance_path))
        for name in _unnamed(error) or ("",):
            yield "/".join(filter(None, (where, name))), error.message[:200]


def _unnamed(error: Any) -> list[str]:
    """Give the members that the contract does not name, where that is what an error is about."""
    found: list[str] = getattr(error.kind, "unexpected", [])
    return found
