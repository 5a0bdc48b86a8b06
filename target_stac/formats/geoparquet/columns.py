"""Derive the columns of a table from items, and fit items into columns that are derived."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from target_stac.formats.geoparquet.geometry import BBOX_TYPE, BBOX_TYPE_3D, encode_geometry
from target_stac.formats.geoparquet.stac_types import ITEM_TYPE, FieldType, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_stac.records import Json

MAX_DEPTH = 32
"""Of lists and objects in each other; Arrow itself reads at most 64."""
MAX_COLUMNS = 20_000
"""With all members of objects; an item of 150 assets has 3,000."""
_MAX_INTEGER = 2**63 - 1

_KINDS: dict[type, Kind] = {
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    float: Kind.NUMBER,
    str: Kind.TEXT,
    list: Kind.LIST,
    dict: Kind.OBJECT,
}
_PLAIN_TYPES = {
    Kind.BOOLEAN: pa.bool_(),
    Kind.INTEGER: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.TIME: pa.timestamp("us", "UTC"),
    Kind.GEOMETRY: pa.binary(),
}
_NO_VALUE = pa.string()
"""Type of a column in which no item has a value that has a type."""
_FIRST_COLUMNS = ("id", "stac_version", "stac_extensions", "collection")
_LAST_COLUMNS = ("links", "assets")


class Column:
    """A column, or a member of its objects, or the elements of its lists.

    Its kind is the one that STAC's tables state, else that of most values.

    Args:
        path: Its name, after those of the columns that it is in.
        depth: Number of columns that it is in.
        declared: Its type in STAC's tables, if they have one.

    Attributes:
        path: As above.
        members: The members of its objects by name.
        element: The elements of its lists.
    """

    __slots__ = ("_counts", "_declared", "depth", "element", "members", "path")

    def __init__(self, path: str, depth: int, declared: FieldType | None) -> None:
        self.path = path
        self.depth = depth
        self.members: dict[str, Column] = {}
        self.element: Column | None = None
        self._declared = declared
        self._counts: dict[Kind, int] = {}

    @property
    def kind(self) -> Kind | None:
        """Kind of its values; None if no value was counted."""
        if self._declared is not None:
            return self._declared.kind
        counts = self._counts
        if len(counts) <= 1:
            return next(iter(counts), None)
        # A number may be an integer.
        fractions = counts.get(Kind.NUMBER)
        if fractions is not None and Kind.INTEGER in counts:
            counts = {kind: n for kind, n in counts.items() if kind is not Kind.INTEGER}
            counts[Kind.NUMBER] = fractions + self._counts[Kind.INTEGER]
        return max(counts, key=counts.__getitem__)

    @property
    def is_disputed(self) -> bool:
        """Whether its values are of several kinds, of which most decide."""
        kinds = self._counts.keys() - ({Kind.INTEGER} if Kind.NUMBER in self._counts else set())
        return self._declared is None and len(kinds) > 1

    @property
    def contains_dispute(self) -> bool:
        """Whether it is disputed itself, or a column in it."""
        below = [*self.members.values(), *([self.element] if self.element else [])]
        return self.is_disputed or any(each.contains_dispute for each in below)

    def count(self, value: Any, weight: int, make: Callable[..., Column | None]) -> None:  # noqa: ANN401 - any JSON
        """Count a value, and those in it.

        Args:
            value: The value.
            weight: How often it counts; with 0 it only makes columns known.
            make: Makes a column, or returns None if there are too many.
        """
        if value is None:
            return
        kind = _KINDS[type(value)]
        self._counts[kind] = self._counts.get(kind, 0) + weight
        if self._declared is not None and self._declared.kind is not kind:
            return
        if kind is Kind.OBJECT:
            members = self.members
            for name, member in value.items():
                column = members.get(name) or self._add_member(name, make)
                if column is not None:
                    column.count(member, weight, make)
        elif kind is Kind.LIST:
            column = self._find_element(make)
            if column is not None:
                for element in value:
                    column.count(element, weight, make)

    def dump(self) -> Json:
        """Return what `load` makes an equal column of: its kinds, members and elements."""
        state: Json = {"kinds": [kind.value for kind in self._counts]}
        if self.members:
            state["members"] = {name: member.dump() for name, member in self.members.items()}
        if self.element is not None:
            state["element"] = self.element.dump()
        return state

    def load(self, state: Json, make: Callable[..., Column | None]) -> None:
        """Add kinds, members and elements, with a count of 0."""
        for kind in state["kinds"]:
            self._counts.setdefault(Kind(kind), 0)
        for name, member in state.get("members", {}).items():
            column = self.members.get(name) or self._add_member(name, make)
            if column is not None:
                column.load(member, make)
        if "element" in state:
            element = self._find_element(make)
            if element is not None:
                element.load(state["element"], make)

    def _find_element(self, make: Callable[..., Column | None]) -> Column | None:
        if self.element is None:
            declared = self._declared.element if self._declared else None
            self.element = make(f"{self.path}[]", self.depth + 1, declared)
        return self.element

    def _add_member(self, name: str, make: Callable[..., Column | None]) -> Column | None:
        if "\0" in name:  # Arrow would cut it there
            return None
        declared = self._declared.member(name) if self._declared else None
        column = make(f"{self.path}.{name}" if self.path else name, self.depth + 1, declared)
        if column is not None:
            self.members[name] = column
        return column

    def arrow_type(self) -> pa.DataType:
        """Return the type of the column, in which members are in the order of their names."""
        kind = self.kind
        if kind is None:
            return _NO_VALUE
        if kind is Kind.LIST:
            return pa.list_(self.element.arrow_type() if self.element is not None else _NO_VALUE)
        if kind is Kind.OBJECT:
            if self.members:
                return pa.struct(
                    [
                        pa.field(name, member.arrow_type())
                        for name, member in sorted(self.members.items())
                    ]
                )
            # An object needs a member in Parquet, even if no item has any.
            return pa.struct({self._some_member: pa.string()}) if self._some_member else _NO_VALUE
        return _PLAIN_TYPES[kind]

    @property
    def _some_member(self) -> str | None:
        """Name of a text that its objects may have by STAC's tables, None if they state none."""
        return next(iter(self._declared.members), None) if self._declared else None

    def fit(self, value: Any, omit: Callable[[str], None]) -> Any:  # noqa: ANN401 - any JSON
        """Return a value that the column can hold, with None in place of what it cannot.

        Args:
            value: The value.
            omit: Called with the path of each value that is not None and becomes it.
        """
        if value is None:
            return None
        kind = self.kind
        if kind is Kind.OBJECT and isinstance(value, dict) and (self.members or self._some_member):
            return self.fit_members(value, omit)
        if kind is Kind.LIST and isinstance(value, list):
            if self.element is None:
                if any(element is not None for element in value):
                    omit(f"{self.path}[]")
                return [None] * len(value)
            return [self.element.fit(element, omit) for element in value]
        fitted = _FITTERS[kind](value) if kind in _FITTERS else None
        if fitted is None:
            omit(self.path)
        return fitted

    def fit_members(self, value: Json, omit: Callable[[str], None]) -> Json:
        """Return an object with the members that the column has, fitted."""
        fitted = {}
        for name, member in value.items():
            column = self.members.get(name)
            if column is not None:
                fitted[name] = column.fit(member, omit)
            elif member is not None:
                omit(f"{self.path}.{name}" if self.path else name)
        return fitted


