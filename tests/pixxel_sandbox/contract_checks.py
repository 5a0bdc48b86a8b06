"""Validate responses against the provider's contract, except for known deviations."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = Path(__file__).parents[2].parent / "shared"
CONTRACT = SHARED / "pixxel-api" / "openapi.json"


@dataclass(frozen=True)
class Deviation:
    """A path and a value of a response that may differ from the contract, and why."""

    path: str
    value: str
    reason: str


DEVIATIONS = (
    Deviation(r"geometry", r"None",
              "geometry may be null"),
    Deviation(r"details/geometry/coordinates/\d+", r"-?[\d.]+",
              "geometry may be a Point; the contract's catalog geometry is a polygon only"),
    Deviation(r"properties/datetime", r"None",
              "datetime may be null beside startdatetime and enddatetime"),
    Deviation(r"deliveries/\d+/task_id", r"None",
              "null for deliveries requested by the API"),
    Deviation(r"status", r"'COMPLETED'",
              "older status word"),
    Deviation(r"(delivery_)?status", r"'SUCCESSFUL'",
              "older status word"),
    Deviation(r"tasks/\d+/delivery_status", r"'(PENDING|SUCCESSFUL|NOT_APPLICABLE)'",
              "the contract names two enums for a task's delivery status, nearly disjoint"),
    Deviation(r"(description|colormap)", r"None",
              "null if it was not given"),
    Deviation(r"assets/\d+/visualization_id", r"None",
              "null for assets that are not visualizations"),
    Deviation(r"insights/\d+/deleted_at", r"None",
              "null until it is deleted, as the contract's description says"),
    Deviation(r"(finished_at|block_inf_end_time)", r"None",
              "null until it is finished"),
    Deviation(r"items/[^/]+/[^/]+", r"(?s)\[.*\]",
              "with skip the items of a collection are a list; the contract shows one item"),
    Deviation(r"bbox/\d+", r"-?[\d.]+",
              "the bounding box of an external image has numbers, as in STAC"),
    Deviation(r"err", r"None",
              "null if there was no error"),
    Deviation(r"(input|output|inputs|outputs|result|spec)", r"(?s)None|\{.*\}",
              "raw JSON may be returned as JSON; the contract has the list of its bytes"),
    Deviation(r"(input|output|inputs|outputs|result|spec)/\d+", r"(?s)\{.*\}",
              "the same for JSON that is a list"),
)  # fmt: skip


def load_contract() -> Any:
    if not CONTRACT.is_file():
        pytest.skip("the provider's contract is not next to this checkout")
    return json.loads(CONTRACT.read_text())


def response_validator(method: str, path: str, status: str = "200") -> Draft4Validator:
    """Return the validator of an operation's response."""
    return make_validator(path, method, "responses", status)


def request_validator(method: str, path: str) -> Draft4Validator:
    """Return the validator of an operation's request body."""
    return make_validator(path, method, "requestBody")


def make_validator(*parts: str) -> Draft4Validator:
    """Return the validator of a schema below the contract's paths."""
    document = load_contract()
    pointer = "/".join(
        part.replace("~", "~0").replace("/", "~1")
        for part in ("paths", *parts, "content", "application/json")
    )
    resource = DRAFT4.create_resource(document)
    registry: Registry[Any] = Registry().with_resource("urn:contract", resource)
    return Draft4Validator({"$ref": f"urn:contract#/{pointer}/schema"}, registry=registry)


def unexplained_violations(check: Draft4Validator, response: Any) -> Iterator[str]:
    """Yield the violations of a response that no known deviation explains."""
    for error in check.iter_errors(response):
        path = "/".join(map(str, error.absolute_path))
        if find_deviation(path, error.instance) is None:
            yield f"{path}: {error.message[:200]}"


def find_deviation(path: str, value: Any) -> Deviation | None:
    """Return the deviation that explains a value at a path, None if there is none."""
    for deviation in DEVIATIONS:
        if re.search(f"(^|/){deviation.path}$", path) and re.fullmatch(
            deviation.value, repr(value)
        ):
            return deviation
    return None
