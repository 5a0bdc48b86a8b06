"""What the tests of downloads share: a request for one, a look at it, and a fetch of it."""

import hashlib
import re
from contextlib import suppress
from typing import Any

import requests
from urllib3.exceptions import ProtocolError

from pixxel_sandbox import Behavior, Sandbox

from .client import TIMEOUT, get, send
from .writes import until

PATH = "/v0/catalogs/download"
SIZE = 1000


def ask(sandbox: Sandbox, **body: Any) -> requests.Response:
    """Asks for a download."""
    return send(sandbox, "POST", PATH, json=body)


def look(sandbox: Sandbox, key: str) -> Any:
    """Looks how far a download is."""
    return get(sandbox, f"{PATH}/{key}")


def ready(sandbox: Sandbox, *catalogs: str) -> str:
    """Asks for a download, of the first catalog unless others are named; returns a signed URL."""
    named = list(catalogs) or sandbox.workspace.ids("catalogs")[:1]
    answer = ask(sandbox, catalog_ids=named)
    assert answer.status_code == 201, answer.text
    return str(until(lambda: look(sandbox, answer.json()["id"]).get("signed_url")))


def fetch(url: str, method: str = "GET", **headers: str) -> requests.Response:
    """Fetches what a signed URL leads to."""
    return requests.request(method, url, headers=headers, timeout=TIMEOUT)


def got(url: str, **headers: str) -> bytes:
    """Fetches what comes before the connection breaks, byte by byte."""
    parts: list[bytes] = []
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        with suppress(ProtocolError):
            parts.extend(answer.raw.stream(1))
    return b"".join(parts)


def plain(**behavior: Any) -> Behavior:
    """Returns behavior under which a download takes no time."""
    return Behavior(**{"download_seconds": 0, **behavior})


def bulk(size: int = SIZE, **behavior: Any) -> Behavior:
    """Returns the same, with objects of a size."""
    return plain(download_bytes=size, **behavior)


def digest_of(content: bytes) -> tuple[int, str]:
    """Returns what a digest of the content is equal to."""
    return (len(content), hashlib.sha256(content).hexdigest())


def refused(answer: requests.Response) -> tuple[int, str]:
    """Returns the status and code of an answer, which has to be an error as S3 words it."""
    assert answer.headers["Content-Type"].startswith("application/xml")
    found = re.search("<Error><Code>(.*)</Code><Message>.+</Message></Error>", answer.text)
    assert found
    return answer.status_code, found[1]
