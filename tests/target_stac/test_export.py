"""Tests of exports as a whole: updates, overwrites, formats, and memory use."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from target_stac.state.manifest import MANIFEST_FILE
from tests.target_stac.exports import (
    CATALOG_AND_NDJSON,
    DATA,
    EXPORT_ERRORS,
    TARGET,
    Json,
    assert_links_resolve,
    encode_messages,
    export,
    export_messages,
    find_differences,
    find_item_files,
    make_api_link,
    make_collection,
    make_derived_item,
    make_environment,
    make_item,
    make_item_with_bbox,
    make_record_message,
    make_schema_message,
    make_sync,
    read_log,
    read_ndjson,
    read_stamps,
    run_target,
    set_properties,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

ALL = ["catalog", "ndjson", "geoparquet", "itemcollection"]
VIA = {"rel": "via", "href": "https://example.com/via"}
ITEMS = [
    make_item("a"),
    make_item("b", "2025-04-01"),
    make_item("c", "2025-04-02"),
    make_item("d", "2024-04-02", collection="l1c"),
    make_item_with_bbox("e", None),
    make_item("f", collection=None),
    make_derived_item("g", "h"),
    make_item("i", links=[VIA, make_api_link("collection", "l2a") | {"title": "L2A"}]),
    make_item("h", collection="archive"),
]
COLLECTIONS = [make_collection("l2a"), make_collection("empty")]


def test_overwrite_with_incomplete_input_is_refused(tmp_path: Path) -> None:
    """If a tap is interrupted, the target reads an input that ends after some record."""
    export(tmp_path, *ITEMS)
    before = snapshot(tmp_path)
    state, *_ = reversed(make_sync())
    for cut in ([*make_sync(ITEMS[0])[:-1]], [state, *make_sync(ITEMS[0])[:-1]]):
        with pytest.raises(InputError, match="does not end with a STATE"):
            export_messages(tmp_path, cut, mode="overwrite")
        assert snapshot(tmp_path) == before
    version = {"type": "ACTIVATE_VERSION", "stream": "items", "version": 1}
    export_messages(tmp_path, [*make_sync(ITEMS[0]), version], mode="overwrite")
    assert snapshot(tmp_path) != before


@pytest.mark.parametrize(
    "formats", [ALL, CATALOG_AND_NDJSON, ["catalog"], ["ndjson"], ["ndjson", "geoparquet"]]
)
@pytest.mark.parametrize("root_href", [None, "https://stac.example.com"])
def test_update_with_same_records_writes_no_file(
    tmp_path: Path, formats: list[str], root_href: str | None
) -> None:
    settings: dict[str, Any] = {"formats": formats, "root_href": root_href}
    export(tmp_path, *ITEMS, *COLLECTIONS, **settings)
    content, before = snapshot(tmp_path), read_stamps(tmp_path)
    for again in ([*ITEMS, *COLLECTIONS], [*reversed(ITEMS)], ITEMS[2:3], []):
        export(tmp_path, *again, **settings)
        assert snapshot(tmp_path) == content
        assert read_stamps(tmp_path) == before
    export(tmp_path, *ITEMS, *COLLECTIONS, mode="overwrite", **settings)
    assert snapshot(tmp_path) == content
    assert find_differences(read_stamps(tmp_path), before) == [MANIFEST_FILE]


def test_command_run_twice_writes_same_bytes(tmp_path: Path) -> None:
    lines = (DATA / "mixed.singer").read_bytes()
    for name in ("once", "twice", "twice"):
        assert run_target(lines, tmp_path / name, formats=ALL).returncode == ExitCode.OK
    assert snapshot(tmp_path / "once") == snapshot(tmp_path / "twice")
    assert_links_resolve(tmp_path / "once")


@pytest.mark.parametrize(
    "formats", [ALL, CATALOG_AND_NDJSON, ["catalog"], ["ndjson"], ["ndjson", "geoparquet"]]
)
def test_updates_in_steps_equal_one_run_of_all_records(tmp_path: Path, formats: list[str]) -> None:
    changed = [
        set_properties(make_item("b", "2025-04-01"), title="B"),
        make_item("c", "2025-03-31"),
    ]
    steps = [
        ITEMS[:3],
        COLLECTIONS,
        ITEMS[2:],
        changed,
        [make_item_with_bbox("a", None)],
        [ITEMS[4]],
    ]
    for step in steps:
        export(tmp_path / "steps", *step, formats=formats)
        if "catalog" in formats:
            assert_links_resolve(tmp_path / "steps")
    export(tmp_path / "once", *[each for step in steps for each in step], formats=formats)
    assert snapshot(tmp_path / "steps") == snapshot(tmp_path / "once")


def test_update_of_one_item_writes_only_its_files(tmp_path: Path) -> None:
    export(tmp_path, *ITEMS)
    before = read_stamps(tmp_path)
    export(tmp_path, *ITEMS[:1], set_properties(ITEMS[1], title="B"))
    after = read_stamps(tmp_path)
    assert {name for name in before | after if before.get(name) != after.get(name)} == {
        "items.ndjson",
        "l2a/2025/04/b.json",
        "l2a/2025/04/catalog.json",
        "manifest.sqlite.gz",
        "preview.html",
    }


def test_item_with_changed_month_moves_without_leftovers(tmp_path: Path) -> None:
    export(tmp_path, make_item("a"), make_item("b", "2025-04-01"), make_item("c"))
    assert find_item_files(tmp_path)["l2a/b"] == tmp_path / "l2a/2025/04/b.json"
    export(tmp_path, make_item("b", "2024-12-31"))
    assert_links_resolve(tmp_path)
    assert find_item_files(tmp_path)["l2a/b"] == tmp_path / "l2a/2024/12/b.json"
    assert not (tmp_path / "l2a/2025/04").exists()
    export(tmp_path, make_item("a", "2024-12-30"), make_item("c", "2024-12-30"))
    assert_links_resolve(tmp_path)
    assert not (tmp_path / "l2a/2025").exists()


# --- overwrite ----------------------------------------------------------------------------------


def test_overwrite_keeps_only_records_of_run(tmp_path: Path) -> None:
    export(tmp_path / "one", *ITEMS, *COLLECTIONS, formats=ALL)
    export(tmp_path / "one", *ITEMS[1:3], formats=ALL, mode="overwrite")
    export(tmp_path / "two", *ITEMS[1:3], formats=ALL)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


def make_incomplete_sync(*objects: dict[str, Any], incomplete: Any = ("b", "a")) -> list[Any]:
    *messages, state = make_sync(*objects)
    value = {**state["value"], "incomplete": incomplete}
    return [*messages, {**state, "value": value}]


@pytest.mark.parametrize("formats", [ALL, CATALOG_AND_NDJSON, ["catalog"], ["ndjson"]])
def test_overwrite_with_incomplete_state_updates_and_removes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, formats: list[str]
) -> None:
    """What the tap could not read may exist at the source."""
    changed = [set_properties(ITEMS[0], title="New"), make_item("new", collection="new")]
    export(tmp_path / "one", *ITEMS, *COLLECTIONS, formats=formats)
    export(tmp_path / "two", *ITEMS, *COLLECTIONS, *changed, formats=formats)
    messages = make_incomplete_sync(*changed, COLLECTIONS[0])
    status = export_messages(tmp_path / "one", messages, formats=formats, mode="overwrite")
    assert status is ExitCode.INCOMPLETE
    assert find_differences(snapshot(tmp_path / "one"), snapshot(tmp_path / "two")) == []
    [line] = read_log(caplog, "ERROR")
    assert line.startswith("the tap could not read all of a, b, so 'mode' overwrite removes noth")


def test_overwrite_with_incomplete_state_keeps_rejected_records(tmp_path: Path) -> None:
    export(tmp_path, *ITEMS)
    invalid = make_item("bad") | {"properties": {}}
    messages = make_incomplete_sync(invalid, ITEMS[0])
    assert export_messages(tmp_path, messages, mode="overwrite") is ExitCode.INCOMPLETE
    [line] = read_ndjson(tmp_path / "rejected.ndjson")
    assert line["record"]["id"] == "bad"


@pytest.mark.parametrize(
    "settings",
    [{"root_href": "https://stac.example.com"}, {"formats": ["geoparquet"]}],
    ids=["other root", "formats that cannot be updated"],
)
def test_overwrite_with_incomplete_state_that_cannot_update_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, settings: dict[str, Any]
) -> None:
    export(tmp_path, *ITEMS)
    before = read_stamps(tmp_path)
    messages = make_incomplete_sync(ITEMS[0])
    status = export_messages(tmp_path, messages, mode="overwrite", **settings)
    assert status is ExitCode.INCOMPLETE
    assert read_stamps(tmp_path) == before
    [line] = read_log(caplog, "ERROR")
    assert "overwrite removes nothing; the export is unchanged: " in line


def test_overwrite_that_cannot_update_emits_no_state(tmp_path: Path) -> None:
    """A sync from that state would not bring this run's records again."""
    lines = encode_messages(make_incomplete_sync(ITEMS[0]))
    settings: dict[str, Any] = {"mode": "overwrite", "formats": ["geoparquet"]}
    result = run_target(lines, tmp_path, **settings)
    assert (result.returncode, result.stdout) == (ExitCode.INCOMPLETE, "")


