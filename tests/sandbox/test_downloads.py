"""Downloads are asked for by catalog or order item, take their time, and may fail."""

import io
import json
import re
import zipfile
from typing import Any

import pytest
import requests

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.generated_zip import MIN_ZIP_BYTES

from .client import search, send
from .fetching import PATH, ask, digest_of, fetch, look, plain, ready
from .writes import until


@pytest.fixture
def sandbox(emptied: Sandbox) -> Sandbox:
    return emptied


def test_a_download_takes_its_time(sandbox: Sandbox) -> None:
    sandbox.behavior = plain(download_seconds=0.2)
    answer = ask(sandbox, catalog_ids=sandbox.workspace.ids("catalogs")[:1], order_item_ids=[])
    assert answer.status_code == 201
    key, seen = answer.json()["id"], [answer.json()]

    def there() -> bool:
        shown = look(sandbox, key)
        if shown["status"] != seen[-1]["status"]:
            seen.append(shown)
        return "signed_url" in shown

    until(there)
    assert seen[:2] == [{"id": key, "status": word} for word in ("created", "in_progress")]
    assert set(seen[2]) == {"id", "status", "signed_url"}
    assert len(seen) == 3


def test_a_download_may_take_no_time_or_fail(sandbox: Sandbox) -> None:
    sandbox.behavior = plain(download_seconds=0, fail_downloads=1)
    made = ask(sandbox, catalog_ids=sandbox.workspace.ids("catalogs")[:1]).json()
    assert made["status"] == "created"
    assert look(sandbox, made["id"]) == {"id": made["id"], "status": "failed"}


def test_an_unknown_download_is_not_found(sandbox: Sandbox) -> None:
    assert send(sandbox, "GET", f"{PATH}/nonesuch").status_code == 404


REFUSED = [
    ({}, 400),
    ({"catalog_ids": [], "order_item_ids": []}, 400),
    ({"catalog_ids": ["catalog"], "order_item_ids": ["item"]}, 400),
    ({"catalog_ids": "catalog"}, 400),
    ({"catalog_ids": ["nonesuch"]}, 404),
    ({"order_item_ids": ["nonesuch"]}, 404),
    ({"order_item_ids": ["empty"]}, 409),
]


@pytest.mark.parametrize(("body", "status"), REFUSED)
def test_what_cannot_be_downloaded_is_refused(
    sandbox: Sandbox, body: dict[str, Any], status: int
) -> None:
    sandbox.workspace.insert("order_items", {"id": "empty"})
    answer = ask(sandbox, **body)
    assert answer.status_code == status, answer.text
    assert "error" in answer.json()


def test_a_download_that_may_not_be_asked_for_is_forbidden(sandbox: Sandbox) -> None:
    url = ready(sandbox)
    sandbox.behavior = Behavior(forbid=frozenset({"downloads"}))
    assert ask(sandbox, catalog_ids=["any"]).status_code == 403
    assert send(sandbox, "GET", f"{PATH}/any").status_code == 403
    assert fetch(url).status_code == 200, "a signed URL asks for no permission"


def test_a_write_of_a_download_has_mishaps_too(sandbox: Sandbox) -> None:
    catalogs = sandbox.workspace.ids("catalogs")[:2]
    downloads = sandbox._state.downloads
    sandbox.behavior = Behavior(drop_accepted=1)
    with pytest.raises(requests.ConnectionError):
        ask(sandbox, catalog_ids=catalogs)
    assert [each.catalog_ids for each in downloads.by_id.values()] == [tuple(catalogs)]
    sandbox.behavior = Behavior(fail_accepted=1)
    assert ask(sandbox, catalog_ids=catalogs).status_code == 500
    assert len(downloads.by_id) == 2
    sandbox.behavior = Behavior(accept_late=1, accept_late_seconds=0.05)
    with pytest.raises(requests.ConnectionError):
        ask(sandbox, catalog_ids=catalogs)
    assert len(downloads.by_id) == 2
    until(lambda: len(downloads.by_id) == 3)
    sandbox.behavior = Behavior(accept_part=1)
    assert ask(sandbox, catalog_ids=catalogs).status_code == 201
    assert list(downloads.by_id.values())[-1].catalog_ids == tuple(catalogs), "it has no parts"


def test_an_object_is_a_zip_of_the_details_and_says_what_it_is(sandbox: Sandbox) -> None:
    [catalog, *_] = sandbox.workspace.ids("catalogs")
    answer = fetch(ready(sandbox, catalog))
    details = sandbox.workspace.get("catalogs", catalog)["details"]
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{details["id"]}.zip"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert re.fullmatch(r'"[0-9a-f]{32}"', answer.headers["ETag"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert json.loads(archive.read(f"{catalog}.json"))["id"] == details["id"]
    assert sandbox.digest(catalog) == digest_of(answer.content)
    again = fetch(ready(sandbox, catalog))
    assert (again.content, again.headers["ETag"]) == (answer.content, answer.headers["ETag"])


def test_several_catalogs_are_one_object(sandbox: Sandbox) -> None:
    item = next(
        row["id"] for row in sandbox.workspace.rows("order_items")
        if row.get("status") == "FULFILLED"
    )  # fmt: skip
    rows = search(sandbox, "catalogs", order_item_ids=[item], limit=99)["catalogs"]
    made = ask(sandbox, order_item_ids=[item]).json()
    whole = fetch(look(sandbox, made["id"])["signed_url"]).content
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert set(archive.namelist()) == {f"{row['id']}.json" for row in rows} != set()
    two = sandbox.workspace.ids("catalogs")[:2]
    both = fetch(ready(sandbox, *two))
    assert both.headers["Content-Disposition"] == 'attachment; filename="catalogs.zip"'
    with zipfile.ZipFile(io.BytesIO(both.content)) as archive:
        assert archive.namelist() == [f"{key}.json" for key in two]


@pytest.mark.parametrize(
    "wrong",
    [
        {"download_bytes": MIN_ZIP_BYTES - 1},
        {"download_bytes": 1 << 32},
        {"break_downloads": 2},
        {"forbid": frozenset({"uploads"})},
    ],
)
def test_impossible_switches_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Behavior(**wrong)
