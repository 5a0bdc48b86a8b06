# ruff: noqa: E501 - tables, a case a line
from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import NotAnItem, catalog_to_item, to_item

TIME = "2024-01-02T03:04:05Z"
GONE = object()
CATALOG = "b8e12380-00b5-4d38-8436-5e198b2f7190"


def item(**members: Any) -> dict[str, Any]:
    return {"id": "a", "properties": {"datetime": TIME}} | members


def of_properties(**fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    stac, notes = to_item(item(properties={"datetime": TIME} | fields))
    return stac["properties"], {note.field.removeprefix("properties."): note.done for note in notes}


def of_asset(**fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    asset = {"href": "https://a.invalid/x.bin"} | fields
    stac, notes = to_item(item(assets={"x": asset}))
    return stac["assets"]["x"], {note.field.removeprefix("assets.x."): note.done for note in notes}


PROPERTIES: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    # field of the API, fields of STAC (GONE: not there), what is noted
    ({"created": "20231101T173451.024Z"}, {"created": "2023-11-01T17:34:51.024000Z"}, {"created": "converted"}),
    ({"created": "2022-11-14 12:55:49.125928+00:00"}, {"created": "2022-11-14T12:55:49.125928Z"}, {"created": "converted"}),
    ({"created": "2022-11-14T05:30:00+05:30"}, {"created": "2022-11-14T00:00:00.000000Z"}, {"created": "converted"}),
    ({"created": "2022-11-14T00:00:00.123456789"}, {"created": "2022-11-14T00:00:00.123456Z"}, {"created": "converted"}),
    ({"created": "soon"}, {"created": GONE, "pixxel:created": "soon"}, {"created": "kept as pixxel:"}),
    ({"startdatetime": "2024-01-01T00:00:00Z", "enddatetime": TIME}, {"start_datetime": "2024-01-01T00:00:00Z", "end_datetime": TIME, "startdatetime": GONE}, {}),
    ({"startdatetime": TIME}, {"start_datetime": GONE, "pixxel:start_datetime": TIME}, {"startdatetime": "kept as pixxel:"}),
    ({"platform": " TD1 ", "mission": " ", "constellation": None}, {"platform": "TD1", "mission": GONE, "constellation": GONE}, {"platform": "converted", "mission": "dropped"}),
    ({"license": "CC-BY-4.0"}, {"license": "CC-BY-4.0", "pixxel:license": GONE}, {}),
    ({"license": "All rights reserved"}, {"license": "other", "pixxel:license": "All rights reserved"}, {"license": "kept as pixxel:"}),
    ({"license": "proprietary"}, {"license": "other", "pixxel:license": "proprietary"}, {"license": "kept as pixxel:"}),
    ({"gsd": 0}, {"gsd": GONE}, {"gsd": "dropped"}),
    ({"gsd": -5}, {"gsd": GONE, "pixxel:gsd": -5}, {"gsd": "kept as pixxel:"}),
    ({"gsd": "30"}, {"gsd": 30}, {"gsd": "converted"}),
    ({"gsd": "1e999"}, {"gsd": GONE, "pixxel:gsd": "1e999"}, {"gsd": "kept as pixxel:"}),
    ({"gsd": True}, {"gsd": GONE, "pixxel:gsd": True}, {"gsd": "kept as pixxel:"}),
    ({"eo:cloud_cover": 101}, {"pixxel:eo_cloud_cover": 101}, {"eo:cloud_cover": "kept as pixxel:"}),
    ({"eo:cloud_cover": float("nan")}, {"eo:cloud_cover": GONE}, {"eo:cloud_cover": "dropped"}),
    ({"proj:epsg": 32643}, {"proj:code": "EPSG:32643", "proj:epsg": GONE}, {"proj:epsg": "converted"}),
    ({"proj:code": "32643"}, {"proj:code": "EPSG:32643"}, {"proj:code": "converted"}),
    ({"proj:code": "epsg:32643"}, {"proj:code": "EPSG:32643"}, {"proj:code": "converted"}),
    ({"proj:code": "urn:ogc:def:crs:EPSG::32643"}, {"proj:code": "EPSG:32643"}, {"proj:code": "converted"}),
    ({"proj:epsg": 32643, "proj:code": "EPSG:4326"}, {"proj:code": "EPSG:4326", "pixxel:proj_epsg": 32643}, {"proj:epsg": "kept as pixxel:"}),
    ({"proj:wkt2": 'GEOGCRS["WGS 84"]'}, {"proj:wkt2": 'GEOGCRS["WGS 84"]'}, {}),
    ({"proj:wkt2": 'GEOGCS["WGS 84"]'}, {"proj:wkt2": GONE}, {"proj:wkt2": "dropped"}),
    ({"proj:shape": ["10", 20]}, {"proj:shape": [10, 20]}, {"proj:shape": "converted"}),
    ({"proj:shape": [0, 20]}, {"proj:shape": GONE, "pixxel:proj_shape": [0, 20]}, {"proj:shape": "kept as pixxel:"}),
    ({"proj:transform": [10, 0, 5e5, 0, -10, 1e6]}, {"proj:transform": [10, 0, 5e5, 0, -10, 1e6]}, {}),
    ({"proj:transform": [5e5, 10, 0, 1e6, 0, -10]}, {"proj:transform": [10, 0, 5e5, 0, -10, 1e6]}, {"proj:transform": "repaired"}),
    ({"proj:transform": [0, 10, 500000, 0, -10, 1000000]}, {"proj:transform": GONE, "pixxel:proj_transform": [0, 10, 500000, 0, -10, 1000000]}, {"proj:transform": "kept as pixxel:"}),
    ({"view:off_nadir": -12.5}, {"view:off_nadir": 12.5}, {"view:off_nadir": "repaired"}),
    ({"view:sun_azimuth": -90}, {"view:sun_azimuth": 270}, {"view:sun_azimuth": "repaired"}),
    ({"view:sun_elevation": 91}, {"pixxel:view_sun_elevation": 91}, {"view:sun_elevation": "kept as pixxel:"}),
    ({"view:scene_center_lat": 1, "view:scene_center_lon": 2}, {"proj:centroid": {"lat": 1, "lon": 2}}, {}),
    ({"view:scene_center_lat": 1}, {"proj:centroid": GONE, "pixxel:scene_center_lat": 1}, {"view:scene_center_lat": "kept as pixxel:"}),
    ({"view:scene_center_lat": 1, "view:scene_center_lon": 180.5}, {"proj:centroid": {"lat": 1, "lon": -179.5}}, {"view:scene_center_lon": "repaired"}),
    ({"view:scene_center_lat": 1, "view:scene_center_lon": 2, "proj:centroid": {"lat": 5, "lon": 6}}, {"proj:centroid": {"lat": 5, "lon": 6}, "pixxel:scene_center_lat": 1, "pixxel:scene_center_lon": 2}, {"view:scene_center_lat": "kept as pixxel:", "view:scene_center_lon": "kept as pixxel:"}),
    ({"altitude": 530000, "view:satellite_look_angle": 7}, {"pixxel:altitude": 530000, "pixxel:satellite_look_angle": 7}, {}),
    ({"altitude": 1, "view:altitude": 2}, {"pixxel:altitude": 1, "pixxel:altitude_2": 2}, {"view:altitude": "kept as pixxel:"}),
    ({"sat:orbit_state": "DESCENDING"}, {"sat:orbit_state": "descending"}, {"sat:orbit_state": "converted"}),
    ({"sat:relative_orbit": 0}, {"sat:relative_orbit": GONE, "pixxel:sat_relative_orbit": 0}, {"sat:relative_orbit": "kept as pixxel:"}),
    ({"sci:doi": "https://doi.org/10.1234/abc"}, {"sci:doi": "10.1234/abc"}, {"sci:doi": "converted"}),
    ({"rd:product_level": "Level-2A"}, {"processing:level": "L2A", "rd:product_level": GONE}, {"rd:product_level": "converted"}),
    ({"rd:product_level": "LV2A"}, {"processing:level": "L2A"}, {"rd:product_level": "converted"}),
    ({"rd:sat_id": "TD1", "eo:new": 1, "proj:projjson": {"a": 1}}, {"pixxel:sat_id": "TD1", "pixxel:eo_new": 1, "pixxel:proj_projjson": {"a": 1}}, {}),
    ({"novel": [1], "file:size": 5}, {"pixxel:novel": [1], "novel": GONE, "file:size": 5}, {}),
    ({"novel": None, "proj:epsg": None}, {"pixxel:novel": GONE, "proj:code": GONE, "pixxel:proj_epsg": GONE}, {}),
    ({"novel": {"s3://a": 1, "s3://a?X-Amz-Signature=s": 2}}, {"pixxel:novel": {"s3://a": 1}}, {"novel": "repaired"}),
    ({"order:status": "pending"}, {"order:status": "orderable", "pixxel:order_status": "pending"}, {"order:status": "kept as pixxel:"}),
    ({"proj:reflectance_scaling_factor": 2e-5}, {"pixxel:proj_reflectance_scaling_factor": 2e-5}, {"proj:reflectance_scaling_factor": "kept as pixxel:"}),
]  # fmt: skip

ASSETS: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    ({"type": "image/tiff"}, {"type": "image/tiff; application=geotiff"}, {}),
    ({"type": "image/tiff; profile=x"}, {"type": "image/tiff; application=geotiff; profile=x"}, {"type": "converted"}),
    ({"href": "https://a.invalid/x.tif"}, {"type": "image/tiff; application=geotiff"}, {"type": "repaired"}),
    ({"href": "/x.tif", "type": "a/b"}, {"href": "https://api.pixxel.space/x.tif"}, {"href": "converted"}),
    ({"href": "https://a.invalid/x?X-Amz-Signature=s&X-Amz-Date=d"}, {"href": "https://a.invalid/x"}, {"href": "converted"}),
    ({"href": "https://a.invalid/x?sv=1&se=2&sig=s&band=3"}, {"href": "https://a.invalid/x?band=3"}, {"href": "converted"}),
    ({"href": "https://a.invalid/x?X-Goog-Signature=s"}, {"href": "https://a.invalid/x"}, {"href": "converted"}),
    ({"href": "https://a.invalid/x?se=2"}, {"href": "https://a.invalid/x?se=2"}, {}),
    ({"roles": " "}, {"roles": GONE}, {"roles": "dropped"}),
    ({"roles": ["data", None]}, {"roles": ["data"]}, {"roles": "repaired"}),
    ({"gsd": 0}, {"gsd": GONE}, {"gsd": "dropped"}),
    ({"eo:bands": {"name": "B1"}}, {"bands": [{"name": "B1"}]}, {"eo:bands": "converted"}),
    ({"eo:bands": {"B1": {"fwhm": 0.01}}}, {"bands": [{"name": "B1", "eo:full_width_half_max": 0.01}]}, {"eo:bands": "converted"}),
    ({"eo:bands": [{}], "raster:bands": [{"scale": 2}]}, {"bands": [{"raster:scale": 2}]}, {}),
]  # fmt: skip

