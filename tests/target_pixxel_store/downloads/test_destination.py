"""Destinations: checked before the first request, written whole or not at all, kept as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from obstore.exceptions import PermissionDeniedError

from pixxel_sandbox import Behavior, S3Server
from pixxel_sandbox.delivery.s3_server import find_rclone
from pixxel_singer.errors import InputError
from target_pixxel_store import circuit_breaker
from target_pixxel_store.downloads import pipeline
from target_pixxel_store.errors import CircuitOpenError, DestinationError
from target_pixxel_store.target import TargetPixxelStore
from tests.target_pixxel_store.download_checks import LARGE_BYTES, count_download_posts, list_files
from tests.target_pixxel_store.target_harness import download_request, state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_pixxel_store.target_harness import TargetHarness


class KeptFileSystem(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A file system at a URL, as a package of fsspec may bring it."""

    protocol = "kept"
    store: ClassVar[dict[str, Any]] = {}

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("kept://").strip("/")


@pytest.fixture
def filesystem(harness: TargetHarness, download_folder: Path) -> KeptFileSystem:
    """Set `download_to` to a folder of an empty file system."""
    del download_folder
    fsspec.register_implementation("kept", KeptFileSystem, clobber=True)
    KeptFileSystem.store.clear()
    harness.settings["download_to"] = "kept://images//of-us/"
    return KeptFileSystem()


def refuse(*_: object, **__: object) -> None:
    raise PermissionDeniedError("403 Forbidden")


def raise_error(*_: object, **__: object) -> None:
    raise OSError(5, "the bucket is on fire")


def put_less(self: KeptFileSystem, _: object, path: str, **__: object) -> None:
    self.pipe_file(path, b"PK")


def test_download_to_url_existing_object_fetched_again_only_if_it_is_damaged(
    harness: TargetHarness, filesystem: KeptFileSystem
) -> None:
    message = download_request(harness.catalog_ids(1)[0])
    [line] = harness.run(message).outcomes
    assert harness.run(message).kinds == ["exists"]
    assert count_download_posts(harness) == 1
    harness.reset_journal()
    assert harness.run(message).kinds == ["exists"], "the checksum is the same"
    assert count_download_posts(harness) == 2
    size = filesystem.size(line["object"])
    filesystem.pipe_file(line["object"], b"PK")
    assert harness.run(message).kinds == ["created"]
    assert filesystem.size(line["object"]) == size
    filesystem.pipe_file(line["object"], bytes(size))
    harness.reset_journal()
    assert "a different file with this name" in harness.run(message).reasons[0]
    assert filesystem.cat_file(line["object"]) == bytes(size)
    assert list_files(harness.folder / "journal.parts") == []


