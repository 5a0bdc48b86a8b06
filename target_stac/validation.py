"""Validate objects against the JSON Schemas of STAC and its extensions, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
import msgspec
from pystac.validation.local_validator import get_local_schema_cache

from pixxel_singer.errors import InputError
from target_stac.settings import OFF, SAMPLE

if TYPE_CHECKING:
    from pathlib import Path

    from target_stac.records import Json

_CORE_SCHEMA_URL = "https://schemas.stacspec.org/v{}/{}-spec/json-schema/{}.json"
_SAMPLE_INTERVAL = 20  # items of a collection
_EMPTY_REGISTRY = jsonschema_rs.Registry([], retriever=lambda _url: None)


class StacValidator:
    """Validator of items and collections.

    Args:
        mode: `off`, `sample` or `all`.
        folder: Folder of the extensions' schemas.

    Attributes:
        validated_count: Number of objects validated.
        missing_schemas: URLs of the schemas that objects name and the folder does not hold.

    Raises:
        InputError: A file of the folder is not a JSON Schema with an `$id`.
    """

    def __init__(self, mode: str, folder: Path | None) -> None:
        self._mode = mode
        self._validators: dict[str, jsonschema_rs.Validator | None] = {}
        self._counts: dict[str, int] = {}
        self._schemas: dict[str, Json] = {}
        self.validated_count = 0
        self.missing_schemas: set[str] = set()
        if mode != OFF:
            self._schemas = get_local_schema_cache() | _read_schemas(folder)
            self._registry = jsonschema_rs.Registry(
                [(url.rstrip("#"), schema) for url, schema in self._schemas.items()],
                retriever=self._allow_missing,
            )

    def _allow_missing(self, url: str) -> Json:
        """Return a schema that accepts everything in place of a missing one."""
        self.missing_schemas.add(url)
        return {}

    def should_validate(self, stac: Json) -> bool:
        """Return whether the mode selects an object; call it once an object."""
        if self._mode != SAMPLE:
            return self._mode != OFF
        collection = str(stac.get("collection"))  # of any type, in a collection
        number = self._counts.get(collection, 0)
        self._counts[collection] = number + 1
        return number % _SAMPLE_INTERVAL == 0

    def find_error(self, kind: str, stac: Json) -> str | None:
        """Return the first error of an object, None if it is valid.

        Args:
            kind: `item` or `collection`.
            stac: The object, with the links that it will be written with.
        """
        self.validated_count += 1
        extensions = stac.get("stac_extensions")
        urls = [_CORE_SCHEMA_URL.format(stac.get("stac_version"), kind, kind)]
        if isinstance(extensions, list):  # else the core schema finds it
            urls += [url for url in extensions if isinstance(url, str)]
        for url in urls:
            validator = self._load_validator(url)
            if validator is None:
                continue
            try:
                validator.validate(stac)
            except jsonschema_rs.ValidationError as error:
                member = "/".join(map(str, error.instance_path)) or "the object"
                return (
                    f"{member} violates the rule at {'/'.join(map(str, error.schema_path))} "
                    f"of {url}"
                )
        return None

    def _load_validator(self, url: str) -> jsonschema_rs.Validator | None:
        name = url.rstrip("#")
        if name not in self._validators:
            schema = self._schemas.get(name) or self._schemas.get(f"{name}#")
            if schema is None:
                self.missing_schemas.add(name)
                self._validators[name] = None
            else:
                self._validators[name] = jsonschema_rs.validator_for(
                    schema, registry=self._registry, validate_formats=True, offline=True
                )
        return self._validators[name]


def _is_schema(value: Any) -> bool:  # noqa: ANN401 - any JSON
    try:
        return isinstance(value, dict) and jsonschema_rs.meta.is_valid(
            value, registry=_EMPTY_REGISTRY
        )
    except jsonschema_rs.ReferencingError:  # its `$schema` is an unknown dialect
        return False


def _read_schemas(folder: Path | None) -> dict[str, Json]:
    schemas: dict[str, Json] = {}
    for path in sorted(folder.rglob("*.json")) if folder else ():
        try:
            schema: Any = msgspec.json.decode(path.read_bytes())
        except (OSError, msgspec.DecodeError):
            raise InputError(f"schemas: '{path.name}' cannot be read as JSON") from None
        if not _is_schema(schema):
            raise InputError(f"schemas: '{path.name}' is not a JSON Schema")
        if not isinstance(schema.get("$id"), str):
            raise InputError(f"schemas: '{path.name}' has no $id; a STAC JSON Schema must have one")
        schemas[schema["$id"].rstrip("#")] = schema
    return schemas
