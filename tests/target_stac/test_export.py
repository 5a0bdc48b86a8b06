"""Runs over an export that is there: merged, moved, overwritten, or left as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from tests.target_stac.exports import (
    CATALOG_AND_NDJSON,
    DATA,
    EXPORT_ERRORS,
    Json,
    assert_links_resolve,
    export,
    export_messages,
    find_item_files,
    make_api_link,
    make_collection,
    make_derived_item,
    make_item,
    make_item_with_bbox,
    make_sync,
    make_target,
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


def test_overwrite_tells_how_many_it_removes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export(tmp_path, *ITEMS)
    export(tmp_path, ITEMS[0], mode="overwrite")
    [line] = [each for each in caplog.messages if "removed" in each]
    assert line.startswith(f"removed {len(ITEMS) - 1} items missing from this run")


def test_overwrite_by_a_sync_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    """A tap that dies ends its output at some record, and the target sees no more than an end."""
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
def test_a_second_run_of_the_same_records_touches_no_file(
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
    assert read_stamps(tmp_path) == before


def test_the_command_run_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    lines = (DATA / "mixed.singer").read_bytes()
    for name in ("once", "twice", "twice"):
        assert run_target(lines, tmp_path / name, formats=ALL).returncode == ExitCode.OK
    assert snapshot(tmp_path / "once") == snapshot(tmp_path / "twice")
    assert_links_resolve(tmp_path / "once")


def test_the_order_of_the_records_does_not_matter(tmp_path: Path) -> None:
    export(tmp_path / "one", *ITEMS, *COLLECTIONS, formats=ALL)
    export(tmp_path / "two", *COLLECTIONS, *reversed(ITEMS), formats=ALL)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


@pytest.mark.parametrize(
    "formats", [ALL, CATALOG_AND_NDJSON, ["catalog"], ["ndjson"], ["ndjson", "geoparquet"]]
)
def test_updates_end_where_one_run_of_all_records_ends(tmp_path: Path, formats: list[str]) -> None:
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


def test_an_update_rewrites_only_what_has_changed(tmp_path: Path) -> None:
    export(tmp_path, *ITEMS)
    before = read_stamps(tmp_path)
    export(tmp_path, *ITEMS[:1], set_properties(ITEMS[1], title="B"))
    after = read_stamps(tmp_path)
    assert {name for name in before | after if before.get(name) != after.get(name)} == {
        "items.ndjson",
        "l2a/2025/04/b.json",
        "l2a/2025/04/catalog.json",
        "preview.html",
    }


def test_an_item_whose_month_changes_moves_and_leaves_nothing_behind(tmp_path: Path) -> None:
    export(tmp_path, make_item("a"), make_item("b", "2025-04-01"), make_item("c"))
    assert find_item_files(tmp_path)["l2a/b"] == tmp_path / "l2a/2025/04/b.json"
    export(tmp_path, make_item("b", "2024-12-31"))
    assert_links_resolve(tmp_path)
    assert find_item_files(tmp_path)["l2a/b"] == tmp_path / "l2a/2024/12/b.json"
    assert not (tmp_path / "l2a/2025/04").exists()
    export(tmp_path, make_item("a", "2024-12-30"), make_item("c", "2024-12-30"))
    assert_links_resolve(tmp_path)
    assert not (tmp_path / "l2a/2025").exists()


def test_items_of_one_id_in_two_collections_are_two_items(tmp_path: Path) -> None:
    export(
        tmp_path, make_item("a"), make_item("a", collection="l1c"), make_item("a", collection=None)
    )
    export(tmp_path, make_item("a", "2025-05-01", collection="l1c"))
    assert set(find_item_files(tmp_path)) == {"l2a/a", "l1c/a", "/a"}
    assert_links_resolve(tmp_path)


def test_the_last_record_of_an_id_counts(tmp_path: Path) -> None:
    export(
        tmp_path,
        make_item("a"),
        make_item("a", "2025-05-01"),
        set_properties(make_item("a"), title="last"),
    )
    [line] = read_ndjson(tmp_path / "items.ndjson")
    assert line["properties"]["title"] == "last"
    assert_links_resolve(tmp_path)


# --- overwrite ----------------------------------------------------------------------------------


def test_overwrite_leaves_only_what_the_run_brings(tmp_path: Path) -> None:
    export(tmp_path / "one", *ITEMS, *COLLECTIONS, formats=ALL)
    export(tmp_path / "one", *ITEMS[1:3], formats=ALL, mode="overwrite")
    export(tmp_path / "two", *ITEMS[1:3], formats=ALL)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


@pytest.mark.parametrize("formats", [CATALOG_AND_NDJSON, ["ndjson"]])
def test_overwrite_by_an_empty_run_is_refused(tmp_path: Path, formats: list[str]) -> None:
    export(tmp_path, *ITEMS, formats=formats)
    before = read_stamps(tmp_path)
    with pytest.raises(EXPORT_ERRORS, match="would remove the whole export"):
        export(tmp_path, formats=formats, mode="overwrite")
    assert read_stamps(tmp_path) == before


def test_files_of_others_are_never_deleted(tmp_path: Path) -> None:
    export(tmp_path, *ITEMS, *COLLECTIONS, formats=ALL)
    theirs = ["notes.txt", "l1c/notes.txt", "l1c/2024/04/x.json.bak", "geoparquet/notes.txt"]
    for name in theirs:
        (tmp_path / name).write_text("mine")
    export(tmp_path, *ITEMS[:1], formats=["catalog"], mode="overwrite")
    left = {name for name, content in snapshot(tmp_path).items() if content == b"mine"}
    assert left == set(theirs)
    assert_links_resolve(tmp_path)


# --- formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [ALL, CATALOG_AND_NDJSON, ["catalog"], ["ndjson"]], ids="+".join)
@pytest.mark.parametrize(
    "after",
    [ALL, CATALOG_AND_NDJSON, ["catalog"], ["ndjson"], ["ndjson", "geoparquet"]],
    ids="+".join,
)
@pytest.mark.parametrize(
    "brought", [[], [make_item("c", "2025-09-01")]], ids=["nothing", "something"]
)
def test_formats_may_change_from_run_to_run(
    tmp_path: Path, before: list[str], after: list[str], brought: list[Json]
) -> None:
    export(tmp_path / "one", *ITEMS, *COLLECTIONS, formats=before)
    export(tmp_path / "one", *brought, formats=after)
    export(tmp_path / "two", *ITEMS, *COLLECTIONS, *brought, formats=after)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


def test_an_update_of_formats_that_cannot_be_merged_into_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="bad settings") as caught:
        make_target(tmp_path / "out", formats=["geoparquet"])
    assert "must include catalog or ndjson" in caught.value.errors[0]  # type: ignore[attr-defined]  # SDK
    assert export(tmp_path, ITEMS[0], formats=["geoparquet"], mode="overwrite") == ExitCode.OK
    assert list(snapshot(tmp_path)) == ["geoparquet/l2a.parquet"]
