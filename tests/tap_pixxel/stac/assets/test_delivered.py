"""Test the assets of delivered objects: href, key, time, and valid STAC."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pixxel_sandbox import Workspace
from tap_pixxel.stac import catalog_to_item, to_item
from tap_pixxel.stac.assets.delivered import (
    INCOMPLETE,
    NO_URL,
    UNKNOWN_STORE,
    add_delivery_assets,
    find_delivered_objects,
    last_updated,
)
from tap_pixxel.stac.hrefs import make_absolute
from tests.tap_pixxel.stac.minimal_items import CATALOG
from tests.tap_pixxel.stac.semantic_checks import find_problems
from tests.tap_pixxel.stac.validation import needs_schemas, schema_errors

S3 = {"id": "s", "name": "lake", "type": "S3", "configs": {"bucket": "b", "path_prefix": "/p/"}}


_workspace = Workspace(seed=1, items=20)


ITEM = catalog_to_item(_workspace.get("catalogs", _workspace.ids("catalogs")[0])).stac


def make_delivery(key: str = "d", **fields: Any) -> dict[str, Any]:
    cloud = {"config": fields.pop("store", "s"), "path": fields.pop("path", None)}
    fields_of_delivery = {"catalog_id": CATALOG, "status": "SUCCESS", "target_path": "a.zip"}
    stamp = "2025-01-01T00:00:00Z"
    return {
        "delivery_id": key,
        "cloud_delivery": cloud,
        "updated_at": stamp,
        **fields_of_delivery,
        **fields,
    }


def make_assets(
    *deliveries: dict[str, Any],
    stores: tuple[dict[str, Any], ...] = (S3,),
    urls: dict[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the assets that deliveries add to an item without assets."""
    delivered = find_delivered_objects(deliveries, stores, urls or {}).by_catalog.get(CATALOG, ())
    result: dict[str, dict[str, Any]] = add_delivery_assets({"assets": {}}, delivered)["assets"]
    return result


def test_delivery_asset_has_href_type_and_ids() -> None:
    assert make_assets(make_delivery(path="in/", target_path="x y.zip")) == {
        "delivery-lake": {
            "href": "s3://b/p/in/x%20y.zip",
            "title": "Delivery to lake",
            "type": "application/zip",
            "roles": ["data", "archive"],
            "updated": "2025-01-01T00:00:00.000000Z",
            "pixxel:delivery_id": "d",
            "pixxel:store_id": "s",
        }
    }


PART = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=100, deadline=None)
@example(prefix="", path="", target="a", name="?", url=False)
@example(prefix="", path="", target="a", name="é ?", url=False)
@given(prefix=PART, path=PART, target=PART, name=PART, url=st.booleans())
def test_delivery_href_any_key_names_the_object(
    prefix: str, path: str, target: str, name: str, *, url: bool
) -> None:
    """Names are joined by one slash and escaped once, and `to_item` changes nothing."""
    store = {**S3, "name": name, "configs": {"bucket": "b", "path_prefix": prefix}}
    given_url = {name.strip(): "https://host.invalid/c/"} if url else {}
    result = find_delivered_objects(
        [make_delivery(path=path, target_path=target)], [store], given_url
    )
    parts = [name for part in (prefix, path, target) for name in part.split("/") if name]
    if not "/".join(name for name in target.split("/") if name).strip():
        assert result.by_catalog == {}
        assert result.skipped == {INCOMPLETE: 1}
        return
    item = add_delivery_assets(ITEM, result.by_catalog[CATALOG])
    [key] = item["assets"].keys() - ITEM["assets"].keys()
    href = item["assets"][key]["href"]
    named = bool(name.strip()) and url
    base = "https://host.invalid/c/" if named else "s3://b/"
    assert href.startswith(base)
    assert unquote(href.removeprefix(base)) == "/".join(parts)
    assert make_absolute(href) == href
    again = to_item(item)
    assert json.dumps(again.stac) == json.dumps(item)
    assert again.notes == []


