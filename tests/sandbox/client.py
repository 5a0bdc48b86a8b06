"""A client for the tests: sends the token, returns JSON, and sweeps lists page by page."""

from collections.abc import Iterator
from typing import Any

import requests

from pixxel_sandbox import Sandbox

TIMEOUT = 20


def send(sandbox: Sandbox, method: str, path: str, **options: Any) -> requests.Response:
    """Sends a request on a connection of its own."""
    headers = {"Authorization": f"Bearer {sandbox.token}", **options.pop("headers", {})}
    url = sandbox.url + path
    return requests.request(method, url, headers=headers, timeout=TIMEOUT, **options)


def get(sandbox: Sandbox, path: str, **params: Any) -> Any:
    """Gets a path that has to answer 200."""
    answer = send(sandbox, "GET", path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def search(sandbox: Sandbox, path: str, **body: Any) -> Any:
    """Searches; the search has to answer 200."""
    answer = send(sandbox, "POST", f"/v0/{path}/search", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def found(sandbox: Sandbox, **body: Any) -> list[str]:
    """Lists the ids of all the archive items that a search finds."""
    features = search(sandbox, "archives", **{"limit": 10_000, **body})["features"]
    return [feature["id"] for feature in features]


def sweep(sandbox: Sandbox, path: str, key: str, limit: int = 7) -> Iterator[Any]:
    """Yields the rows of an offset-paged list, as a naive client reads it."""
    offset = 0
    while rows := get(sandbox, path, offset=offset, limit=limit)[key]:
        yield from rows
        offset += len(rows)


def everywhere(sandbox: Sandbox) -> dict[str, Any]:
    """Returns a search for the images of all satellites."""
    ring = [[-180, -90], [0, -90], [180, -90], [180, 90], [0, 90], [-180, 90], [-180, -90]]
    return {
        "start_date": "2023-01-01T00:00:00.000Z",
        "end_date": "2026-01-01T00:00:00Z",
        "satellites": [
            {"satellite_id": row["id"], "collection_id": collection["id"]}
            for row in sandbox.workspace.rows("satellites")
            for collection in row["collections"]
        ],
        "filters": [{"id": "eo:cloud_cover", "min": 0, "max": 100}],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "limit": 50,
    }
