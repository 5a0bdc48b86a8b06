"""Secrets: none in any output or file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior, S3Server
from pixxel_sandbox.delivery.s3_server import find_rclone
from target_pixxel_store.errors import RecordError
from target_pixxel_store.records import reject_secrets, remove_secrets
from target_pixxel_store.target import TargetPixxelStore
from tests.target_pixxel_store.cloud_servers import create_service_account
from tests.target_pixxel_store.intercepting_proxy import (
    STORES_PATH,
    InterceptingProxy,
    ProxiedRequest,
    ProxiedResponse,
)
from tests.target_pixxel_store.target_harness import (
    TARGET,
    add_schemas,
    clean_environment,
    delivery_request,
    record,
    schema,
    serialize_messages,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_harness import Json, TargetHarness

BUCKET_SECRET = "s3cr3t.of-the-bucket"
TOKEN = "t0ken.of-the-workspace"
KEY_FIELDS, _ = create_service_account("loader@test")
PRIVATE_KEY = KEY_FIELDS["private_key"]
KEY_LINE = PRIVATE_KEY.splitlines()[1]
SERVICE_ACCOUNT = json.dumps({**KEY_FIELDS, "private_key_id": "k3y1d"})
CREDENTIALS: Json = {
    "main": {"access_key_id": "an-id", "secret_access_key": "env:THE_SECRET", "version": 1},
    "gcs": {"project_id": "p", "service_account_credentials": SERVICE_ACCOUNT},
}
STORE = {"name": "new", "type": "S3", "bucket": "b", "region": "r", "credentials": "main"}
SECRETS = (BUCKET_SECRET, TOKEN, KEY_LINE, "k3y1d")


def run_debug_command(
    harness: TargetHarness, *messages: Json, **settings: object
) -> tuple[int, str]:
    """Run the command with log level DEBUG.

    Returns:
        The exit status, and the text of the output and all files but the config.
    """
    config = harness.write_config(credentials=CREDENTIALS, **settings)
    result = subprocess.run(
        [TARGET, "--config", str(config)],
        input=serialize_messages(*add_schemas(*messages)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=harness.folder,
        env=clean_environment(THE_SECRET=BUCKET_SECRET, TARGET_PIXXEL_STORE_LOGLEVEL="DEBUG"),
        timeout=100,
        check=False,
    )
    assert '"level":"debug"' in result.stdout
    files = [each.read_text() for each in harness.folder.iterdir() if each != config]
    return result.returncode, "\n".join([result.stdout, *files])


@pytest.mark.parametrize(("kind", "on_error"), [("S3", "fail"), ("GCS", "continue")])
def test_secret_echoed_by_api_not_printed(
    harness: TargetHarness, proxy: InterceptingProxy, kind: str, on_error: str
) -> None:
    def echo(request: ProxiedRequest, forward: Callable[[], ProxiedResponse]) -> ProxiedResponse:
        if not request.matches("POST", STORES_PATH):
            return forward()
        secret = next(iter(each for each in SECRETS if each in json.dumps(request.body)))
        error = {"code": secret, "message": f"no {request.body}", "details": request.body}
        return ProxiedResponse(400, {"error": error})

    proxy.intercept = echo
    name = "main" if kind == "S3" else "gcs"
    status, output = run_debug_command(
        harness, record("stores", **{**STORE, "type": kind, "credentials": name}), state(1),
        verify_bucket="off", on_error=on_error,
    )  # fmt: skip
    assert proxy.count_requests("POST", STORES_PATH) == 1
    assert status == (1 if on_error == "fail" else 3)
    assert [each for each in SECRETS if each in output] == []
    assert "returned 400" in output


def test_secrets_success_or_dropped_connection_not_printed(harness: TargetHarness) -> None:
    harness.sandbox.token = TOKEN
    for behavior in (Behavior(), Behavior(drop_accepted=1.0)):
        harness.sandbox.behavior = behavior
        key = harness.catalog_ids(1)[0]
        store = {**STORE, "name": f"new-{behavior.drop_accepted}"}
        status, output = run_debug_command(
            harness, record("stores", **store), delivery_request(key), state(1), verify_bucket="off"
        )
        assert status == 0
        assert [each for each in SECRETS if each in output] == []


@pytest.mark.skipif(find_rclone() is None, reason="rclone, which speaks S3, is missing")
def test_secrets_rejected_by_bucket_not_printed(harness: TargetHarness) -> None:
    with S3Server(buckets=["b"], key_id="an-id", secret="another-secret") as server:
        status, output = run_debug_command(
            harness, record("stores", **STORE), state(1), endpoints={"S3": server.url}
        )
    assert status == 1
    assert "check their access_key_id and secret_access_key" in output
    assert [each for each in SECRETS if each in output] == []
    assert harness.posted_bodies(STORES_PATH) == []


@pytest.mark.parametrize(
    "name",
    ["password", "Password", "db_passwd", "token", "api-token", "accessToken", "secret", "apiKey",
     "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "clientSecret",
     "AccountKey", "private_key", "connectionString", "Authorization", "pwd", "APIkey",
     "credential", "bearer", "sas", "signature", "shared_access_signature", "jwt", "storage_key",
     "private_key_pem", "service_account_key_json", "SecretString", "client_secret_value",
     "db_password_prod", "aws_session_token_v2", "SECRET_ACCESS_KEY2", "x-api-key"],
)  # fmt: skip
def test_name_of_secret_recognized(name: str) -> None:
    assert remove_secrets({"more": [{name: "x"}]}) == {"more": [{}]}
    with pytest.raises(RecordError, match=f"^contains '{name.lower()}'"):
        reject_secrets({"more": [{name: "x"}]})


@pytest.mark.parametrize(
    "name",
    ["path_key", "sort_key", "item_key", "tokens_used", "tokenType", "credentials",
     "credentials_version", "spectral_signature", "passage", "sask", "key", "secretary"],
)  # fmt: skip
def test_ordinary_name_accepted_and_kept(name: str) -> None:
    reject_secrets({name: "x"})
    assert remove_secrets({name: "x"}) == {name: "x"}


def test_record_with_secret_rejected_without_it(harness: TargetHarness) -> None:
    [key] = harness.catalog_ids(1)
    message = schema("delivery_requests")
    name = "apiKey"
    message["schema"] = {
        "properties": {**message["schema"]["properties"], name: {"type": "string"}},
        "required": ["catalog_id", name],
    }
    result = harness.run(
        message, delivery_request(key, **{name: BUCKET_SECRET}, more=[{name: BUCKET_SECRET}]),
        state(1), on_error="continue",
    )  # fmt: skip
    assert (result.status, result.kinds, result.states) == (3, ["failed"], [{"upto": 1}])
    assert "contains 'apikey'" in result.reasons[0]
    assert all(BUCKET_SECRET not in path.read_text() for path in harness.folder.iterdir())
    rejected_schema, rejected = result.rejected
    assert name not in rejected_schema["schema"]["properties"]
    assert rejected["record"] == {"catalog_id": key, "store": "research", "more": [{}]}
    assert harness.run(*result.rejected).kinds == ["created"]


def test_secrets_registered_for_redaction_before_post(
    harness: TargetHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: list[str] = []
    registered_at_post: list[set[str]] = []
    monkeypatch.setattr(TargetPixxelStore, "register_secrets", staticmethod(registered.extend))
    monkeypatch.setenv("THE_SECRET", BUCKET_SECRET)
    harness.sandbox.on_request = lambda request, _: (
        registered_at_post.append(set(registered)) if request.method == "POST" else None
    )
    stores = [
        record("stores", **STORE),
        record("stores", **{**STORE, "name": "b", "type": "GCS", "credentials": "gcs"}),
    ]
    result = harness.run(*stores, credentials=CREDENTIALS, verify_bucket="off")
    assert result.kinds == ["created"] * 2
    assert BUCKET_SECRET in registered_at_post[0]
    assert {KEY_LINE, PRIVATE_KEY, "k3y1d"} <= registered_at_post[1]


def test_secret_as_key_property_not_printed(harness: TargetHarness) -> None:
    result = harness.run(
        schema("delivery_requests", ["catalog_id", "token"]),
        delivery_request("c", token=BUCKET_SECRET), on_error="continue",
    )  # fmt: skip
    assert [line["key"] for line in result.outcomes] == [{"catalog_id": "c"}]
    files = [path.read_text() for path in harness.folder.iterdir()]
    assert [each for each in (result.log, *files) if BUCKET_SECRET in each] == []
