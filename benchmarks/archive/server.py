"""Minimal server of encoded archive items, which runs in its own process.

It supports the three kinds of requests that the benchmark needs: a search by POST, the items of a
collection by GET, and a STAC API search with a landing page and `next` links for pystac-client.
"""

from __future__ import annotations

import asyncio
import bisect
import json
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle, islice
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from benchmarks.conversion import make_items
from benchmarks.variation import DIFFERING, vary_assets

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEMS = 5_000
ASSETS = 150
COLLECTION = "firefly-l2a"
TOKEN = "bench-token"  # noqa: S105 - gives no access
_FIRST_TIME = datetime.fromisoformat("2023-01-01T00:00:00")
_DAYS = 730  # in which the items were acquired, 24 months
_CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]


def make_archive(count: int, *, differs: bool) -> dict[str, bytes]:
    """Return encoded items with different ids by their times, of which they are in the order.

    Args:
        count: Number of items.
        differs: Whether each asset differs from all others, in `DIFFERING`; else the assets
            repeat from image to image, except for their hrefs.
    """
    # pystac rejects the items without `datetime`.
    items = [raw for raw in make_items(ASSETS) if raw["properties"].get("datetime")]
    rng = Random(1)  # noqa: S311 - the same archive in each run
    archive = {}
    for number, raw in enumerate(islice(cycle(items), count)):
        assets = _shorten_assets(raw["assets"], number)
        if differs:
            vary_assets(assets, DIFFERING, rng)
        time = format_time(number, count)
        properties = raw["properties"] | {"datetime": time}
        if number == count - 1:
            properties["late_property"] = "in no item before"  # a column of all files
        changes = {
            "id": f"{raw['id']}-{number}",
            "collection": COLLECTION,
            "properties": properties,
            "assets": assets,
        }
        archive[time] = msgspec.json.encode(raw | changes)
    return archive


def format_time(number: int, count: int) -> str:
    """Return the time of one of a number of items, which are equally far apart."""
    time = _FIRST_TIME + number * timedelta(days=_DAYS) / count
    return time.isoformat(timespec="microseconds") + "Z"


def _shorten_assets(assets: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the assets with only the members that most items have."""
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


@dataclass
class ArchiveServer:
    """Responses of the server.

    Attributes:
        items: Encoded items by time, in the order of times.
        latency: Delay of each response, in seconds.
        url: Base URL, once the server listens.
    """

    items: dict[str, bytes]
    latency: float
    url: str = ""

    def __post_init__(self) -> None:
        """Make lists, to find windows in them."""
        self._times = list(self.items)
        self._contents = list(self.items.values())

    def respond(self, method: str, target: str, body: bytes) -> bytes:
        """Return the body of the response to a request."""
        parts = urlsplit(target)
        if method == "POST":
            search = msgspec.json.decode(body)
            low, high = self._find_window(search.get("datetime", "../.."))
            contents = self._contents[low:high]
            if any(each["direction"] == "desc" for each in search.get("sortby", ())):
                contents.reverse()
            return self._encode_page(contents, search.get("offset", 0), search.get("limit", 10))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.endswith(("/items", "/search")):
            offset, limit = int(query.get("offset", 0)), int(query.get("limit", 10))
            has_links = parts.path.endswith("/search")
            return self._encode_page(self._contents, offset, limit, add_next_link=has_links)
        if parts.path.endswith("/collections"):
            return json.dumps({"collections": [{"id": COLLECTION}]}).encode()
        return json.dumps(self._landing_page()).encode()

    def _find_window(self, interval: str) -> tuple[int, int]:
        """Return the numbers of the first item in a closed interval, and of the first after it."""
        start, _, end = interval.partition("/")
        return (
            0 if start == ".." else bisect.bisect_left(self._times, start),
            len(self._times) if end == ".." else bisect.bisect_right(self._times, end),
        )

    def _encode_page(
        self, contents: list[bytes], offset: int, limit: int, *, add_next_link: bool = False
    ) -> bytes:
        features = b",".join(contents[offset : offset + limit])
        links: list[dict[str, Any]] = []
        if add_next_link and offset + limit < len(contents):
            href = f"{self.url}/search?offset={offset + limit}&limit={limit}"
            links = [{"rel": "next", "href": href, "type": "application/geo+json"}]
        head = b'{"type":"FeatureCollection","links":' + json.dumps(links).encode()
        return head + b',"features":[' + features + b"]}"

    def _landing_page(self) -> dict[str, Any]:
        search = {"rel": "search", "type": "application/geo+json", "href": f"{self.url}/search"}
        own = {"rel": "self", "type": "application/json", "href": self.url}
        return {
            "type": "Catalog",
            "id": "bench",
            "stac_version": "1.0.0",
            "description": "Archive of a benchmark",
            "conformsTo": _CONFORMS,
            "links": [own, {**search, "method": "GET"}],
        }


async def _handle_connection(
    archive: ArchiveServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Respond to the requests of a connection until the client closes it."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            method, target, _ = lines[0].decode().split(" ")
            fields = dict(line.lower().split(b":", 1) for line in lines[1:] if b":" in line)
            body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
            if archive.latency:
                await asyncio.sleep(archive.latency)
            content = archive.respond(method, target, body)
            status_and_type = [b"HTTP/1.1 200 OK", b"Content-Type: application/json"]
            length = b"Content-Length: %d" % len(content)
            writer.write(b"\r\n".join([*status_and_type, length, b"", content]))
            await writer.drain()
    writer.close()


async def _run_server(count: int, latency: float, *, differs: bool) -> None:
    archive = ArchiveServer(make_archive(count, differs=differs), latency)
    server = await asyncio.start_server(
        lambda reader, writer: _handle_connection(archive, reader, writer), "127.0.0.1", 0
    )
    archive.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    size = sum(map(len, archive.items.values())) / len(archive.items)
    print(archive.url, f"{size:.0f}", flush=True)  # noqa: T201 - read by the parent process
    await server.serve_forever()


@contextmanager
def run_archive_server(
    latency_ms: int, *, differs: bool, items: int = ITEMS
) -> Iterator[tuple[str, float]]:
    """Run a server in its own process; yield its URL, and the mean size of an item in bytes."""
    settings = [str(items), str(latency_ms), "differs" if differs else "repeats"]
    command = [sys.executable, "-m", "benchmarks.archive.server", *settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url, size = (process.stdout.readline() if process.stdout else "").split()
            yield url, float(size)
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(
        _run_server(int(sys.argv[1]), int(sys.argv[2]) / 1000, differs=sys.argv[3] == "differs")
    )
