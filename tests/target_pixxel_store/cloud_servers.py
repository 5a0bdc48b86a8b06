"""Local clouds: servers that check signatures, permissions and tokens as the real ones do."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from starlette.requests import Request

    from target_pixxel_store.credentials import Credentials
    from target_pixxel_store.locations import BucketLocation

READY_SECONDS = 30
ACCOUNT = "devstoreaccount1"
"""The one account that Azurite has of itself."""
_RIGHTS = {"PUT": "write", "DELETE": "delete", "GET": "read", "HEAD": "read"}
_BIN = Path(sys.executable).parent
RCLONE = shutil.which("rclone", path=str(_BIN)) or shutil.which("rclone")
MOTO = shutil.which("moto_server", path=str(_BIN)) or shutil.which("moto_server")
AZURITE = os.environ.get("AZURITE") or shutil.which("azurite-blob")


def free_port() -> int:
    """Give a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[None]:
    """Run a server until the block ends; it begins once the port is open."""
    server = subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_port(port)
        yield
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(5)


def _await_port(port: int) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        with socket.socket() as probe_write_access:
            if probe_write_access.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


# --- S3 -----------------------------------------------------------------------------------------


@contextmanager
def rclone_s3(folder: Path, key: str, secret: str) -> Iterator[str]:
    """Serve a folder as S3: its folders are buckets. Signatures are checked, permissions are not.

    Yields:
        The endpoint.
    """
    port = free_port()
    command = [str(RCLONE), "serve", "s3", "--config", str(folder.parent / "none.conf")]
    command += ["--addr", f"127.0.0.1:{port}", str(folder)]
    # In the environment a pair is one value of a list, and so in quotes.
    with running(command, port, RCLONE_AUTH_KEY=f'"{key},{secret}"'):
        yield f"http://127.0.0.1:{port}"


class Moto:
    """A server that speaks S3 and IAM; once `enforce` was called it checks both.

    Args:
        endpoint: Its URL.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def bucket(self, name: str) -> None:
        self._ask("s3", "PUT", f"/{name}")

    def user(self, name: str, *actions: str) -> dict[str, str]:
        """Make a user who may do these actions everywhere; give the key and its secret."""
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self._iam("CreateUser", UserName=name)
        self._iam("PutUserPolicy", UserName=name, PolicyName="p", PolicyDocument=policy)
        made = self._iam("CreateAccessKey", UserName=name)
        return {
            "access_key_id": _element(made, "AccessKeyId"),
            "secret_access_key": _element(made, "SecretAccessKey"),
        }

    def enforce(self) -> None:
        requests.post(f"{self.endpoint}/moto-api/reset-auth", data="0", timeout=10)

    def _iam(self, action: str, **parameters: str) -> str:
        return self._ask(
            "iam", "POST", "/", {"Action": action, "Version": "2010-05-08"} | parameters
        )

    def _ask(self, service: str, method: str, path: str, form: Any = None) -> str:
        scope = f"Credential=x/20260101/us-east-1/{service}/aws4_request"
        signed = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"
        answer = requests.request(
            method,
            self.endpoint + path,
            data=form,
            headers={"Authorization": signed},
            timeout=10,
        )
        answer.raise_for_status()
        return answer.text


@contextmanager
def moto() -> Iterator[Moto]:
    """Run a server that speaks S3 and IAM."""
    port = free_port()
    with running([str(MOTO), "-H", "127.0.0.1", "-p", str(port)], port):
        yield Moto(f"http://127.0.0.1:{port}")


def misled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what would lead a client astray that reads the environment."""
    nowhere = "http://127.0.0.1:9"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key-of-another",
        "AWS_SECRET_ACCESS_KEY": "s3cret-of-another",
        "AWS_SESSION_TOKEN": "session-of-another",
        "AWS_ENDPOINT_URL_S3": nowhere,
        "AWS_SERVER_SIDE_ENCRYPTION": "no-such-encryption",
        "AWS_SKIP_SIGNATURE": "true",
        "AZURE_STORAGE_ACCOUNT_KEY": "a2V5",
        "AZURE_STORAGE_ENDPOINT": nowhere,
        "AZURE_STORAGE_TOKEN": "token-of-another",
        "AZURE_STORAGE_USE_EMULATOR": "true",
        "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json",
        "GOOGLE_BASE_URL": nowhere,
        "GOOGLE_SERVICE_ACCOUNT": "/nowhere/key.json",
        "GOOGLE_SKIP_SIGNATURE": "true",
        "SERVICE_ACCOUNT": "/nowhere/key.json",
    }.items():
        monkeypatch.setenv(name, value)


