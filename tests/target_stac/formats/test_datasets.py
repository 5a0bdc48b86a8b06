"""Tests of the thread that makes the GeoParquet while the catalog is written."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from target_stac.formats.geoparquet import GeoparquetWriter
from target_stac.storage import LocalStorage, StorageError
from tests.target_stac.exports import FORMATS, export, make_item

if TYPE_CHECKING:
    from pathlib import Path


def test_error_of_catalog_ends_run_and_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_started, was_cancelled = threading.Event(), threading.Event()
    write = LocalStorage.write

    def make_slowly(writer: GeoparquetWriter) -> None:
        has_started.set()
        try:
            for _ in range(300):
                writer._check()
                time.sleep(0.1)
        except CancelledError:
            was_cancelled.set()
            raise

    def fail(storage: LocalStorage, path: str, content: bytes, **options: bool) -> None:
        if path.endswith("a.json"):
            assert has_started.wait(20)
            raise StorageError(path)
        write(storage, path, content, **options)

    monkeypatch.setattr(GeoparquetWriter, "write", make_slowly)
    monkeypatch.setattr(LocalStorage, "write", fail)
    with pytest.raises(StorageError, match=r"^l2a/2025/03/a\.json$"):
        export(tmp_path, make_item("a"), formats=FORMATS)
    assert was_cancelled.is_set()


def test_error_of_thread_ends_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(writer: GeoparquetWriter) -> None:
        del writer
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(GeoparquetWriter, "write", fail)
    with pytest.raises(StorageError, match=r"^temporary folder '.*': No space left on device; set"):
        export(tmp_path, make_item("a"), formats=FORMATS)
