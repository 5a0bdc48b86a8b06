"""Tests of an index that is rebuilt: lost manifests, damaged files, exports of other programs."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from target_stac.state.manifest import MANIFEST_FILE
from target_stac.storage import StorageError
from tests.target_stac.exports import (
    CATALOG_AND_NDJSON,
    DATA,
    assert_links_resolve,
    encode_messages,
    export,
    find_differences,
    find_item_files,
    make_collection,
    make_derived_item,
    make_item,
    make_item_with_bbox,
    make_sync,
    open_manifest,
    read_command_log,
    read_json,
    read_ndjson,
    read_stamps,
    run_target,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = (DATA / "small.singer").read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"id": "x"}',
        b'{"target_stac": 1}',
        b'{"target_stac": {"layout": 3}}',
    ],
)
@pytest.mark.parametrize("mode", ["update", "overwrite"])
def test_catalog_of_other_program_is_refused_unchanged(
    tmp_path: Path, content: bytes, mode: str
) -> None:
    (tmp_path / "catalog.json").write_bytes(content)
    with pytest.raises((InputError, StorageError), match=r"^output: .*catalog.json"):
        export(tmp_path, make_item("a"), mode=mode)
    assert snapshot(tmp_path) == {"catalog.json": content}


def change_members(file: Path, **members: Any) -> bytes:
    return json.dumps(read_json(file) | members).encode()


def change_item_link(folder: Path, **members: Any) -> bytes:
    leaf = folder / "l2a/2025/03/catalog.json"
    [link] = [each for each in read_json(leaf)["links"] if each["rel"] == "item"]
    return change_members(leaf, links=[{**link, **members}])


DAMAGE: list[tuple[str, str, Any]] = [
    ("a month gone", "l2a/2025/03/catalog.json", None),
    ("a collection gone", "l2a/collection.json", None),
    ("a month cut off", "l2a/2025/03/catalog.json", b'{"links": ['),
    ("a month that is a list", "l2a/2025/03/catalog.json", b"[]"),
    ("a link out of the export", "@", {"href": "../../../../x.json"}),
    ("a link to a URL", "@", {"href": "https://example.com/x.json"}),
    (
        "a child that is nowhere",
        "catalog.json",
        b'{"target_stac": {"layout": 2}, "links": [{"rel": "child"}]}',
    ),
    ("an item gone", "l2a/2025/03/a.json", None),
    ("an item cut off", "l2a/2025/03/a.json", b'{"links": ['),
    ("an item that is none", "l2a/2025/03/a.json", b'{"type": "Feature"}'),
]


@pytest.mark.parametrize(("file", "content"), [d[1:] for d in DAMAGE], ids=[d[0] for d in DAMAGE])
def test_damaged_catalog_is_refused_until_overwritten(
    tmp_path: Path, file: str, content: Any
) -> None:
    out = tmp_path / "out"
    export(out, make_item("a"), make_item("b", collection="l1c"))
    (out / MANIFEST_FILE).unlink()
    path = out / ("l2a/2025/03/catalog.json" if file == "@" else file)
    damaged = change_item_link(out, **content) if file == "@" else content
    if damaged is None:
        path.unlink()
    else:
        path.write_bytes(damaged)
    before = read_stamps(out)
    with pytest.raises(
        StorageError, match=r"is missing or was modified by another program.* 'mode' overwrite"
    ):
        export(out, make_item("c"))
    assert read_stamps(out) == before
    export(out, make_item("a"), make_item("b", collection="l1c"), mode="overwrite")
    assert_links_resolve(out)
    export(tmp_path / "fresh", make_item("a"), make_item("b", collection="l1c"))
    assert snapshot(out) == snapshot(tmp_path / "fresh")


@pytest.mark.parametrize("name", ["items.ndjson", "collections.ndjson"])
@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"{}", b'{"id": {}, "links": 1}', b"\xff", b'{"links": ["x"]}']
)
def test_damaged_ndjson_is_refused_until_overwritten(
    tmp_path: Path, name: str, line: bytes
) -> None:
    objects = [make_item("a"), make_collection("l2a")]
    export(tmp_path, *objects, formats=["ndjson"])
    whole = snapshot(tmp_path)
    (tmp_path / MANIFEST_FILE).unlink()
    with (tmp_path / name).open("ab") as file:
        file.write(line + b"\n")
    before = read_stamps(tmp_path)
    with pytest.raises(
        StorageError, match=f"'{name}' is missing or was modified by another program"
    ):
        export(tmp_path, make_item("b"), formats=["ndjson"])
    assert read_stamps(tmp_path) == before
    export(tmp_path, *objects, formats=["ndjson"], mode="overwrite")
    assert snapshot(tmp_path) == whole


FORMAT_SETS = [CATALOG_AND_NDJSON, ["catalog"], ["ndjson"], ["catalog", "ndjson", "geoparquet"]]
BEFORE = [
    make_item("a"),
    make_item("A", "2025-04-01"),
    make_item("origin", collection="archive"),
    make_derived_item("child", "origin"),
    make_item_with_bbox("unlocated", None),
    make_item("alone", collection=None),
    make_collection("l2a"),
    make_collection("empty"),
]
AFTER = [make_item("a", "2024-01-01"), make_item("new", collection="new")]


def cut_off(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def overwrite_pages(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


def overwrite_packed_pages(file: Path) -> None:
    content = gzip.decompress(file.read_bytes())
    file.write_bytes(gzip.compress(content[:4096] + b"\xff" * (len(content) - 4096)))


def change_version(file: Path) -> None:
    with open_manifest(file) as db:
        db.execute("PRAGMA user_version = 99")


MANIFEST_DAMAGE: dict[str, Callable[[Path], object]] = {
    "lost": Path.unlink,
    "empty": lambda file: file.write_bytes(b""),
    "text": lambda file: file.write_text("no database"),
    "cut off": cut_off,
    "overwritten": overwrite_pages,
    "with a damaged database": overwrite_packed_pages,
    "of another version": change_version,
}


@pytest.mark.parametrize(
    ("damage", "root_href"),
    [*((damage, None) for damage in MANIFEST_DAMAGE), ("lost", "https://stac.example.com")],
)
@pytest.mark.parametrize("formats", FORMAT_SETS, ids="+".join)
def test_update_without_usable_manifest_equals_one_with_it(
    tmp_path: Path, damage: str, formats: list[str], root_href: str | None
) -> None:
    settings: dict[str, Any] = {"formats": formats, "root_href": root_href}
    for name in ("one", "two"):
        export(tmp_path / name, *BEFORE, **settings)
    MANIFEST_DAMAGE[damage](tmp_path / "one" / MANIFEST_FILE)
    for objects in (AFTER, []):
        for name in ("one", "two"):
            export(tmp_path / name, *objects, **settings)
        assert find_differences(snapshot(tmp_path / "one"), snapshot(tmp_path / "two")) == []


@pytest.mark.parametrize("formats", [["geoparquet"], ["itemcollection"]])
@pytest.mark.parametrize("has_manifest", [True, False])
def test_export_without_readable_items_is_only_overwritten(
    tmp_path: Path, formats: list[str], *, has_manifest: bool
) -> None:
    only: dict[str, Any] = {"formats": formats, "mode": "overwrite"}
    for _ in range(3):
        export(tmp_path, *BEFORE, **only)
        content = snapshot(tmp_path)
    if not has_manifest:
        (tmp_path / MANIFEST_FILE).unlink()
        content = snapshot(tmp_path)
    for _ in range(2):
        with pytest.raises(InputError, match="overwrite once"):
            export(tmp_path, make_item("z"))
        assert find_differences(snapshot(tmp_path), content) == []
    export(tmp_path, make_item("z"), mode="overwrite")
    assert {*find_item_files(tmp_path)} == {"l2a/z"}
    assert_links_resolve(tmp_path)


def test_manifest_of_other_root_catalog_is_not_trusted(tmp_path: Path) -> None:
    """A folder is restored from a backup, but not its manifest."""
    export(tmp_path / "out", *BEFORE)
    shutil.copytree(tmp_path / "out", tmp_path / "backup")
    export(tmp_path / "out", *AFTER)
    shutil.copyfile(tmp_path / "out" / MANIFEST_FILE, tmp_path / "backup" / MANIFEST_FILE)
    export(tmp_path / "backup", make_item("z"))
    assert_links_resolve(tmp_path / "backup")
    assert {*find_item_files(tmp_path / "backup")} == {
        "l2a/a", "l2a/A", "archive/origin", "l2a/child", "l2a/unlocated", "/alone", "l2a/z",
    }  # fmt: skip


def test_ndjson_that_another_program_changed_is_refused_then_read(tmp_path: Path) -> None:
    """The manifest has the places of items in it, which are wrong now."""
    export(tmp_path, make_item("a"), make_item("b"))
    lines = (tmp_path / "items.ndjson").read_bytes().splitlines(keepends=True)
    (tmp_path / "items.ndjson").write_bytes(b"".join(reversed(lines)))
    with pytest.raises(StorageError, match=r"'items.ndjson' .*was modified .* run again"):
        export(tmp_path, make_item("c"))
    export(tmp_path, make_item("c"))
    assert {each["id"] for each in read_ndjson(tmp_path / "items.ndjson")} == {"a", "b", "c"}
    assert_links_resolve(tmp_path)


def test_lost_ndjson_is_read_from_catalog_in_next_run(tmp_path: Path) -> None:
    export(tmp_path, make_item("a"))
    (tmp_path / "items.ndjson").unlink()
    with pytest.raises(StorageError, match=r"'items.ndjson' is missing .* run again"):
        export(tmp_path, make_item("c"))
    export(tmp_path, make_item("c"))
    assert {each["id"] for each in read_ndjson(tmp_path / "items.ndjson")} == {"a", "c"}


def test_copy_of_collection_folder_is_left_alone(tmp_path: Path) -> None:
    export(tmp_path, *BEFORE)
    shutil.copytree(tmp_path / "l2a", tmp_path / "a-copy-of-l2a")
    (tmp_path / MANIFEST_FILE).unlink()
    copied = snapshot(tmp_path / "a-copy-of-l2a")
    export(tmp_path, make_item("a", "2025-08-08"))
    assert snapshot(tmp_path / "a-copy-of-l2a") == copied
    shutil.rmtree(tmp_path / "a-copy-of-l2a")
    assert_links_resolve(tmp_path)


@pytest.mark.parametrize("formats", [CATALOG_AND_NDJSON, ["catalog"]], ids="+".join)
def test_export_of_earlier_version_is_refused_until_overwritten_once(
    tmp_path: Path, formats: list[str]
) -> None:
    export(tmp_path, *BEFORE, formats=formats)
    root = tmp_path / "catalog.json"
    metadata = {"layout": 1, "root_href": None, "formats": formats}
    root.write_bytes(change_members(root, target_stac=metadata))
    (tmp_path / MANIFEST_FILE).unlink()
    before = snapshot(tmp_path)
    result = run_target(encode_messages(make_sync(make_item("z"))), tmp_path, formats=formats)
    assert result.returncode == 2
    [line] = read_command_log(result, "error")
    assert "was written by an earlier version; overwrite once: run with 'mode' overwrite" in line
    assert snapshot(tmp_path) == before
    export(tmp_path, *AFTER, formats=formats, mode="overwrite")
    export(tmp_path / "fresh", *AFTER, formats=formats)
    expected = snapshot(tmp_path / "fresh")
    shutil.rmtree(tmp_path / "fresh")
    assert find_differences(snapshot(tmp_path), expected) == []


@pytest.mark.parametrize("path", ["../mine.json", "/etc/mine.json", "l2a/../../mine.json"])
def test_manifest_with_path_outside_export_is_refused(tmp_path: Path, path: str) -> None:
    out = tmp_path / "out"
    export(out, make_item("a"))
    (tmp_path / "mine.json").write_text("mine")
    with open_manifest(out / MANIFEST_FILE) as db:
        db.execute("INSERT INTO files VALUES (?, 'ndjson', '', '', NULL, 1)", (path,))
    with pytest.raises(StorageError, match=f"'{path}' is not in the export"):
        export(out, make_item("b"))
    assert (tmp_path / "mine.json").read_text() == "mine"
    export(out, make_item("b"))
    assert_links_resolve(out)
