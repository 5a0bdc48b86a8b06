"""Local cloud servers that check signatures, permissions and tokens as the real clouds do."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import sys
import threading
import time
import traceback
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import pytest
import requests
import uvicorn
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from target_pixxel_store.credentials import iter_secrets
from target_pixxel_store.stores.buckets import BucketError, object_size, probe_write_access
from tests.server_process import find_free_port, run_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from starlette.requests import Request

    from target_pixxel_store.credentials import Credentials
    from target_pixxel_store.locations import BucketLocation

ACCOUNT = "devstoreaccount1"
"""The account that Azurite provides by default."""
_PERMISSION_BY_METHOD = {"PUT": "write", "DELETE": "delete", "GET": "read", "HEAD": "read"}
_BIN = Path(sys.executable).parent
RCLONE = shutil.which("rclone", path=str(_BIN)) or shutil.which("rclone")
MOTO = shutil.which("moto_server", path=str(_BIN)) or shutil.which("moto_server")
AZURITE = shutil.which("azurite-blob")


# --- S3 -----------------------------------------------------------------------------------------


@contextmanager
def serve_rclone_s3(folder: Path, key: str, secret: str) -> Iterator[str]:
    """Serve a folder as S3, one bucket per subfolder; check signatures but no permissions.

    Yields:
        The URL of the endpoint.
    """
    port = find_free_port()
    command = [str(RCLONE), "serve", "s3", "--config", str(folder.parent / "none.conf")]
    command += ["--addr", f"127.0.0.1:{port}", str(folder)]
    # rclone splits the variable at commas, so the pair needs quotes.
    with run_server(command, port, RCLONE_AUTH_KEY=f'"{key},{secret}"'):
        yield f"http://127.0.0.1:{port}"


class MotoServer:
    """A moto server of S3 and IAM that checks permissions after `enforce_permissions`.

    Args:
        endpoint: The server's URL.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def create_bucket(self, name: str) -> None:
        self._send("s3", "PUT", f"/{name}")

    def create_user(self, name: str, *actions: str) -> dict[str, str]:
        """Create a user who is allowed these actions on all resources; return its access key."""
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self._call_iam("CreateUser", UserName=name)
        self._call_iam("PutUserPolicy", UserName=name, PolicyName="p", PolicyDocument=policy)
        created = self._call_iam("CreateAccessKey", UserName=name)
        return {
            "access_key_id": _find_element(created, "AccessKeyId"),
            "secret_access_key": _find_element(created, "SecretAccessKey"),
        }

    def enforce_permissions(self) -> None:
        requests.post(f"{self.endpoint}/moto-api/reset-auth", data="0", timeout=10)

    def _call_iam(self, action: str, **parameters: str) -> str:
        return self._send(
            "iam", "POST", "/", {"Action": action, "Version": "2010-05-08"} | parameters
        )

    def _send(self, service: str, method: str, path: str, form: Any = None) -> str:
        scope = f"Credential=x/20260101/us-east-1/{service}/aws4_request"
        signed = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"
        response = requests.request(
            method,
            self.endpoint + path,
            data=form,
            headers={"Authorization": signed},
            timeout=10,
        )
        response.raise_for_status()
        return response.text


@contextmanager
def run_moto() -> Iterator[MotoServer]:
    """Run a moto server of S3 and IAM until the block ends."""
    port = find_free_port()
    with run_server([str(MOTO), "-H", "127.0.0.1", "-p", str(port)], port):
        yield MotoServer(f"http://127.0.0.1:{port}")


def set_conflicting_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set variables that misdirect a client that reads the environment."""
    dead_endpoint = "http://127.0.0.1:9"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key-of-another",
        "AWS_SECRET_ACCESS_KEY": "s3cret-of-another",
        "AWS_SESSION_TOKEN": "session-of-another",
        "AWS_ENDPOINT_URL_S3": dead_endpoint,
        "AWS_SERVER_SIDE_ENCRYPTION": "no-such-encryption",
        "AWS_SKIP_SIGNATURE": "true",
        "AZURE_STORAGE_ACCOUNT_KEY": "a2V5",
        "AZURE_STORAGE_ENDPOINT": dead_endpoint,
        "AZURE_STORAGE_TOKEN": "token-of-another",
        "AZURE_STORAGE_USE_EMULATOR": "true",
        "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json",
        "GOOGLE_BASE_URL": dead_endpoint,
        "GOOGLE_SERVICE_ACCOUNT": "/nowhere/key.json",
        "GOOGLE_SKIP_SIGNATURE": "true",
        "SERVICE_ACCOUNT": "/nowhere/key.json",
    }.items():
        monkeypatch.setenv(name, value)


def expect_bucket_error(
    location: BucketLocation,
    credentials: Credentials,
    endpoint: str | None,
    *,
    object_key: str = "",
    authority_host: str | None = None,
) -> BucketError:
    """Probe a bucket, or read an object's size, and return the error that this must raise.

    Check that the message is one line, and that its traceback contains no secret.
    """
    call: Callable[..., object] = (
        partial(object_size, key=object_key) if object_key else probe_write_access
    )
    with pytest.raises(BucketError) as caught:
        call(location, credentials, endpoint, authority_host=authority_host)
    assert_no_secrets("".join(traceback.format_exception(caught.value)), credentials)
    assert "\n" not in str(caught.value)
    assert repr(location.bucket) in str(caught.value)
    return caught.value


def assert_no_secrets(text: str, credentials: Credentials) -> None:
    """Check that a text contains no secret, and nothing of the service's response."""
    assert [secret for secret in iter_secrets(credentials) if secret in text] == []
    assert [
        text_part
        for text_part in ("<?xml", "<Error", "AADSTS", "Bearer", "Debug source")
        if text_part in text
    ] == []


