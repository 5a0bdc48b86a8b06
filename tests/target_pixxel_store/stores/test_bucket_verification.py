"""Buckets proven before a store is made, and objects looked for, by a server that checks keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior, S3Server, Sandbox
from pixxel_sandbox.delivery.s3_server import find_rclone
from tests.target_pixxel_store.intercepting_proxy import STORES
from tests.target_pixxel_store.target_runner import Workplace, environment, record, request, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.target_pixxel_store.target_runner import Json

pytestmark = pytest.mark.skipif(find_rclone() is None, reason="rclone, which speaks S3, is missing")

SECRET = "s3cret-of-the-buckets"
NEW = {"name": "new", "type": "S3", "bucket": "images", "region": "us-east-1",
       "path_prefix": "raw", "credentials": "main"}  # fmt: skip


@pytest.fixture(scope="module")
def buckets() -> Iterator[S3Server]:
    with S3Server(buckets=["images", "analysis"], secret=SECRET) as server:
        yield server


@pytest.fixture
def place(buckets: S3Server, tmp_path: Path) -> Iterator[Workplace]:
    """A workplace whose sandbox writes into the buckets."""
    keys = {"access_key_id": buckets.key_id, "secret_access_key": SECRET}
    with Sandbox(endpoints={"S3": buckets.url}, secrets={"analysis": keys}) as sandbox:
        sandbox.behavior = Behavior(delivery_seconds=0.1)
        yield Workplace(
            sandbox,
            tmp_path,
            {"endpoints": {"S3": buckets.url}, "credentials": {"main": keys, "analysis": keys}},
        )


def test_a_store_is_made_once_its_bucket_is_proven(place: Workplace, buckets: S3Server) -> None:
    ran = place.run(record("stores", **NEW), request(place.catalogs(1)[0], "new"), state(1),
                    wait="finished", verify_delivery=True)  # fmt: skip
    assert (ran.status, ran.kinds, ran.states) == (0, ["created"] * 2, [{"upto": 1}])
    written = [str(each.relative_to(buckets.folder)) for each in buckets.folder.rglob("*.zip")]
    assert [f"s3://{key}" for key in written] == [ran.outcomes[1]["object"]]
    assert ran.summary["waited"]["unverified"] == []


@pytest.mark.parametrize(
    ("settings", "bucket", "why"),
    [
        ({"secret_access_key": "a-wr0ng-secret"}, "images", "check their access_key_id and"),
        ({"access_key_id": "nobody"}, "images", "check their access_key_id and"),
        ({}, "no-such-bucket", "no-such-bucket"),
    ],
    ids=["wrong secret", "unknown key", "missing bucket"],
)
def test_a_store_is_not_made_where_its_bucket_refuses(
    place: Workplace, settings: Json, bucket: str, why: str
) -> None:
    place.settings["credentials"]["main"] |= settings
    ran = place.run(record("stores", **{**NEW, "bucket": bucket}), state(1))
    assert (ran.error, ran.status, ran.kinds, ran.states) == (None, 1, ["failed"], [])
    assert why in ran.reasons[0]
    assert place.posts(STORES) == []


def test_a_store_is_kept_when_the_new_credentials_cannot_write(place: Workplace) -> None:
    assert place.run(record("stores", **NEW)).kinds == ["created"]
    place.settings["credentials"]["main"] |= {"secret_access_key": "a-wr0ng-one", "version": 2}
    ran = place.run(record("stores", **NEW), store_drift="replace")
    assert ran.kinds == ["failed"]
    assert "deleted" not in ran.reasons[0]
    assert {each.method for each in place.sandbox.requests} == {"GET", "POST"}
    assert place.store("new")


def test_credentials_by_reference(
    place: Workplace, buckets: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = place.folder / "secret"
    secret.write_text(SECRET + "\n")
    monkeypatch.setenv("THE_KEY_ID", buckets.key_id)
    references = {"access_key_id": "env:THE_KEY_ID", "secret_access_key": f"file:{secret}"}
    ran = place.run(record("stores", **NEW), state(1), credentials={"main": references})
    assert ran.kinds == ["created"]
    sent = [each for each in place.sandbox.requests if each.path == STORES and each.raw]
    assert SECRET.encode() in sent[0].raw
    assert b"env:" not in sent[0].raw
    assert environment()["THE_KEY_ID"] == buckets.key_id
    secret.unlink()
    ran = place.run(record("stores", **{**NEW, "name": "b"}), credentials={"main": references})
    assert (ran.error, ran.kinds) == (None, ["failed"])
    assert "secret_access_key" in ran.reasons[0]


def test_an_object_that_is_not_there_is_missing(place: Workplace, buckets: S3Server) -> None:
    first, second = place.catalogs(2)
    ran = place.run(request(first, "analysis"), request(second, "analysis"), state(1))
    objects = [buckets.folder / str(line["object"]).removeprefix("s3://") for line in ran.outcomes]
    end = time.monotonic() + 20
    while not all(path.exists() for path in objects):
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.3)
    objects[0].unlink()
    time.sleep(1.5)  # the server looks at its folders once a second
    ran = place.run(state(2), verify_delivery=True)
    assert ran.summary["late"]["missing"] == [
        row["delivery_id"] for row in place.listed() if row["catalog_id"] == first
    ]
    assert "SUCCESS, but the object is not in the bucket" in ran.log


def test_an_object_that_nobody_may_look_for_is_told(place: Workplace) -> None:
    ran = place.run(
        request(place.catalogs(1)[0], "analysis"), state(1),
        wait="finished", verify_delivery=True, credentials={},
    )  # fmt: skip
    assert ran.status == 0
    assert len(ran.summary["waited"]["unverified"]) == 1
    assert "could not be verified" in ran.log
