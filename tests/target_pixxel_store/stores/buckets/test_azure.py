"""Azure: a client secret buys a token, and the token opens the container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_pixxel_store.credentials import Credentials
from target_pixxel_store.locations import BucketLocation
from target_pixxel_store.stores.buckets import BucketErrorKind, object_size, probe_write_access
from tests.target_pixxel_store.cloud_servers import (
    ACCOUNT,
    AZURITE,
    Azurite,
    Bearers,
    assert_discreet,
    azurite,
    misled,
    refusal,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT, SECRET = "client-of-the-test", "s3cret-of-the-test"
PLACE = BucketLocation("AZBLOB", "container", "West Europe", "image/ry")
VALUES = {
    "account_name": ACCOUNT,
    "tenant_id": "tenant-of-the-test",
    "client_id": CLIENT,
    "client_secret": SECRET,
}


def credentials(**change: str) -> Credentials:
    return Credentials("prod", VALUES | change, None)


@pytest.fixture
def azure() -> Iterator[Bearers]:
    """The token service, and a Blob service of its own that checks permissions."""
    rights = {CLIENT: {"write", "delete", "read"}}
    with serving(Bearers({"container": {}}, rights, clients={CLIENT: SECRET})) as cloud:
        yield cloud


def endpoint(cloud: Bearers) -> str:
    return f"{cloud.url}/{ACCOUNT}"


def test_the_right_secret_is_proven_and_leaves_nothing(azure: Bearers) -> None:
    assert probe_write_access(PLACE, credentials(), endpoint(azure), authority_host=azure.url) == []
    assert azure.buckets == {"container": {}}
    assert [method for method, _ in azure.seen] == ["PUT", "DELETE"]
    assert azure.seen[0][1].startswith(f"/{ACCOUNT}/container/image/ry/.pixxel-singer-probe-")


@pytest.mark.parametrize(
    "change",
    [
        {"client_secret": "s3cret-and-wrong"},
        {"client_id": "client-of-nobody"},
        {"tenant_id": "tenant-of-nobody"},
    ],
    ids=["wrong secret", "unknown client", "unknown tenant"],
)
def test_what_the_token_service_refuses_is_an_unknown_key(
    azure: Bearers, change: dict[str, str]
) -> None:
    wrong = credentials(**change)
    error = refusal(PLACE, wrong, endpoint(azure), authority_host=azure.url)
    assert error.kind is BucketErrorKind.UNKNOWN_KEY
    assert "client_secret, and whether the secret expired" in str(error)
    assert azure.seen == []


def test_a_client_of_another_directory_is_unknown_to_the_account(azure: Bearers) -> None:
    azure.clients["client-of-another"] = SECRET
    wrong = credentials(client_id="client-of-another")
    error = refusal(PLACE, wrong, endpoint(azure), authority_host=azure.url)
    assert error.kind is BucketErrorKind.UNKNOWN_KEY
    assert azure.seen != []


def test_a_missing_container_is_named(azure: Bearers) -> None:
    place = PLACE._replace(bucket="no-such-container")
    error = refusal(place, credentials(), endpoint(azure), authority_host=azure.url)
    assert error.kind is BucketErrorKind.MISSING_BUCKET
    assert str(error).startswith("Azure container 'no-such-container' does not exist")


def test_who_may_not_write_is_told_which_role_is_lacking(azure: Bearers) -> None:
    azure.rights[CLIENT] = {"read"}
    error = refusal(PLACE, credentials(), endpoint(azure), authority_host=azure.url)
    assert error.kind is BucketErrorKind.DENIED
    assert "grant the role Storage Blob Data Contributor" in str(error)


def test_who_may_only_write_is_proven_and_may_not_look(azure: Bearers) -> None:
    azure.rights[CLIENT] = {"write"}
    [note] = probe_write_access(PLACE, credentials(), endpoint(azure), authority_host=azure.url)
    [left] = azure.buckets["container"]
    assert f"not delete, so the probe object '{left}'" in note
    assert_discreet(note, credentials())
    at = endpoint(azure)
    error = refusal(PLACE, credentials(), at, look=left, authority_host=azure.url)
    assert error.kind is BucketErrorKind.DENIED
    assert "grant the role Storage Blob Data Reader" in str(error)


def test_an_object_is_found_by_its_full_key(azure: Bearers) -> None:
    azure.buckets["container"]["delivered/a b.tif"] = b"image"
    for key, size in {"delivered/a b.tif": 5, "delivered/b.tif": None}.items():
        found = object_size(PLACE, credentials(), endpoint(azure), key, authority_host=azure.url)
        assert found == size


def test_the_environments_credentials_and_options_are_not_used(
    azure: Bearers, monkeypatch: pytest.MonkeyPatch
) -> None:
    misled(monkeypatch)
    assert probe_write_access(PLACE, credentials(), endpoint(azure), authority_host=azure.url) == []


# --- Azurite ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    if AZURITE is None:
        pytest.skip("azurite (npm) is not on PATH, nor does AZURITE name its azurite-blob")
    with azurite(tmp_path_factory.mktemp("azurite")) as server:
        server.container("container")
        yield server


def test_azurite_takes_the_probe_and_its_deletion(
    azure: Bearers, emulator: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(emulator.certificate))
    assert (
        probe_write_access(PLACE, credentials(), emulator.endpoint, authority_host=azure.url) == []
    )
    assert emulator.blobs("container") == []
    for key in ("image/ry/a.tif", "a b/ü.tif"):
        look = object_size(PLACE, credentials(), emulator.endpoint, key, authority_host=azure.url)
        assert look is None


def test_azurite_lacks_a_container(
    azure: Bearers, emulator: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(emulator.certificate))
    place = PLACE._replace(bucket="no-such-container")
    error = refusal(place, credentials(), emulator.endpoint, authority_host=azure.url)
    assert error.kind is BucketErrorKind.MISSING_BUCKET
