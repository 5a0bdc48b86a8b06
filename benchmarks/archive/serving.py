"""A server of archive items that are JSON already, in a process of its own that does little else.

It answers the three ways in which contenders ask: a search by POST, the items of a collection by
GET, and a STAC API's search for pystac-client, which wants a landing page and links to go on by.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from benchmarks.conversion import items as sample

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEMS = 5_000
ASSETS = 150
COLLECTION = "firefly-l2a"
TOKEN = "bench-token"  # noqa: S105 - opens nothing
_CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]


def archive(count: int) -> list[bytes]:
    """Make so many items of some 22 KB with different ids, each as JSON."""
    # pystac takes none without `datetime` as they are.
    seen = [raw for raw in sample(ASSETS) if raw["properties"].get("datetime")]
    return [
        msgspec.json.encode(
            raw
            | {"id": f"{raw['id']}-{number}", "collection": COLLECTION}
            | {"assets": _lean(raw["assets"], number)}
        )
        for number, raw in enumerate(islice(cycle(seen), count))
    ]


def _lean(assets: dict[str, Any], number: int) -> dict[str, Any]:
    """Leave out of assets what many items have in a shorter form, or not at all."""
    return {
        name: {
            "href": f"https://data.invalid/{number}/{name}.tif",
            "type": "image/tiff",
            "title": name,
            "eo:bands": [
                {"name": name, "center_wavelength": band["center_wavelength"]}
                for band in asset.get("eo:bands", [])
            ],
        }
        for name, asset in assets.items()
    }


@dataclass(slots=True)
class Archive:
    """What is served."""

    items: list[bytes]
    latency: float
    url: str = ""

    def answer(self, method: str, target: str, body: bytes) -> bytes:
        """Give the answer to a request."""
        parts = urlsplit(target)
        if method == "POST":
            asked = msgspec.json.decode(body)
            return self._page(asked.get("offset", 0), asked.get("limit", 10))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.endswith(("/items", "/search")):
            offset, limit = int(query.get("offset", 0)), int(query.get("limit", 10))
            return self._page(offset, limit, linked=parts.path.endswith("/search"))
        if parts.path.endswith("/collections"):
            return json.dumps({"collections": [{"id": COLLECTION}]}).encode()
        return json.dumps(self._landing()).encode()

    def _page(self, offset: int, limit: int, *, linked: bool = False) -> bytes:
        features = b",".join(self.items[offset : offset + limit])
        links: list[dict[str, Any]] = []
        if linked and offset + limit < len(self.items):
            href = f"{self.url}/search?offset={offset + limit}&limit={limit}"
            links = [{"rel": "next", "href": href, "type": "application/geo+json"}]
        head = b'{"type":"FeatureCollection","links":' + json.dumps(links).encode()
        return head + b',"features":[' + features + b"]}"

    def _landing(self) -> dict[str, Any]:
        search = {"rel": "search", "type": "application/geo+json", "href": f"{self.url}/search"}
        own = {"rel": "self", "type": "application/json", "href": self.url}
        return {
            "type": "Catalog",
            "id": "bench",
            "stac_version": "1.0.0",
            "description": "A benchmark's archive",
            "conformsTo": _CONFORMS,
            "links": [own, {**search, "method": "GET"}],
        }


async def _serve(
    archive: Archive, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer the requests of a connection; its client may leave at any time."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            method, target, _ = lines[0].decode().split(" ")
            fields = dict(line.lower().split(b":", 1) for line in lines[1:] if b":" in line)
            body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
            if archive.latency:
                await asyncio.sleep(archive.latency)
            content = archive.answer(method, target, body)
            top = [b"HTTP/1.1 200 OK", b"Content-Type: application/json"]
            length = b"Content-Length: %d" % len(content)
            writer.write(b"\r\n".join([*top, length, b"", content]))
            await writer.drain()
    writer.close()


async def _run(count: int, latency: float) -> None:
    served = Archive(archive(count), latency)
    server = await asyncio.start_server(
        lambda reader, writer: _serve(served, reader, writer), "127.0.0.1", 0
    )
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    size = sum(map(len, served.items)) / len(served.items)
    print(served.url, f"{size:.0f}", flush=True)  # noqa: T201 - read by who has started it
    await server.serve_forever()


@contextmanager
def served(latency_ms: int, count: int = ITEMS) -> Iterator[tuple[str, float]]:
    """Serve an archive from a process of its own; give its URL, and an item's bytes on average."""
    command = [sys.executable, "-m", "benchmarks.archive.serving", str(count), str(latency_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url, size = (process.stdout.readline() if process.stdout else "").split()
            yield url, float(size)
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), int(sys.argv[2]) / 1000))