BANDS: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    ({"center_wavelength": 493}, {"eo:center_wavelength": 0.493}, {"center_wavelength": "converted"}),
    ({"center_wavelength": 0.493}, {"eo:center_wavelength": 0.493}, {}),
    ({"center_wavelength": 0}, {}, {"center_wavelength": "dropped"}),
    ({"center_wavelength": -1}, {}, {"center_wavelength": "dropped"}),
    ({"center_wavelength": 50}, {}, {"center_wavelength": "dropped"}),
    ({"center_wavelength": 493, "fwhm": 5}, {"eo:center_wavelength": 0.493, "eo:full_width_half_max": 0.005}, {"center_wavelength": "converted", "fwhm": "converted"}),
    ({"fwhm": 0.005, "center_wavelength": 493}, {"eo:center_wavelength": 0.493, "eo:full_width_half_max": 0.005}, {"center_wavelength": "converted"}),
    ({"center_wavelength": 0.5, "fwhm": 5}, {"eo:center_wavelength": 0.5, "eo:full_width_half_max": 0.005}, {"fwhm": "converted"}),
    ({"center_wavelength": 0.5, "fwhm": 0.6}, {"eo:center_wavelength": 0.5, "eo:full_width_half_max": 0.0006}, {"fwhm": "converted"}),
    ({"fwhm": 0}, {}, {"fwhm": "dropped"}),
    ({"fwhm": 5000}, {}, {"fwhm": "dropped"}),
    ({"common_name": "Blue"}, {"eo:common_name": "blue"}, {"common_name": "converted"}),
    ({"common_name": "infra"}, {"pixxel:common_name": "infra"}, {"common_name": "kept as pixxel:"}),
    ({"solar_irradiance": 1965.25}, {"eo:solar_illumination": 1965.25}, {}),
    ({"scale": 2e-5, "offset": 0, "spatial_resolution": 30}, {"raster:scale": 2e-5, "raster:offset": 0, "raster:spatial_resolution": 30}, {}),
    ({"data_type": "UInt16"}, {"data_type": "uint16"}, {"data_type": "converted"}),
    ({"nodata": "NaN"}, {"nodata": "nan"}, {"nodata": "converted"}),
    ({"nodata": float("nan")}, {"nodata": "nan"}, {"nodata": "converted"}),
    ({"nodata": 0}, {"nodata": 0}, {}),
    ({"nodata": 1.5}, {"nodata": 1.5}, {}),
    ({"statistics": {}}, {}, {"statistics": "dropped"}),
    ({"statistics": {"mean": "x", "maximum": 1}}, {"statistics": {"maximum": 1}}, {"statistics": "repaired"}),
    ({"description": ""}, {}, {"description": "dropped"}),
]  # fmt: skip


