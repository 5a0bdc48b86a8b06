"""The contract's operations: find the one of a request, and compile its validators."""

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
    """An operation of the contract.

    Attributes:
        method: HTTP method in lower case.
        path: Path with placeholders, as the contract writes it.
        definition: The contract's object of the operation.
    """

    method: str
    path: str
    definition: dict[str, Any] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def query_parameters(self) -> dict[str, dict[str, Any]]:
        """The parameters of the query string by name."""
        parameters = self.definition.get("parameters", [])
        return {each["name"]: each for each in parameters if each["in"] == "query"}


def is_contract_available() -> bool:
    """Return whether the contract is beside this checkout."""
    return CONTRACT.is_file()


@cache
def read_contract() -> dict[str, Any]:
    """Read the contract, an OpenAPI document."""
    document: dict[str, Any] = json.loads(CONTRACT.read_text())
    return document


@cache
def _operations_by_pattern() -> list[tuple[re.Pattern[str], Operation]]:
    """Return all operations, those with the fewest placeholders first."""
    paths = sorted(read_contract()["paths"], key=lambda path: len(PLACEHOLDER.findall(path)))
    return [
        (_compile_path(path), Operation(method, path, definition))
        for path in paths
        for method, definition in read_contract()["paths"][path].items()
    ]


def _compile_path(path: str) -> re.Pattern[str]:
    literals = map(re.escape, PLACEHOLDER.split(path))
    return re.compile("[^/]+".join(literals))


@cache
def find_operation(method: str, path: str) -> Operation | None:
    """Return the operation of a request; None if the contract has none."""
    for pattern, found in _operations_by_pattern():
        if found.method == method.lower() and pattern.fullmatch(path):
            return found
    return None


def resolve_references(schema: Any) -> Any:
    """Return a schema without `$ref`, and without the `allOf` that the contract wraps them in."""
    if isinstance(schema, list):
        return [resolve_references(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target: Any = read_contract()
        for name in schema["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return resolve_references(target)
    if "allOf" in schema:
        [whole] = schema["allOf"]
        own = {name: value for name, value in schema.items() if name != "allOf"}
        return resolve_references(whole) | resolve_references(own)
    return {name: resolve_references(value) for name, value in schema.items()}


def forbid_unnamed_members(schema: Any) -> Any:
    """Return a resolved schema that rejects unnamed members, unless it allows them explicitly."""
    if isinstance(schema, list):
        return [forbid_unnamed_members(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: forbid_unnamed_members(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        strict.setdefault("additionalProperties", False)
    return strict


def response_schema(operation: Operation, status: int) -> Any:
    """Return the resolved schema of a JSON response; None if the contract has none."""
    content = operation.definition["responses"].get(str(status), {}).get("content", {})
    if "application/json" not in content:
        return None
    return resolve_references(content["application/json"]["schema"])


@cache
def request_body_validator(method: str, path: str) -> jsonschema_rs.Draft4Validator | None:
    """Compile the validator of an operation's request body; None if it has no body."""
    definition = read_contract()["paths"][path][method]
    if "requestBody" not in definition:
        return None
    schema = definition["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema_rs.Draft4Validator(forbid_unnamed_members(resolve_references(schema)))


@cache
def response_validator(method: str, path: str, status: int) -> jsonschema_rs.Draft4Validator | None:
    """Compile the validator of a JSON response; None if the contract has no such response."""
    operation = Operation(method, path, read_contract()["paths"][path][method])
    schema = response_schema(operation, status)
    return None if schema is None else jsonschema_rs.Draft4Validator(schema)