@needs_schemas
@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    st.lists(st.text(max_size=6), min_size=4, max_size=4),
)
def test_delivery_assets_any_names_keep_item_valid(more: dict[str, str], texts: list[str]) -> None:
    name, bucket, path, target = texts
    store = {**S3, "name": name, "configs": {"bucket": f"b{bucket}"}}
    row = {**more, **make_delivery(path=path, target_path=f"a{target}")}
    item = add_delivery_assets(ITEM, find_delivered_objects([row], [store], {}).by_catalog[CATALOG])
    assert len(item["assets"]) == len(ITEM["assets"]) + 1
    assert schema_errors(item) == []
    assert find_problems(item) == []


def test_add_delivery_assets_existing_key_is_kept() -> None:
    own = {"delivery-lake": {"href": "https://data.invalid/a"}}
    found = find_delivered_objects([make_delivery()], [S3], {}).by_catalog[CATALOG]
    item = add_delivery_assets({"id": "i", "assets": own}, found)
    assert item["id"] == "i"
    assert list(item["assets"]) == ["delivery-lake", "delivery-lake_2"]
    assert item["assets"]["delivery-lake"] == own["delivery-lake"]


def test_delivery_asset_key_of_later_object_depends_on_path() -> None:
    first, second = make_delivery("1"), make_delivery("2", path="x", updated_at="2025-02-01")
    between = make_delivery("3", path="y", updated_at="2025-01-15")  # an object listed late
    [_, key] = make_assets(first, second)
    assert key.startswith("delivery-lake-")
    assert (
        make_assets(first, between, second)[key]["href"] == make_assets(first, second)[key]["href"]
    )


def test_delivery_asset_title_has_no_signature() -> None:
    store = {**S3, "name": "https://user:secret@host.invalid/?sig=secret"}
    [asset] = make_assets(make_delivery(), stores=(store,)).values()
    assert asset["title"] == "Delivery to https://host.invalid/"
    store = {**S3, "name": "https://host.invalid/ ?sig=secret"}
    [asset] = make_assets(make_delivery(), stores=(store,)).values()
    assert asset["title"] == "Delivery to https://host.invalid/"


@pytest.mark.parametrize("order", [1, -1])
def test_delivery_asset_key_is_stable_after_later_deliveries(order: int) -> None:
    first = make_delivery("1", path="z", updated_at="2025-01-01")
    second = make_delivery("2", path="a", updated_at="2025-02-01")
    third = make_delivery("3", path="m", updated_at="2025-03-01")
    again = make_delivery("4", path="z", updated_at="2025-04-01")
    alone = make_assets(first)
    two = make_assets(*[first, second][::order])
    four = make_assets(*[first, second, third, again][::order])
    hrefs = [{key: asset["href"] for key, asset in result.items()} for result in (alone, two, four)]
    assert [len(each) for each in hrefs] == [1, 2, 3]
    assert hrefs[0].items() <= hrefs[1].items() <= hrefs[2].items()
    assert four["delivery-lake"]["pixxel:delivery_id"] == "4"


def test_deliveries_stores_with_same_name_make_two_assets() -> None:
    other = {**S3, "id": "t", "configs": {"bucket": "c"}}
    result = make_assets(make_delivery("1"), make_delivery("2", store="t"), stores=(S3, other))
    assert sorted(asset["href"] for asset in result.values()) == ["s3://b/p/a.zip", "s3://c/a.zip"]


@pytest.mark.parametrize(
    ("fields", "store", "why"),
    [
        ({"store": "gone"}, {}, UNKNOWN_STORE),
        ({"cloud_delivery": None}, {}, UNKNOWN_STORE),
        ({"cloud_delivery": {"config": ["s"]}}, {}, UNKNOWN_STORE),
        ({}, {"type": "AZBLOB"}, NO_URL),
        ({}, {"type": "R2"}, NO_URL),
        ({}, {"type": None}, NO_URL),
        ({}, {"configs": None}, NO_URL),
        ({}, {"configs": {"bucket": " "}}, NO_URL),
        ({}, {"configs": {"bucket": "b", "path_prefix": 5}}, NO_URL),
        ({"target_path": None}, {}, INCOMPLETE),
        ({"target_path": "//"}, {}, INCOMPLETE),
        ({"target_path": " "}, {}, INCOMPLETE),
        ({"target_path": 5}, {}, INCOMPLETE),
        ({"path": 5}, {}, INCOMPLETE),
        ({"delivery_id": None}, {}, INCOMPLETE),
        ({"catalog_id": None}, {}, INCOMPLETE),
        ({"catalog_id": " "}, {}, INCOMPLETE),
    ],
)
def test_deliveries_without_asset_are_counted_by_reason(
    fields: dict[str, Any], store: dict[str, Any], why: str
) -> None:
    result = find_delivered_objects([make_delivery(**fields)], [{**S3, **store}], {})
    assert result.by_catalog == {}
    assert result.skipped == {why: 1}