def assert_has(made: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if value is GONE:
            assert name not in made
        else:
            assert made[name] == value
            assert type(made[name]) is type(value)


@pytest.mark.parametrize(("raw", "expected", "noted"), PROPERTIES)
def test_a_property(raw: dict[str, Any], expected: dict[str, Any], noted: dict[str, str]) -> None:
    made, notes = of_properties(**raw)
    assert_has(made, expected)
    assert notes == noted


@pytest.mark.parametrize(("raw", "expected", "noted"), ASSETS)
def test_an_asset(raw: dict[str, Any], expected: dict[str, Any], noted: dict[str, str]) -> None:
    made, notes = of_asset(**raw)
    assert_has(made, expected)
    assert notes == noted


@pytest.mark.parametrize(("raw", "expected", "noted"), BANDS)
def test_a_band(raw: dict[str, Any], expected: dict[str, Any], noted: dict[str, str]) -> None:
    made, notes = of_asset(**{"eo:bands": [raw]})
    assert made.get("bands", [{}]) == [expected]
    assert notes == {f"eo:bands.0.{name}": done for name, done in noted.items()}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ([], "item without an id: not an object"),
        ({}, "item without an id: no id"),
        ({"id": True}, "item without an id: no id"),
        ({"id": "a\nb"}, "item 'a\\nb': no datetime, start or end that can be read"),
        (item(properties=[]), "item 'a': no datetime, start or end that can be read"),
        (
            item(properties={"datetime": "x"}),
            "item 'a': no datetime, start or end that can be read",
        ),
    ],
)
def test_what_can_be_no_item_is_refused_with_its_id_and_the_reason(raw: Any, why: str) -> None:
    with pytest.raises(NotAnItem) as refused:
        to_item(raw)
    assert str(refused.value) == why


