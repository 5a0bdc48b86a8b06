"""Indices: identified by their satellite, their name and their expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from target_pixxel_store.errors import RecordError
from target_pixxel_store.objects.models import ObjectKind
from target_pixxel_store.records import (
    decode_json_text,
    read_description,
    read_integer,
    read_value,
    required_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_pixxel_store.journal.journal_state import ObjectKey

EXPRESSION_TYPES = ("composite", "index", "grayscale")
EXPRESSION, EXPRESSION_TYPE, RESCALE = "expression", "expression_type", "rescale"
_RESCALE_LENGTH = 2  # the lowest and the highest value
INDEX = ObjectKind(
    name="index",
    noun="index",
    path="/v0/indices",
    rows_name="indices",
    id_field="id",
    identity_fields=("satellite_id", "name", EXPRESSION),
    outcome_field="index_id",
    request_fields=frozenset(
        {"name", "description", RESCALE, EXPRESSION, "colormap", "satellite_id", EXPRESSION_TYPE}
    ),
    compared_fields=frozenset({"description", RESCALE, "colormap", EXPRESSION_TYPE}),
    conflict=(
        "an index conflicts with it, but the API lists none with its satellite, name and expression"
    ),
    blankless_fields=frozenset({EXPRESSION}),
)


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """An index as a record requests it.

    Attributes:
        expression: The formula, such as `(B08-B04)/(B08+B04)`.
        rescale: The values of the lowest and the highest colour.
        colormap: The name of the colour map.
        expression_type: One of `EXPRESSION_TYPES`.
    """

    kind: ClassVar[ObjectKind] = INDEX
    satellite_id: str
    name: str
    expression: str
    description: str
    rescale: tuple[int, int]
    colormap: str
    expression_type: str

    @property
    def key(self) -> ObjectKey:
        """The key that identifies it."""
        return INDEX.make_key(self.satellite_id, self.name, self.expression)

    @property
    def path(self) -> str:
        """The path of the list that it is in, and of the request that creates it."""
        return INDEX.path

    def to_request_body(self) -> dict[str, Any]:
        """Return the body of the request that creates it."""
        return {
            "satellite_id": self.satellite_id,
            "name": self.name,
            EXPRESSION: self.expression,
            "description": self.description,
            RESCALE: list(self.rescale),
            "colormap": self.colormap,
            EXPRESSION_TYPE: self.expression_type,
        }

    def find_differences(self, fields: Mapping[str, Any]) -> list[str]:
        """Return which fields an existing index has otherwise; an empty description is none."""
        wanted = self.to_request_body()
        return [
            name
            for name in sorted(fields)
            if wanted[name] != "" and _fold_case(fields[name]) != _fold_case(wanted[name])
        ]


def read_index_request(record: Mapping[str, Any]) -> IndexSpec:
    """Read a record of the stream `index_requests`.

    Raises:
        RecordError: A field is missing or invalid.
    """
    expression_type = required_text(record, EXPRESSION_TYPE).lower()
    if expression_type not in EXPRESSION_TYPES:
        raise RecordError(f"'{EXPRESSION_TYPE}' must be one of {', '.join(EXPRESSION_TYPES)}")
    return IndexSpec(
        satellite_id=required_text(record, "satellite_id"),
        name=required_text(record, "name"),
        expression=required_text(record, EXPRESSION),
        description=read_description(record),
        rescale=_read_rescale(record),
        colormap=required_text(record, "colormap"),
        expression_type=expression_type,
    )


def _read_rescale(record: Mapping[str, Any]) -> tuple[int, int]:
    """Read two whole numbers, as a list or as its JSON text."""
    value = read_value(record, RESCALE)
    if value is None:
        raise RecordError(f"has no '{RESCALE}'")
    if isinstance(value, str):
        value = decode_json_text(value, RESCALE)
    numbers = [read_integer(each) for each in value] if isinstance(value, list) else []
    whole = [each for each in numbers if each is not None]
    if len(numbers) != _RESCALE_LENGTH or len(whole) != _RESCALE_LENGTH:
        raise RecordError(f"'{RESCALE}' must be a list of two whole numbers, such as [0, 1]")
    return whole[0], whole[1]


def _fold_case(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value
