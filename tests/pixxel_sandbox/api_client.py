"""Send requests to a sandbox with its token, and return the JSON of the responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixxel_sandbox import Sandbox

TIMEOUT = 20


def send_request(sandbox: Sandbox, method: str, path: str, **options: Any) -> requests.Response:
    """Send a request on a connection of its own."""
    headers = {"Authorization": f"Bearer {sandbox.token}", **options.pop("headers", {})}
    url = sandbox.url + path
    return requests.request(method, url, headers=headers, timeout=TIMEOUT, **options)


def get(sandbox: Sandbox, path: str, **params: Any) -> Any:
    """Get the JSON of a path; the status must be 200."""
    response = send_request(sandbox, "GET", path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


def search_rows(sandbox: Sandbox, path: str, **body: Any) -> Any:
    """Return the JSON of a search; the status must be 200."""
    response = send_request(sandbox, "POST", f"/v0/{path}/search", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def find_item_ids(sandbox: Sandbox, **body: Any) -> list[str]:
    """Return the ids of all archive items that a search finds."""
    features = search_rows(sandbox, "archives", **{"limit": 10_000, **body})["features"]
    return [feature["id"] for feature in features]


def iter_rows(sandbox: Sandbox, path: str, key: str, limit: int = 7) -> Iterator[Any]:
    """Yield the rows of a list paged by offset, without any care for changes."""
    offset = 0
    while rows := get(sandbox, path, offset=offset, limit=limit)[key]:
        yield from rows
        offset += len(rows)


def search_everywhere_body(sandbox: Sandbox) -> dict[str, Any]:
    """Return the body of a search for the images of all satellites."""
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