@pytest.mark.parametrize("formats", [CATALOG_AND_NDJSON, ["ndjson"]])
def test_overwrite_with_empty_run_is_refused(tmp_path: Path, formats: list[str]) -> None:
    export(tmp_path, *ITEMS, formats=formats)
    before = read_stamps(tmp_path)
    with pytest.raises(EXPORT_ERRORS, match="would remove the whole export"):
        export(tmp_path, formats=formats, mode="overwrite")
    assert read_stamps(tmp_path) == before


@pytest.mark.parametrize("formats", [ALL, ["ndjson"]])
def test_overwrite_with_empty_run_is_accepted_on_request(
    tmp_path: Path, formats: list[str]
) -> None:
    """A shard may have no items, and its engine expects the export of the others' form."""
    settings: Json = {"formats": formats, "mode": "overwrite", "allow_empty": True}
    export(tmp_path, *ITEMS, *COLLECTIONS, formats=formats, mode="overwrite")
    for _ in range(2):
        assert export(tmp_path, **settings) is ExitCode.OK
        assert find_item_files(tmp_path) == {}
        assert not list(tmp_path.rglob("*.parquet"))
        if "catalog" in formats:
            assert_links_resolve(tmp_path)
        assert b"l2a" not in b"".join(snapshot(tmp_path).values())
    assert export(tmp_path, *ITEMS, *COLLECTIONS, **settings) is ExitCode.OK
    export(tmp_path / "new", *ITEMS, *COLLECTIONS, **settings)
    new = snapshot(tmp_path / "new")
    shutil.rmtree(tmp_path / "new")
    assert find_differences(snapshot(tmp_path), new) == []


