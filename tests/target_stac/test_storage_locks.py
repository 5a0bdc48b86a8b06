"""Tests of outputs that another run uses, of planted links, and of full temporary folders."""

from __future__ import annotations

import resource
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from target_stac.storage import LOCK_FILE, StorageError
from tests.target_stac.exports import (
    TARGET,
    Json,
    assert_links_resolve,
    encode_messages,
    export,
    make_environment,
    make_item,
    make_sync,
    read_command_log,
    run_target,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_second_run_to_same_folder_is_refused_before_reading_input(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = subprocess.Popen(
        [TARGET, "--config=ENV"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=make_environment({"output": str(out), "formats": ["catalog"]}),
    )
    while not (out / LOCK_FILE).exists() and first.poll() is None:
        time.sleep(0.01)
    second = run_target(b"no Singer, which would be another error\n", out)
    assert second.returncode == 1
    [line] = read_command_log(second, "error")
    assert line.startswith(f"output: another run uses '{out}'; wait until it has ended")
    first.communicate(encode_messages(make_sync(make_item("a"))))
    assert first.returncode == 0
    assert_links_resolve(out)
    assert LOCK_FILE not in snapshot(out)
    assert run_target(encode_messages(make_sync(make_item("b"))), out).returncode == 0


@pytest.mark.parametrize("link", ["catalog.json.part", "l2a", "l2a/2025", "preview.html", ".lock"])
def test_planted_link_is_refused_and_its_target_unchanged(tmp_path: Path, link: str) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    (out / link).parent.mkdir(parents=True)
    mine.mkdir()
    (mine / "file").write_text("mine")
    is_folder = link.startswith("l2a")
    (out / link).symlink_to(mine if is_folder else mine / "file")
    with pytest.raises(StorageError, match=f"^output: '.*{link}' is a symbolic link; remove it$"):
        export(out, make_item("a"))
    assert snapshot(mine) == {"file": b"mine"}
    (out / link).unlink()
    export(out, make_item("a"))
    assert_links_resolve(out)


def test_partial_file_of_killed_run_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "mine").write_text("mine")
    (out / "catalog.json.part").hardlink_to(tmp_path / "mine")
    export(out, make_item("a"))
    assert (tmp_path / "mine").read_text() == "mine"
    assert_links_resolve(out)


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


@pytest.mark.parametrize(
    ("first", "items"),
    [
        ([make_item("a")], [make_item(f"{n}", title="long " * 2000) for n in range(100)]),
        ([make_item(f"{n}") for n in range(500)], []),
    ],
    ids=["of new items", "of the manifest"],
)
def test_full_temporary_folder_is_named_and_export_is_unchanged(
    tmp_path: Path, first: list[Json], items: list[Json]
) -> None:
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    export(out, *first)
    before = snapshot(out)
    result = subprocess.run(
        [TARGET, "--config=ENV"],
        input=encode_messages(make_sync(*items)),
        capture_output=True,
        check=False,
        env=make_environment({"output": str(out)}) | {"TMPDIR": str(temporary)},
        preexec_fn=limit_file_size,
    )
    completed = subprocess.CompletedProcess([], 0, "", result.stderr.decode())
    [line] = read_command_log(completed, "error")
    assert line.startswith(f"temporary folder '{temporary}/target-stac-")
    assert "File too large; set TMPDIR to a folder with enough space" in line
    assert result.returncode == 1
    assert snapshot(out) == before
    assert list(temporary.iterdir()) == []
