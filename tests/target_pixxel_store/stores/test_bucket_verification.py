"""Verification of buckets before a store is created, and of delivered objects, with real keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior, S3Server, Sandbox
from pixxel_sandbox.delivery.s3_server import find_rclone
from tests.target_pixxel_store.intercepting_proxy import STORES_PATH
from tests.target_pixxel_store.target_harness import (
    TargetHarness,
    clean_environment,
    delivery_request,
    record,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.target_pixxel_store.target_harness import Json

pytestmark = pytest.mark.skipif(find_rclone() is None, reason="rclone, which speaks S3, is missing")

SECRET = "s3cret-of-the-buckets"
NEW_STORE = {"name": "new", "type": "S3", "bucket": "images", "region": "us-east-1",
       "path_prefix": "raw", "credentials": "main"}  # fmt: skip


@pytest.fixture(scope="module")
def bucket_server() -> Iterator[S3Server]:
    with S3Server(buckets=["images", "analysis"], secret=SECRET) as server:
        yield server


@pytest.fixture
def harness(bucket_server: S3Server, tmp_path: Path) -> Iterator[TargetHarness]:
    """Return a harness whose sandbox writes to the bucket server."""
    keys = {"access_key_id": bucket_server.key_id, "secret_access_key": SECRET}
    with Sandbox(endpoints={"S3": bucket_server.url}, secrets={"analysis": keys}) as sandbox:
        sandbox.behavior = Behavior(delivery_seconds=0.1)
        yield TargetHarness(
            sandbox,
            tmp_path,
            {
                "endpoints": {"S3": bucket_server.url},
                "credentials": {"main": keys, "analysis": keys},
            },
        )


def test_store_bucket_verified_created(harness: TargetHarness, bucket_server: S3Server) -> None:
    result = harness.run(
        record("stores", **NEW_STORE),
        delivery_request(harness.catalog_ids(1)[0], "new"),
        state(1),
        wait="finished",
        verify_delivery=True,
    )
    assert (result.status, result.kinds, result.states) == (0, ["created"] * 2, [{"upto": 1}])
    written = [
        str(each.relative_to(bucket_server.folder)) for each in bucket_server.folder.rglob("*.zip")
    ]
    assert [f"s3://{key}" for key in written] == [result.outcomes[1]["object"]]
    assert result.summary["waited"]["unverified"] == []


@pytest.mark.parametrize(
    ("settings", "bucket", "reason"),
    [
        ({"secret_access_key": "a-wr0ng-secret"}, "images", "check their access_key_id and"),
        ({"access_key_id": "nobody"}, "images", "check their access_key_id and"),
        ({}, "no-such-bucket", "no-such-bucket"),
    ],
    ids=["wrong secret", "unknown key", "missing bucket"],
)
def test_store_bucket_rejected_not_created(
    harness: TargetHarness, settings: Json, bucket: str, reason: str
) -> None:
    harness.settings["credentials"]["main"] |= settings
    result = harness.run(record("stores", **{**NEW_STORE, "bucket": bucket}), state(1))
    assert (result.error, result.status, result.kinds, result.states) == (None, 1, ["failed"], [])
    assert reason in result.reasons[0]
    assert harness.posted_bodies(STORES_PATH) == []


def test_store_replacement_unwritable_keeps_store(harness: TargetHarness) -> None:
    assert harness.run(record("stores", **NEW_STORE)).kinds == ["created"]
    harness.settings["credentials"]["main"] |= {"secret_access_key": "a-wr0ng-one", "version": 2}
    result = harness.run(record("stores", **NEW_STORE), store_drift="replace")
    assert result.kinds == ["failed"]
    assert "deleted" not in result.reasons[0]
    assert {each.method for each in harness.sandbox.requests} == {"GET", "POST"}
    assert harness.find_store("new")


def test_store_credentials_by_reference_resolved(
    harness: TargetHarness, bucket_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = harness.folder / "secret"
    secret.write_text(SECRET + "\n")
    monkeypatch.setenv("THE_KEY_ID", bucket_server.key_id)
    references = {"access_key_id": "env:THE_KEY_ID", "secret_access_key": f"file:{secret}"}
    result = harness.run(record("stores", **NEW_STORE), state(1), credentials={"main": references})
    assert result.kinds == ["created"]
    sent = [each for each in harness.sandbox.requests if each.path == STORES_PATH and each.raw]
    assert SECRET.encode() in sent[0].raw
    assert b"env:" not in sent[0].raw
    assert clean_environment()["THE_KEY_ID"] == bucket_server.key_id
    secret.unlink()
    result = harness.run(
        record("stores", **{**NEW_STORE, "name": "b"}), credentials={"main": references}
    )
    assert (result.error, result.kinds) == (None, ["failed"])
    assert "secret_access_key" in result.reasons[0]


def test_verify_delivery_missing_object_reported(
    harness: TargetHarness, bucket_server: S3Server
) -> None:
    first, second = harness.catalog_ids(2)
    result = harness.run(
        delivery_request(first, "analysis"), delivery_request(second, "analysis"), state(1)
    )
    objects = [
        bucket_server.folder / str(line["object"]).removeprefix("s3://") for line in result.outcomes
    ]
    deadline = time.monotonic() + 20
    while not all(path.exists() for path in objects):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    objects[0].unlink()
    time.sleep(1.5)  # the server reads its folders once a second
    result = harness.run(state(2), verify_delivery=True)
    assert result.summary["late"]["missing"] == [
        row["delivery_id"] for row in harness.list_deliveries() if row["catalog_id"] == first
    ]
    assert "SUCCESS, but the object is not in the bucket" in result.log


def test_verify_delivery_without_credentials_reported(harness: TargetHarness) -> None:
    result = harness.run(
        delivery_request(harness.catalog_ids(1)[0], "analysis"), state(1),
        wait="finished", verify_delivery=True, credentials={},
    )  # fmt: skip
    assert result.status == 0
    assert len(result.summary["waited"]["unverified"]) == 1
    assert "could not be verified" in result.log
