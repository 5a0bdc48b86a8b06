"""Check the sandbox's responses against the contract."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import msgspec

from tests.pixxel_sandbox.contract_checks import find_deviation

from .operations import find_operation, response_validator

if TYPE_CHECKING:
    from collections.abc import Iterator


SAMPLED_FROM_BYTES = 1 << 15
"""Size from which only a sample of a response is checked."""
SAMPLE_SIZE = 6
"""Number of rows of a large response that are checked, and of assets of each row."""
UNIVERSAL_STATUSES = {
    400: "every operation may reject a malformed request",
    401: "every operation may reject an unknown token",
    403: "every operation may reject a token without the role",
    404: "the resource may not exist",
    405: "the resource may be read-only",
    409: "the resource may exist already",
    429: "a rate limit may apply to every operation",
    500: "every service may fail",
    503: "the gateway may fail",
}
"""Statuses that an operation may return without naming them; its other errors define the form."""


def find_response_violations(method: str, path: str, status: int, body: bytes) -> Iterator[str]:
    """Yield each violation in a JSON response, except the known deviations."""
    operation = find_operation(method, path)
    if operation is None:
        if status not in {404, 405}:
            yield f"{method} {path}: the contract has no such operation, but the status is {status}"
        return
    errors = sorted(each for each in operation.definition["responses"] if each >= "400")
    if status in UNIVERSAL_STATUSES and not errors:
        return
    validator = response_validator(operation.method, operation.path, status)
    if validator is None and status in UNIVERSAL_STATUSES:
        validator = response_validator(operation.method, operation.path, int(errors[0]))
    if validator is None:
        yield f"{operation}: the contract has no JSON response for status {status}"
        return
    is_large = len(body) > SAMPLED_FROM_BYTES
    response = decode_sample(body) if is_large else msgspec.json.decode(body)
    if validator.is_valid(response):
        return
    for error in validator.iter_errors(response):
        location = "/".join(map(str, error.instance_path))
        if find_deviation(location, error.instance) is None:
            yield f"{operation} {status}: {location}: {error.message[:200]}"


def decode_sample(body: bytes) -> Any:
    """Decode a part of a large response: some rows of each list, and some assets of each image."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return {name: _decode_some_rows(name, raw) for name, raw in members.items()}


def _decode_some_rows(name: str, raw: msgspec.Raw) -> Any:
    if memoryview(raw)[0] != ord("["):
        return _drop_most_assets({name: msgspec.json.decode(raw)})[name]
    rows = msgspec.json.decode(raw, type=list[msgspec.Raw])
    return [_drop_most_assets(msgspec.json.decode(row)) for row in _take_evenly(rows)]


def _drop_most_assets(value: Any) -> Any:
    if isinstance(value, list):
        return [_drop_most_assets(each) for each in value]
    if not isinstance(value, dict):
        return value
    sample = {name: _drop_most_assets(each) for name, each in value.items() if name != "assets"}
    match value:
        case {"assets": dict(assets)}:
            return sample | {"assets": dict(_take_evenly(list(assets.items())))}
        case {"assets": others}:
            return sample | {"assets": others}
        case _:
            return sample


def _take_evenly(rows: list[Any]) -> list[Any]:
    """Return at most `SAMPLE_SIZE` rows, evenly spread."""
    return rows[:: max(1, ceil(len(rows) / SAMPLE_SIZE))]
