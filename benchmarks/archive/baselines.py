"""Baselines: each reads the whole archive page by page, and writes each item as a JSON line.

Run `python -m benchmarks.archive.baselines NAME URL`. Each function imports its own libraries, so
that its start-up time does not include those of the others.
"""

from __future__ import annotations

import json
import sys
from typing import Any, ClassVar

from benchmarks.archive.server import COLLECTION, TOKEN

PAGE_SIZE = 100
WORKERS = 4
_PATH = f"/v0/archives/collections/{COLLECTION}/items"
_HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def plain_sdk(url: str) -> None:
    """Run a tap as the SDK's cookiecutter creates it: `RESTStream`, typed schema, offset paging."""
    from singer_sdk import RESTStream, Tap  # noqa: PLC0415
    from singer_sdk import typing as th  # noqa: PLC0415
    from singer_sdk.pagination import OffsetPaginator  # noqa: PLC0415

    band = th.ObjectType(additional_properties=True)
    asset = th.ObjectType(
        th.Property("href", th.StringType),
        th.Property("type", th.StringType),
        th.Property("title", th.StringType),
        th.Property("roles", th.ArrayType(th.StringType)),
        th.Property("eo:bands", th.ArrayType(band)),
        th.Property("raster:bands", th.ArrayType(band)),
        additional_properties=True,
    )

    class Paginator(OffsetPaginator):
        """Offset paginator that stops at a short page."""

        def has_more(self, response: Any) -> bool:  # noqa: ANN401 - a response of requests
            return len(response.json()["features"]) == PAGE_SIZE

    class Items(RESTStream):
        """Stream of the items of a collection."""

        name = "archive_items"
        path = _PATH
        primary_keys = ("id",)
        records_jsonpath = "$.features[*]"
        schema = th.PropertiesList(
            th.Property("id", th.StringType),
            th.Property("collection", th.StringType),
            th.Property("type", th.StringType),
            th.Property("stac_version", th.StringType),
            th.Property("stac_extensions", th.ArrayType(th.StringType)),
            th.Property("bbox", th.ArrayType(th.StringType)),
            th.Property("geometry", th.ObjectType(additional_properties=True)),
            th.Property("properties", th.ObjectType(additional_properties=True)),
            th.Property("assets", th.ObjectType(additional_properties=asset)),
            th.Property("links", th.ArrayType(band)),
        ).to_dict()

        @property
        def url_base(self) -> str:
            return url

        @property
        def http_headers(self) -> dict[str, str]:
            return _HEADERS

        def get_new_paginator(self) -> Paginator:
            return Paginator(start_value=0, page_size=PAGE_SIZE)

        def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002
            return {"limit": PAGE_SIZE, "offset": next_page_token or 0}

    class PlainTap(Tap):
        """Tap with that stream."""

        name = "tap-plain"
        config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {}}

        def discover_streams(self) -> list[Items]:
            return [Items(self)]

    PlainTap.cli(args=sys.argv[3:])


def dlt(url: str) -> None:
    """Run dlt's rest_api source."""
    import orjson  # noqa: PLC0415
    from dlt.sources.helpers.rest_client.paginators import OffsetPaginator  # noqa: PLC0415
    from dlt.sources.rest_api import rest_api_source  # noqa: PLC0415

    paginator = OffsetPaginator(limit=PAGE_SIZE, total_path=None, stop_after_empty_page=True)
    endpoint: Any = {"path": _PATH, "data_selector": "features", "paginator": paginator}
    source = rest_api_source(
        {
            "client": {"base_url": url, "headers": _HEADERS},
            "resources": [{"name": "archive_items", "endpoint": endpoint}],
        }
    )
    out = sys.stdout.buffer
    for item in source.resources["archive_items"]:
        out.write(orjson.dumps(item) + b"\n")


def pystac_client(url: str) -> None:
    """Run pystac-client, which creates a pystac object for each item."""
    from pystac_client import Client  # noqa: PLC0415

    client = Client.open(url, headers=_HEADERS)
    for item in client.search(limit=PAGE_SIZE, method="GET", max_items=None).items():
        line = json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False))
        sys.stdout.write(line + "\n")


def _read_pages(get: Any, decode: Any, url: str) -> Any:  # noqa: ANN401 - types of the libraries
    offset = 0
    while True:
        params = {"limit": PAGE_SIZE, "offset": offset}
        response = get(f"{url}{_PATH}", params=params, headers=_HEADERS)
        features = decode(response.content)["features"]
        yield features
        if len(features) < PAGE_SIZE:
            return
        offset += PAGE_SIZE


def requests_json(url: str) -> None:
    """Read page by page with requests and the standard library's json."""
    import requests  # noqa: PLC0415

    for features in _read_pages(requests.Session().get, json.loads, url):
        for item in features:
            sys.stdout.write(json.dumps(item) + "\n")


def threads_orjson(url: str) -> None:
    """Read with four threads and orjson and a known number of pages: the lower bound."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    import orjson  # noqa: PLC0415
    import requests  # noqa: PLC0415

    session, out = requests.Session(), sys.stdout.buffer
    count = int(sys.argv[3])

    def read_page(offset: int) -> list[bytes]:
        params = {"limit": PAGE_SIZE, "offset": offset}
        response = session.get(f"{url}{_PATH}", params=params, headers=_HEADERS, timeout=60)
        return [orjson.dumps(item) for item in orjson.loads(response.content)["features"]]

    with ThreadPoolExecutor(WORKERS) as workers:
        for lines in workers.map(read_page, range(0, count, PAGE_SIZE)):
            out.write(b"\n".join(lines) + b"\n")


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
