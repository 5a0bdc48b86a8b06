"""Partial files: what is surely on disk is resumed, and nothing else is touched."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from target_pixxel_store.downloads import partial_file
from target_pixxel_store.downloads.partial_file import (
    PartialFile,
    RemoteFile,
    Validator,
    open_folder,
)
from target_pixxel_store.errors import RecordError

BOUNDARY = 1000
FILE = RemoteFile("a.zip", None)
VALIDATOR = Validator('"one"', "Sun, 09 Sep 2001 01:48:20 GMT", 9999)


@pytest.fixture(autouse=True)
def boundary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_file, "BOUNDARY_BYTES", BOUNDARY)


def open_part(folder: Path) -> PartialFile:
    return PartialFile(open_folder(folder), "part")


def write_part(folder: Path, content: bytes, validator: Validator = VALIDATOR) -> None:
    with open_part(folder) as part:
        part.restart(FILE, validator)
        part.append(content)


@pytest.mark.parametrize(
    ("size", "resumed"), [(0, 0), (1, 0), (1000, 0), (1001, 1000), (2000, 1000), (2001, 2000)]
)
def test_resumed_at_last_boundary_that_is_on_disk(tmp_path: Path, size: int, resumed: int) -> None:
    write_part(tmp_path, b"x" * size)
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} <= {0o600}
    with open_part(tmp_path) as part:
        assert (part.size, part.remote_file) == (resumed, None)
        assert part.validator == (VALIDATOR if size else Validator())
        assert (tmp_path / "part").stat().st_size == resumed


def test_synced_at_boundary_before_it_is_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    with open_part(tmp_path) as part:
        part.restart(FILE, VALIDATOR)
        monkeypatch.setattr(os, "fsync", lambda fd: sizes.append(os.fstat(fd).st_size))
        for piece in (b"x" * 700, b"x" * 1700, b"x" * 600, b"x"):
            part.append(piece)
        assert sizes == [1000, 2000, 3000]


@pytest.mark.parametrize(
    "note",
    [
        b"", b"{", b'{"size": 9, "etag": 1}', b'{"size": 9}', b'{"size": 9, "etag": "W/\\"a\\""}',
        b'{"size": 9, "etag": "unquoted"}', b'{"size": 9, "etag": "\\"\\n\\""}',
        b'{"etag": "\\"a\\""}',
    ],
)  # fmt: skip
def test_partial_file_without_usable_validator_restarted(tmp_path: Path, note: bytes) -> None:
    write_part(tmp_path, b"x" * 1500)
    (tmp_path / "part.json").write_bytes(note)
    with open_part(tmp_path) as part:
        assert part.size == 0


def test_partial_file_locked_by_other_run_fails(tmp_path: Path) -> None:
    with open_part(tmp_path), pytest.raises(RecordError, match="another run is downloading it"):
        open_part(tmp_path).__enter__()


def test_file_of_other_run_not_truncated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_part(tmp_path).__enter__()
    first.restart(FILE, VALIDATOR)
    first.append(b"whole")
    lock = fcntl.flock

    def commit_then_lock(fd: int, operation: int) -> None:
        first.commit("a.zip", 0o644)
        (tmp_path / "part").touch()  # of a third run
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", commit_then_lock)
    with pytest.raises(RecordError, match="another run is downloading it"):
        open_part(tmp_path).__enter__()
    assert (tmp_path / "a.zip").read_bytes() == b"whole"


@pytest.mark.parametrize(
    ("link", "plant"),
    [
        *product(["images/part", "images/part.json"], [Path.symlink_to, Path.hardlink_to]),
        ("images", Path.symlink_to),
    ],
)
def test_planted_link_not_followed(tmp_path: Path, link: str, plant: Any) -> None:
    victim, path = tmp_path / "victims/part", tmp_path / link
    for folder in {victim.parent, path.parent}:
        folder.mkdir(exist_ok=True)
    victim.write_text("precious")
    plant(path, victim.parent if link == "images" else victim)
    with suppress(RecordError), partial_file.disk_errors():
        with PartialFile(open_folder(tmp_path, "images"), "part") as part:
            part.restart(FILE, VALIDATOR)
            part.append(b"PK")
            part.commit("a.zip", 0o644)
    assert (victim.read_text(), list(victim.parent.iterdir())) == ("precious", [victim])
    assert victim.stat().st_mode & 0o777 != 0o600