@pytest.mark.parametrize("records", [[], [make_record_message("items", stac_item={"id": "bad"})]])
def test_overwrite_without_state_or_valid_record_is_never_accepted(
    tmp_path: Path, records: list[Json]
) -> None:
    """A tap that died, or whose records are all invalid, must not empty the export."""
    export(tmp_path, *ITEMS)
    before = read_stamps(tmp_path)
    messages = [make_schema_message("items"), *records]
    if records:
        messages += make_sync()[-1:]
    with pytest.raises(EXPORT_ERRORS, match="the export is unchanged"):
        export_messages(tmp_path, messages, mode="overwrite", allow_empty=True)
    assert read_stamps(tmp_path) == before


def test_overwrite_keeps_files_of_other_programs(tmp_path: Path) -> None:
    export(tmp_path, *ITEMS, *COLLECTIONS, formats=ALL)
    names = ["notes.txt", "l1c/notes.txt", "l1c/2024/04/x.json.bak", "geoparquet/notes.txt"]
    for name in names:
        (tmp_path / name).write_text("mine")
    export(tmp_path, *ITEMS[:1], formats=["catalog"], mode="overwrite")
    left = {name for name, content in snapshot(tmp_path).items() if content == b"mine"}
    assert left == set(names)
    assert_links_resolve(tmp_path)


# --- formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [ALL, CATALOG_AND_NDJSON, ["catalog"], ["ndjson"]], ids="+".join)
@pytest.mark.parametrize(
    "after",
    [ALL, CATALOG_AND_NDJSON, ["catalog"], ["ndjson"], ["ndjson", "geoparquet"]],
    ids="+".join,
)
def test_update_with_other_formats_equals_new_export(
    tmp_path: Path, before: list[str], after: list[str]
) -> None:
    received = [make_item("c", "2025-09-01")]
    export(tmp_path / "one", *ITEMS, *COLLECTIONS, formats=before)
    export(tmp_path / "one", *received, formats=after)
    export(tmp_path / "two", *ITEMS, *COLLECTIONS, *received, formats=after)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


