"""Tests of the storages: the same files in both, the order of writes, and errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

from pixxel_sandbox.delivery.s3_server import S3Server, find_rclone
from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from target_stac.storage import ObjectStorage, StorageError, open_storage
from tests.target_stac.exports import (
    DATA,
    STATE,
    Json,
    assert_links_resolve,
    export,
    find_differences,
    make_collection,
    make_derived_item,
    make_item,
    make_item_with_bbox,
    read_command_log,
    run_target,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMATS = ["catalog", "ndjson", "geoparquet"]
KEY, SECRET = "key-of-the-test", "s3cret-of-the-test"
FIRST = [
    make_item("a"),
    make_item("b", "2025-04-01"),
    make_item("origin", collection="archive"),
    make_derived_item("child", "origin"),
    make_item_with_bbox("e", None),
]
SECOND = [make_item("b", "2024-12-31"), make_item("origin", "2024-02-02", collection="archive")]


# --- object storage in memory -------------------------------------------------------------------


class RecordingStorage(ObjectStorage):
    """An object storage that records writes and deletions in the order of the calls."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.changes: list[tuple[str, str]] = []

    def write(self, path: str, content: bytes, *, verify: bool = False) -> None:
        self.changes.append(("write", path))
        super().write(path, content, verify=verify)

    def delete(self, path: str) -> None:
        if self.exists(path):
            self.changes.append(("delete", path))
        super().delete(path)


@pytest.fixture
def memory_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingStorage]:
    files = fsspec.filesystem("memory")
    files.store.clear()  # one for the process: downloads of other tests may have left files
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    store = RecordingStorage(files, "/bucket/folder", scratch)

    @contextmanager
    def open_memory_storage(_url: str) -> Iterator[RecordingStorage]:
        yield store

    monkeypatch.setattr("target_stac.target.open_storage", open_memory_storage)
    yield store
    store.close()
    files.store.clear()


def read_memory(folder: str = "/bucket/folder/") -> dict[str, bytes]:
    store: dict[str, Any] = fsspec.filesystem("memory").store
    return {path.removeprefix(folder): file.getvalue() for path, file in store.items()}


@pytest.mark.parametrize("partition", ["none", "month"])
def test_object_storage_has_same_bytes_as_local_storage(
    tmp_path: Path,
    memory_storage: RecordingStorage,
    monkeypatch: pytest.MonkeyPatch,
    partition: str,
) -> None:
    for objects in (FIRST, SECOND, []):
        export("memory", *objects, formats=FORMATS, partition=partition)
    monkeypatch.undo()
    for objects in (FIRST, SECOND):
        export(tmp_path / "out", *objects, formats=FORMATS, partition=partition)
    for name, content in read_memory().items():
        (tmp_path / "memory" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "memory" / name).write_bytes(content)
    assert find_differences(snapshot(tmp_path / "memory"), snapshot(tmp_path / "out")) == []
    memory_storage.flush()


def test_storage_writes_root_last_and_deletes_afterwards(memory_storage: RecordingStorage) -> None:
    export("memory", *FIRST, formats=["catalog"])
    writes = [path for what, path in memory_storage.changes if what == "write"]
    catalogs = [path for path in writes if path.endswith(("catalog.json", "collection.json"))]
    assert writes[-len(catalogs) :] == catalogs, "all items precede all catalogs"
    assert writes[len(FIRST) - 1] == "l2a/2025/03/child.json", "a derived item follows its origin"
    depths = [path.count("/") for path in catalogs]
    assert depths == sorted(depths, reverse=True)
    assert catalogs[-1] == "catalog.json"
    memory_storage.changes.clear()
    export("memory", *SECOND, formats=["catalog"])
    steps = [what for what, _ in memory_storage.changes]
    paths = [path for _, path in memory_storage.changes]
    first_deletion = steps.index("delete")
    assert "l2a/2025/04/b.json" in paths[first_deletion:]
    assert paths[first_deletion:].count("archive/2025/03/origin.json") == 1
    assert all(paths.index(p) < first_deletion for p in paths if p.endswith("2024/12/b.json"))


def test_object_storage_write_error_stops_run(
    memory_storage: RecordingStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, _content: bytes) -> None:
        if path.endswith("b.json"):
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(memory_storage._filesystem, "pipe_file", fail)
    with pytest.raises(
        StorageError, match=r"cannot write 'l2a/2025/04/b\.json': Permission denied"
    ):
        export("memory", *FIRST)