def test_download_to_url_write_error_fails_record(
    harness: TargetHarness, filesystem: KeptFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = download_request(harness.catalog_ids(1)[0])
    for change, reason in (
        (raise_error, "cannot write to 'kept://images/of-us': the bucket is on fire"),
        (put_less, "its object in 'kept://images/of-us' has another size than the uploaded file"),
    ):
        monkeypatch.setattr(KeptFileSystem, "put_file", change)
        result = harness.run(message, state(1))
        assert (result.status, result.reasons, result.states) == (1, [reason], [])
    monkeypatch.undo()
    filesystem.store.clear()
    harness.sandbox.behavior = Behavior(download_seconds=0)
    assert harness.run(message).kinds == ["created"]
    assert list_files(harness.folder / "journal.parts") == []


@pytest.mark.usefixtures("filesystem")
@pytest.mark.parametrize(
    ("change", "reason", "count"),
    [
        (raise_error, "2 failures in a row (destination)", 2),
        (refuse, "cannot write to 'kept://images/of-us': 403 Forbidden", 0),
    ],
)
def test_destination_that_refuses_files_ends_run(
    harness: TargetHarness, monkeypatch: pytest.MonkeyPatch, change: Any, reason: str, count: int
) -> None:
    monkeypatch.setattr(KeptFileSystem, "put_file", change)
    monkeypatch.setattr(circuit_breaker, "FAILURE_THRESHOLD", 2)
    monkeypatch.setattr(pipeline, "_STOP_SECONDS", 1e4)  # not for what has not begun
    messages = map(download_request, harness.catalog_ids(4))
    result = harness.run(*messages, state(1), on_error="continue", download_concurrency=1)
    assert isinstance(result.error, DestinationError if change is refuse else CircuitOpenError)
    assert reason in str(result.error)
    assert (result.kinds, result.states) == (["failed"] * count, [])


@pytest.mark.usefixtures("filesystem")
@pytest.mark.parametrize(
    ("method", "change", "reason"),
    [
        ("pipe_file", lambda *_: None, "/.pixxel-download-check': it is written, but not found"),
        ("pipe_file", refuse, "/.pixxel-download-check': 403 Forbidden"),
        ("info", refuse, "/.pixxel-download-check': 403 Forbidden"),
    ],
)
def test_destination_that_fails_the_check_ends_run_before_requests(
    harness: TargetHarness, monkeypatch: pytest.MonkeyPatch, method: str, change: Any, reason: str
) -> None:
    monkeypatch.setattr(KeptFileSystem, method, change)
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert isinstance(result.error, InputError)
    assert f"cannot write and find 'kept://images/of-us{reason}" in str(result.error)
    assert harness.sandbox.requests == []


def test_destination_that_deletes_nothing_is_used(
    harness: TargetHarness, filesystem: KeptFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeptFileSystem, "rm_file", refuse)
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert result.kinds == ["created"]
    assert "'kept://images/of-us/.pixxel-download-check' remains" in result.log
    assert len(filesystem.store) == 2


@pytest.mark.usefixtures("filesystem")
def test_url_password_hidden(harness: TargetHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[str] = []
    monkeypatch.setattr(TargetPixxelStore, "register_secrets", staticmethod(registered.extend))
    result = harness.run(
        download_request(harness.catalog_ids(1)[0]), download_to="kept://me:s3cret@images/x"
    )
    assert registered == ["s3cret"]
    output = json.dumps([result.outcomes, result.log, harness.journal_path.read_text()])
    assert "s3cret" not in output
    assert "kept://images/x" in output


def test_download_interactive_shows_progress_and_place(
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
    monkeypatch.setattr("target_pixxel_store.target.is_interactive", lambda: True)
    result = harness.run(*map(download_request, ids))
    output = capsys.readouterr().err
    assert "2 of 2 files" in output
    assert "3.0" in output
    assert f"files are in {download_folder}" in output
    assert result.summary["download_to"] == str(download_folder)


@pytest.mark.skipif(find_rclone() is None, reason="rclone, which speaks S3, is missing")
@pytest.mark.usefixtures("download_folder")
def test_bucket_multipart_upload(harness: TargetHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.sandbox.behavior = Behavior(
        download_seconds=0, download_bytes=4 * LARGE_BYTES, interrupt_fetches=2
    )
    message = download_request(harness.catalog_ids(1)[0])
    with S3Server(buckets=["mine"]) as server:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", server.key_id), ("AWS_SECRET_ACCESS_KEY", server.secret),
            ("AWS_ENDPOINT_URL", server.url), ("AWS_REGION", "us-east-1"),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        [line] = harness.run(message, download_to="s3://mine//images/").outcomes
        [name] = list_files(server.folder)
        assert (line["outcome"], line["object"]) == ("created", f"s3://{name}")
        assert (server.folder / name).stat().st_size == 4 * LARGE_BYTES
        assert harness.run(message, download_to="s3://mine/images").kinds == ["exists"]
        missing = harness.run(message, download_to="s3://not-there/images")
    assert isinstance(missing.error, InputError)
    assert "cannot write and find 's3://not-there/images/" in str(missing.error)
    assert server.secret not in str(missing.error)
