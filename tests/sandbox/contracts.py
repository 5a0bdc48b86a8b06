"""The provider's contract, what checks answers by it, and where answers may differ from it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

SHARED = Path(__file__).parents[2].parent / "shared"
CONTRACT = SHARED / "pixxel-api" / "openapi.json"


@dataclass(frozen=True)
class Deviation:
    """A place where an answer may differ from the contract, and why."""

    place: str
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
              "null for deliveries asked for by hand"),
    Deviation(r"status", r"'COMPLETED'",
              "older status word"),
    Deviation(r"(delivery_)?status", r"'SUCCESSFUL'",
              "older status word"),
    Deviation(r"tasks/\d+/delivery_status", r"'(SUCCESSFUL|NOT_APPLICABLE)'",
              "the contract names two enums for a task's delivery status, nearly disjoint"),
    Deviation(r"(description|colormap)", r"None",
              "null where nobody wrote one"),
    Deviation(r"assets/\d+/visualization_id", r"None",
              "null for assets that are no visualization"),
    Deviation(r"insights/\d+/deleted_at", r"None",
              "null as long as it is not deleted, as the contract's own words say"),
    Deviation(r"(finished_at|block_inf_end_time)", r"None",
              "null until it is finished"),
    Deviation(r"items/[^/]+/[^/]+", r"(?s)\[.*\]",
              "with skip the items of a collection are a list; the contract shows one item"),
    Deviation(r"bbox/\d+", r"-?[\d.]+",
              "an external image states its bounding box in numbers, as STAC does"),
    Deviation(r"err", r"None",
              "null where there was no error"),
    Deviation(r"(input|output|inputs|outputs|result|spec)", r"(?s)None|\{.*\}",
              "what is passed on unread stands as JSON; the contract knows the list of its bytes"),
    Deviation(r"(input|output|inputs|outputs|result|spec)/\d+", r"(?s)\{.*\}",
              "the same, where that JSON is a list"),
)  # fmt: skip


def contract() -> Any:
    if not CONTRACT.is_file():
        pytest.skip("the provider's contract is not beside this checkout")
    return json.loads(CONTRACT.read_text())


def validator(method: str, path: str, status: str = "200") -> Draft4Validator:
    """Returns what checks an answer of an operation."""
    return checking(path, method, "responses", status)


def request_validator(method: str, path: str) -> Draft4Validator:
    """Returns what checks the body of a request."""
    return checking(path, method, "requestBody")


def checking(*parts: str) -> Draft4Validator:
    """Returns what checks JSON by a schema of the contract's paths."""
    document = contract()
    pointer = "/".join(
        part.replace("~", "~0").replace("/", "~1")
        for part in ("paths", *parts, "content", "application/json")
    )
    resource = DRAFT4.create_resource(document)
    registry: Registry[Any] = Registry().with_resource("urn:contract", resource)
    return Draft4Validator({"$ref": f"urn:contract#/{pointer}/schema"}, registry=registry)


def unexplained(check: Draft4Validator, answer: Any) -> Iterator[str]:
    """Yields the answer's violations that no deviation explains."""
    for error in check.iter_errors(answer):
        place = "/".join(map(str, error.absolute_path))
        if explained(place, error.instance) is None:
            yield f"{place}: {error.message[:200]}"


def explained(place: str, value: Any) -> Deviation | None:
    """Finds the deviation that explains a value in a place."""
    for known in DEVIATIONS:
        if re.search(f"(^|/){known.place}$", place) and re.fullmatch(known.value, repr(value)):
            return known
    return None
