"""S3: a key that cannot write is reported, with the cause, before a store is created."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from target_pixxel_store.credentials import Credentials
from target_pixxel_store.locations import BucketLocation
from target_pixxel_store.stores.buckets import BucketErrorKind, object_size, probe_write_access
from tests.target_pixxel_store.cloud_servers import (
    MOTO,
    RCLONE,
    MotoServer,
    assert_no_secrets,
    expect_bucket_error,
    run_moto,
    serve_rclone_s3,
    set_conflicting_environment,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY, SECRET = "key-of-the-test", "s3cret-of-the-test"
LOCATION = BucketLocation("S3", "bucket", "us-east-1", "image/ry")
FULL_ACCESS, READER, WRITER = "all", "reader", "writer"


def credentials(key: str = KEY, secret: str = SECRET) -> Credentials:
    return Credentials("prod", {"access_key_id": key, "secret_access_key": secret}, None)


# --- signatures, by rclone ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def signing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve S3 with signatures; yield the endpoint, and the folder of the buckets."""
    if RCLONE is None:
        pytest.skip("rclone, which speaks S3, is not installed")
    folder = tmp_path_factory.mktemp("rclone") / "s3"
    (folder / "bucket/delivered").mkdir(parents=True)
    (folder / "bucket/delivered/a.tif").write_bytes(b"image")
    with serve_rclone_s3(folder, KEY, SECRET) as endpoint:
        yield endpoint, folder


def list_files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_s3_valid_key_probe_leaves_nothing(signing_server: tuple[str, Path]) -> None:
    endpoint, folder = signing_server
    assert probe_write_access(LOCATION, credentials(), endpoint) == []
    assert list_files(folder) == ["bucket/delivered/a.tif"]


def test_s3_prefix_with_special_characters_probed(signing_server: tuple[str, Path]) -> None:
    location = LOCATION._replace(prefix="größe 5 %/a?b#c+&=d")
    assert probe_write_access(location, credentials(), signing_server[0]) == []


@pytest.mark.parametrize(
    ("key", "secret"),
    [(KEY, "s3cret-and-wrong"), ("key-of-nobody", SECRET)],
    ids=["wrong secret", "unknown key"],
)
def test_s3_wrong_key_is_unknown_key(
    signing_server: tuple[str, Path], key: str, secret: str
) -> None:
    error = expect_bucket_error(LOCATION, credentials(key, secret), signing_server[0])
    assert error.kind is BucketErrorKind.UNKNOWN_KEY
    assert "check their access_key_id and secret_access_key" in str(error)
    error = expect_bucket_error(
        LOCATION, credentials(key, secret), signing_server[0], object_key="image/ry/a.tif"
    )
    assert error.kind is BucketErrorKind.UNKNOWN_KEY


def test_s3_missing_bucket_named(signing_server: tuple[str, Path]) -> None:
    error = expect_bucket_error(
        LOCATION._replace(bucket="no-such-bucket"), credentials(), signing_server[0]
    )
    assert error.kind is BucketErrorKind.MISSING_BUCKET
    assert "'no-such-bucket' does not exist in region 'us-east-1'; create it" in str(error)


def test_s3_object_size_found_by_full_key(signing_server: tuple[str, Path]) -> None:
    endpoint, _ = signing_server
    assert object_size(LOCATION, credentials(), endpoint, "delivered/a.tif") == 5
    assert object_size(LOCATION, credentials(), endpoint, "delivered/b.tif") is None


def test_s3_environment_credentials_ignored(
    signing_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_conflicting_environment(monkeypatch)
    before = dict(os.environ)
    assert probe_write_access(LOCATION, credentials(), signing_server[0]) == []
    assert dict(os.environ) == before


# --- permissions, by moto -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def iam_server() -> Iterator[tuple[MotoServer, dict[str, Credentials]]]:
    """Serve S3 and IAM with three users; yield the server, and the credentials by user."""
    if MOTO is None:
        pytest.skip("moto, which knows S3's permissions, is not installed")
    with run_moto() as server:
        server.create_bucket("bucket")
        users = {
            FULL_ACCESS: server.create_user(FULL_ACCESS, "s3:*"),
            READER: server.create_user(READER, "s3:GetObject", "s3:ListBucket"),
            WRITER: server.create_user(WRITER, "s3:PutObject"),
        }
        server.enforce_permissions()
        yield server, {name: Credentials(name, keys, None) for name, keys in users.items()}


IamServer = tuple[MotoServer, dict[str, Credentials]]


def test_s3_write_denied_names_permission(iam_server: IamServer) -> None:
    server, users = iam_server
    error = expect_bucket_error(LOCATION, users[READER], server.endpoint)
    assert error.kind is BucketErrorKind.DENIED
    assert "under 'image/ry/' with credentials 'reader'; grant s3:PutObject" in str(error)


def test_s3_write_only_user_passes_probe_and_object_named(iam_server: IamServer) -> None:
    server, users = iam_server
    [note] = probe_write_access(LOCATION, users[WRITER], server.endpoint)
    assert (
        "credentials 'writer' may not delete, so the probe object 'image/ry/.pixxel-singer-" in note
    )
    assert_no_secrets(note, users[WRITER])
    key = note.split("'")[5]
    assert object_size(LOCATION, users[READER], server.endpoint, key)


def test_s3_write_only_user_cannot_read(iam_server: IamServer) -> None:
    server, users = iam_server
    error = expect_bucket_error(
        LOCATION, users[WRITER], server.endpoint, object_key="image/ry/a.tif"
    )
    assert error.kind is BucketErrorKind.DENIED
    assert "grant s3:GetObject and s3:ListBucket" in str(error)
