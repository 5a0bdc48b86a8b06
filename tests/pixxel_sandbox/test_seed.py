"""The seeded rows have every known irregularity of real responses, and consistent references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .api_client import get, search_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_sandbox import Sandbox

Row = dict[str, Any]
LISTS: dict[str, Callable[[Sandbox], list[Row]]] = {
    "collections": lambda box: get(box, "/v0/archives/collections")["collections"],
    "archive_items": lambda box: search_rows(box, "archives", limit=1000)["features"],
    "catalogs": lambda box: search_rows(box, "catalogs", limit=1000)["catalogs"],
    "orders": lambda box: get(box, "/v0/orders", limit=1000)["orders"],
    "order_items": lambda box: get(box, "/v0/order-items", limit=1000)["order_items"],
    "deliveries": lambda box: get(box, "/v0/catalogs/deliveries")["deliveries"],
    "satellites": lambda box: get(box, "/v0/satellites")["satellites"],
    "indices": lambda box: get(box, "/v0/indices", limit=1000)["indices"],
    "aois": lambda box: get(box, "/v0/aois", limit=1000)["aois"],
    "aoi_assets": lambda box: list_for_aois(box, "/v0/aois/{}/assets", "assets"),
    "visualizations": lambda box: list_for_aois(box, "/v0/aois/{}/visualizations", "visualization"),
    "insights": lambda box: list_for_aois(box, "/v0/aoi/{}/insights", "insights"),
    "workflows": lambda box: get(box, "/v0/workflows", limit=1000)["workflows"],
    "jobs": lambda box: [
        job
        for key in box.workspace.ids("workflows")
        for job in get(box, f"/v0/workflows/{key}/jobs")["jobs"]
    ],
    "blocks": lambda box: get(box, "/v0/blocks")["blocks"],
    "block_versions": lambda box: [
        version
        for block in get(box, "/v0/blocks")["blocks"]
        for version in get(box, f"/v0/blocks/{block['spec']['name']}")["blocks"]
    ],
}


def list_for_aois(box: Sandbox, path: str, key: str) -> list[Row]:
    keys = box.workspace.ids("aois")
    return [row for aoi in keys for row in get(box, path.format(aoi), limit=1000)[key]]


@pytest.fixture(scope="module")
def rows(shared_sandbox: Sandbox) -> dict[str, list[Row]]:
    return {name: fetch(shared_sandbox) for name, fetch in LISTS.items()}


def properties(item: Row) -> Row:
    found: Row = item["properties"]
    return found


def first_band(item: Row) -> Row:
    found: Row = next(iter(item["assets"].values()))["eo:bands"][0]
    return found


def crosses_antimeridian(item: Row) -> bool:
    return "bbox" in item and float(item["bbox"][0]) > float(item["bbox"][2])


def is_3d(item: Row) -> bool:
    geometry = item["geometry"]
    return bool(
        geometry and geometry["type"] == "Polygon" and len(geometry["coordinates"][0][0]) == 3
    )


SHOWN: tuple[tuple[str, str, Callable[[Row], bool]], ...] = (
    ("archive_items", "string bbox", lambda i: isinstance(i.get("bbox", [0])[0], str)),
    ("archive_items", "geometry null", lambda i: i["geometry"] is None),
    ("archive_items", "point", lambda i: (i["geometry"] or {}).get("type") == "Point"),
    ("archive_items", "crosses the antimeridian", crosses_antimeridian),
    ("archive_items", "3D", is_3d),
    ("archive_items", "proj:code", lambda i: "proj:code" in properties(i)),
    ("archive_items", "older projection", lambda i: properties(i).get("proj:epsg") == 4326),
    ("archive_items", "datetime null", lambda i: properties(i)["datetime"] is None),
    ("archive_items", "enddatetime", lambda i: "enddatetime" in properties(i)),
    ("archive_items", "altitude", lambda i: properties(i)["altitude"] > 0),
    ("archive_items", "scene centre", lambda i: "view:scene_center_lat" in properties(i)),
    ("archive_items", "no updated", lambda i: "updated" not in properties(i)),
    ("archive_items", "space in time", lambda i: " " in properties(i).get("updated", "")),
    ("archive_items", "offset in time", lambda i: "T" in properties(i).get("updated", "")
     and properties(i)["updated"].endswith("+00:00")),
    ("archive_items", "Z in time", lambda i: properties(i).get("updated", "").endswith("Z")),
    ("archive_items", "micrometres", lambda i: first_band(i)["center_wavelength"] < 1),
    ("archive_items", "nanometres", lambda i: first_band(i)["center_wavelength"] > 400),
    ("archive_items", "fwhm 0", lambda i: first_band(i)["fwhm"] == 0),
    ("archive_items", "irradiance", lambda i: "solar_irradiance" in first_band(i)),
    ("archive_items", "undocumented field", lambda i: "processing_note" in i),
    ("archive_items", "many bands", lambda i: len(i["assets"]) > 200),
    ("collections", "no extent", lambda c: "extent" not in c),
    ("collections", "no links, no license", lambda c: not {"links", "license"} & set(c)),
    ("collections", "old version", lambda c: c["stac_version"] == "0.1.0"),
    ("collections", "extensions of another type", lambda c: c.get("stac_extensions") == {}),
    ("catalogs", "number bbox", lambda c: isinstance(c["details"].get("bbox", [""])[0], float)),
    ("catalogs", "no update time", lambda c: "updated_at" not in c),
    ("catalogs", "older status", lambda c: c.get("delivery_status") == "SUCCESSFUL"),
    ("catalogs", "undocumented field", lambda c: "retention_days" in c),
    ("catalogs", "wkt2", lambda c: "proj:wkt2" in properties(c["details"])),
    ("orders", "paid_at empty", lambda o: o["paid_at"] == ""),
    ("orders", "no update time", lambda o: "updated_at" not in o),
    ("orders", "undocumented field", lambda o: "invoice_reference" in o),
    ("order_items", "older status", lambda i: i["status"] == "COMPLETED"),
    ("order_items", "no tasks", lambda i: "tasks" not in i),
    ("order_items", "validation errors", lambda i: "validation_errors" in i),
    ("order_items", "no validation errors", lambda i: "validation_errors" not in i),
    ("order_items", "day-first date", lambda i: any(
        t.get("start_date", "0000")[2] == "-" for t in i.get("tasks", ()))),
    ("order_items", "task names an image", lambda i: any(
        t["order_item_id"] != i["id"] for t in i.get("tasks", ()))),
    ("deliveries", "by hand", lambda d: d["task_id"] is None),
    ("deliveries", "automated", lambda d: d["task_id"] is not None),
    ("deliveries", "no update time", lambda d: "updated_at" not in d),
    ("deliveries", "undocumented field", lambda d: "bytes_transferred" in d),
    ("satellites", "no composite", lambda s: "rgb_composite" not in s),
    ("satellites", "undocumented field", lambda s: "revisit_days" in s),
    ("satellites", "external", lambda s: s["collections"][0]["provider"] == "planetary"),
    ("indices", "no update time", lambda i: "updated_at" not in i),
    ("indices", "undocumented field", lambda i: "shared_with" in i),
    ("indices", "no colours", lambda i: "colormap" not in i),
    ("aois", "space in time", lambda a: " " in a["created_at"]),
    ("aois", "no update time", lambda a: "updated_at" not in a),
    ("aois", "description null", lambda a: a["description"] is None),
    ("aois", "no centroid", lambda a: "centroid" not in a),
    ("aois", "undocumented field", lambda a: "tags" in a),
    ("aois", "comma in the name", lambda a: "," in a["name"]),
    ("aois", "no images", lambda a: a["images"] == {}),
    ("aoi_assets", "no update time", lambda a: "updated_at" not in a),
    ("aoi_assets", "undocumented field", lambda a: "size_in_bytes" in a),
    ("aoi_assets", "visualization null", lambda a: a["visualization_id"] is None),
    ("aoi_assets", "visualization", lambda a: a["visualization_id"] is not None),
    ("visualizations", "undocumented field", lambda v: "failure_reason" in v),
    ("insights", "input in bytes", lambda i: 123 in i["input"]),
    ("insights", "input as JSON", lambda i: "aoi_id" in i["input"]),
    ("insights", "undocumented field", lambda i: "model_card" in i),
    ("workflows", "no update time", lambda w: "updated_at" not in w),
    ("workflows", "no legacy project", lambda w: "legacy_project_id" not in w),
    ("workflows", "undocumented field", lambda w: "schedule" in w),
    ("jobs", "progress is a text", lambda j: j["progress"] == "100"),
    ("jobs", "not finished, null", lambda j: j.get("finished_at", "") is None),
    ("jobs", "not finished, missing", lambda j: "finished_at" not in j),
    ("jobs", "undocumented field", lambda j: "retries" in j),
    ("block_versions", "error null", lambda b: b["err"] is None),
    ("block_versions", "undocumented field", lambda b: "maintainer" in b),
    ("block_versions", "undocumented field within", lambda b: "licence" in b["spec"]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "what", "shows"), SHOWN, ids=[f"{r}: {w}" for r, w, _ in SHOWN]
)
def test_seeded_rows_have_irregularity(
    rows: dict[str, list[Row]], resource: str, what: str, shows: Callable[[Row], bool]
) -> None:
    count = sum(shows(row) for row in rows[resource])
    assert count, f"no row of {resource} shows: {what}"


def test_order_items_in_orders_omit_list_only_fields(
    rows: dict[str, list[Row]],
) -> None:
    listed = {item["id"]: item for item in rows["order_items"]}
    for order in rows["orders"]:
        assert order["order_items"]
        for item in order["order_items"]:
            own = {
                k: v
                for k, v in listed[item["id"]].items()
                if k not in {"tasks", "validation_errors"}
            }
            assert item == own


@pytest.mark.parametrize(
    ("resource", "field", "parents"),
    [
        ("indices", "satellite_id", "satellites"),
        ("aois", "satellite_id", "satellites"),
        ("aois", "project_id", "projects"),
        ("aoi_assets", "aoi_id", "aois"),
        ("aoi_assets", "visualization_id", "visualizations"),
        ("visualizations", "aoi_id", "aois"),
        ("visualizations", "index_id", "indices"),
        ("insights", "aoi_id", "aois"),
        ("workflows", "project_id", "projects"),
        ("jobs", "workflow_id", "workflows"),
    ],
)
def test_references_of_analytics_exist(
    rows: dict[str, list[Row]], shared_sandbox: Sandbox, resource: str, field: str, parents: str
) -> None:
    named = {row[field] for row in rows[resource]} - {None}
    assert named
    assert named <= set(shared_sandbox.workspace.ids(parents))
