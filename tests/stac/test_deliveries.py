"""Deliveries as assets: the right object, under a key that stays, and still valid STAC."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any
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
)
from tap_pixxel.stac.hrefs import make_absolute
from tests.stac.checks import problems
from tests.stac.validation import needs_schemas, schema_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

S3 = {"id": "s", "name": "lake", "type": "S3", "configs": {"bucket": "b", "path_prefix": "/p/"}}
CATALOG = "b8e12380-00b5-4d38-8436-5e198b2f7190"
_workspace = Workspace(seed=1, items=20)
ITEM = catalog_to_item(_workspace.get("catalogs", _workspace.ids("catalogs")[0])).stac


def delivery(key: str = "d", **fields: Any) -> dict[str, Any]:
    cloud = {"config": fields.pop("store", "s"), "path": fields.pop("path", None)}
    stated = {"catalog_id": CATALOG, "status": "SUCCESS", "target_path": "a.zip"}
    stamp = "2025-01-01T00:00:00Z"
    return {"delivery_id": key, "cloud_delivery": cloud, "updated_at": stamp, **stated, **fields}


def assets(
    *deliveries: dict[str, Any],
    stores: tuple[dict[str, Any], ...] = (S3,),
    urls: dict[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """The assets that an item without any of its own gets."""
    delivered = find_delivered_objects(deliveries, stores, urls or {}).by_catalog.get(CATALOG, ())
    made: dict[str, dict[str, Any]] = add_delivery_assets({"assets": {}}, delivered)["assets"]
    return made


def test_a_delivery_of_an_unreadable_time_is_an_asset_all_the_same() -> None:
    assert assets(delivery(updated_at="soon")).keys() == {"delivery-lake"}


def test_an_asset_says_where_and_what_the_object_is() -> None:
    assert assets(delivery(path="in/", target_path="x y.zip")) == {
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


@pytest.mark.parametrize(
    ("name", "kind", "roles"),
    [
        ("a.tif", "image/tiff; application=geotiff", ["data"]),
        ("folder", None, ["data"]),
        ("a.unheard", None, ["data"]),
    ],
)
def test_a_type_is_stated_only_where_the_suffix_tells(
    name: str, kind: str | None, roles: list[str]
) -> None:
    [asset] = assets(delivery(target_path=name)).values()
    assert asset.get("type") == kind
    assert ("type" in asset) is (kind is not None)
    assert asset["roles"] == roles
    assert asset["href"] == f"s3://b/p/{name}"


def test_cog_is_claimed_only_on_request() -> None:
    found = find_delivered_objects([delivery(target_path="a.tif")], [S3], {}).by_catalog[CATALOG]
    [asset] = add_delivery_assets({"assets": {}}, found, assume_cog=True)["assets"].values()
    assert asset["type"].endswith("profile=cloud-optimized")
    found = find_delivered_objects([delivery()], [S3], {}).by_catalog[CATALOG]
    [asset] = add_delivery_assets({"assets": {}}, found, assume_cog=True)["assets"].values()
    assert asset["type"] == "application/zip"


PART = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=300, deadline=None)
@example(prefix="", path="", target="a", name="?", url=False)
@example(prefix="", path="", target="a", name="é ?", url=False)
@given(prefix=PART, path=PART, target=PART, name=PART, url=st.booleans())
def test_a_link_names_the_very_object_whatever_its_key(
    prefix: str, path: str, target: str, name: str, *, url: bool
) -> None:
    """One slash between names, each character escaped once, and nothing left for to_item to do."""
    store = {**S3, "name": name, "configs": {"bucket": "b", "path_prefix": prefix}}
    given_url = {name.strip(): "https://host.invalid/c/"} if url else {}
    made = find_delivered_objects([delivery(path=path, target_path=target)], [store], given_url)
    parts = [name for part in (prefix, path, target) for name in part.split("/") if name]
    if not "/".join(name for name in target.split("/") if name).strip():
        assert made.by_catalog == {}
        assert made.skipped == {INCOMPLETE: 1}
        return
    item = add_delivery_assets(ITEM, made.by_catalog[CATALOG])
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
@settings(deadline=None)
@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    st.lists(st.text(max_size=6), min_size=4, max_size=4),
)
def test_an_item_stays_valid_whatever_names_stores_and_paths_have(
    more: dict[str, str], texts: list[str]
) -> None:
    name, bucket, path, target = texts
    store = {**S3, "name": name, "configs": {"bucket": f"b{bucket}"}}
    row = {**more, **delivery(path=path, target_path=f"a{target}")}
    item = add_delivery_assets(ITEM, find_delivered_objects([row], [store], {}).by_catalog[CATALOG])
    assert len(item["assets"]) == len(ITEM["assets"]) + 1
    assert schema_errors(item) == []
    assert problems(item) == []


def test_the_item_that_was_given_stays_as_it_was() -> None:
    before = json.dumps(ITEM)
    add_delivery_assets(ITEM, find_delivered_objects([delivery()], [S3], {}).by_catalog[CATALOG])
    assert json.dumps(ITEM) == before


def test_an_asset_of_the_items_own_is_never_written_over() -> None:
    own = {"delivery-lake": {"href": "https://data.invalid/a"}}
    found = find_delivered_objects([delivery()], [S3], {}).by_catalog[CATALOG]
    item = add_delivery_assets({"id": "i", "assets": own}, found)
    assert item["id"] == "i"
    assert list(item["assets"]) == ["delivery-lake", "delivery-lake_2"]
    assert item["assets"]["delivery-lake"] == own["delivery-lake"]


@pytest.mark.parametrize("order", [1, -1])
def test_one_object_delivered_twice_is_one_asset_the_newest(order: int) -> None:
    old, new = delivery("old"), delivery("new", updated_at="2025-02-01", path="/")
    [(key, asset)] = assets(*[old, new][::order]).items()
    assert key == "delivery-lake"
    assert asset["pixxel:delivery_id"] == "new"


def test_the_key_of_a_further_object_depends_on_its_path_alone() -> None:
    first, second = delivery("1"), delivery("2", path="x", updated_at="2025-02-01")
    between = delivery("3", path="y", updated_at="2025-01-15")  # an object listed late
    [_, key] = assets(first, second)
    assert key.startswith("delivery-lake-")
    assert assets(first, between, second)[key]["href"] == assets(first, second)[key]["href"]


def test_a_link_in_a_stores_name_loses_its_signature() -> None:
    store = {**S3, "name": "https://user:secret@host.invalid/?sig=secret"}
    [asset] = assets(delivery(), stores=(store,)).values()
    assert asset["title"] == "Delivery to https://host.invalid/"
    store = {**S3, "name": "https://host.invalid/ ?sig=secret"}
    [asset] = assets(delivery(), stores=(store,)).values()
    assert asset["title"] == "Delivery to https://host.invalid/"


@pytest.mark.parametrize("order", [1, -1])
def test_no_later_delivery_renames_an_asset(order: int) -> None:
    first = delivery("1", path="z", updated_at="2025-01-01")
    second = delivery("2", path="a", updated_at="2025-02-01")
    third = delivery("3", path="m", updated_at="2025-03-01")
    again = delivery("4", path="z", updated_at="2025-04-01")
    alone = assets(first)
    two = assets(*[first, second][::order])
    four = assets(*[first, second, third, again][::order])
    hrefs = [{key: asset["href"] for key, asset in made.items()} for made in (alone, two, four)]
    assert [len(each) for each in hrefs] == [1, 2, 3]
    assert hrefs[0].items() <= hrefs[1].items() <= hrefs[2].items()
    assert four["delivery-lake"]["pixxel:delivery_id"] == "4"


def test_stores_of_one_name_do_not_hide_each_other() -> None:
    other = {**S3, "id": "t", "configs": {"bucket": "c"}}
    made = assets(delivery("1"), delivery("2", store="t"), stores=(S3, other))
    assert sorted(asset["href"] for asset in made.values()) == ["s3://b/p/a.zip", "s3://c/a.zip"]


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
def test_what_makes_no_asset_is_counted_by_reason(
    fields: dict[str, Any], store: dict[str, Any], why: str
) -> None:
    made = find_delivered_objects([delivery(**fields)], [{**S3, **store}], {})
    assert made.by_catalog == {}
    assert made.skipped == {why: 1}


@pytest.mark.parametrize("kind", ["s3", " S3 "])
def test_the_type_of_a_store_is_read_in_any_case(kind: str) -> None:
    [asset] = assets(delivery(), stores=({**S3, "type": kind},)).values()
    assert asset["href"].startswith("s3://")


def test_deliveries_are_kept_small() -> None:
    """A workspace may have a hundred thousand, and all are held while the catalogs are read."""
    number = 5000

    def rows() -> Iterator[dict[str, Any]]:
        for each in range(number):
            key = f"{CATALOG[:-5]}{each:05}"
            more = {"extra": "x" * 5000, "target_path": f"{key}/image-{each:05}.zip"}
            yield delivery(f"d{key}", catalog_id=key, **more)

    tracemalloc.start()
    found = find_delivered_objects(rows(), [S3], {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.by_catalog) == number
    assert peak / number < 1200  # bytes