HOST = "https://stac.example.com/pixxel"


@pytest.mark.parametrize(("first", "then"), [(None, HOST), (HOST, None), (HOST, f"{HOST}2")])
def test_update_with_other_root_href_is_refused(
    tmp_path: Path, first: str | None, then: str | None
) -> None:
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    export(out, make_item("a"), root_href=first)
    before = snapshot(out)
    with pytest.raises(EXPORT_ERRORS, match="another 'root_href'"):
        export(out, make_item("b"), root_href=then)
    assert snapshot(out) == before
    export(out, make_item("a"), root_href=then, mode="overwrite")
    export(fresh, make_item("a"), root_href=then)
    assert snapshot(out) == snapshot(fresh)


def test_export_of_empty_run_writes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """This happens if a tap fails before its first record."""
    assert export(tmp_path, formats=["catalog", "ndjson", "geoparquet"]) == ExitCode.OK
    assert snapshot(tmp_path) == {}
    assert "received no STAC Items or Collections; nothing written" in caplog.messages


_PEAK = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def make_wide_item(number: int) -> Json:
    """Make an item of 20 kB, like items of many bands."""
    href = f"https://example.com/{number}/"
    assets = {f"B{n:03}": {"href": f"{href}{n}.tif", "title": "band " * 20} for n in range(130)}
    return make_item(f"wide-{number:05}", f"2025-{number % 12 + 1:02}-01", assets=assets)


def measure_peak_memory(folder: Path, count: int) -> int:
    """Return the peak memory, in kB, of an export of a collection and `count` items."""
    lines = folder / f"{count}.singer"
    with lines.open("wb") as file:
        file.write(
            encode_messages(
                [
                    make_schema_message("s"),
                    make_record_message("s", stac_collection=make_collection("l2a")),
                ]
            )
        )
        file.writelines(
            encode_messages([make_record_message("s", stac_item=make_wide_item(n))])
            for n in range(count)
        )
    settings = {"output": str(folder / str(count)), "formats": ["catalog", "ndjson"]}
    # A small intermediate process starts it: a child's peak includes the size of its parent.
    with lines.open("rb") as stdin:
        result = subprocess.run(
            [sys.executable, "-c", _PEAK, TARGET, "--config=ENV"],
            stdin=stdin,
            capture_output=True,
            check=True,
            timeout=60,
            env=make_environment(settings),
        )
    status, memory = map(int, result.stdout.split()[-2:])
    assert status == 0
    return memory


def test_export_of_many_items_uses_constant_memory(tmp_path: Path) -> None:
    """Ten times as many items are 40 MB more."""
    few, many = measure_peak_memory(tmp_path, 250), measure_peak_memory(tmp_path, 2500)
    assert len(find_item_files(tmp_path / "2500")) == 2500
    assert many - few < 10_000, (few, many)


def test_overwrite_after_a_tap_that_died_between_streams_removes_nothing(tmp_path: Path) -> None:
    export(tmp_path, *ITEMS)
    unread = {"type": "STATE", "value": {"unread": ["catalogs"]}}
    died = [*make_sync(ITEMS[0]), unread]
    assert export_messages(tmp_path, died, mode="overwrite") is ExitCode.INCOMPLETE
    assert len(find_item_files(tmp_path)) == len(ITEMS)
    ended = [unread, *make_sync(ITEMS[0])]
    assert export_messages(tmp_path, ended, mode="overwrite") is ExitCode.OK
    assert len(find_item_files(tmp_path)) == 1


def test_overwrite_with_incomplete_state_before_last_removes_nothing(tmp_path: Path) -> None:
    export(tmp_path, *ITEMS)
    messages = [*make_incomplete_sync(ITEMS[0], incomplete="all"), *make_sync(ITEMS[0])]
    assert export_messages(tmp_path, messages, mode="overwrite") is ExitCode.INCOMPLETE
    assert len(find_item_files(tmp_path)) == len(ITEMS)
