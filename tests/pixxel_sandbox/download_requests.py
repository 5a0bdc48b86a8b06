"""Request downloads, get their status, and fetch their signed URLs."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import ProtocolError

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.scheduler import Scheduler

from .api_client import TIMEOUT, get, send_request
from .write_requests import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

PATH = "/v0/catalogs/download"
SIZE = 1000


def request_download(sandbox: Sandbox, **body: Any) -> requests.Response:
    """Request a download."""
    return send_request(sandbox, "POST", PATH, json=body)


def collect_scheduled_calls(patch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Make the sandbox's scheduler collect its calls, so that a test makes each when it is due."""
    calls: list[Callable[[], None]] = []
    patch.setattr(Scheduler, "call_later", lambda _, __, call: calls.append(call))
    return calls


def get_download(sandbox: Sandbox, key: str) -> Any:
    """Get the status of a download."""
    return get(sandbox, f"{PATH}/{key}")


def prepare_download(sandbox: Sandbox, *catalogs: str) -> str:
    """Request a download, of the first catalog by default, and return its signed URL."""
    named = list(catalogs) or sandbox.workspace.ids("catalogs")[:1]
    response = request_download(sandbox, catalog_ids=named)
    assert response.status_code == 201, response.text
    return str(wait_until(lambda: get_download(sandbox, response.json()["id"]).get("signed_url")))


def fetch(url: str, method: str = "GET", **headers: str) -> requests.Response:
    """Fetch a signed URL."""
    return requests.request(method, url, headers=headers, timeout=TIMEOUT)


def fetch_interrupted(url: str, **headers: str) -> bytes:
    """Return the bytes that arrive before the connection breaks."""
    parts: list[bytes] = []
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        with suppress(ProtocolError):
            parts.extend(response.raw.stream(1))
    return b"".join(parts)


def instant_behavior(**behavior: Any) -> Behavior:
    """Return a behavior with which downloads are prepared at once."""
    return Behavior(**{"download_seconds": 0, **behavior})


def sized_behavior(size: int = SIZE, **behavior: Any) -> Behavior:
    """Return a behavior with which downloads are prepared at once and have a size."""
    return instant_behavior(download_bytes=size, **behavior)


def digest_content(content: bytes) -> tuple[int, str]:
    """Return the size and SHA-256 of a content."""
    return (len(content), hashlib.sha256(content).hexdigest())


def s3_error(response: requests.Response) -> tuple[int, str]:
    """Return the status and code of a response, which must be an error in S3's form."""
    assert response.headers["Content-Type"].startswith("application/xml")
    found = re.search("<Error><Code>(.*)</Code><Message>.+</Message></Error>", response.text)
    assert found
    return response.status_code, found[1]
