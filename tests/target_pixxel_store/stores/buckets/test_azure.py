"""Azure: the client secret is exchanged for a token that gives access to the container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_pixxel_store.credentials import Credentials
from target_pixxel_store.locations import BucketLocation
from target_pixxel_store.stores.buckets import BucketErrorKind, object_size, probe_write_access
from tests.target_pixxel_store.cloud_servers import (
    ACCOUNT,
    AZURITE,
    AzuriteServer,
    BearerTokenCloud,
    assert_no_secrets,
    expect_bucket_error,
    run_azurite,
    serve_cloud,
    set_conflicting_environment,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT, SECRET = "client-of-the-test", "s3cret-of-the-test"
LOCATION = BucketLocation("AZBLOB", "container", "West Europe", "image/ry")
VALUES = {
    "account_name": ACCOUNT,
    "tenant_id": "tenant-of-the-test",
    "client_id": CLIENT,
    "client_secret": SECRET,
}


def credentials(**change: str) -> Credentials:
    return Credentials("prod", VALUES | change, None)


@pytest.fixture
def azure() -> Iterator[BearerTokenCloud]:
    """Serve the token service, and a Blob service that checks permissions."""
    permissions = {CLIENT: {"write", "delete", "read"}}
    with serve_cloud(
        BearerTokenCloud({"container": {}}, permissions, clients={CLIENT: SECRET})
    ) as cloud:
        yield cloud


def endpoint(cloud: BearerTokenCloud) -> str:
    return f"{cloud.url}/{ACCOUNT}"


def test_azure_valid_secret_probe_leaves_nothing(azure: BearerTokenCloud) -> None:
    assert (
        probe_write_access(LOCATION, credentials(), endpoint(azure), authority_host=azure.url) == []
    )
    assert azure.buckets == {"container": {}}
    assert [method for method, _ in azure.requests] == ["PUT", "DELETE"]
    assert azure.requests[0][1].startswith(f"/{ACCOUNT}/container/image/ry/.pixxel-singer-probe-")


@pytest.mark.parametrize(
    "change",
    [
        {"client_secret": "s3cret-and-wrong"},
        {"client_id": "client-of-nobody"},
        {"tenant_id": "tenant-of-nobody"},
    ],
    ids=["wrong secret", "unknown client", "unknown tenant"],
)
def test_azure_token_rejected_is_unknown_key(
    azure: BearerTokenCloud, change: dict[str, str]
) -> None:
    wrong = credentials(**change)
    error = expect_bucket_error(LOCATION, wrong, endpoint(azure), authority_host=azure.url)
    assert error.kind is BucketErrorKind.UNKNOWN_KEY
    assert "client_secret, and whether the secret expired" in str(error)
    assert azure.requests == []


def test_azure_client_of_other_tenant_is_unknown_key(azure: BearerTokenCloud) -> None:
    azure.clients["client-of-another"] = SECRET
    wrong = credentials(client_id="client-of-another")
    error = expect_bucket_error(LOCATION, wrong, endpoint(azure), authority_host=azure.url)
    assert error.kind is BucketErrorKind.UNKNOWN_KEY
    assert azure.requests != []


def test_azure_missing_container_named(azure: BearerTokenCloud) -> None:
    location = LOCATION._replace(bucket="no-such-container")
    error = expect_bucket_error(location, credentials(), endpoint(azure), authority_host=azure.url)
    assert error.kind is BucketErrorKind.MISSING_BUCKET
    assert str(error).startswith("Azure container 'no-such-container' does not exist")


def test_azure_write_denied_names_role(azure: BearerTokenCloud) -> None:
    azure.permissions[CLIENT] = {"read"}
    error = expect_bucket_error(LOCATION, credentials(), endpoint(azure), authority_host=azure.url)
    assert error.kind is BucketErrorKind.DENIED
    assert "grant the role Storage Blob Data Contributor" in str(error)


def test_azure_write_only_client_passes_probe_but_cannot_read(azure: BearerTokenCloud) -> None:
    azure.permissions[CLIENT] = {"write"}
    [note] = probe_write_access(LOCATION, credentials(), endpoint(azure), authority_host=azure.url)
    [left] = azure.buckets["container"]
    assert f"not delete, so the probe object '{left}'" in note
    assert_no_secrets(note, credentials())
    url = endpoint(azure)
    error = expect_bucket_error(
        LOCATION, credentials(), url, object_key=left, authority_host=azure.url
    )
    assert error.kind is BucketErrorKind.DENIED
    assert "grant the role Storage Blob Data Reader" in str(error)


def test_azure_object_size_found_by_full_key(azure: BearerTokenCloud) -> None:
    azure.buckets["container"]["delivered/a b.tif"] = b"image"
    for key, size in {"delivered/a b.tif": 5, "delivered/b.tif": None}.items():
        found = object_size(LOCATION, credentials(), endpoint(azure), key, authority_host=azure.url)
        assert found == size


def test_azure_environment_credentials_ignored(
    azure: BearerTokenCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_conflicting_environment(monkeypatch)
    assert (
        probe_write_access(LOCATION, credentials(), endpoint(azure), authority_host=azure.url) == []
    )


# --- Azurite ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzuriteServer]:
    if AZURITE is None:
        pytest.skip("azurite-blob (npm: azurite) is not on PATH")
    with run_azurite(tmp_path_factory.mktemp("azurite")) as server:
        server.create_container("container")
        yield server


def test_azurite_probe_written_and_deleted(
    azure: BearerTokenCloud, emulator: AzuriteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(emulator.certificate))
    assert (
        probe_write_access(LOCATION, credentials(), emulator.endpoint, authority_host=azure.url)
        == []
    )
    assert emulator.list_blobs("container") == []
    for key in ("image/ry/a.tif", "a b/ü.tif"):
        size = object_size(
            LOCATION, credentials(), emulator.endpoint, key, authority_host=azure.url
        )
        assert size is None


def test_azurite_missing_container_named(
    azure: BearerTokenCloud, emulator: AzuriteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(emulator.certificate))
    location = LOCATION._replace(bucket="no-such-container")
    error = expect_bucket_error(
        location, credentials(), emulator.endpoint, authority_host=azure.url
    )
    assert error.kind is BucketErrorKind.MISSING_BUCKET
