"""Downloads to a URL: objects are written whole or not at all, and not fetched again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import fsspec
import pytest

from pixxel_sandbox import Behavior, S3Server
from pixxel_sandbox.delivery.s3_server import find_rclone
from target_pixxel_store.target import TargetPixxelStore
from tests.target_pixxel_store.download_checks import LARGE_BYTES, count_download_posts, list_files
from tests.target_pixxel_store.target_harness import download_request, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.target_pixxel_store.target_harness import TargetHarness


@pytest.fixture
def memory_filesystem(
    harness: TargetHarness, download_folder: Path
) -> Iterator[fsspec.AbstractFileSystem]:
    """Set `download_to` to a folder of an empty file system in memory."""
    del download_folder
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    harness.settings["download_to"] = "memory://images/of-us/"
    yield filesystem
    filesystem.store.clear()


def test_download_to_url_writes_object(
    harness: TargetHarness, memory_filesystem: fsspec.AbstractFileSystem
) -> None:
    [key] = harness.catalog_ids(1)
    result = harness.run(download_request(key), state(1))
    [line] = result.outcomes
    assert (result.kinds, result.states) == (["created"], [{"upto": 1}])
    assert line["object"].startswith(f"memory://images/of-us/{key}/")
    assert len(memory_filesystem.cat_file(line["object"])) == harness.sandbox.digest(key).size
    parts = harness.folder / "journal.parts"
    assert (list_files(parts), parts.stat().st_mode & 0o777) == ([], 0o700)


@pytest.mark.usefixtures("memory_filesystem")
def test_download_to_url_existing_object_not_fetched(harness: TargetHarness) -> None:
    [key] = harness.catalog_ids(1)
    harness.run(download_request(key))
    assert harness.run(download_request(key)).kinds == ["exists"]
    assert count_download_posts(harness) == 1
    harness.reset_journal()
    assert harness.run(download_request(key)).kinds == ["exists"]
    assert count_download_posts(harness) == 2
    assert list_files(harness.folder / "journal.parts") == []


def test_download_to_url_truncated_object_written_again(
    harness: TargetHarness, memory_filesystem: fsspec.AbstractFileSystem
) -> None:
    [key] = harness.catalog_ids(1)
    [line] = harness.run(download_request(key)).outcomes
    memory_filesystem.pipe_file(line["object"], b"PK")
    assert harness.run(download_request(key)).kinds == ["created"]
    assert memory_filesystem.size(line["object"]) == harness.sandbox.digest(key).size


def test_download_to_url_write_error_fetched_once(
    harness: TargetHarness,
    memory_filesystem: fsspec.AbstractFileSystem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [key] = harness.catalog_ids(1)

    def raise_write_error(*_: object, **__: object) -> None:
        raise OSError(5, "the bucket is on fire")

    monkeypatch.setattr(type(memory_filesystem), "put_file", raise_write_error)
    result = harness.run(download_request(key), state(1))
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert result.reasons == ["cannot write to 'memory://images/of-us': the bucket is on fire"]
    assert len(list_files(harness.folder / "journal.parts")) == 2
    monkeypatch.undo()
    assert harness.run(
        download_request(key), download_to=harness.settings["download_to"]
    ).kinds == ["created"]
    assert len(harness.sandbox.fetches) == 1
    assert list_files(harness.folder / "journal.parts") == []


@pytest.mark.usefixtures("download_folder")
def test_download_to_url_password_hidden(
    harness: TargetHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: list[str] = []
    monkeypatch.setattr(TargetPixxelStore, "register_secrets", staticmethod(registered.extend))
    result = harness.run(
        download_request(harness.catalog_ids(1)[0]), download_to="memory://me:s3cret@images/x"
    )
    assert registered == ["s3cret"]
    output = json.dumps([result.outcomes, result.log, harness.journal_path.read_text()])
    assert "s3cret" not in output
    assert "memory://images/x" in output


def test_download_interactive_shows_progress(
    harness: TargetHarness,
    download_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    harness.sandbox.behavior = Behavior(download_seconds=0, download_bytes=LARGE_BYTES)
    ids = harness.catalog_ids(2)
    harness.run(download_request(ids[0]))
    assert capsys.readouterr().err == "", "not interactive"
    monkeypatch.setattr("pixxel_singer.progress.is_interactive", lambda: True)
    harness.run(*map(download_request, ids))
    assert "all of them" in (output := capsys.readouterr().err)
    assert "3.0/3.0 MB" in output
    assert len(list_files(download_folder)) == 2


@pytest.mark.skipif(find_rclone() is None, reason="rclone, which speaks S3, is missing")
@pytest.mark.usefixtures("download_folder")
def test_download_to_bucket_multipart_upload(
    harness: TargetHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.sandbox.behavior = Behavior(
        download_seconds=0, download_bytes=4 * LARGE_BYTES, interrupt_fetches=2
    )
    first, second = harness.catalog_ids(2)
    with S3Server(buckets=["mine"]) as server:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", server.key_id), ("AWS_SECRET_ACCESS_KEY", server.secret),
            ("AWS_ENDPOINT_URL", server.url), ("AWS_REGION", "us-east-1"),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        result = harness.run(
            download_request(first), download_request(second), download_to="s3://mine/images"
        )
        assert result.kinds == ["created", "created"]
        for line in result.outcomes:
            path = server.folder / line["object"].removeprefix("s3://")
            assert path.stat().st_size == harness.sandbox.digest(line["catalog_id"]).size
        assert harness.run(download_request(first), download_to="s3://mine/images").kinds == [
            "exists"
        ]
        missing_bucket = harness.run(download_request(first), download_to="s3://not-there/images")
    assert missing_bucket.kinds == ["failed"]
    assert "'s3://not-there/images': " in missing_bucket.reasons[0]
    assert server.secret not in missing_bucket.reasons[0]


@pytest.mark.usefixtures("download_folder")
def test_download_to_url_wrong_size_fails(
    harness: TargetHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_filesystem = fsspec.filesystem("memory")
    monkeypatch.setattr(
        type(memory_filesystem), "put_file", lambda self, _, path, **__: self.pipe_file(path, b"PK")
    )
    result = harness.run(download_request(harness.catalog_ids(1)[0]), download_to="memory://cut")
    assert result.kinds == ["failed"]
    assert "has a different size than the uploaded file" in result.reasons[0]


def test_download_to_unwritable_folder_reported_before_requests(
    harness: TargetHarness, download_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write to every folder, so the test replaces `os.access`."""
    download_folder.mkdir()
    monkeypatch.setattr("os.access", lambda path, _: path != download_folder)
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert "'download_to': the folder is not writable" in str(result.error)
    assert harness.sandbox.requests == []