def _find_element(xml: str, name: str) -> str:
    match = re.search(rf"<{name}>([^<]+)</{name}>", xml)
    assert match
    return match[1]


# --- Azurite ------------------------------------------------------------------------------------


class AzuriteServer:
    """An Azurite server of Azure's Blob service, over https.

    Args:
        endpoint: The server's URL, with the account.
        certificate: The file of the certificate that clients must trust.
    """

    def __init__(self, endpoint: str, certificate: Path) -> None:
        self.endpoint = endpoint
        self.certificate = certificate

    def create_container(self, name: str) -> None:
        self._send("PUT", f"/{name}?restype=container")

    def list_blobs(self, container: str) -> list[str]:
        listed = self._send("GET", f"/{container}?restype=container&comp=list")
        return re.findall(r"<Name>([^<]+)</Name>", listed)

    def _send(self, method: str, path: str) -> str:
        response = requests.request(
            method,
            self.endpoint + path,
            headers={
                "Authorization": f"Bearer {make_azure_token('owner')}",
                "x-ms-version": "2023-11-03",
            },
            verify=str(self.certificate),
            timeout=10,
        )
        response.raise_for_status()
        return response.text


@contextmanager
def run_azurite(folder: Path) -> Iterator[AzuriteServer]:
    """Run Azurite with `--oauth basic`, which requires https, until the block ends."""
    certificate, key = _create_certificate(folder)
    port = find_free_port()
    command = [str(AZURITE), "--oauth", "basic", "--cert", str(certificate), "--key", str(key)]
    command += ["--blobPort", str(port), "--location", str(folder), "--silent"]
    command += ["--skipApiVersionCheck"]
    with run_server(command, port):
        yield AzuriteServer(f"https://127.0.0.1:{port}/{ACCOUNT}", certificate)


