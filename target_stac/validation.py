"""Items against the JSON Schemas of STAC and of its extensions, without a network."""

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

_CORE = "https://schemas.stacspec.org/v{}/{}-spec/json-schema/{}.json"
_ONE_IN = 20
_NO_OTHERS = jsonschema_rs.Registry([], retriever=lambda _url: None)


class Validator:
    """Checks items and collections.

    Args:
        which: `off`, `sample` or `all`.
        folder: Of the extensions' schemas.

    Attributes:
        checked: How many objects were checked.
        missing: The schemas that objects name and the folder does not hold.

    Raises:
        InputError: A file of the folder is no JSON Schema with an `$id`.
    """

    def __init__(self, which: str, folder: Path | None) -> None:
        self._which = which
        self._compiled: dict[str, jsonschema_rs.Validator | None] = {}
        self._seen: dict[str | None, int] = {}
        self._schemas: dict[str, Json] = {}
        self.checked = 0
        self.missing: set[str] = set()
        if which != OFF:
            self._schemas = get_local_schema_cache() | _read(folder)
            self._registry = jsonschema_rs.Registry(
                [(url.rstrip("#"), schema) for url, schema in self._schemas.items()],
                retriever=self._miss,
            )

    def _miss(self, url: str) -> Json:
        """Let a schema that is not there, and that others refer to, allow everything."""
        self.missing.add(url)
        return {}

    def wants(self, stac: Json) -> bool:
        """Tell whether an object is one of those to be checked."""
        if self._which != SAMPLE:
            return self._which != OFF
        collection = stac.get("collection")
        number = self._seen.get(collection, 0)
        self._seen[collection] = number + 1
        return number % _ONE_IN == 0

    def mistake(self, kind: str, stac: Json) -> str | None:
        """Say what is wrong with an object, None when nothing is.

        Args:
            kind: `item` or `collection`.
            stac: The object, with the links that it will be written with.
        """
        self.checked += 1
        extensions = stac.get("stac_extensions")
        urls = [_CORE.format(stac.get("stac_version"), kind, kind)]
        urls += [url for url in extensions or () if isinstance(url, str)]
        for url in urls:
            validator = self._validator(url)
            if validator is None:
                continue
            try:
                validator.validate(stac)
            except jsonschema_rs.ValidationError as error:
                where = "/".join(map(str, error.instance_path)) or "the object"
                return (
                    f"{where} breaks the rule at {'/'.join(map(str, error.schema_path))} of {url}"
                )
        return None

    def _validator(self, url: str) -> jsonschema_rs.Validator | None:
        name = url.rstrip("#")
        if name not in self._compiled:
            schema = self._schemas.get(name) or self._schemas.get(f"{name}#")
            if schema is None:
                self.missing.add(name)
                self._compiled[name] = None
            else:
                self._compiled[name] = jsonschema_rs.validator_for(
                    schema, registry=self._registry, validate_formats=True, offline=True
                )
        return self._compiled[name]


def _is_schema(value: Any) -> bool:  # noqa: ANN401 - any JSON
    try:
        return isinstance(value, dict) and jsonschema_rs.meta.is_valid(value, registry=_NO_OTHERS)
    except jsonschema_rs.ReferencingError:  # written in a language of schemas that is not known
        return False


def _read(folder: Path | None) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for path in sorted(folder.rglob("*.json")) if folder else ():
        try:
            schema: Any = msgspec.json.decode(path.read_bytes())
        except (OSError, msgspec.DecodeError):
            raise InputError(f"schemas: '{path.name}' is no JSON that can be read") from None
        if not _is_schema(schema):
            raise InputError(f"schemas: '{path.name}' is no JSON Schema")
        if not isinstance(schema.get("$id"), str):
            raise InputError(f"schemas: '{path.name}' has no $id; a JSON Schema of STAC has one")
        found[schema["$id"].rstrip("#")] = schema
    return found
