"""Tests of previous exports that are damaged or of another program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from target_stac.storage import StorageError
from tests.target_stac.exports import (
    DATA,
    assert_links_resolve,
    export,
    find_item_files,
    make_collection,
    make_item,
    read_json,
    read_log,
    read_stamps,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

SMALL = (DATA / "small.singer").read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"id": "x"}',
        b'{"target_stac": 1}',
        b'{"target_stac": {"layout": 2}}',
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
    ("a link without a hash", "@", {"sha256": None, "datetime": None}),
    ("a link out of the export", "@", {"href": "../../../../x.json"}),
    ("a link to the root", "@", {"href": "../../../catalog.json"}),
    ("a link to a URL", "@", {"href": "https://example.com/x.json"}),
    (
        "a child that is nowhere",
        "catalog.json",
        b'{"target_stac": {"layout": 1, "root_href": null}, "links": [{"rel": "child"}]}',
    ),
    ("a box of text", "@", {"bbox": "x"}),
    ("an origin of nothing", "@", {"derived_from": []}),
]


@pytest.mark.parametrize(("file", "content"), [d[1:] for d in DAMAGE], ids=[d[0] for d in DAMAGE])
def test_damaged_catalog_is_refused_until_overwritten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, content: Any
) -> None:
    out = tmp_path / "out"
    export(out, make_item("a"), make_item("b", collection="l1c"))
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
    assert "is missing or was modified by another program" in read_log(caplog)[0]
    assert_links_resolve(out)
    export(tmp_path / "fresh", make_item("a"), make_item("b", collection="l1c"))
    assert snapshot(out) == snapshot(tmp_path / "fresh")


@pytest.mark.parametrize("links", [None, 7, ["x"]])
def test_root_without_links_is_repaired(tmp_path: Path, links: Any) -> None:
    export(tmp_path, make_item("a"))
    root = tmp_path / "catalog.json"
    root.write_bytes(change_members(root, links=links))
    export(tmp_path, make_item("a"))
    assert_links_resolve(tmp_path)


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


def test_missing_item_file_is_refused_until_overwritten(tmp_path: Path) -> None:
    export(tmp_path, make_item("a"), make_item("b"), formats=["catalog"])
    find_item_files(tmp_path)["l2a/a"].unlink()
    with pytest.raises(StorageError, match=r"'l2a/2025/03/a.json' is missing or was modified"):
        export(tmp_path, make_item("c"), formats=["catalog"])
    export(tmp_path, make_item("a"), formats=["catalog"], mode="overwrite")
    assert_links_resolve(tmp_path)


def test_marker_with_paths_outside_export_is_ignored(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(out, make_item("a"))
    (tmp_path / "mine.json").write_text("mine")
    (out / ".unfinished").write_bytes(
        b"-../mine.json\n+../mine.json\n-l2a/../../mine.json\n-/etc/x\n\n+\n\xff\n"
    )
    export(out, make_item("b"))
    assert (tmp_path / "mine.json").read_text() == "mine"
    assert_links_resolve(out)
    assert not (out / ".unfinished").exists()
