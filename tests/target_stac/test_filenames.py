"""Tests of file names: any id gets its own file inside the export."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from target_stac.filenames import make_file_name, make_hashed_name
from tests.target_stac.exports import (
    assert_links_resolve,
    export,
    find_item_files,
    make_collection,
    make_item,
    read_ndjson,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = [
    "a/b",
    "../" * 10 + "etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    ".hidden",
    "nul\x00byte",
    "x" * 300,
    "x" * 299 + "y",
    "catalog",
    "Catalog",
    "catalog.json",
    "collection",
    "collection.json",
    "items.ndjson",
    "items.ndjson.part",
    "geoparquet",
    "no-collection",
    "rejected.ndjson",
    "preview.html",
    "preview.html.part",
    ".lock",
    "manifest.sqlite.gz",
    "con",
    "AUX.txt",
    "2025",
    "03",
    " ",
    "a b",
    "a%20b",
    "a#b?c",
    "back\\slash",
    "new\nline",
    "trailing.",
    "-rf",
    "case",
    "CASE",
    "Case",
    make_hashed_name("a/b"),
    make_hashed_name("case"),
    make_hashed_name("CASE"),
    "snow-\u2603",
    "e\u0301",
    "\u00e9",
    "\u202eright-to-left",
    "\U0001f6f0",
    "http://example.com/x",
    "${HOME}",
    "'; DROP TABLE items; --",
]


def list_siblings(folder: Path) -> set[str]:
    return {str(path.relative_to(folder.parent)) for path in folder.parent.rglob("*")}


def assert_export_holds(folder: Path, ids: list[str]) -> None:
    """Assert that an export has these ids as items or collections, with safe file names."""
    assert_links_resolve(folder)
    assert all(
        len(os.fsencode(part)) < 200 for name in snapshot(folder) for part in name.split("/")
    )
    names = [name.lower() for name in snapshot(folder)]
    assert len(names) == len(set(names)), "two files differ only in case"
    assert not [name for name in names if not re.fullmatch(r"[\w./-]+", name, re.ASCII)]
    assert len(read_ndjson(folder / "items.ndjson")) == len(ids)


def test_hostile_item_ids_get_distinct_files_inside_export(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "er" / "out"
    export(out, *map(make_item, HOSTILE))
    assert_export_holds(out, HOSTILE)
    assert set(find_item_files(out)) == {f"l2a/{name}" for name in HOSTILE}
    assert {
        name for name in list_siblings(tmp_path / "deep") if not name.startswith("deep")
    } == set()
    before = snapshot(out)
    for again in (
        map(make_item, HOSTILE),
        map(make_item, reversed(HOSTILE)),
        [make_item("CASE")],
        [],
    ):
        export(out, *again)
        assert snapshot(out) == before
    export(out, *(make_item(name, "2025-04-01") for name in HOSTILE))
    assert_export_holds(out, HOSTILE)
    assert set(find_item_files(out)) == {f"l2a/{name}" for name in HOSTILE}


def test_hostile_collection_ids_get_distinct_folders_inside_export(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "er" / "out"
    items = [make_item("a", collection=name) for name in HOSTILE]
    formats = ["catalog", "ndjson", "geoparquet"]
    export(
        out,
        *items,
        *map(make_collection, HOSTILE[::2]),
        make_item("a", collection=None),
        formats=formats,
    )
    assert_export_holds(out, [*HOSTILE, ""])
    assert set(find_item_files(out)) == {f"{name}/a" for name in [*HOSTILE, ""]}
    assert {each["id"] for each in read_ndjson(out / "collections.ndjson")} == set(HOSTILE)
    assert len([name for name in snapshot(out) if name.endswith(".parquet")]) == len(HOSTILE) + 1
    assert {
        name for name in list_siblings(tmp_path / "deep") if not name.startswith("deep")
    } == set()
    before = snapshot(out)
    export(out, *reversed(items), formats=formats)
    assert snapshot(out) == before


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_file_names_of_two_ids_are_distinct_and_portable(ids: list[str]) -> None:
    names = [make_file_name(each) for each in ids]
    assert names[0] != names[1]
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)
        assert not name.endswith(".")
        assert len(name) <= 120


@given(st.text(min_size=1))
def test_file_name_of_hashed_looking_id_is_hashed_again(identifier: str) -> None:
    hashed = make_hashed_name(identifier)
    assert make_file_name(hashed) != hashed
