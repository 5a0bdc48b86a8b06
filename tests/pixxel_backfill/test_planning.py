"""Plans: shards of a collection divide all time, and their number fits the items."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixxel_api.errors import BadRequest
from pixxel_api.timestamps import format_timestamp
from pixxel_backfill.planning import (
    AUTO,
    MONTH,
    CollectionSearch,
    make_shards,
    split_by_month,
    split_by_rows,
)
from pixxel_sandbox import Sandbox
from pixxel_sandbox.behavior import Behavior
from pixxel_singer.errors import InputError
from tests.pixxel_backfill.plans import plan_sandbox, read_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixxel_api.json_decoding import RawRow
    from pixxel_backfill.plan import Shard

NOW = datetime(2025, 6, 15, tzinfo=UTC)
ITEMS = 120


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=5, items=ITEMS) as server:
        yield server


class ListSearch(CollectionSearch):
    """A search of rows in memory, each a time or None, in the order of the API."""

    def __init__(self, times: list[str | None], **behavior: int) -> None:
        items: Any = SimpleNamespace(has_stable_order=True, key_of=lambda row: bytes(row["id"]))
        super().__init__(items, "c")
        ordered = times if behavior.get("ignore_sort") else sorted(times, key=lambda t: t or "9")
        object.__setattr__(self, "rows", list(enumerate(ordered)))
        object.__setattr__(self, "behavior", behavior)
        object.__setattr__(self, "counts", Counter[str]())

    def find_row(self, start: str | None, end: str | None, offset: int = 0) -> RawRow | None:
        state = vars(self)
        state["counts"]["requests"] += 1
        rows: list[tuple[int, str | None]] = state["rows"]
        if (start or end) and not state["behavior"].get("ignore_datetime"):
            rows = [(n, t) for n, t in rows if t and (start or "") <= t <= (end or "9")]
        if state["behavior"].get("ignore_offset"):
            offset = 0
        if offset >= len(rows):
            return None
        number, time = rows[offset]
        properties = json.dumps({"datetime": time}).encode()
        return {"id": msgspec.Raw(b"%d" % number), "properties": msgspec.Raw(properties)}


def owners(shards: list[Shard], time: str) -> list[str]:
    return [
        each.id
        for each in shards
        if (each.start is None or time >= each.start) and (each.end is None or time < each.end)
    ]


def assert_divides_time(shards: list[Shard]) -> None:
    """Assert that shards leave no gap, do not overlap, and are not empty ranges."""
    assert shards[0].start is None
    assert shards[-1].end is None
    assert all(one.end == other.start for one, other in pairwise(shards))
    starts = [each.start for each in shards[1:]]
    assert all(start for start in starts)
    assert starts == sorted(set(starts), key=str)
    assert len({each.id for each in shards}) == len(shards)


def test_collection_that_the_archive_does_not_list_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(InputError) as error:
        plan_sandbox(sandbox, collections=["firefly-l1c", "no-such"])
    [line] = error.value.lines
    assert line.startswith(
        "Setting 'collections': the archive has no no-such; it has firefly-l1b, "
    )


TIMES = st.lists(
    st.none() | st.integers(0, 40).map(lambda n: format_timestamp(NOW - timedelta(days=11 * n))),
    max_size=60,
)
BEHAVIORS: st.SearchStrategy[dict[str, int]] = st.just({}) | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("ignore_sort", "ignore_datetime", "ignore_offset"), st.just(1))
)


@settings(max_examples=100)
@given(TIMES, st.integers(1, 12), BEHAVIORS)
def test_auto_windows_divide_time_and_end_for_any_server(
    times: list[str | None], rows: int, behavior: dict[str, int]
) -> None:
    search = ListSearch(times, **behavior)
    shards = make_shards("c", split_by_rows(search, rows))
    assert_divides_time(shards)
    requests = vars(search)["counts"]["requests"]
    if behavior.get("ignore_offset"):
        assert requests <= 2
    if not behavior:
        dated = [time for time in times if time]
        counts = Counter(owners(shards, time)[0] for time in dated)
        most_at_once = max(Counter(dated).values(), default=0)
        assert max(counts.values(), default=0) <= rows + most_at_once
        assert len(shards) <= 2 + 2 * len(dated) / rows
        assert requests <= 1 + 2 * len(shards)


@settings(max_examples=100)
@given(TIMES, st.integers(0, 1))
def test_month_windows_divide_time_from_first_to_last_item(
    times: list[str | None], ignore_datetime: int
) -> None:
    search = ListSearch(times, ignore_datetime=ignore_datetime)
    shards = make_shards("c", split_by_month(search, NOW))
    assert_divides_time(shards)
    months = sorted({time[:7] for time in times if time})
    if ignore_datetime:
        assert len(shards) == 1
    elif months:
        names = [each.id.removeprefix("c/") for each in shards]
        assert (names[0], names[-1]) == (months[0], months[-1])
        assert all(owners(shards, time) == [f"c/{time[:7]}"] for time in times if time)


def test_auto_windows_longer_than_an_offset_count_several_offsets() -> None:
    day = timedelta(days=1)
    times: list[str | None] = [format_timestamp(NOW - number * day) for number in range(9000)]
    search = ListSearch([each for each in times for _ in range(2)])
    splits = split_by_rows(search, 10_000)
    assert [name for name, _ in splits] == ["0001", f"0002-{NOW - 3999 * day:%Y-%m-%d}"]
    assert vars(search)["counts"]["requests"] == 5


@pytest.mark.parametrize("window", [MONTH, AUTO])
def test_each_item_of_the_archive_is_owned_by_one_shard(sandbox: Sandbox, window: str) -> None:
    plan = plan_sandbox(sandbox, window)
    for key in sandbox.workspace.ids("archive_items"):
        item = sandbox.workspace.get("archive_items", key)
        time = read_time(item)
        shards = [each for each in plan.shards if each.collection == item["collection"]]
        assert_divides_time(shards)
        [owner] = owners(shards, time)
        if window == MONTH:
            assert owner == f"{item['collection']}/{time[:7]}"
    assert plan.collections.keys() == {each.collection for each in plan.shards}
    assert all(each["type"] == "Collection" for each in plan.collections.values())
    assert plan.started_at <= format_timestamp(datetime.now(UTC))


def test_plan_has_no_secret_and_the_area_itself(sandbox: Sandbox, tmp_path: Any) -> None:
    area = {"type": "Polygon", "coordinates": [[[0, 0], [90, 0], [90, 60], [0, 0]]]}
    (tmp_path / "area.json").write_text(json.dumps(area))
    plan = plan_sandbox(
        sandbox, intersects=str(tmp_path / "area.json"), unknown="hunter2", page_size=50
    )
    text = msgspec.json.encode(plan).decode()
    assert sandbox.token not in text
    assert "hunter2" not in text
    assert "api_token" not in plan.settings
    assert plan.settings["page_size"] == 50
    assert json.loads(plan.settings["intersects"]) == area


def test_settings_limit_collections_and_months(sandbox: Sandbox) -> None:
    everything = plan_sandbox(sandbox)
    name = everything.shards[0].collection
    months = [each for each in everything.shards if each.collection == name]
    first, last = (f"{each.id.rpartition('/')[2]}" for each in (months[1], months[-2]))
    plan = plan_sandbox(sandbox, collections=[name], datetime=f"{first}/{last}")
    assert [each.id for each in plan.shards] == [each.id for each in months[1:-1]]
    assert_divides_time(plan.shards)


def test_api_that_cannot_sort_gets_one_shard_by_collection_which_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Sandbox(seed=5, items=40) as sandbox, caplog.at_level(logging.WARNING):
        sandbox.behavior.reject_sort = True
        plan = plan_sandbox(sandbox, AUTO)
    assert all(each.owned_range == "../.." for each in plan.shards)
    assert all(each.id == f"{each.collection}/all" for each in plan.shards)
    assert (
        f"{plan.shards[0].collection}: one shard, because the API does not sort by acquisition time"
        in caplog.messages
    )


def test_months_are_found_if_the_api_cannot_sort() -> None:
    with Sandbox(seed=5, items=40) as sandbox:
        expected = plan_sandbox(sandbox).shards
        sandbox.behavior.reject_sort = True
        assert plan_sandbox(sandbox).shards == expected


def test_offset_that_the_api_rejects_names_the_option_to_change() -> None:
    with Sandbox(seed=5, items=40) as sandbox:
        sandbox.behavior.max_offset = 5
        with pytest.raises(BadRequest, match=r"returned 400.*; pass a smaller --shard-rows"):
            plan_sandbox(sandbox, AUTO)


def test_range_of_a_shard_cannot_be_planned(sandbox: Sandbox) -> None:
    with pytest.raises(InputError, match="Setting 'owned_range' is that of a shard"):
        plan_sandbox(sandbox, owned_range="2023-01-01/..")


def test_raw_items_cannot_become_geoparquet(sandbox: Sandbox) -> None:
    with pytest.raises(InputError, match="Setting 'stac' must be true"):
        plan_sandbox(sandbox, stac=False)
    assert plan_sandbox(sandbox, stac=False, loader=["target"]).loader == ["target"]


class FastClock(datetime):
    """A clock that is an hour fast."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> FastClock:
        return cls.fromtimestamp(time.time() + 3600, tz)


def test_plan_starts_at_time_of_server_without_list_of_collections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows that change between the shards are lost if it starts later."""
    monkeypatch.setattr("pixxel_backfill.planning.datetime", FastClock)
    behavior = Behavior(forbid=frozenset({"collections"}))
    with Sandbox(seed=5, items=20, behavior=behavior) as server:
        plan = plan_sandbox(server, AUTO, collections=["td1-l1c"])
    assert not plan.collections
    assert plan.started_at <= format_timestamp(datetime.now(UTC))
