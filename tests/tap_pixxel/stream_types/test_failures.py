"""The line that names the failed streams, their partitions and the reasons."""

from __future__ import annotations

from tap_pixxel.stream_types.failures import StreamFailures


def test_failures_are_named_by_stream_with_partitions_of_each_reason() -> None:
    failures = StreamFailures()
    assert (bool(failures), str(failures)) == (False, "")
    failures.add("orders", "not found")
    failures.add("items", "not found", partition="b")
    failures.add("items", "rejected", partition="c")
    failures.add("items", "not found", partition="a")
    assert failures
    assert "items" in failures
    assert "stores" not in failures
    assert str(failures) == "items (b, a: not found, c: rejected); orders (not found)"
    failures.discard("items")
    failures.discard("stores")
    assert str(failures) == "orders (not found)"


def test_failures_of_many_partitions_are_counted() -> None:
    failures = StreamFailures()
    for number in range(7):
        failures.add("items", "not found", partition=f"c{number}")
    assert str(failures) == "items (c0, c1, c2, c3, c4, 2 more: not found)"
