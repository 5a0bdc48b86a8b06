"""Exports that are not as they were left, and places that cannot be used: told, and left alone."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from target_stac.storage import StorageError, open_storage
from tests.target_stac.exports import (
    DATA,
    assert_links_resolve,
    export,
    find_item_files,
    make_collection,
    make_item,
    read_command_log,
    read_json,
    read_log,
    read_stamps,
    run_target,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
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
def test_a_catalog_of_another_program_is_never_touched(
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
def test_a_damaged_tree_is_told_and_can_be_overwritten(
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
def test_a_root_that_lists_nothing_is_made_whole(tmp_path: Path, links: Any) -> None:
    export(tmp_path, make_item("a"))
    root = tmp_path / "catalog.json"
    root.write_bytes(change_members(root, links=links))
    export(tmp_path, make_item("a"))
    assert_links_resolve(tmp_path)


@pytest.mark.parametrize("name", ["items.ndjson", "collections.ndjson"])
@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"{}", b'{"id": {}, "links": 1}', b"\xff", b'{"links": ["x"]}']
)
def test_damaged_lines_are_told_and_can_be_overwritten(
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


def test_an_item_that_is_gone_is_told_where_it_is_needed(tmp_path: Path) -> None:
    export(tmp_path, make_item("a"), make_item("b"), formats=["catalog"])
    find_item_files(tmp_path)["l2a/a"].unlink()
    with pytest.raises(StorageError, match=r"'l2a/2025/03/a.json' is missing or was modified"):
        export(tmp_path, make_item("c"), formats=["catalog"])
    export(tmp_path, make_item("a"), formats=["catalog"], mode="overwrite")
    assert_links_resolve(tmp_path)


def test_the_mark_of_a_killed_run_leads_nowhere_else(tmp_path: Path) -> None:
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


# --- places -------------------------------------------------------------------------------------


def make_unusable_outputs(folder: Path) -> Iterator[tuple[str, Path]]:
    (folder / "file").write_text("mine")
    yield "an output that is a file", folder / "file"
    yield "a folder in a file", folder / "file/out"
    (folder / "taken/catalog.json").mkdir(parents=True)
    yield "a root that is a folder", folder / "taken"


@pytest.mark.parametrize("number", range(3))
def test_a_place_that_cannot_be_used_is_one_line_before_anything_is_read(
    tmp_path: Path, number: int
) -> None:
    _, out = list(make_unusable_outputs(tmp_path))[number]
    result = run_target(b"no Singer, which would be another error\n", out)
    assert result.returncode == (1 if number == 2 else 2)
    [line] = read_command_log(result, "error")
    assert line.startswith("output: cannot " if number == 2 else "output: '")
    assert result.stdout == ""
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_that_cannot_be_written_is_one_line_and_no_state(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "items.ndjson" / "x").mkdir(parents=True)
    result = run_target(SMALL, out)
    assert result.returncode == 1
    [line] = read_command_log(result, "error")
    assert line.startswith("output: cannot write 'items.ndjson'")
    assert result.stdout == ""
    assert_links_resolve(out)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_missing_permission_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    result = run_target(SMALL, tmp_path / "out")
    assert result.returncode == 1
    assert read_command_log(result, "error")[0].endswith("Permission denied")


@pytest.mark.parametrize(
    "url", ["nowhere://u:s3cret@host/x", "s3cret+x://a", "s3://", "az://", "gs://"]
)
def test_a_url_that_cannot_be_opened_is_told_without_its_password(url: str) -> None:
    errors = (InputError, StorageError)
    with pytest.raises(errors, match=r"^output: ") as caught, open_storage(url) as output:
        output.read("catalog.json")
    assert "s3cret@" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bucket_without_credentials_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with (
        pytest.raises(StorageError, match=r"no credentials; set .*AWS_ACCESS_KEY_ID"),
        open_storage("s3://bucket/folder") as output,
    ):
        output.read("catalog.json")


def test_a_path_with_a_home_is_that_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert export("~/out", make_item("a")) == ExitCode.OK
    assert_links_resolve(tmp_path / "out")
