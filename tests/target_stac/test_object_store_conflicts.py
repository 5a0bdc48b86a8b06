"""Tests of two runs that write one object store at a time: one ends, and no item is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import obstore
import pytest
import requests
from moto.server import ThreadedMotoServer

from pixxel_singer.filesystem import open_object_store
from target_stac.state.manifest import MANIFEST_FILE, Manifest
from target_stac.storage import ConflictError, ObjectStorage
from tests.target_stac.exports import (
    assert_links_resolve,
    export,
    find_item_files,
    make_item,
    make_target,
    read_ndjson,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_stac.target import TargetStac

URL = "s3://bucket/folder"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the endpoint of an S3 server that supports If-Match; rclone does not."""
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host.replace('0.0.0.0', '127.0.0.1')}:{port}",  # noqa: S104
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("target_stac.storage.TAKEOVER_SECONDS", 0.01)
    # Servers of one process share their buckets.
    requests.post(f"{variables['AWS_ENDPOINT_URL']}/moto-api/reset", timeout=10)
    requests.put(f"{variables['AWS_ENDPOINT_URL']}/bucket", timeout=10)
    yield variables["AWS_ENDPOINT_URL"]
    server.stop()


def download(folder: Path) -> Path:
    """Download the export."""
    store = open_object_store(URL)
    assert store is not None
    for each in obstore.list(store).collect():
        file = folder / each["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(obstore.get(store, each["path"]).bytes()))
    return folder


def open_export(target: TargetStac, name: str) -> None:
    _ = target.export
    target.export.take("items", "item", make_item(name))


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("has_previous", [False, True], ids=["first", "update"])
def test_run_that_others_overtook_ends_before_writing(
    tmp_path: Path, *, has_previous: bool
) -> None:
    if has_previous:
        export(URL, make_item("old"))
    slow, fast = make_target(URL), make_target(URL)
    with slow._resources, fast._resources:
        open_export(slow, "slow")
        open_export(fast, "fast")
        fast.export.publish()
        with pytest.raises(ConflictError, match="another run has written to it at the same time"):
            slow.export.publish()
    out = download(tmp_path)
    assert_links_resolve(out)
    names = {"fast", "old"} if has_previous else {"fast"}
    assert {*find_item_files(out)} == {f"l2a/{name}" for name in names}
    export(URL, make_item("slow"))
    out = download(tmp_path)
    assert {each["id"] for each in read_ndjson(out / "items.ndjson")} == {*names, "slow"}


@pytest.mark.usefixtures("bucket")
def test_run_whose_claim_another_run_took_ends_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run cannot tell a run that was killed from one that is slow."""
    export(URL, make_item("old"))
    monkeypatch.setattr("target_stac.storage._CHECK_SECONDS", 0.0)
    claim = Manifest.claim

    def claim_and_wait(manifest: Manifest) -> None:
        claim(manifest)
        with monkeypatch.context() as patch:
            patch.setattr(Manifest, "claim", claim)
            export(URL, make_item("second"))

    slow = make_target(URL)
    with slow._resources:
        open_export(slow, "slow")
        monkeypatch.setattr(Manifest, "claim", claim_and_wait)
        with pytest.raises(ConflictError):
            slow.export.publish()
    out = download(tmp_path)
    assert_links_resolve(out)
    assert {*find_item_files(out)} == {"l2a/old", "l2a/second"}
    assert (out / MANIFEST_FILE).read_bytes().startswith(b"\x1f\x8b")


@pytest.mark.usefixtures("bucket")
def test_killed_run_on_object_store_is_completed_by_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(URL, make_item("old"))

    def kill(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStorage, "release", kill)
        with pytest.raises(KeyboardInterrupt):
            export(URL, make_item("killed"))
    export(URL, make_item("next"))
    out = download(tmp_path)
    assert_links_resolve(out)
    assert {*find_item_files(out)} == {"l2a/old", "l2a/killed", "l2a/next"}
