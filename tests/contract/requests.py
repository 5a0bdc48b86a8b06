"""Check the plugins' requests against the contract, except the listed deviations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from .operations import find_operation, request_body_validator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .operations import Operation

PLUGIN_USER_AGENTS = ("tap-pixxel/", "target-pixxel-store/")
"""Prefixes of the plugins' `User-Agent`: the tests also send invalid requests of their own."""
INTEGER = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Request:
    """A request as the sandbox received it.

    Attributes:
        method: HTTP method in upper case.
        path: Path of the URL.
        query: Query string as it was sent.
        body: Body as it was sent, empty if there was none.
    """

    method: str
    path: str
    query: str = ""
    body: bytes = b""


@dataclass(frozen=True)
class RequestDeviation:
    """A location where a request may differ from the contract.

    Attributes:
        operation: The operation, such as `POST /v0/search`.
        location: Pattern of the location in the body: names and numbers joined by slashes.
        reason: Why the request may differ.
    """

    operation: str
    location: str
    reason: str


REQUEST_DEVIATIONS = (
    RequestDeviation("POST /v0/search", r"next_token|skip",
            "the prose pages the search by next_token, the response's schema by skip; the "
            "request's schema has neither, and without one only the first page can be read"),
    RequestDeviation("POST /v0/catalogs/search", r"sort_by/\d+/(field|direction)",
            "the schema allows only ASC and DESC, even for field; its prose has `field` and "
            "`direction`, which the tap tries if the API rejects the schema's form"),
    RequestDeviation("POST /v0/orders", r"order_items/\d+/geometry/features/\d+/properties",
            "the schema's example has it, as GeoJSON requires"),
    RequestDeviation("POST /v0/aoi/{aoi_id}/insights", r"input(/.*)?",
            "the contract shows raw JSON as the list of its bytes; the input is JSON"),
)  # fmt: skip


def drop_parameter_names(endpoint: str) -> str:
    """Return an endpoint without the names of its parameters, which the contract varies."""
    return re.sub(r"\{\w+\}", "{}", endpoint)


@cache
def read_unused_endpoints() -> frozenset[str]:
    """Return the endpoints of which docs/reference/endpoints.md states that they are not used."""
    text = (Path(__file__).parents[2] / "docs/reference/endpoints.md").read_text()
    found = re.findall(r"^\| ([A-Z]+ /\S*) \| not covered", text, flags=re.MULTILINE)
    return frozenset(map(drop_parameter_names, found))


def find_request_violations(request: Request) -> Iterator[str]:
    """Yield each violation in a request, except the listed deviations."""
    operation = find_operation(request.method, request.path)
    if operation is None:
        yield f"{request.method} {request.path}: the contract has no such operation"
        return
    if drop_parameter_names(str(operation)) in read_unused_endpoints():
        yield f"{operation}: docs/reference/endpoints.md states that it is not covered"
    in_query = _find_query_violations(operation, request.query)
    in_body = _find_body_violations(operation, request.body)
    for location, violation in (*in_query, *in_body):
        if find_request_deviation(operation, location) is None:
            yield f"{operation}: {location}: {violation}"


def find_request_deviation(operation: Operation, location: str) -> RequestDeviation | None:
    """Return the deviation that allows a violation at a location; None if there is none."""
    for deviation in REQUEST_DEVIATIONS:
        if deviation.operation == str(operation) and re.fullmatch(deviation.location, location):
            return deviation
    return None


def _find_query_violations(operation: Operation, query: str) -> Iterator[tuple[str, str]]:
    parameters = operation.query_parameters
    sent = parse_qsl(query, keep_blank_values=True)
    for name, value in sent:
        if name not in parameters:
            yield f"?{name}", "no such parameter"
        elif parameters[name]["schema"]["type"] == "integer" and not INTEGER.fullmatch(value):
            yield f"?{name}", f"{value!r} must be an integer"
    names = [name for name, _ in sent]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"?{name}", "must not be repeated"
    for name, parameter in parameters.items():
        if parameter.get("required") and name not in names:
            yield f"?{name}", "is required"


def _find_body_violations(operation: Operation, body: bytes) -> Iterator[tuple[str, str]]:
    validator = request_body_validator(operation.method, operation.path)
    if validator is None or not body:
        if body or validator is not None:
            yield "body", "must be empty" if body else "is required"
        return
    try:
        value: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        yield "body", "must be JSON"
        return
    for error in validator.iter_errors(value):
        location = "/".join(map(str, error.instance_path))
        for name in _unexpected_members(error) or ("",):
            yield "/".join(filter(None, (location, name))), error.message[:200]


def _unexpected_members(error: Any) -> list[str]:
    """Return the members that the contract does not name; empty for another kind of error."""
    unexpected: list[str] = getattr(error.kind, "unexpected", [])
    return unexpected
