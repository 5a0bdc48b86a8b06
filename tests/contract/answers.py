"""What is wrong with an answer of the sandbox by the contract."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import msgspec

from tests.pixxel_sandbox.contract_checks import find_deviation

from .operations import answer_check, operation

if TYPE_CHECKING:
    from collections.abc import Iterator


LARGE = 1 << 15
"""Bytes from which on an answer is sampled."""
SAMPLE = 6
"""How many of the rows of a large answer are checked, and how many assets of each row."""
UNSTATED = {
    401: "a token may be unknown everywhere",
    403: "a token may lack a role everywhere",
    404: "what is asked for may not be there",
    405: "what can only be read is not written",
    409: "what is made may be there already",
    429: "a client may ask too often",
    500: "a service may fail everywhere",
    503: "so may the gateway before it",
}
"""Statuses that an operation need not name to give; an error's form is that of those it names."""


def wrongs(method: str, path: str, status: int, body: bytes) -> Iterator[str]:
    """Say what is wrong with a JSON answer, but for the known deviations."""
    asked = operation(method, path)
    if asked is None:
        if status not in {404, 405}:
            yield f"{method} {path}: the contract has no such operation, the answer is {status}"
        return
    errors = sorted(each for each in asked.told["responses"] if each >= "400")
    if status in UNSTATED and not errors:
        return
    check = answer_check(asked.method, asked.path, status)
    if check is None and status in UNSTATED:
        check = answer_check(asked.method, asked.path, int(errors[0]))
    if check is None:
        yield f"{asked}: the contract has no answer {status} in JSON"
        return
    answer = sampled(body) if len(body) > LARGE else msgspec.json.decode(body)
    if check.is_valid(answer):
        return
    for error in check.iter_errors(answer):
        place = "/".join(map(str, error.instance_path))
        if find_deviation(place, error.instance) is None:
            yield f"{asked} {status}: {place}: {error.message[:200]}"


def sampled(body: bytes) -> Any:
    """Read a part of a large answer: some rows of its lists, and some assets of each image."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return {name: _some_rows(name, raw) for name, raw in members.items()}


def _some_rows(name: str, raw: msgspec.Raw) -> Any:
    if memoryview(raw)[0] != ord("["):
        return _with_some_assets({name: msgspec.json.decode(raw)})[name]
    rows = msgspec.json.decode(raw, type=list[msgspec.Raw])
    return [_with_some_assets(msgspec.json.decode(row)) for row in _spread(rows)]


def _with_some_assets(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_some_assets(each) for each in value]
    if not isinstance(value, dict):
        return value
    some = {name: _with_some_assets(each) for name, each in value.items() if name != "assets"}
    match value:
        case {"assets": dict(assets)}:
            return some | {"assets": dict(_spread(list(assets.items())))}
        case {"assets": others}:
            return some | {"assets": others}
        case _:
            return some


def _spread(rows: list[Any]) -> list[Any]:
    """Take a few, evenly spread."""
    return rows[:: max(1, ceil(len(rows) / SAMPLE))]
