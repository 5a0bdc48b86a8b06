"""The store target's API client accepts JSON values that Python cannot represent.

It shares its HTTP client with the tap, whose faults are tested in test_responses.py. Unexpected
responses and interrupted downloads are tested in the target's own folder, and invalid input lines
in tests/pixxel_singer/test_message_reader.py.
"""

from __future__ import annotations

import pytest

from pixxel_api import errors
from pixxel_api.client import Client
from target_pixxel_store.api.client import StoreApi
from tests.faults.forked_tap import TOKEN
from tests.pixxel_api.scripted import ScriptedServer, answer

ODD_VALUES = rb'"odd": [1e400, 1' + b"0" * 5000 + rb', "\ud800"]'
STORE = (
    b'{"id": "s", "name": "n", "type": "S3", "configs": {"bucket": "b", "region": "r"}, '
    + ODD_VALUES
    + b"}"
)


def make_client(server: ScriptedServer) -> Client:
    return Client(TOKEN, url=server.url, user_agent="tests/1")


def make_api(server: ScriptedServer) -> StoreApi:
    return StoreApi(make_client(server), 1, lambda: None)


def test_api_store_with_odd_values_is_listed() -> None:
    """Otherwise the target would create it again."""
    with ScriptedServer(answer(body=b'{"stores": [' + STORE + b"]}")) as server:
        assert [store.name for store in make_api(server).list_stores()] == ["n"]


def test_api_create_response_with_odd_values_is_success() -> None:
    with ScriptedServer(answer(body=STORE)) as server:
        assert make_api(server).create("/v0/stores", {})["id"] == "s"


@pytest.mark.parametrize("body", [b'{"stores": NaN}', b'{"stores": null, "error": {"code": "x"}}'])
def test_api_invalid_list_raises_instead_of_empty_list(body: bytes) -> None:
    with ScriptedServer(answer(body=body)) as server, pytest.raises(errors.ApiError):
        make_api(server).list_stores()
    assert len(server.requests) == 1
