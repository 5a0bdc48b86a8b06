"""Stream maps: the expressions of users, whose errors name the stream, the map and the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import MapExpressionError
from singer_sdk.mapper import CustomStreamMap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.mapper import StreamMap


def apply_stream_map(
    stream_map: StreamMap, record: dict[str, Any], *, stream: str, keys: Iterable[str]
) -> dict[str, Any] | None:
    """Return a record as a stream map makes it; None if the map drops it.

    Args:
        stream_map: The map.
        record: The record, with all columns of its stream.
        stream: Name of the stream.
        keys: Columns that identify the record in an error.

    Raises:
        MapExpressionError: An expression failed.
        RecursionError: The record is nested too deep.
    """
    try:
        return stream_map.transform(record)
    except RecursionError:
        raise
    except Exception as error:
        if not isinstance(stream_map, CustomStreamMap):
            raise
        # An expression may raise anything; the evaluator wraps only some of it.
        cause = error.__cause__ if isinstance(error, MapExpressionError) else error
        alias = stream_map.stream_alias
        name = f"'{stream}'" if alias == stream else f"'{stream}' (to '{alias}')"
        record_key = ", ".join(f"{key} {record.get(key)!r}" for key in keys)
        raise MapExpressionError(
            f"setting 'stream_maps': the map of stream {name} failed at the record with "
            f"{record_key}, in the expression '{stream_map.expr_evaluator.expr}': "
            f"{type(cause).__name__}: {cause}; correct the expression"
        ) from None
