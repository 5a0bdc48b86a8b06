"""Test the conversion of catalog records to items."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import ConversionError, catalog_to_item
from tests.tap_pixxel.stac.minimal_items import CATALOG, TIME, assert_members, make_item


def test_catalog_to_item_record_returns_owned_item() -> None:
    details = make_item(id="img", collection="td1", properties={"datetime": TIME, "title": "t"})
    record = {
        "id": CATALOG, "details": details, "area": 12.5, "task_id": "t", "bandset_id": "b",
        "delivery_status": "FAILED", "created_by": "who", "updated_by": "who", "org_id": "who",
    }  # fmt: skip
    stac, notes = catalog_to_item(record)
    assert (stac["id"], stac["collection"]) == ("img-b8e12380", "td1-owned")
    assert_members(
        stac["properties"],
        {
            "title": "img", "pixxel:item_id": "img", "pixxel:catalog_id": CATALOG,
            "pixxel:area_km2": 12.5, "pixxel:bandset_id": "b", "pixxel:task_id": "t",
            "pixxel:delivery_status": "FAILED", "order:status": "succeeded",
        },
    )  # fmt: skip
    api = "https://api.pixxel.space/v0"
    assert {link["rel"]: link["href"] for link in stac["links"]} == {
        "collection": f"{api}/archives/collections/td1",
        "derived_from": f"{api}/archives/collections/td1/items/img",
        "via": f"{api}/catalogs/{CATALOG}",
    }
    assert "who" not in str(stac)
    assert {note.field for note in notes} == {"details.properties.title"}
    assert catalog_to_item(record, collection="mine").stac["collection"] == "mine"
    assert catalog_to_item(record | {"id": "c"}).stac["id"] == "img-c"


def test_catalog_to_item_unknown_members_are_kept() -> None:
    record = {"id": CATALOG, "details": make_item(), "novel": 1, "odd": float("nan")}
    stac, notes = catalog_to_item(record)
    own = {name for name in stac["properties"] if name.startswith("pixxel:")}
    assert own == {"pixxel:catalog_id", "pixxel:item_id", "pixxel:novel"}
    assert [(note.field, note.action) for note in notes] == [("odd", "dropped")]


def test_catalog_to_item_integer_id_becomes_text_and_is_noted() -> None:
    stac, notes = catalog_to_item({"id": 5, "details": make_item()})
    assert (stac["id"], stac["properties"]["pixxel:catalog_id"]) == ("a-5", "5")
    assert [(note.field, note.action) for note in notes] == [("id", "converted")]


def test_catalog_to_item_options_work_as_in_to_item() -> None:
    tiff = {"href": "https://a.invalid/x", "type": "image/tiff"}
    record = {"id": CATALOG, "details": make_item(collection="c", assets={"x": tiff})}
    result = catalog_to_item(record)
    assert catalog_to_item(record, api_url="https://api.pixxel.space/") == result
    assert result.stac["assets"]["x"]["type"] == "image/tiff; application=geotiff"
    cog = catalog_to_item(record, assume_cog=True).stac["assets"]["x"]["type"]
    assert cog.endswith("profile=cloud-optimized")


REFUSED: list[tuple[Any, str]] = [
    ([], "catalog without an id: not an object"),
    ({}, "catalog without an id: no id"),
    ({"id": "k"}, "catalog 'k': no details"),
    ({"id": "k", "details": []}, "catalog 'k': no details"),
    ({"id": "k", "details": {}}, "catalog 'k': no id in its details"),
    (
        {"id": "k", "details": {"id": "a"}},
        "catalog 'k': in its details: item 'a': no datetime, start or end that can be read",
    ),
]


@pytest.mark.parametrize(("record", "why"), REFUSED)
def test_catalog_to_item_invalid_record_raises_with_id_and_reason(record: Any, why: str) -> None:
    with pytest.raises(ConversionError) as refused:
        catalog_to_item(record)
    assert str(refused.value) == why