def refusal(
    place: BucketLocation,
    credentials: Credentials,
    endpoint: str | None,
    *,
    look: str = "",
    authority_host: str | None = None,
) -> BucketError:
    """Probe a place, or look for a key there, where that must fail.

    What it raises is one line without a secret, its traceback included.
    """
    ask: Callable[..., object] = partial(object_size, key=look) if look else probe_write_access
    with pytest.raises(BucketError) as caught:
        ask(place, credentials, endpoint, authority_host=authority_host)
    assert_discreet("".join(traceback.format_exception(caught.value)), credentials)
    assert "\n" not in str(caught.value)
    assert repr(place.bucket) in str(caught.value)
    return caught.value


def assert_discreet(text: str, credentials: Credentials) -> None:
    """Tell that a text has none of the secrets, and nothing of the service's answer."""
    assert [secret for secret in iter_secrets(credentials) if secret in text] == []
    assert [
        word for word in ("<?xml", "<Error", "AADSTS", "Bearer", "Debug source") if word in text
    ] == []


def _element(xml: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]+)</{name}>", xml)
    assert found
    return found[1]


# --- Azurite ------------------------------------------------------------------------------------


class Azurite:
    """Azure's Blob service over https, whose tokens have the right claims.

    Args:
        endpoint: Its URL, with the account.
        certificate: The file to trust it by.
    """

    def __init__(self, endpoint: str, certificate: Path) -> None:
        self.endpoint = endpoint
        self.certificate = certificate

    def container(self, name: str) -> None:
        self._ask("PUT", f"/{name}?restype=container")

    def blobs(self, container: str) -> list[str]:
        listed = self._ask("GET", f"/{container}?restype=container&comp=list")
        return re.findall(r"<Name>([^<]+)</Name>", listed)

    def _ask(self, method: str, path: str) -> str:
        answer = requests.request(
            method,
            self.endpoint + path,
            headers={
                "Authorization": f"Bearer {azure_token('owner')}",
                "x-ms-version": "2023-11-03",
            },
            verify=str(self.certificate),
            timeout=10,
        )
        answer.raise_for_status()
        return answer.text


@contextmanager
def azurite(folder: Path) -> Iterator[Azurite]:
    """Run Azurite with its `--oauth basic`, which wants https."""
    certificate, key = _certificate(folder)
    port = free_port()
    command = [str(AZURITE), "--oauth", "basic", "--cert", str(certificate), "--key", str(key)]
    command += ["--blobPort", str(port), "--location", str(folder), "--silent"]
    command += ["--skipApiVersionCheck"]
    with running(command, port):
        yield Azurite(f"https://127.0.0.1:{port}/{ACCOUNT}", certificate)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that signs itself; give its file and its key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
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
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


# --- Google's and Azure's, as far as obstore talks to them --------------------------------------