class _ColumnsState(msgspec.Struct):
    """What `Columns.dump` returns.

    Attributes:
        columns: The columns of members and properties, from `Column.dump`.
        has_heights: Whether some bbox has six numbers.
    """

    columns: msgspec.Raw
    has_heights: bool


class Columns:
    """The columns of all items of a collection.

    Attributes:
        has_heights: Whether some bbox has six numbers.
    """

    def __init__(self) -> None:
        self.has_heights = False
        self._row = Column("", 0, ITEM_TYPE)
        self._count = 0
        self._disputed: list[Column] = []
        self._all: list[Column] = []
        self.count([{"id": "", "stac_extensions": [], "links": []}], weight=0)

    def count(self, rows: Iterable[Json], weight: int = 1) -> None:
        """Count the values of rows.

        Args:
            rows: The rows.
            weight: How often they count; with 0 they only make columns known.
        """
        for row in rows:
            self._row.count(row, weight, self._make)

    def _make(self, path: str, depth: int, declared: FieldType | None) -> Column | None:
        if depth > MAX_DEPTH or len(self._all) >= MAX_COLUMNS:
            return None
        column = Column(path, depth, declared)
        self._all.append(column)
        return column

    @property
    def are_disputed(self) -> bool:
        """Whether some column has values of several kinds."""
        return any(column.is_disputed for column in self._all)

    def find_disputed(self) -> set[str]:
        """Return the names of the columns that have values of several kinds, maybe deep in them."""
        return {name for name, each in self._row.members.items() if each.contains_dispute}

    @property
    def are_all_known(self) -> bool:
        """Whether no column was left out because there are too many."""
        return len(self._all) < MAX_COLUMNS

    def dump(self) -> bytes | None:
        """Return the columns for `load`; None if they depend on the number or order of rows."""
        if self.are_disputed or not self.are_all_known:
            return None
        columns = msgspec.Raw(msgspec.json.encode(self._row.dump()))
        return msgspec.json.encode(_ColumnsState(columns, self.has_heights))

    def load(self, state: bytes | str) -> None:
        """Make the columns known that `dump` has returned."""
        loaded = msgspec.json.decode(state, type=_ColumnsState)
        self._row.load(msgspec.json.decode(loaded.columns), self._make)
        self.has_heights |= loaded.has_heights

    def file_schema(self) -> pa.Schema:
        """Return the names and types of all columns of a file, in their order."""
        fields = {field.name: field for field in self.schema()}
        last = [fields.pop(name) for name in _LAST_COLUMNS if name in fields]
        first = [fields.pop(name) for name in _FIRST_COLUMNS if name in fields]
        bbox_type = BBOX_TYPE_3D if self.has_heights else BBOX_TYPE
        spatial = [pa.field("geometry", pa.binary()), pa.field("bbox", bbox_type)]
        return pa.schema([*first, *spatial, *fields.values(), *last])

    def schema(self) -> pa.Schema:
        """Return the columns' names and types by name, without those that have no type.

        `assets` is left out if no item has one: Parquet has no type for an object without members,
        and readers put the empty object there.
        """
        return pa.schema(
            [
                pa.field(name, column.arrow_type())
                for name, column in sorted(self._row.members.items())
                if name != "assets" or column.members
            ]
        )

    def fit(self, row: Json, omit: Callable[[str], None]) -> Json:
        """Return a row that the columns can hold, with None in place of what they cannot."""
        if row.get("assets") == {}:
            del row["assets"]
        return self._row.fit_members(row, omit)


def _fit_boolean(value: Any) -> bool | None:  # noqa: ANN401 - any JSON
    return value if isinstance(value, bool) else None


def _fit_integer(value: Any) -> int | None:  # noqa: ANN401 - any JSON
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and -_MAX_INTEGER - 1 <= value <= _MAX_INTEGER:
        return value
    return None


def _fit_number(value: Any) -> float | None:  # noqa: ANN401 - any JSON
    if type(value) not in {int, float}:
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _fit_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return value if isinstance(value, str) else None


def _fit_time(value: Any) -> datetime | None:  # noqa: ANN401 - any JSON
    """Return a time in UTC, to microseconds; one without a zone is in UTC."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.strip().upper())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_FITTERS: dict[Kind | None, Callable[[Any], Any]] = {
    Kind.BOOLEAN: _fit_boolean,
    Kind.INTEGER: _fit_integer,
    Kind.NUMBER: _fit_number,
    Kind.TEXT: _fit_text,
    Kind.TIME: _fit_time,
    Kind.GEOMETRY: encode_geometry,
}
