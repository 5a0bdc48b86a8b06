"""Runs that end halfway: what is there holds together, and the next run leaves no trace of them."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_stac.output import Folder
from tests.stac_target.exports import (
    TREE,
    Json,
    collection,
    derived,
    export,
    item,
    item_files,
    links_resolve,
    snapshot,
    with_properties,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

STRIDE = 5
"""The next run is tried after one in five changes; 1 tries them all, and takes a minute."""
FIRST = [
    item("a"),
    item("b", "2025-04-01"),
    item("origin", collection="archive"),
    derived("child", "origin", day="2025-01-05"),
    item("alone", collection="small"),
    collection("l2a"),
]
THEN = [
    with_properties(item("a"), title="A"),
    item("b", "2024-12-31"),  # leaves its month empty
    item("origin", "2025-06-01", collection="archive"),
    derived("new", "newer", collection="archive"),
    item("newer", "2025-08-01", collection="archive"),
    collection("l2a", title="Later"),
]


class Watched(Folder):
    """A folder whose links are looked at before each change, and which is copied before some.

    The copy is what a process that was killed leaves, with half a file where one was being written.
    """

    changes = 0

    def write(self, path: str, content: bytes) -> None:
        self._look(path, content)
        super().write(path, content)

    def delete(self, path: str) -> None:
        self._look(path, None)
        super().delete(path)

    def put(self, path: str, file: Path) -> None:
        self._look(path, file.read_bytes())
        super().put(path, file)

    def _look(self, path: str, content: bytes | None) -> None:
        links_resolve(self._root, whole=False)
        Watched.changes += 1
        if Watched.changes % STRIDE == 0:
            copy = self._root.with_name(f"killed-{Watched.changes}")
            shutil.copytree(self._root, copy)
            if content is not None:
                begun = copy / f"{path}.part"
                begun.parent.mkdir(parents=True, exist_ok=True)
                begun.write_bytes(content[: len(content) // 2])


@contextmanager
def watched(url: str) -> Iterator[Folder]:
    yield Watched(Path(url))


def kills(folder: Path, monkeypatch: pytest.MonkeyPatch, run: str) -> list[Path]:
    """Do a run, links being looked at all the way; give what it would have left if killed."""
    before, first_settings, objects, settings = RUNS[run]
    if run == "divided":
        monkeypatch.setattr("target_stac.tree.MAX_BYTES", 700)
    out = folder / "out"
    if before:
        export(out, *before, **first_settings)
    Watched.changes = 0
    with monkeypatch.context() as patch:
        patch.setattr("target_stac.target.opened", watched)
        export(out, *objects, **settings)
    assert Watched.changes > 10
    return sorted(folder.glob("killed-*"))


RUNS: dict[str, tuple[list[Json], dict[str, Any], list[Json], dict[str, Any]]] = {
    "first": ([], {}, FIRST, {"formats": TREE}),
    "update": (FIRST, {"formats": TREE}, THEN, {"formats": TREE}),
    "overwrite": (FIRST, {"formats": TREE}, THEN[:3], {"formats": TREE, "mode": "overwrite"}),
    "tree added": (FIRST, {"formats": ["ndjson"]}, THEN, {"formats": TREE}),
    "tree dropped": (FIRST, {"formats": TREE}, THEN, {"formats": ["ndjson"]}),
    "tree alone": (FIRST, {"formats": ["catalog"]}, THEN, {"formats": ["catalog"]}),
    "divided": (FIRST, {}, [item(f"long-{n}", f"2025-03-{n:02}") for n in range(1, 9)], {}),
}


@pytest.mark.parametrize("run", RUNS)
def test_links_resolve_between_any_two_changes_and_a_killed_run_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    _, _, objects, settings = RUNS[run]
    for killed in kills(tmp_path, monkeypatch, run):
        export(killed, *objects, **settings)
        assert snapshot(killed) == snapshot(tmp_path / "out"), killed.name


@pytest.mark.parametrize("run", ["first", "update", "tree added", "tree alone"])
def test_a_run_of_other_records_after_a_killed_one_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    before, _, objects, settings = RUNS[run]
    other = item("z", "2025-03-30")
    copies = kills(tmp_path, monkeypatch, run)
    export(tmp_path / "out", other, **settings)
    for killed in copies:
        export(killed, other, **settings)
        links_resolve(killed)
        there = {name.rpartition("/")[2] for name in item_files(killed)}
        assert {"z", *(each["id"] for each in before if each["type"] == "Feature")} <= there
        export(killed, *objects, **settings)
        assert snapshot(killed) == snapshot(tmp_path / "out"), killed.name


def test_a_run_killed_again_and_again_ends_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, objects, settings = RUNS["update"]
    copies = kills(tmp_path, monkeypatch, "update")
    for number, killed in enumerate(copies[:3]):
        shutil.copytree(killed, tmp_path / f"again-{number}" / "out")
        Watched.changes = 0
        with monkeypatch.context() as patch:
            patch.setattr("target_stac.target.opened", watched)
            export(tmp_path / f"again-{number}" / "out", *objects, **settings)
        for twice in sorted((tmp_path / f"again-{number}").glob("killed-*"))[::3]:
            export(twice, *objects, **settings)
            assert snapshot(twice) == snapshot(tmp_path / "out"), (killed.name, twice.name)
