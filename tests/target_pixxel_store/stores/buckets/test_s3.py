"""S3: a key that cannot write must show before a store is made of it, and say what is wrong."""

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
    Moto,
    assert_discreet,
    misled,
    moto,
    rclone_s3,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY, SECRET = "key-of-the-test", "s3cret-of-the-test"
PLACE = BucketLocation("S3", "bucket", "us-east-1", "image/ry")
ALL, READER, WRITER = "all", "reader", "writer"


def credentials(key: str = KEY, secret: str = SECRET) -> Credentials:
    return Credentials("prod", {"access_key_id": key, "secret_access_key": secret}, None)


# --- signatures, by rclone ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """An endpoint, and the folder of its buckets."""
    if RCLONE is None:
        pytest.skip("rclone, which speaks S3, is not installed")
    folder = tmp_path_factory.mktemp("rclone") / "s3"
    (folder / "bucket/delivered").mkdir(parents=True)
    (folder / "bucket/delivered/a.tif").write_bytes(b"image")
    with rclone_s3(folder, KEY, SECRET) as endpoint:
        yield endpoint, folder


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_the_right_key_is_proven_and_leaves_nothing(signed: tuple[str, Path]) -> None:
    endpoint, folder = signed
    assert probe_write_access(PLACE, credentials(), endpoint) == []
    assert files(folder) == ["bucket/delivered/a.tif"]


def test_a_store_without_prefix_is_proven_at_the_root(signed: tuple[str, Path]) -> None:
    assert probe_write_access(PLACE._replace(prefix=""), credentials(), signed[0]) == []


def test_a_prefix_of_any_letters_is_proven(signed: tuple[str, Path]) -> None:
    place = PLACE._replace(prefix="größe 5 %/a?b#c+&=d")
    assert probe_write_access(place, credentials(), signed[0]) == []


@pytest.mark.parametrize(
    ("key", "secret"),
    [(KEY, "s3cret-and-wrong"), ("key-of-nobody", SECRET)],
    ids=["wrong secret", "unknown key"],
)
def test_a_key_the_service_does_not_know_is_told_from_a_permission(
    signed: tuple[str, Path], key: str, secret: str
) -> None:
    error = refusal(PLACE, credentials(key, secret), signed[0])
    assert error.kind is BucketErrorKind.UNKNOWN_KEY
    assert "check their access_key_id and secret_access_key" in str(error)
    error = refusal(PLACE, credentials(key, secret), signed[0], look="image/ry/a.tif")
    assert error.kind is BucketErrorKind.UNKNOWN_KEY


def test_a_missing_bucket_is_named(signed: tuple[str, Path]) -> None:
    error = refusal(PLACE._replace(bucket="no-such-bucket"), credentials(), signed[0])
    assert error.kind is BucketErrorKind.MISSING_BUCKET
    assert "'no-such-bucket' does not exist in region 'us-east-1'; create it" in str(error)


def test_an_object_is_found_by_its_full_key(signed: tuple[str, Path]) -> None:
    endpoint, _ = signed
    assert object_size(PLACE, credentials(), endpoint, "delivered/a.tif") == 5
    assert object_size(PLACE, credentials(), endpoint, "delivered/b.tif") is None


def test_the_environments_credentials_and_options_are_not_used(
    signed: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    misled(monkeypatch)
    before = dict(os.environ)
    assert probe_write_access(PLACE, credentials(), signed[0]) == []
    assert dict(os.environ) == before


def test_the_environments_right_key_does_not_stand_in_for_a_wrong_one(
    signed: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    wrong = credentials(secret="s3cret-and-wrong")
    assert refusal(PLACE, wrong, signed[0]).kind is BucketErrorKind.UNKNOWN_KEY


# --- permissions, by moto -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[Moto, dict[str, Credentials]]]:
    """A server with three users."""
    if MOTO is None:
        pytest.skip("moto, which knows S3's permissions, is not installed")
    with moto() as server:
        server.bucket("bucket")
        users = {
            ALL: server.user(ALL, "s3:*"),
            READER: server.user(READER, "s3:GetObject", "s3:ListBucket"),
            WRITER: server.user(WRITER, "s3:PutObject"),
        }
        server.enforce()
        yield server, {name: Credentials(name, keys, None) for name, keys in users.items()}


Guarded = tuple[Moto, dict[str, Credentials]]


def test_who_may_write_and_delete_is_proven(guarded: Guarded) -> None:
    server, users = guarded
    assert probe_write_access(PLACE, users[ALL], server.endpoint) == []


def test_who_may_not_write_is_told_which_permission_is_lacking(guarded: Guarded) -> None:
    server, users = guarded
    error = refusal(PLACE, users[READER], server.endpoint)
    assert error.kind is BucketErrorKind.DENIED
    assert "under 'image/ry/' with credentials 'reader'; grant s3:PutObject" in str(error)


def test_who_may_only_write_is_proven_and_the_object_left_is_named(guarded: Guarded) -> None:
    server, users = guarded
    [note] = probe_write_access(PLACE, users[WRITER], server.endpoint)
    assert (
        "credentials 'writer' may not delete, so the probe object 'image/ry/.pixxel-singer-" in note
    )
    assert_discreet(note, users[WRITER])
    key = note.split("'")[5]
    assert object_size(PLACE, users[READER], server.endpoint, key)


def test_who_may_only_write_may_not_look(guarded: Guarded) -> None:
    server, users = guarded
    error = refusal(PLACE, users[WRITER], server.endpoint, look="image/ry/a.tif")
    assert error.kind is BucketErrorKind.DENIED
    assert "grant s3:GetObject and s3:ListBucket" in str(error)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"secret_access_key": "s3cret-and-wrong"}, BucketErrorKind.UNKNOWN_KEY),
        ({"access_key_id": "a-key-of-nobody-here"}, BucketErrorKind.UNKNOWN_KEY),
    ],
    ids=["wrong secret", "unknown key"],
)
def test_a_key_iam_does_not_know_is_no_matter_of_permissions(
    guarded: Guarded, change: dict[str, str], kind: BucketErrorKind
) -> None:
    server, users = guarded
    wrong = Credentials("prod", dict(users[ALL].values) | change, None)
    assert refusal(PLACE, wrong, server.endpoint).kind is kind


def test_a_missing_bucket_is_named_to_who_may_do_all(guarded: Guarded) -> None:
    server, users = guarded
    place = PLACE._replace(bucket="no-such-bucket")
    assert refusal(place, users[ALL], server.endpoint).kind is BucketErrorKind.MISSING_BUCKET
