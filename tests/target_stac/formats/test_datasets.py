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


def test_geoparquet_is_made_while_catalog_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_made = threading.Event()
    make, write = GeoparquetWriter.write, LocalStorage.write

    def make_and_report(writer: GeoparquetWriter) -> None:
        make(writer)
        is_made.set()

    def write_after_it(storage: LocalStorage, path: str, content: bytes, **options: bool) -> None:
        assert path != "catalog.json" or is_made.wait(20)
        write(storage, path, content, **options)

    monkeypatch.setattr(GeoparquetWriter, "write", make_and_report)
    monkeypatch.setattr(LocalStorage, "write", write_after_it)
    export(tmp_path, make_item("a"), formats=FORMATS)
    assert (tmp_path / "geoparquet" / "l2a.parquet").is_file()


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
