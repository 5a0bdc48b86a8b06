"""Objects of any kind: as records request them, as the API lists them, and their identity."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol
from urllib.parse import quote

from target_pixxel_store.journal.journal_state import ObjectKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixxel_api.errors import ApiError

_UNKNOWN_PARENT_STATUSES = frozenset({400, 404})
_ID_SUFFIX = "_id"  # of the fields that are ids


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """What distinguishes one kind of object from another.

    Attributes:
        name: Names it in journal lines.
        noun: Names it in messages.
        path: The path of its lists, and of the request that creates it.
        rows_name: The key of the rows in a list.
        id_field: The field of a row with its id.
        identity_fields: The fields that identify it. Where `path` has a field, it is the first one,
            and there is a list for each of its values.
        outcome_field: The field of outcomes with its id.
        request_fields: The fields of a request.
        compared_fields: The fields of a row that are compared with a request.
        conflict: What it means that the API answers 409, but lists no such object.
        unknown_parent: What it means that the API has no list for the value of the first field.
        unknown_reference: What it means that the API answers 404 to the request; empty where that
            says no more than other refusals.
        failed_status: The status of an object that exists but has no result.
        blankless_fields: The fields of the identity in which no blank has a meaning.
    """

    name: str
    noun: str
    path: str
    rows_name: str
    id_field: str
    identity_fields: tuple[str, ...]
    outcome_field: str
    request_fields: frozenset[str]
    compared_fields: frozenset[str]
    conflict: str
    unknown_parent: str = ""
    unknown_reference: str = ""
    failed_status: str = ""
    blankless_fields: frozenset[str] = frozenset()

    @property
    def has_parents(self) -> bool:
        """Whether there is a list for each value of the first field."""
        return "{" in self.path

    def is_unknown_parent(self, error: ApiError) -> bool:
        """Return whether the API has no list for the value of the first field."""
        return self.has_parents and error.status in _UNKNOWN_PARENT_STATUSES

    def make_path(self, identity: Sequence[str]) -> str:
        """Return the path of the list that an object is in."""
        return self.path.format_map({self.identity_fields[0]: quote(identity[0], safe="")})

    def make_key(self, *values: str) -> ObjectKey:
        """Return a key, which does not depend on what an API may normalise.

        Case counts in names, and not in ids. Unicode forms and the number of blanks do not count.
        """
        values_by_name = zip(self.identity_fields, values, strict=True)
        return ObjectKey(self.name, tuple(self._normalize(*each) for each in values_by_name))

    def _normalize(self, name: str, value: str) -> str:
        blank = "" if name in self.blankless_fields else " "
        text = blank.join(unicodedata.normalize("NFC", value).split())
        return text.lower() if name.endswith(_ID_SUFFIX) else text

    def find_key(self, row: Mapping[str, Any]) -> ObjectKey | None:
        """Return the key of a row; None where it lacks a field of the identity."""
        values = [row.get(name) for name in self.identity_fields]
        texts = [value for value in values if isinstance(value, str)]
        return self.make_key(*texts) if len(texts) == len(values) else None

    def parse_row(self, row: Mapping[str, Any]) -> ListedObject | None:
        """Parse a row of a list; None where it has no id or no identity."""
        object_id, key = row.get(self.id_field), self.find_key(row)
        if key is None or not isinstance(object_id, str):
            return None
        status = str(row.get("status") or "").lower()
        has_failed = bool(status) and status == self.failed_status
        return ListedObject(object_id, key, self.select_fields(row), has_failed)

    def select_fields(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return those fields that are compared and have a value."""
        return {name: row[name] for name in self.compared_fields if row.get(name) is not None}


class ListedObject(NamedTuple):
    """An object that exists, or that a dry run would create.

    Attributes:
        id: Empty in a dry run that would create it.
        fields: Its fields that are compared, where they are known.
        has_failed: Whether it has no result and will not have any.
    """

    id: str
    key: ObjectKey
    fields: Mapping[str, Any]
    has_failed: bool = False


class ObjectSpec(Protocol):
    """An object as a record requests it."""

    kind: ClassVar[ObjectKind]

    @property
    def key(self) -> ObjectKey:
        """The key that identifies it."""

    @property
    def path(self) -> str:
        """The path of the list that it is in, and of the request that creates it."""

    def to_request_body(self) -> dict[str, Any]:
        """Return the body of the request that creates it."""

    def find_differences(self, fields: Mapping[str, Any]) -> list[str]:
        """Return the names of the fields of an existing object that differ from it."""
