"""Discretion: no secret in any output, any file, or the arguments of the process."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior, S3Server
from pixxel_sandbox.delivery.s3_server import find_rclone
from target_pixxel_store.target import TargetPixxelStore
from tests.target_pixxel_store.intercepting_proxy import STORES, Answer, Asked, Between
from tests.target_pixxel_store.target_runner import (
    TARGET,
    environment,
    record,
    request,
    state,
    text_of,
    with_schemas,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_runner import Json, Workplace

SECRET = "s3cr3t.of-the-bucket"
TOKEN = "t0ken.of-the-workspace"
LINE = "a1ine+of+the/private0key0of0the0account"
DASHES = "-" * 5
PRIVATE = f"{DASHES}BEGIN PRIVATE KEY{DASHES}\n{LINE}\n{DASHES}END PRIVATE KEY{DASHES}\n"
ACCOUNT = json.dumps({"type": "service_account", "private_key": PRIVATE, "private_key_id": "k3y1d"})
CREDENTIALS: Json = {
    "main": {"access_key_id": "an-id", "secret_access_key": "env:THE_SECRET", "version": 1},
    "gcs": {"project_id": "p", "service_account_credentials": ACCOUNT},
}
STORE = {"name": "new", "type": "S3", "bucket": "b", "region": "r", "credentials": "main"}
HIDDEN = (SECRET, TOKEN, LINE, "k3y1d")


def run(place: Workplace, *messages: Json, **settings: object) -> tuple[int, str]:
    """Run the command as loud as it can be.

    Returns:
        Its exit status, and all that it has said, and written but to its config file.
    """
    config = place.config(credentials=CREDENTIALS, **settings)
    with subprocess.Popen(
        [TARGET, "--config", str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=place.folder,
        env=environment(THE_SECRET=SECRET, TARGET_PIXXEL_STORE_LOGLEVEL="DEBUG"),
    ) as target:
        arguments = Path(f"/proc/{target.pid}/cmdline").read_text()
        said, _ = target.communicate(text_of(*with_schemas(*messages)), timeout=100)
    assert '"level":"debug"' in said
    written = [each.read_text() for each in place.folder.iterdir() if each != config]
    return target.returncode, "\n".join([arguments, said, *written])


@pytest.mark.parametrize("on_error", ["fail", "continue"])
@pytest.mark.parametrize("kind", ["S3", "GCS"])
def test_when_the_api_echoes_the_secret(
    place: Workplace, between: Between, on_error: str, kind: str
) -> None:
    def echo(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        if not asked.is_a("POST", STORES):
            return pass_on()
        secret = next(iter(each for each in HIDDEN if each in json.dumps(asked.body)))
        error = {"code": secret, "message": f"no {asked.body}", "details": asked.body}
        return Answer(400, {"error": error})

    between.otherwise = echo
    name = "main" if kind == "S3" else "gcs"
    status, told = run(
        place, record("stores", **{**STORE, "type": kind, "credentials": name}), state(1),
        verify_bucket="off", on_error=on_error,
    )  # fmt: skip
    assert between.count("POST", STORES) == 1
    assert status == (1 if on_error == "fail" else 3)
    assert [each for each in HIDDEN if each in told] == []
    assert "returned 400" in told


def test_when_all_goes_well_and_when_the_connection_drops(place: Workplace) -> None:
    place.sandbox.token = TOKEN
    for behavior in (Behavior(), Behavior(drop_accepted=1.0)):
        place.sandbox.behavior = behavior
        key = place.catalogs(1)[0]
        store = {**STORE, "name": f"new-{behavior.drop_accepted}"}
        status, told = run(
            place, record("stores", **store), request(key), state(1), verify_bucket="off"
        )
        assert status == 0
        assert [each for each in HIDDEN if each in told] == []


def test_when_the_token_is_refused(place: Workplace) -> None:
    status, told = run(place, state(1), api_token=TOKEN)
    assert status == 1
    assert "invalid token" in told
    assert TOKEN not in told


@pytest.mark.skipif(find_rclone() is None, reason="rclone, which speaks S3, is missing")
def test_when_the_bucket_refuses(place: Workplace) -> None:
    with S3Server(buckets=["b"], key_id="an-id", secret="another-secret") as server:
        status, told = run(place, record("stores", **STORE), state(1), endpoints={"S3": server.url})
    assert status == 1
    assert "check their access_key_id and secret_access_key" in told
    assert [each for each in HIDDEN if each in told] == []
    assert place.posts(STORES) == []


def test_the_logs_know_the_secrets_before_they_are_sent(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden: list[str] = []
    sent_with: list[set[str]] = []
    monkeypatch.setattr(TargetPixxelStore, "register_secrets", staticmethod(hidden.extend))
    monkeypatch.setenv("THE_SECRET", SECRET)
    place.sandbox.on_request = lambda asked, _: (
        sent_with.append(set(hidden)) if asked.method == "POST" else None
    )
    stores = [
        record("stores", **STORE),
        record("stores", **{**STORE, "name": "b", "type": "GCS", "credentials": "gcs"}),
    ]
    ran = place.run(*stores, credentials=CREDENTIALS, verify_bucket="off")
    assert ran.kinds == ["created"] * 2
    assert SECRET in sent_with[0]
    assert {LINE, PRIVATE, "k3y1d"} <= sent_with[1]