def _create_certificate(folder: Path) -> tuple[Path, Path]:
    """Create a self-signed certificate for 127.0.0.1; return its file and its key's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    created = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(created.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


# --- Google and Azure, the parts that obstore uses ----------------------------------------------


@dataclass
class BearerTokenCloud:
    """A local object store that authorizes requests by bearer token, as Google and Azure do.

    Attributes:
        buckets: The objects, by bucket and key.
        permissions: The permissions of each principal: write, delete, read.
        keys: Google: the public keys that verify tokens, by the account's e-mail.
        clients: Azure: the secrets, by client id.
        tenant: Azure: the only tenant that exists.
        url: The URL of the server.
        requests: The method and path of each request.
    """

    buckets: dict[str, dict[str, bytes]]
    permissions: dict[str, set[str]]
    keys: dict[str, RSAPublicKey] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=dict)
    tenant: str = "tenant-of-the-test"
    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
                Route(f"/{ACCOUNT}/{{bucket}}", self._azure_batch, methods=["POST"]),
                Route(
                    f"/{ACCOUNT}/{{bucket}}/{{key:path}}",
                    self._azure,
                    methods=list(_PERMISSION_BY_METHOD),
                ),
                Route("/{bucket}/{key:path}", self._google, methods=list(_PERMISSION_BY_METHOD)),
            ]
        )

    async def _token(self, request: Request) -> Response:
        form = {
            name: values[0] for name, values in parse_qs((await request.body()).decode()).items()
        }
        if request.path_params["tenant"] != self.tenant:
            return _token_error("invalid_request", "AADSTS90002: Tenant not found.", 400)
        if self.clients.get(form["client_id"]) != form["client_secret"]:
            description = f"AADSTS7000215: Invalid client secret {form['client_secret']} provided."
            return _token_error("invalid_client", description, 401)
        token = make_azure_token(form["client_id"])
        return JSONResponse({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    async def _azure(self, request: Request) -> Response:
        claims = _read_claims(request, None)
        return await self._serve(request, str(claims.get("appid")), "azure")

    async def _azure_batch(self, request: Request) -> Response:
        """Delete one blob by a batch request."""
        body = (await request.body()).decode()
        match = re.search(rf"DELETE /{ACCOUNT}/([^/]+)/(\S+) HTTP", body)
        assert match
        bucket, key = unquote(match[1]), unquote(match[2])
        self.requests.append(("DELETE", f"/{ACCOUNT}/{bucket}/{key}"))
        client = str(_read_claims(request, None).get("appid"))
        if "delete" in self.permissions[client]:
            del self.buckets[bucket][key]
            line = "202 Accepted"
        else:
            line = "403 This request is not authorized to perform this operation."
        part = ["--b", "Content-Type: application/http", "Content-ID: 0", "", f"HTTP/1.1 {line}"]
        part += ["x-ms-request-id: 1", "", "", "--b--", ""]
        return Response("\r\n".join(part), 202, media_type="multipart/mixed; boundary=b")

    async def _google(self, request: Request) -> Response:
        claims = _read_claims(request, self.keys)
        return await self._serve(request, str(claims.get("iss")), "google")

    async def _serve(self, request: Request, principal: str, cloud: str) -> Response:
        self.requests.append((request.method, request.url.path))
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        if denial := self._make_denial(request, principal, _CODES[cloud]):
            return denial
        objects = self.buckets[bucket]
        if request.method == "PUT":
            objects[key] = await request.body()
            return Response(status_code=201, headers={"ETag": '"1"'})
        if request.method == "DELETE":
            del objects[key]
            return Response(status_code=204)
        modified = {"Last-Modified": "Mon, 01 Jun 2026 10:00:00 GMT", "ETag": '"1"'}
        return Response(objects[key], headers=modified)

    def _make_denial(
        self, request: Request, principal: str, codes: dict[str, str]
    ) -> Response | None:
        """Return the error response, which echoes the token; None if the request is allowed."""
        token = request.headers.get("authorization", "")
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        if principal not in self.permissions:
            return _xml_error(codes["unknown"], token, 401)
        if _PERMISSION_BY_METHOD[request.method] not in self.permissions[principal]:
            return _xml_error(codes["denied"], f"{principal} {token}", 403)
        if bucket not in self.buckets:
            return _xml_error(codes["bucket"], key, 404)
        if request.method != "PUT" and key not in self.buckets[bucket]:
            return _xml_error(codes["key"], key, 404)
        return None


_CODES = {
    "google": {
        "unknown": "AuthenticationRequired",
        "denied": "AccessDenied",
        "bucket": "NoSuchBucket",
        "key": "NoSuchKey",
    },
    "azure": {
        "unknown": "InvalidAuthenticationInfo",
        "denied": "AuthorizationPermissionMismatch",
        "bucket": "ContainerNotFound",
        "key": "BlobNotFound",
    },
}


@contextmanager
def serve_cloud(cloud: BearerTokenCloud, folder: Path | None = None) -> Iterator[BearerTokenCloud]:
    """Serve the cloud until the block ends, over https if `folder` is given for a certificate."""
    config = uvicorn.Config(
        cloud.application(), ws="none", lifespan="off", log_level="critical", access_log=False
    )
    if folder is not None:
        config.ssl_certfile, config.ssl_keyfile = map(str, _create_certificate(folder))
    server = uvicorn.Server(config)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        cloud.url = f"{'https' if folder else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield cloud
        finally:
            server.should_exit = True
            thread.join(10)


def create_service_account(email: str) -> tuple[dict[str, str], RSAPublicKey]:
    """Create the key fields of a service account; return them with the public key."""
    key = rsa.generate_private_key(65537, 2048)
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    fields = {
        "type": "service_account",
        "project_id": "project-of-the-test",
        "private_key_id": "0123456789abcdef0123",
        "private_key": text,
        "client_email": email,
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return fields, key.public_key()


def make_azure_token(client_id: str) -> str:
    """Return a token that Azurite accepts; Azurite checks the claims, not the signature."""
    now = int(time.time())
    claims = {
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/tenant-of-the-test/",
        "appid": client_id,
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 3600,
    }
    return f"{_encode_base64({'alg': 'RS256', 'typ': 'JWT'})}.{_encode_base64(claims)}.c2lnbmF0dXJl"


def _read_claims(request: Request, keys: dict[str, RSAPublicKey] | None) -> dict[str, Any]:
    """Return the claims of a request's token; {} if the issuer has not signed the token."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    message, _, signature = token.rpartition(".")
    if not message:
        return {}
    claims: dict[str, Any] = json.loads(_decode_base64(message.split(".")[1]))
    if keys is None:
        return claims
    key = keys.get(claims["iss"])
    try:
        if key is None:
            return {}
        key.verify(_decode_base64(signature), message.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return {}
    return claims


def _encode_base64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _decode_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _xml_error(code: str, echo: str, status: int) -> Response:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{echo}</Message></Error>"
    return Response(body, status_code=status, media_type="application/xml")


def _token_error(error: str, description: str, status: int) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status_code=status)
