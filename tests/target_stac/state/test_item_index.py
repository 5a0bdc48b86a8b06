"""Tests of the index's scratch files."""

from __future__ import annotations

import io
import os
import tempfile
from typing import TYPE_CHECKING

from tests.target_stac.exports import encode_messages, make_item, make_sync, make_target

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_scratch_files_are_private_with_any_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    plugin = make_target(tmp_path / "out")
    old = os.umask(0)
    try:
        _ = plugin.export
        files = list(scratch.glob("*/*"))
        assert {"index.sqlite", "spool", "rejected.ndjson"} <= {file.name for file in files}
        assert {folder.stat().st_mode & 0o777 for folder in scratch.iterdir()} == {0o700}
    finally:
        os.umask(old)
        plugin.run(io.TextIOWrapper(io.BytesIO(encode_messages(make_sync(make_item("a"))))))
    assert list(scratch.iterdir()) == []
