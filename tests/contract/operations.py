"""The contract's operations: which one a request is of, and what checks its body and answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jsonschema_rs

from tests.pixxel_sandbox.contract_checks import CONTRACT

PLACEHOLDER = re.compile(r"\{[^}]+\}")


@dataclass(frozen=True)
class Operation:
    """An operation.

    Attributes:
        method: In lower case.
        path: As the contract writes it, with placeholders.
        told: What the contract says of it.
    """

    method: str
    path: str
    told: dict[str, Any] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def query(self) -> dict[str, dict[str, Any]]:
        """The parameters of the query string, by their names."""
        parameters = self.told.get("parameters", [])
        return {each["name"]: each for each in parameters if each["in"] == "query"}


def beside() -> bool:
    """Tell whether the contract is beside this checkout."""
    return CONTRACT.is_file()


@cache
def document() -> dict[str, Any]:
    """The contract."""
    read: dict[str, Any] = json.loads(CONTRACT.read_text())
    return read


@cache
def _table() -> list[tuple[re.Pattern[str], Operation]]:
    """All operations, those with the fewest placeholders first."""
    paths = sorted(document()["paths"], key=lambda path: len(PLACEHOLDER.findall(path)))
    return [
        (_pattern(path), Operation(method, path, told))
        for path in paths
        for method, told in document()["paths"][path].items()
    ]


def _pattern(path: str) -> re.Pattern[str]:
    fixed = map(re.escape, PLACEHOLDER.split(path))
    return re.compile("[^/]+".join(fixed))


@cache
def operation(method: str, path: str) -> Operation | None:
    """Find the operation that a request is of; None where the contract has none."""
    for pattern, found in _table():
        if found.method == method.lower() and pattern.fullmatch(path):
            return found
    return None


def resolved(schema: Any) -> Any:
    """Give a schema without references, and without `allOf`, which the contract wraps them in."""
    if isinstance(schema, list):
        return [resolved(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found: Any = document()
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return resolved(found)
    if "allOf" in schema:
        [whole] = schema["allOf"]
        own = {name: value for name, value in schema.items() if name != "allOf"}
        return resolved(whole) | resolved(own)
    return {name: resolved(value) for name, value in schema.items()}


def closed(schema: Any) -> Any:
    """Give a resolved schema that allows no member it does not name, but where it says so."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        shut.setdefault("additionalProperties", False)
    return shut


def answer_schema(asked: Operation, status: int) -> Any:
    """Give what the contract says of an answer's JSON, None where it says nothing of it."""
    said = asked.told["responses"].get(str(status), {}).get("content", {})
    return resolved(said["application/json"]["schema"]) if "application/json" in said else None


@cache
def request_check(method: str, path: str) -> jsonschema_rs.Draft4Validator | None:
    """Compile what checks the body of an operation's requests; None where they have none."""
    told = document()["paths"][path][method]
    if "requestBody" not in told:
        return None
    schema = told["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema_rs.Draft4Validator(closed(resolved(schema)))


@cache
def answer_check(method: str, path: str, status: int) -> jsonschema_rs.Draft4Validator | None:
    """Compile what checks an answer."""
    asked = Operation(method, path, document()["paths"][path][method])
    schema = answer_schema(asked, status)
    return None if schema is None else jsonschema_rs.Draft4Validator(schema)
