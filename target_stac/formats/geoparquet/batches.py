"""Convert rows to Arrow batches, and spool the batches until all columns are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.json as pa_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from target_stac.formats.geoparquet.rows import Row

_CODEC = pa.Codec("lz4_raw")


class OtherKindError(Exception):
    """An array has values of another kind than a type that it was to have."""


def parse_rows(rows: Sequence[Row], schema: pa.Schema) -> pa.RecordBatch | None:
    """Parse rows whose members have the types of a schema, or that lack some.

    Returns:
        The batch; None if a row has another member, or one of another type.
    """
    if any(row.has_projected_geometry for row in rows):
        return None
    names = frozenset(schema.names)
    data = b"\n".join([row.encode(names) for row in rows])
    try:
        table = pa_json.read_json(
            pa.BufferReader(data),
            read_options=pa_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pa_json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="error"
            ),
        )
    except pa.ArrowInvalid:
        return None
    [batch] = table.combine_chunks().to_batches()
    return batch


class SpooledBatch(NamedTuple):
    """Place of a batch in a spool.

    Attributes:
        offset: Its first byte.
        length: Its length in bytes.
        size: Its length in bytes when it is decompressed.
        schema: Its schema.
    """

    offset: int
    length: int
    size: int
    schema: pa.Schema


class BatchSpool:
    """A local file of compressed Arrow batches, each with its own schema.

    Args:
        path: Path of the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._length = 0
        self._schema: pa.Schema | None = None  # shared by batches, for it takes 0.5 MiB

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def write(self, batch: pa.RecordBatch) -> SpooledBatch:
        """Append a batch."""
        content = batch.serialize()
        compressed = _CODEC.compress(content)
        if self._schema is None or not self._schema.equals(batch.schema):
            self._schema = batch.schema
        place = SpooledBatch(self._length, len(compressed), len(content), self._schema)
        self._file.write(memoryview(compressed))
        self._length += place.length
        return place

    def read(self, place: SpooledBatch) -> pa.RecordBatch:
        """Return a batch."""
        self._file.seek(place.offset)
        compressed = self._file.read(place.length)
        content = _CODEC.decompress(compressed, place.size)
        return pa.ipc.read_record_batch(content, place.schema)


def conform_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with the columns and types of a schema that has all of its columns.

    Raises:
        OtherKindError: A column has values of another kind.
    """
    if batch.schema.equals(schema):
        return batch
    names = {name: number for number, name in enumerate(batch.schema.names)}
    arrays = [
        conform_array(batch.column(names[field.name]), field.type)
        if field.name in names
        else pa.nulls(len(batch), field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def conform_array(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """Return an array with a type that has all of its members, and maybe more.

    Raises:
        OtherKindError: It has values of another kind.
    """
    if array.type.equals(type_):
        return array
    if array.null_count == len(array):
        return pa.nulls(len(array), type_)
    mask = array.is_null() if array.null_count else None
    if pa.types.is_struct(type_) and pa.types.is_struct(array.type):
        names = {field.name: number for number, field in enumerate(array.type)}
        members = [
            conform_array(array.field(names[field.name]), field.type)
            if field.name in names
            else pa.nulls(len(array), field.type)
            for field in type_
        ]
        return pa.StructArray.from_arrays(members, fields=list(type_), mask=mask)
    if pa.types.is_list(type_) and pa.types.is_list(array.type):
        elements = conform_array(array.values, type_.value_type)
        return pa.ListArray.from_arrays(array.offsets, elements, type=type_, mask=mask)
    if pa.types.is_floating(type_) and pa.types.is_integer(array.type):
        return array.cast(type_, safe=False)
    raise OtherKindError
