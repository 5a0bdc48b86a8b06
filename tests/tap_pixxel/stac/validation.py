"""Validate offline against the published schemas, with pystac or, faster, jsonschema-rs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pystac
import pystac.validation
import pytest
from pystac.validation.stac_validator import JsonSchemaSTACValidator

PROJECT = Path(__file__).parents[3]
PUBLISHED = PROJECT.parent / "shared" / "stac" / "schemas"
PACKAGED = Path(pystac.validation.__file__).parent / "jsonschemas"
PROJJSON = "https://proj.org/schemas/v0.7/projjson.schema.json"

needs_schemas = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason=f"the extensions' schemas are not in {PUBLISHED}"
)


@cache
def load_schemas() -> dict[str, Any]:
    """Return every schema that an item or a collection may refer to, by URL."""
    found = {}
    for path in [*PUBLISHED.glob("*.json"), *PACKAGED.rglob("*.json")]:
        schema = json.loads(path.read_text())
        found[schema["$id"].rstrip("#")] = schema
        if path.name == "common.json":  # its $id has a typing error
            found[schema["$id"].replace("commonjson", "common.json")] = schema
        if path.name.startswith("projjson"):
            found[PROJJSON] = schema
    return found


@cache
def make_validator(address: str) -> Any:
    registry = jsonschema_rs.Registry(
        [(known, schema) for known, schema in load_schemas().items()],
        draft=jsonschema_rs.Draft7,
    )
    return jsonschema_rs.Draft7Validator(
        load_schemas()[address], registry=registry, validate_formats=True
    )


def core_schema_url(stac: dict[str, Any]) -> str:
    kind = "item" if stac["type"] == "Feature" else "collection"
    return f"https://schemas.stacspec.org/v1.1.0/{kind}-spec/json-schema/{kind}.json"


def schema_errors(stac: dict[str, Any]) -> list[str]:
    """Return the errors of an object by the core schema and its extensions' schemas."""
    addresses = [core_schema_url(stac), *stac["stac_extensions"]]
    return [
        f"{address}: {error.instance_path}: {error.message[:200]}"
        for address in addresses
        for error in make_validator(address).iter_errors(stac)
    ]


@pytest.fixture(scope="module")
def pystac_offline() -> Any:
    """Let pystac validate with the local schemas, without the network."""
    own = JsonSchemaSTACValidator()
    for address, schema in load_schemas().items():
        own.schema_cache[address] = schema
    before = pystac.validation.RegisteredValidator.get_validator()
    pystac.validation.set_validator(own)
    yield own
    pystac.validation.set_validator(before)


__all__ = ["needs_schemas", "pystac_offline", "schema_errors"]