def test_a_collection_and_a_catalog_named_by_a_number_are_named_by_its_text() -> None:
    stac, notes = to_item(item(collection=5))
    assert (stac["collection"], [(n.field, n.done) for n in notes]) == (
        "5",
        [("collection", "converted")],
    )
    stac, notes = catalog_to_item({"id": 5, "details": item()})
    assert stac["id"] == "a-5"
    assert ("id", "converted") in {(note.field, note.done) for note in notes}


def test_a_start_alone_stands_in_for_a_missing_datetime() -> None:
    made, notes = of_properties(datetime=None, startdatetime=TIME)
    assert (made["datetime"], made["pixxel:start_datetime"]) == (TIME, TIME)
    assert notes == {"startdatetime": "kept as pixxel:"}
    made, _ = of_properties(datetime=None, startdatetime=TIME, enddatetime="2023-01-01T00:00:00Z")
    assert made["datetime"] == TIME
    assert "start_datetime" not in made


def test_a_collection_and_its_link_come_together() -> None:
    stac, _ = to_item(item(collection="td/1"))
    api = "https://api.pixxel.space/v0/archives/collections/td%2F1"
    links = {link["rel"]: link["href"] for link in stac["links"]}
    assert links == {"collection": api, "canonical": f"{api}/items/a"}
    alone, notes = to_item(item(links=[{"rel": "collection", "href": "/c"}]))
    assert alone["links"] == []
    assert [note.done for note in notes] == ["dropped"]


def test_structural_links_go_others_stay_once_and_a_doi_gets_its_link() -> None:
    via = {"rel": "via", "href": "https://a.invalid/v"}
    raw = item(links=[{"rel": "self", "href": "/i/a.json"}, via, via, {"rel": "x", "href": "b"}, 5])
    raw["properties"]["sci:doi"] = "10.1234/a(b)"
    stac, notes = to_item(raw, api_url="https://api.invalid/")
    assert [(link["rel"], link["href"]) for link in stac["links"]] == [
        ("cite-as", "https://doi.org/10.1234/a%28b%29"),
        ("via", "https://a.invalid/v"),
        ("x", "https://api.invalid/i/b"),
    ]
    assert {note.field: note.done for note in notes} == {
        "links.0": "dropped", "links.3": "converted", "links.4": "dropped",
    }  # fmt: skip


