"""Tests of the choice among rows of one item, against a simple model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pixxel_backfill.folder import Done, ItemFile
from pixxel_backfill.merge.duplicates import Version, find_superseded
from pixxel_backfill.merge.sources import DoneShard, Source
from pixxel_backfill.outputs.geoparquet import NO_TIME
from pixxel_backfill.plan import Shard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DONE = Done("a", [], 0, 0, 0.0, None, None, None)
BOUND = "1970-01-01T00:00:00.000005Z"
SHARDS = [
    Shard("x/early", "x", None, BOUND),
    Shard("x/late", "x", BOUND, None),
    Shard("catch-up/0001", "", None, None),
]
OWNS: list[Callable[[int], bool]] = [lambda time: time < 5, lambda time: time >= 5, lambda _: True]


class Row(NamedTuple):
    id: str
    updated: int
    time: int
    digest: int


rows = st.builds(
    Row,
    st.sampled_from("abc"),
    st.sampled_from([NO_TIME, 1, 2]),
    st.sampled_from([NO_TIME, 4, 5]),
    st.integers(0, 1),
)


def find_kept(tables: Sequence[Sequence[Row]]) -> set[tuple[int, int]]:
    """Return the source and number of each row that `find_superseded` keeps."""
    files = [Source(DoneShard(shard, DONE), ItemFile("f", 0, 0)) for shard in SHARDS]

    def read(source: Source, columns: list[str] | None) -> pa.Table:
        own = tables[files.index(source)]
        types = [pa.large_string(), pa.int64(), pa.int64(), pa.uint64()]
        table = pa.table(
            {
                name: pa.array([getattr(row, name) for row in own], type_)
                for name, type_ in zip(Row._fields, types, strict=True)
            }
        )
        return table.select(columns) if columns else table

    lost = find_superseded(files, read)
    return {
        (source, row)
        for source, own in enumerate(tables)
        for row in range(len(own))
        if source not in lost or row not in lost[source]
    }


def find_expected(tables: Sequence[Sequence[Row]]) -> set[tuple[int, int]]:
    """Newest `updated`, then an owner, then the last one; of equal ones that follow, the first."""
    found: dict[str, list[tuple[tuple[int, int], tuple[int, bool], int]]] = {}
    for source, own in enumerate(tables):
        for number, row in enumerate(own):
            is_owned = row.time != NO_TIME and OWNS[source](row.time)
            rank = (row.updated, is_owned)
            found.setdefault(row.id, []).append(((source, number), rank, row.digest))
    kept = set()
    for versions in found.values():
        best = max(rank for _, rank, _ in versions)
        last_first = [each for each in versions if each[1] == best][::-1]
        place = last_first[0][0]
        for earlier in last_first[1:]:
            if earlier[2] != last_first[0][2]:
                break
            place = earlier[0]
        kept.add(place)
    return kept


@given(st.tuples(*[st.lists(rows, max_size=4)] * len(SHARDS)))
def test_find_superseded_keeps_newest_row_of_each_item(tables: tuple[list[Row], ...]) -> None:
    assert find_kept(tables) == find_expected(tables)


def test_find_superseded_keeps_row_of_owner_at_tie() -> None:
    early, late = Row("a", 1, 4, 0), Row("a", 1, 4, 1)
    assert find_kept([[early], [late], []]) == {(0, 0)}


def test_find_superseded_prefers_catch_up_only_if_it_differs() -> None:
    row = Row("a", 1, 4, 0)
    assert find_kept([[row], [], [row]]) == {(0, 0)}
    assert find_kept([[row], [], [row._replace(digest=1)]]) == {(2, 0)}


def test_time_in_future_wins_against_no_later_change() -> None:
    wrong = Version(0, 0, updated=999, is_owned=True, digest=0, rank=100)
    repaired = Version(1, 0, updated=150, is_owned=True, digest=1, rank=150)
    assert repaired.supersedes(wrong)
    assert not wrong.supersedes(repaired)
    assert not wrong._replace(source=1, rank=200).supersedes(wrong)  # the same again