@pytest.mark.parametrize(
    ("kind", "path", "href", "media_type"),
    [
        ("s3", "a.tif", "s3://b/p/a.tif", "image/tiff; application=geotiff"),
        (" S3 ", "folder", "s3://b/p/folder", None),
        ("GCS", "a.unheard", "gs://b/p/a.unheard", None),
    ],
)
def test_delivery_store_type_and_suffix_are_those_of_href_and_type(
    kind: str, path: str, href: str, media_type: str | None
) -> None:
    store = {**S3, "type": kind}
    [asset] = make_assets(make_delivery(target_path=path), stores=(store,)).values()
    assert (asset["href"], asset.get("type"), asset["roles"]) == (href, media_type, ["data"])


STATUSES: list[tuple[Any, bool]] = [
    *((status, True) for status in ("SUCCESS", "SUCCESSFUL", "COMPLETED", " success ")),
    *((status, False) for status in ("FAILED", "PENDING", "", None, 5)),
]


@pytest.mark.parametrize(("status", "is_succeeded"), STATUSES)
def test_delivery_status_succeeded_makes_asset(status: Any, is_succeeded: bool) -> None:  # noqa: FBT001 - a table
    result = find_delivered_objects([make_delivery(status=status)], [S3], {})
    assert list(result.by_catalog) == ([CATALOG] if is_succeeded else [])
    assert result.skipped == {}


@pytest.mark.parametrize("stamp", [None, "soon", 5])
def test_delivery_without_valid_time_has_no_updated(stamp: Any) -> None:
    assert "updated" not in make_assets(make_delivery(updated_at=stamp))["delivery-lake"]


def test_deliveries_without_time_are_sorted_last_by_id() -> None:
    rows = [
        make_delivery("2", path="b", updated_at=None),
        make_delivery("1", path="a", updated_at=None),
        make_delivery("3", path="c"),
    ]
    first, *others = make_assets(*rows).items()
    assert (first[0], first[1]["pixxel:delivery_id"]) == ("delivery-lake", "3")
    assert [asset["pixxel:delivery_id"] for _, asset in others] == ["1", "2"]
    assert {len(key) for key, _ in others} == {len("delivery-lake-") + 12}


OLD, NEW = "2025-01-01T00:00:00.000000Z", "2025-02-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("own", "delivered", "expected"),
    [
        ("2025-01-01", [], OLD),
        (OLD, [OLD, NEW, OLD], NEW),
        (NEW, [OLD], NEW),
        (None, [NEW], None),
        ("soon", [], None),
        (OLD, [NEW, None], None),
        (OLD, [None, NEW], None),
    ],
)
def test_last_updated_all_times_known_returns_latest(
    own: Any, delivered: list[str | None], expected: str | None
) -> None:
    rows = [
        make_delivery(str(at), path=str(at), updated_at=each) for at, each in enumerate(delivered)
    ]
    found = find_delivered_objects(rows, [S3], {}).by_catalog.get(CATALOG, ())
    assert last_updated(own, found) == expected


def test_delivery_asset_assume_cog_declares_cloud_optimized() -> None:
    found = find_delivered_objects([make_delivery(target_path="a.tif")], [S3], {}).by_catalog[
        CATALOG
    ]
    [asset] = add_delivery_assets({"assets": {}}, found, assume_cog=True)["assets"].values()
    assert asset["type"].endswith("profile=cloud-optimized")
    found = find_delivered_objects([make_delivery()], [S3], {}).by_catalog[CATALOG]
    [asset] = add_delivery_assets({"assets": {}}, found, assume_cog=True)["assets"].values()
    assert asset["type"] == "application/zip"
