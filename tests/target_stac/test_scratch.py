"""Tests of scratch folders: none outlives its run for long."""

from __future__ import annotations

import signal
import tempfile
from typing import TYPE_CHECKING

from pixxel_singer.exit_codes import ExitCode
from target_stac.scratch import open_scratch_folder
from tests import forkserver
from tests.kill_points import KillAtFileChange
from tests.target_stac.exports import (
    encode_messages,
    export,
    make_environment,
    make_item,
    make_sync,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_run_removes_files_of_killed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed run cannot remove them, and run by run they would fill the disk."""
    temporary_folder = tmp_path / "tmp"
    temporary_folder.mkdir()
    lines = tmp_path / "lines"
    lines.write_bytes(encode_messages(make_sync(make_item("a"))))
    killed = forkserver.start_command(
        "target-stac",
        "--config=ENV",
        stdin=lines,
        log=tmp_path / "log",
        env=make_environment({"output": str(tmp_path / "out")}) | {"TMPDIR": str(temporary_folder)},
        kill_point=KillAtFileChange(tmp_path / "out" / "l2a", 1),
    )
    assert killed.wait() == -signal.SIGKILL
    assert [*temporary_folder.glob("*/index.sqlite")]
    monkeypatch.setattr(tempfile, "tempdir", str(temporary_folder))
    assert export(tmp_path / "out", make_item("a")) is ExitCode.OK
    assert not [*temporary_folder.iterdir()]


def test_run_keeps_folder_of_running_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with open_scratch_folder() as running, open_scratch_folder() as own:
        assert {*tmp_path.iterdir()} == {running, own}
    assert not [*tmp_path.iterdir()]
