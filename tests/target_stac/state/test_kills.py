"""Tests of killed runs: all links resolve, and the next run completes the export."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_stac.storage import LocalStorage, lock_folder
from tests.target_stac.exports import (
    CATALOG_AND_NDJSON,
    FORMATS,
    Json,
    assert_links_resolve,
    export,
    find_item_files,
    make_collection,
    make_derived_item,
    make_item,
    set_properties,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

STRIDE = 5
"""The next run is tested after every fifth change; 1 tests all of them, and takes a minute."""
FIRST = [
    make_item("a"),
    make_item("b", "2025-04-01"),
    make_item("origin", collection="archive"),
    make_derived_item("child", "origin", day="2025-01-05"),
    make_item("alone", collection="small"),
    make_collection("l2a"),
]
SECOND = [
    set_properties(make_item("a"), title="A"),
    make_item("b", "2024-12-31"),  # its old month becomes empty
    make_item("origin", "2025-06-01", collection="archive"),
    make_derived_item("new", "newer", collection="archive"),
    make_item("newer", "2025-08-01", collection="archive"),
    make_collection("l2a", title="Later"),
]
PARTITIONED: dict[str, Any] = {"formats": FORMATS, "partition": "month"}


class CheckedStorage(LocalStorage):
    """A local folder that checks all links before each change, and copies itself before some.

    The copy is what a killed process leaves, with half of the file that was being written.
    """

    changes = 0

    def write(self, path: str, content: bytes, *, verify: bool = False) -> None:
        self._check_and_copy(path, content)
        super().write(path, content, verify=verify)

    def delete(self, path: str) -> None:
        self._check_and_copy(path, None)
        super().delete(path)

    def claim(self, path: str, content: bytes) -> None:
        self._check_and_copy(path, content)
        LocalStorage.write(self, path, content)

    def put_file(self, path: str, file: Path) -> None:
        self._check_and_copy(path, file.read_bytes())
        super().put_file(path, file)

    def _check_and_copy(self, path: str, content: bytes | None) -> None:
        assert_links_resolve(self._root, whole=False)
        CheckedStorage.changes += 1
        if CheckedStorage.changes % STRIDE == 0:
            copy = self._root.with_name(f"killed-{CheckedStorage.changes}")
            shutil.copytree(self._root, copy)
            if content is not None:
                partial = copy / f"{path}.part"
                partial.parent.mkdir(parents=True, exist_ok=True)
                partial.write_bytes(content[: len(content) // 2])


@contextmanager
def open_checked_storage(url: str) -> Iterator[LocalStorage]:
    with lock_folder(Path(url)):
        yield CheckedStorage(Path(url))


def make_killed_copies(folder: Path, monkeypatch: pytest.MonkeyPatch, run: str) -> list[Path]:
    """Export with checked links; return copies of what a killed run would have left."""
    before, first_settings, objects, settings = RUNS[run]
    if run == "divided":
        monkeypatch.setattr("target_stac.catalog.layout.MAX_LINK_BYTES", 700)
    out = folder / "out"
    if before:
        export(out, *before, **first_settings)
    CheckedStorage.changes = 0
    with monkeypatch.context() as patch:
        patch.setattr("target_stac.target.open_storage", open_checked_storage)
        export(out, *objects, **settings)
    assert CheckedStorage.changes >= 10
    return sorted(folder.glob("killed-*"))


RUNS: dict[str, tuple[list[Json], dict[str, Any], list[Json], dict[str, Any]]] = {
    "first": ([], {}, FIRST, {"formats": CATALOG_AND_NDJSON}),
    "update": (FIRST, {"formats": CATALOG_AND_NDJSON}, SECOND, {"formats": CATALOG_AND_NDJSON}),
    "overwrite": (
        FIRST,
        {"formats": CATALOG_AND_NDJSON},
        SECOND[:3],
        {"formats": CATALOG_AND_NDJSON, "mode": "overwrite"},
    ),
    "tree added": (FIRST, {"formats": ["ndjson"]}, SECOND, {"formats": CATALOG_AND_NDJSON}),
    "tree dropped": (FIRST, {"formats": CATALOG_AND_NDJSON}, SECOND, {"formats": ["ndjson"]}),
    "tree alone": (FIRST, {"formats": ["catalog"]}, SECOND, {"formats": ["catalog"]}),
    "partitioned": (FIRST, PARTITIONED, SECOND, PARTITIONED),
    "partitions alone": (
        FIRST,
        {"formats": ["ndjson"], "partition": "month"},
        SECOND,
        {"formats": ["ndjson"], "partition": "month"},
    ),
    "partition changed": (FIRST, PARTITIONED, SECOND, {**PARTITIONED, "partition": "year"}),
    "divided": (FIRST, {}, [make_item(f"long-{n}", f"2025-03-{n:02}") for n in range(1, 9)], {}),
}


@pytest.mark.parametrize("run", RUNS)
def test_run_killed_at_any_change_leaves_resolving_links_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    _, _, objects, settings = RUNS[run]
    for killed in make_killed_copies(tmp_path, monkeypatch, run):
        export(killed, *objects, **settings)
        assert snapshot(killed) == snapshot(tmp_path / "out"), killed.name


@pytest.mark.parametrize("run", ["first", "update", "tree added", "tree alone", "partitioned"])
def test_run_of_other_records_after_killed_run_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    before, _, objects, settings = RUNS[run]
    other = make_item("z", "2025-03-30")
    copies = make_killed_copies(tmp_path, monkeypatch, run)
    export(tmp_path / "out", other, **settings)
    for killed in copies:
        export(killed, other, **settings)
        assert_links_resolve(killed)
        ids = {name.rpartition("/")[2] for name in find_item_files(killed)}
        assert {"z", *(each["id"] for each in before if each["type"] == "Feature")} <= ids
        export(killed, *objects, **settings)
        assert snapshot(killed) == snapshot(tmp_path / "out"), killed.name


def test_run_killed_repeatedly_ends_as_uninterrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, objects, settings = RUNS["update"]
    copies = make_killed_copies(tmp_path, monkeypatch, "update")
    for number, killed in enumerate(copies[:3]):
        shutil.copytree(killed, tmp_path / f"again-{number}" / "out")
        CheckedStorage.changes = 0
        with monkeypatch.context() as patch:
            patch.setattr("target_stac.target.open_storage", open_checked_storage)
            export(tmp_path / f"again-{number}" / "out", *objects, **settings)
        for twice in sorted((tmp_path / f"again-{number}").glob("killed-*"))[::3]:
            export(twice, *objects, **settings)
            assert snapshot(twice) == snapshot(tmp_path / "out"), (killed.name, twice.name)