@dataclass
class Bearers:
    """A cloud of buckets behind bearer tokens, on a port of this machine.

    Attributes:
        buckets: The objects by bucket and key.
        rights: What each principal may do: write, delete, read.
        keys: Google: the public keys that tokens are signed for, by the account's e-mail.
        clients: Azure: the secrets by client id.
        tenant: Azure: the only one that is known.
        url: Where it listens.
        seen: The method and path of each request.
    """

    buckets: dict[str, dict[str, bytes]]
    rights: dict[str, set[str]]
    keys: dict[str, RSAPublicKey] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=dict)
    tenant: str = "tenant-of-the-test"
    url: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
                Route(f"/{ACCOUNT}/{{bucket}}", self._azure_batch, methods=["POST"]),
                Route(f"/{ACCOUNT}/{{bucket}}/{{key:path}}", self._azure, methods=list(_RIGHTS)),
                Route("/{bucket}/{key:path}", self._google, methods=list(_RIGHTS)),
            ]
        )

    async def _token(self, request: Request) -> Response:
        form = {
            name: values[0] for name, values in parse_qs((await request.body()).decode()).items()
        }
        if request.path_params["tenant"] != self.tenant:
            return _refusal("invalid_request", "AADSTS90002: Tenant not found.", 400)
        if self.clients.get(form["client_id"]) != form["client_secret"]:
            told = f"AADSTS7000215: Invalid client secret {form['client_secret']} provided."
            return _refusal("invalid_client", told, 401)
        token = azure_token(form["client_id"])
        return JSONResponse({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    async def _azure(self, request: Request) -> Response:
        claims = _claims(request, None)
        return await self._serve(request, str(claims.get("appid")), "azure")

    async def _azure_batch(self, request: Request) -> Response:
        """Delete one blob, in the form that deletes many."""
        body = (await request.body()).decode()
        found = re.search(rf"DELETE /{ACCOUNT}/([^/]+)/(\S+) HTTP", body)
        assert found
        bucket, key = unquote(found[1]), unquote(found[2])
        self.seen.append(("DELETE", f"/{ACCOUNT}/{bucket}/{key}"))
        client = str(_claims(request, None).get("appid"))
        if "delete" in self.rights[client]:
            del self.buckets[bucket][key]
            line = "202 Accepted"
        else:
            line = "403 This request is not authorized to perform this operation."
        part = ["--b", "Content-Type: application/http", "Content-ID: 0", "", f"HTTP/1.1 {line}"]
        part += ["x-ms-request-id: 1", "", "", "--b--", ""]
        return Response("\r\n".join(part), 202, media_type="multipart/mixed; boundary=b")

    async def _google(self, request: Request) -> Response:
        claims = _claims(request, self.keys)
        return await self._serve(request, str(claims.get("iss")), "google")

    async def _serve(self, request: Request, principal: str, cloud: str) -> Response:
        self.seen.append((request.method, request.url.path))
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        if refused := self._refused(request, principal, _CODES[cloud]):
            return refused
        objects = self.buckets[bucket]
        if request.method == "PUT":
            objects[key] = await request.body()
            return Response(status_code=201, headers={"ETag": '"1"'})
        if request.method == "DELETE":
            del objects[key]
            return Response(status_code=204)
        modified = {"Last-Modified": "Mon, 01 Jun 2026 10:00:00 GMT", "ETag": '"1"'}
        return Response(objects[key], headers=modified)

    def _refused(self, request: Request, principal: str, codes: dict[str, str]) -> Response | None:
        """Refuse as the cloud would, in an answer that tells more than it should."""
        token = request.headers.get("authorization", "")
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        if principal not in self.rights:
            return _error(codes["unknown"], token, 401)
        if _RIGHTS[request.method] not in self.rights[principal]:
            return _error(codes["denied"], f"{principal} {token}", 403)
        if bucket not in self.buckets:
            return _error(codes["bucket"], key, 404)
        if request.method != "PUT" and key not in self.buckets[bucket]:
            return _error(codes["key"], key, 404)
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
def serving(cloud: Bearers, folder: Path | None = None) -> Iterator[Bearers]:
    """Listen until the block ends; over https, when there is a folder for its certificate."""
    config = uvicorn.Config(
        cloud.application(), ws="none", lifespan="off", log_level="critical", access_log=False
    )
    if folder is not None:
        config.ssl_certfile, config.ssl_keyfile = map(str, _certificate(folder))
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


def service_account(email: str) -> tuple[dict[str, str], RSAPublicKey]:
    """Make a service account's key as Google gives it, and what checks its signatures."""
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


def azure_token(client_id: str) -> str:
    """Give a token as Azurite accepts it: it looks at the claims, not at the signature."""
    now = int(time.time())
    claims = {
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/tenant-of-the-test/",
        "appid": client_id,
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 3600,
    }
    return f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(claims)}.c2lnbmF0dXJl"


def _claims(request: Request, keys: dict[str, RSAPublicKey] | None) -> dict[str, Any]:
    """Read the claims of a request's token; none when its signature is not its issuer's."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    message, _, signature = token.rpartition(".")
    if not message:
        return {}
    claims: dict[str, Any] = json.loads(_decoded(message.split(".")[1]))
    if keys is None:
        return claims
    key = keys.get(claims["iss"])
    try:
        if key is None:
            return {}
        key.verify(_decoded(signature), message.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return {}
    return claims


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _error(code: str, echo: str, status: int) -> Response:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{echo}</Message></Error>"
    return Response(body, status_code=status, media_type="application/xml")


def _refusal(error: str, description: str, status: int) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status_code=status)
