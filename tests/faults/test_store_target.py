"""What the store target's own requests make of JSON that Python does not hold.

The client is the tap's, whose faults are in test_answers.py. Unexpected responses are tested in
tests/target_pixxel_store/test_unexpected_responses.py, interrupted downloads in
downloads/test_interruptions.py there, and invalid lines of input in
tests/pixxel_singer/test_message_reader.py.
"""

from __future__ import annotations

import pytest

from pixxel_api import errors
from pixxel_api.client import Client
from target_pixxel_store.api.client import StoreApi
from tests.faults.running import TOKEN
from tests.pixxel_api.scripted import ScriptedServer, answer

ODD = rb'"odd": [1e400, 1' + b"0" * 5000 + rb', "\ud800"]'
STORE = (
    b'{"id": "s", "name": "n", "type": "S3", "configs": {"bucket": "b", "region": "r"}, '
    + ODD
    + b"}"
)


def client(server: ScriptedServer) -> Client:
    return Client(TOKEN, url=server.url, user_agent="tests/1")


def api(server: ScriptedServer) -> StoreApi:
    return StoreApi(client(server), 1, lambda: None)


def test_a_store_with_odd_values_is_seen() -> None:
    """Else it would be made again."""
    with ScriptedServer(answer(body=b'{"stores": [' + STORE + b"]}")) as server:
        assert [store.name for store in api(server).list_stores()] == ["n"]


def test_what_was_made_with_odd_values_was_made() -> None:
    with ScriptedServer(answer(body=STORE)) as server:
        assert api(server).create("/v0/stores", {})["id"] == "s"


def test_a_download_with_odd_values_is_ready() -> None:
    body = b'{"id": "d", "status": "success", "signed_url": "https://x.invalid/", ' + ODD + b"}"
    with ScriptedServer(answer(body=body)) as server:
        found = api(server).get_download("d")
    assert found is not None
    assert found.is_ready


@pytest.mark.parametrize("body", [b'{"stores": NaN}', b'{"stores": null, "error": {"code": "x"}}'])
def test_no_list_is_not_an_empty_list(body: bytes) -> None:
    with ScriptedServer(answer(body=body)) as server, pytest.raises(errors.ApiError):
        api(server).list_stores()
    assert len(server.requests) == 1