# --- S3 -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Return the bucket's folder of an S3 server, and the variables to reach it."""
    if find_rclone() is None:
        pytest.skip("rclone, which speaks S3, is not installed")
    root = tmp_path_factory.mktemp("s3")
    with S3Server(root, ["bucket"], key_id=KEY, secret=SECRET) as server:
        yield (
            root / "bucket",
            {
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_ENDPOINT_URL": server.url,
                "AWS_ALLOW_HTTP": "true",
                "AWS_REGION": "us-east-1",
            },
        )


def test_s3_bucket_has_same_files_as_local_folder(
    tmp_path: Path, s3: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, variables = s3
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    lines = (DATA / "mixed.singer").read_bytes()
    result = run_target(lines, "s3://bucket/a/b/", formats=FORMATS)
    assert read_command_log(result, "error") == []
    assert (result.returncode, result.stdout.count("\n")) == (ExitCode.OK, 1)
    assert str(STATE["bookmarks"]["items"]["replication_key_value"]) in result.stdout
    moved: list[Json] = [
        make_item_with_bbox("second", [1, 2, 3, 4], collection="archive"),
        make_collection("new"),
    ]
    export("s3://bucket/a/b", *moved, formats=FORMATS)
    run_target(lines, tmp_path / "out", formats=FORMATS)
    export(tmp_path / "out", *moved, formats=FORMATS)
    assert snapshot(bucket / "a/b") == snapshot(tmp_path / "out")
    export("s3://bucket/a/b", make_item("only"), formats=["ndjson"], mode="overwrite")
    export(tmp_path / "out", make_item("only"), formats=["ndjson"], mode="overwrite")
    assert snapshot(bucket / "a/b") == snapshot(tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "url"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "s3cret-and-wrong"}, "s3://bucket/x"),
        ({}, "s3://no-such-bucket/x"),
    ],
    ids=["wrong secret", "no bucket"],
)
def test_s3_access_error_is_one_line_without_credentials(
    s3: tuple[Path, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
    url: str,
) -> None:
    for name, value in (s3[1] | change).items():
        monkeypatch.setenv(name, value)
    result = run_target((DATA / "small.singer").read_bytes(), url)
    assert result.returncode == ExitCode.FAILED
    [line] = read_command_log(result, "error")
    assert line.startswith("output: cannot ")
    assert "s3cret" not in result.stderr
    assert KEY not in result.stderr
    assert result.stdout == ""


SMALL = (DATA / "small.singer").read_bytes()


def make_unusable_outputs(folder: Path) -> Iterator[tuple[str, Path]]:
    (folder / "file").write_text("mine")
    yield "an output that is a file", folder / "file"
    yield "a folder in a file", folder / "file/out"
    (folder / "taken/catalog.json").mkdir(parents=True)
    yield "a root that is a folder", folder / "taken"


@pytest.mark.parametrize("number", range(3))
def test_unusable_output_is_one_line_before_reading_input(tmp_path: Path, number: int) -> None:
    _, out = list(make_unusable_outputs(tmp_path))[number]
    result = run_target(b"no Singer, which would be another error\n", out)
    assert result.returncode == (1 if number == 2 else 2)
    [line] = read_command_log(result, "error")
    assert line.startswith("output: cannot " if number == 2 else "output: '")
    assert result.stdout == ""
    assert (tmp_path / "file").read_text() == "mine"


def test_write_error_is_one_line_without_state(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "items.ndjson" / "x").mkdir(parents=True)
    result = run_target(SMALL, out)
    assert result.returncode == 1
    [line] = read_command_log(result, "error")
    assert line.startswith("output: cannot write 'items.ndjson'")
    assert result.stdout == ""
    assert_links_resolve(out)


@pytest.mark.parametrize(
    "url", ["nowhere://u:s3cret@host/x", "s3cret+x://a", "s3://", "az://", "gs://"]
)
def test_unusable_url_error_has_no_password(url: str) -> None:
    errors = (InputError, StorageError)
    with pytest.raises(errors, match=r"^output: ") as caught, open_storage(url) as output:
        output.read("catalog.json")
    assert "s3cret@" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bucket_without_credentials_error_names_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with (
        pytest.raises(StorageError, match=r"no credentials; set .*AWS_ACCESS_KEY_ID"),
        open_storage("s3://bucket/folder") as output,
    ):
        output.read("catalog.json")