def test_a_license_that_is_an_address_gets_its_link() -> None:
    stac, _ = to_item(item(properties={"datetime": TIME, "license": "https://a.invalid/terms"}))
    assert stac["links"] == [{"rel": "license", "href": "https://a.invalid/terms"}]


def test_reflectance_factors_go_to_the_data_bands_that_lack_them() -> None:
    factors = {"proj:reflectance_scaling_factor": 2, "proj:reflectance_addition_factor": 1}
    assets = {
        "B1": {"href": "https://a.invalid/1", "roles": ["data"], "eo:bands": [{"name": "B1"}]},
        "B2": {"href": "https://a.invalid/2", "raster:bands": [{"scale": 5}]},
        "M": {"href": "https://a.invalid/3", "roles": ["data-mask"], "eo:bands": [{"name": "M"}]},
    }
    stac, notes = to_item(item(properties={"datetime": TIME} | factors, assets=assets))
    assert notes == []
    assert [asset["bands"] for asset in stac["assets"].values()] == [
        [{"name": "B1", "raster:scale": 2, "raster:offset": 1}],
        [{"raster:scale": 5, "raster:offset": 1}],
        [{"name": "M"}],
    ]


def test_assets_come_overview_first_then_by_wavelength_then_the_rest_as_they_were() -> None:
    def asset(centre: float | None = None, *roles: str) -> dict[str, Any]:
        bands = {"eo:bands": [{"center_wavelength": centre}]} if centre else {}
        return {"href": "https://a.invalid/x", "roles": list(roles)} | bands

    raw = {
        "meta": asset(), "B9": asset(900), "mask": asset(None, "mask"), "B2": asset(0.5),
        "small": asset(None, "thumbnail"), "big": asset(None, "overview"), "B1": asset(470),
    }  # fmt: skip
    stac, _ = to_item(item(assets=raw))
    assert list(stac["assets"]) == ["big", "small", "B1", "B2", "B9", "meta", "mask"]


def test_cloud_optimised_is_said_only_when_asked_for_and_then_kept() -> None:
    raw = item(assets={"x": {"href": "https://a.invalid/x.tif", "type": "image/tiff"}})
    cog = to_item(raw, assume_cog=True).stac
    assert cog["assets"]["x"]["type"].endswith("profile=cloud-optimized")
    assert to_item(cog).stac == cog
    assert "cloud" not in str(to_item(raw).stac)


def test_an_asset_without_an_href_goes_with_a_note() -> None:
    stac, notes = to_item(item(assets={"x": {"type": "image/png"}, "y": None}))
    assert stac["assets"] == {}
    assert [(note.field, note.done) for note in notes] == [("assets.x", "dropped")]


def test_bands_of_values_that_are_equal_but_not_the_same_are_not_confused() -> None:
    for value, kind in ((1, int), (1.0, float), (1, int)):
        made, _ = of_asset(**{"raster:bands": [{"offset": value}]})
        assert type(made["bands"][0]["raster:offset"]) is kind
    assert "pixxel:offset" in of_asset(**{"raster:bands": [{"offset": True}]})[0]["bands"][0]


def test_a_catalog_record_is_an_item_of_its_own() -> None:
    details = item(id="img", collection="td1", properties={"datetime": TIME, "title": "t"})
    record = {
        "id": CATALOG, "details": details, "area": 12.5, "task_id": "t", "org_id": "o",
        "bandset_id": "b", "delivery_status": "FAILED", "created_by": "who",
    }  # fmt: skip
    stac, notes = catalog_to_item(record)
    assert (stac["id"], stac["collection"]) == ("img-b8e12380", "td1-owned")
    assert_has(
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
    with pytest.raises(NotAnItem, match="no details"):
        catalog_to_item({"id": "c"})


@pytest.mark.parametrize(
    ("port", "kept"), [("80", True), ("8080", True), ("45123", True), ("65535", True),
                       ("65536", False), ("99999", False)]
)  # fmt: skip
def test_a_link_may_have_any_port_that_there_is(port: str, kept: bool) -> None:  # noqa: FBT001 - a table
    href = f"http://127.0.0.1:{port}/v0/x"
    stac, notes = to_item(item(links=[{"rel": "about", "href": href}]))
    assert (href in [link["href"] for link in stac["links"]]) is kept
    assert ("links.0" in [note.field for note in notes]) is not kept
