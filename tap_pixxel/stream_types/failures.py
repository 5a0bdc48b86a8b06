"""The streams that failed in a run, and why."""

from __future__ import annotations

_MAX_PARTITIONS = 5  # named for each reason; the log has a line for each one


class StreamFailures:
    """Failures by stream, reason and partition.

    Example:
        >>> failures = StreamFailures()
        >>> failures.add("archive_items", "not found", partition="td1-l1c")
        >>> str(failures)
        'archive_items (td1-l1c: not found)'
    """

    def __init__(self) -> None:
        self._partitions: dict[str, dict[str, list[str]]] = {}

    def __contains__(self, stream: str) -> bool:
        """Return whether a stream, or one of its partitions, has failed."""
        return stream in self._partitions

    def __bool__(self) -> bool:
        """Return whether any stream has failed."""
        return bool(self._partitions)

    def add(self, stream: str, reason: str, *, partition: str = "") -> None:
        """Add a failure; without a partition, it is the whole stream's."""
        self._partitions.setdefault(stream, {}).setdefault(reason, []).append(partition)

    def discard(self, stream: str) -> None:
        """Remove the failures of a stream."""
        self._partitions.pop(stream, None)

    def __str__(self) -> str:
        """Return the streams with their reasons, in one line."""
        return "; ".join(
            f"{stream} ({', '.join(_format_reason(*each) for each in reasons.items())})"
            for stream, reasons in sorted(self._partitions.items())
        )


def _format_reason(reason: str, partitions: list[str]) -> str:
    names = list(filter(None, partitions))
    if len(names) > _MAX_PARTITIONS:
        names[_MAX_PARTITIONS:] = [f"{len(names) - _MAX_PARTITIONS} more"]
    return f"{', '.join(names)}: {reason}" if names else reason
