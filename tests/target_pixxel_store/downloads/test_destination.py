"""Downloads to a URL: put there whole, or not at all, and what is there is not fetched again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import fsspec
import pytest

from pixxel_sandbox import Behavior, S3Server
from pixxel_sandbox.delivery.s3_server import find_rclone
from target_pixxel_store.target import TargetPixxelStore
from tests.target_pixxel_store.download_checks import LARGE, files, posted
from tests.target_pixxel_store.target_runner import state, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.target_pixxel_store.target_runner import Workplace


@pytest.fixture
def memory(place: Workplace, images: Path) -> Iterator[fsspec.AbstractFileSystem]:
    """What the workplace's target downloads to from now on."""
    del images
    found = fsspec.filesystem("memory")
    found.store.clear()
    place.settings["download_to"] = "memory://images/of-us/"
    yield found
    found.store.clear()


def test_a_file_is_put_at_the_url(place: Workplace, memory: fsspec.AbstractFileSystem) -> None:
    [key] = place.catalogs(1)
    ran = place.run(wanted(key), state(1))
    [line] = ran.outcomes
    assert (ran.kinds, ran.states) == (["created"], [{"upto": 1}])
    assert line["object"].startswith(f"memory://images/of-us/{key}/")
    assert len(memory.cat_file(line["object"])) == place.sandbox.digest(key).size
    parts = place.folder / "journal.parts"
    assert (files(parts), parts.stat().st_mode & 0o777) == ([], 0o700)


@pytest.mark.usefixtures("memory")
def test_what_is_there_is_not_fetched_again(place: Workplace) -> None:
    [key] = place.catalogs(1)
    place.run(wanted(key))
    assert place.run(wanted(key)).kinds == ["exists"]
    assert posted(place) == 1
    place.keep_journal()
    assert place.run(wanted(key)).kinds == ["exists"]
    assert posted(place) == 2
    assert files(place.folder / "journal.parts") == []


def test_what_was_cut_there_is_put_again(
    place: Workplace, memory: fsspec.AbstractFileSystem
) -> None:
    [key] = place.catalogs(1)
    [line] = place.run(wanted(key)).outcomes
    memory.pipe_file(line["object"], b"PK")
    assert place.run(wanted(key)).kinds == ["created"]
    assert memory.size(line["object"]) == place.sandbox.digest(key).size


def test_what_could_not_be_put_is_not_fetched_twice(
    place: Workplace, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    [key] = place.catalogs(1)

    def full(*_: object, **__: object) -> None:
        raise OSError(5, "the bucket is on fire")

    monkeypatch.setattr(type(memory), "put_file", full)
    ran = place.run(wanted(key), state(1))
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert ran.reasons == ["cannot write to 'memory://images/of-us': the bucket is on fire"]
    assert len(files(place.folder / "journal.parts")) == 2
    monkeypatch.undo()
    assert place.run(wanted(key), download_to=place.settings["download_to"]).kinds == ["created"]
    assert len(place.sandbox.fetches) == 1
    assert files(place.folder / "journal.parts") == []


@pytest.mark.usefixtures("images")
def test_a_password_in_the_url_is_told_nowhere(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden: list[str] = []
    monkeypatch.setattr(TargetPixxelStore, "register_secrets", staticmethod(hidden.extend))
    ran = place.run(wanted(place.catalogs(1)[0]), download_to="memory://me:s3cret@images/x")
    assert hidden == ["s3cret"]
    told = json.dumps([ran.outcomes, ran.log, place.journal.read_text()])
    assert "s3cret" not in told
    assert "memory://images/x" in told


def test_a_person_sees_how_far_the_files_are(
    place: Workplace,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place.sandbox.behavior = Behavior(download_seconds=0, download_bytes=LARGE)
    ids = place.catalogs(2)
    place.run(wanted(ids[0]))
    assert capsys.readouterr().err == "", "nobody watches"
    monkeypatch.setattr("pixxel_singer.progress.is_interactive", lambda: True)
    place.run(*map(wanted, ids))
    assert "all of them" in (said := capsys.readouterr().err)
    assert "3.0/3.0 MB" in said
    assert len(files(images)) == 2


@pytest.mark.skipif(find_rclone() is None, reason="rclone, which speaks S3, is missing")
@pytest.mark.usefixtures("images")
def test_a_bucket_takes_a_file_in_parts(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    place.sandbox.behavior = Behavior(
        download_seconds=0, download_bytes=4 * LARGE, interrupt_fetches=2
    )
    first, second = place.catalogs(2)
    with S3Server(buckets=["mine"]) as server:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", server.key_id), ("AWS_SECRET_ACCESS_KEY", server.secret),
            ("AWS_ENDPOINT_URL", server.url), ("AWS_REGION", "us-east-1"),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        ran = place.run(wanted(first), wanted(second), download_to="s3://mine/images")
        assert ran.kinds == ["created", "created"]
        for line in ran.outcomes:
            path = server.folder / line["object"].removeprefix("s3://")
            assert path.stat().st_size == place.sandbox.digest(line["catalog_id"]).size
        assert place.run(wanted(first), download_to="s3://mine/images").kinds == ["exists"]
        refused = place.run(wanted(first), download_to="s3://not-there/images")
    assert refused.kinds == ["failed"]
    assert "'s3://not-there/images': " in refused.reasons[0]
    assert server.secret not in refused.reasons[0]


@pytest.mark.usefixtures("images")
def test_an_object_that_is_not_as_large_as_its_file_is_no_download(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fsspec.filesystem("memory")
    monkeypatch.setattr(
        type(files), "put_file", lambda self, _, path, **__: self.pipe_file(path, b"PK")
    )
    ran = place.run(wanted(place.catalogs(1)[0]), download_to="memory://cut")
    assert ran.kinds == ["failed"]
    assert "has a different size than the uploaded file" in ran.reasons[0]


def test_a_folder_that_may_not_be_written_to_is_told_first(
    place: Workplace, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For root there is none, so that the system's word is put in its mouth."""
    images.mkdir()
    monkeypatch.setattr("os.access", lambda path, _: path != images)
    ran = place.run(wanted(place.catalogs(1)[0]))
    assert "'download_to': the folder is not writable" in str(ran.error)
    assert place.sandbox.requests == []
