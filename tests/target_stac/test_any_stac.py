"""No STAC input ends a run, or takes other items out of any format."""

from __future__ import annotations

import copy
import io
import json
import os
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
import pystac
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from target_stac.state.manifest import MANIFEST_FILE
from tests.target_stac.exports import (
    API,
    PROJECT,
    Json,
    assert_files_are_whole,
    assert_links_resolve,
    export_messages,
    find_item_files,
    make_collection,
    make_item,
    make_item_with_bbox,
    make_record_message,
    make_schema_message,
    make_target,
    read_json,
    read_log,
    read_ndjson,
    read_stamps,
    set_properties,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

ALL = ["catalog", "ndjson", "geoparquet", "itemcollection"]
NAMES = {"geoparquet": "GeoParquet", "preview": "preview.html"}
POLYGON = {"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [1, 1], [0, 0]]]}
ITEM = make_item(
    "bad",
    stac_extensions=["https://stac-extensions.github.io/eo/v2.0.0/schema.json"],
    properties={
        "datetime": "2025-03-07T12:00:00Z",
        "title": "a title",
        "created": "2025-03-08T12:00:00Z",
        "platform": "one",
        "eo:cloud_cover": 3.5,
        "proj:geometry": POLYGON,
        "proj:shape": [10, 20],
        "providers": [{"name": "a", "roles": ["host"]}],
        "statistics": {"minimum": 1},
        "processing:software": {"a": "1"},
    },
    links=[
        {"rel": "self", "href": "https://example.com/item"},
        {"rel": "collection", "href": f"{API}/l2a"},
        {"rel": "derived_from", "href": f"{API}/archive/items/origin"},
        {"rel": "via", "href": "https://example.com/via", "title": "elsewhere"},
    ],
    assets={
        "B": {
            "href": "https://example.com/B.tif",
            "type": "image/tiff",
            "roles": ["data"],
            "bands": [{"name": "B", "eo:center_wavelength": 0.5, "statistics": {"mean": 1}}],
            "raster:bands": [{"histogram": {"buckets": [1]}}],
            "proj:transform": [1, 2, 3],
        },
        "thumbnail": {"href": "t.png", "roles": ["thumbnail"]},
    },
)
COLLECTION = make_collection(
    "l2a",
    links=[{"rel": "license", "href": "https://example.com/license"}],
    providers=[{"name": "a", "roles": ["host"]}],
    summaries={"gsd": [5], "title": {"minimum": "a", "maximum": "b"}},
    assets={"a": {"href": "https://example.com/a"}},
    item_assets={"B": {"title": "B", "type": "image/tiff"}},
    keywords=["x"],
    stac_extensions=[],
)
OTHERS = [
    make_item("one"),
    make_item("two", "2024-03-01"),
    make_item_with_bbox("unlocated", None),
    make_item("origin", collection="archive"),
    make_item("alone", collection=None),
]
GOOD = [ITEM, COLLECTION, *OTHERS]


def export(folder: Path, *objects: Any, **options: Any) -> ExitCode:
    """Export items and collections, which may be of any type and shape."""
    messages = [make_schema_message("s")]
    for each in objects:
        is_collection = "extent" in each or each.get("type") == "Collection"
        column = "stac_collection" if is_collection else "stac_item"
        messages.append(make_record_message("s", **{column: each}))
    messages.append({"type": "STATE", "value": {}})
    return export_messages(folder, messages, **{"formats": ALL, **options})


def make_key(item: Json) -> tuple[str | None, str]:
    return item.get("collection"), item["id"]


def make_keys(*items: Json) -> dict[str, set[tuple[str | None, str]]]:
    """Return collection and id of items that are in each format."""
    keys = set(map(make_key, items))
    return dict.fromkeys(ALL, keys)


def read_keys(folder: Path) -> dict[str, set[tuple[str | None, str]]]:
    """Return collection and id of all items, by format."""
    lines = [*folder.glob("items.ndjson"), *folder.glob("unlocated.ndjson")]
    lines += folder.glob("ndjson/**/*.ndjson")
    files = map(str, sorted(folder.glob("geoparquet/**/*.parquet")))
    rows = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    return {
        "catalog": {make_key(read_json(file)) for file in find_item_files(folder).values()},
        "ndjson": {make_key(item) for file in lines for item in read_ndjson(file)},
        "itemcollection": set(map(make_key, read_json(folder / "itemcollection.json")["features"])),
        "geoparquet": set(map(make_key, rows)),
    }


def assert_items_in_every_format(folder: Path, *items: Json) -> None:
    assert read_keys(folder) == make_keys(*items)
    page = (folder / "preview.html").read_text()
    for item in items:
        assert (json.dumps(item["id"]) in page) == (item.get("geometry") is not None)


def assert_readers_open(folder: Path, number: int) -> None:
    """Assert that pystac reads all items of the catalog, and DuckDB all of GeoParquet."""
    items = list(pystac.Catalog.from_file(str(folder / "catalog.json")).get_items(recursive=True))
    assert len(items) == number
    query = "SELECT * FROM read_parquet(?, union_by_name = true)"
    with duckdb.connect() as database:
        assert (
            len(database.execute(query, [f"{folder}/geoparquet/**/*.parquet"]).fetchall()) == number
        )


def make_nested(depth: int) -> Any:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    return nested


def with_geometry(kind: str, coordinates: Any) -> Json:
    return {**ITEM, "geometry": {"type": kind, "coordinates": coordinates}}


def with_asset(**members: Any) -> Json:
    asset = ITEM["assets"]["B"] | members
    return {**ITEM, "assets": {"B": asset | {k: v for k, v in members.items() if v is not None}}}


def with_property(name: str, value: Any) -> Json:
    return set_properties(ITEM, **{name: value})


def without(document: Json, *names: str) -> Json:
    return {name: value for name, value in document.items() if name not in names}


UNDRAWN = {"geoparquet": "'geometry' of item 'bad'", "preview": "'geometry' of item 'bad'"}
ITEMS: dict[str, tuple[Json, dict[str, str]]] = {
    "text for coordinates": (with_geometry("Point", ["a", "b"]), UNDRAWN),
    "null for a coordinate": (with_geometry("Point", [1, None]), UNDRAWN),
    "no coordinates": (with_geometry("Point", []), {}),
    "no ring": (with_geometry("Polygon", []), {}),
    "ring of nothing": (with_geometry("Polygon", [[]]), {"preview": "'geometry' of item 'bad'"}),
    "ring of numbers": (with_geometry("Polygon", [1, 2]), UNDRAWN),
    "line of a point": (with_geometry("LineString", [[1, 2]]), UNDRAWN),
    "huge coordinate": (with_geometry("Point", [10**400, 2]), UNDRAWN),
    "degrees beyond the globe": (
        with_geometry("Point", [1e300, 95]),
        {"preview": "'geometry' of item 'bad'"},
    ),
    "nested coordinates": (with_geometry("Point", make_nested(400)), UNDRAWN),
    "collection of nothing": (
        {**ITEM, "geometry": {"type": "GeometryCollection", "geometries": []}},
        {},
    ),
    "collection of text": (
        {**ITEM, "geometry": {"type": "GeometryCollection", "geometries": ["x"]}},
        {"geoparquet": "'geometry' of item 'bad'"},
    ),
    "bbox of text without geometry": ({**ITEM, "geometry": None, "bbox": "s3cret"}, {}),
    "projected geometry of text": (
        with_property("proj:geometry", "s3cret"),
        {"geoparquet": "'proj:geometry' of item 'bad'"},
    ),
    "integer beyond 64 bits": (with_property("n", 2**64), {"geoparquet": "'n' of item 'bad'"}),
    "number of 400 digits": (
        with_property("eo:cloud_cover", 10**400),
        {"geoparquet": "'eo:cloud_cover' of item 'bad'"},
    ),
    "title of a number": (with_property("title", 7), {"geoparquet": "'title' of item 'bad'"}),
    "time of another form": (
        with_property("created", "yesterday"),
        {"geoparquet": "'created' of item 'bad'"},
    ),
    "time of a leap second": (
        with_property("created", "2016-12-31T23:59:60Z"),
        {"geoparquet": "'created' of item 'bad'"},
    ),
    "nested list": (
        with_property("deep", make_nested(400)),
        {"geoparquet": f"'deep{'[]' * 32}' of item 'bad'"},
    ),
    "object without members": (with_property("o", {}), {"geoparquet": "'o' of item 'bad'"}),
    "name with NUL": (with_property("a\0b", 1), {"geoparquet": "'a\0b' of item 'bad'"}),
    "names of members": (
        set_properties(ITEM, geometry=1, id="s3cret"),
        {"geoparquet": "'properties.geometry' of item 'bad'; 'properties.id' of item 'bad'"},
    ),
    "asset without href": ({**ITEM, "assets": {"B": {"title": "no href"}}}, {}),
    "asset of text": (
        {**ITEM, "assets": {"B": "s3cret"}},
        {"geoparquet": "'assets.B' of item 'bad'"},
    ),
    "assets in a list": ({**ITEM, "assets": ["s3cret"]}, {"geoparquet": "'assets' of item 'bad'"}),
    "asset of wrong types": (
        with_asset(href=7, roles="data"),
        {"geoparquet": "'assets.B.href' of item 'bad'; 'assets.B.roles' of item 'bad'"},
    ),
    "bands without content": (with_asset(bands=[{}, None]), {}),
    "no bands": (with_asset(bands=[]), {}),
    "bands of text": (
        with_asset(bands="s3cret"),
        {"geoparquet": "'assets.B.bands' of item 'bad'"},
    ),
    "band of text": (
        with_asset(bands=["s3cret"]),
        {"geoparquet": "'assets.B.bands[]' of item 'bad'"},
    ),
    "link without members": ({**ITEM, "links": [{}]}, {}),
    "links of wrong types": (
        {**ITEM, "links": [{"rel": ["self"], "href": {"a": 1}}, {"rel": {}, "href": None}]},
        {},  # links that are not absolute are in the item's file alone
    ),
    "origin of a list": (
        {**ITEM, "links": [{"rel": "derived_from", "href": ["s3cret"]}]},
        {},
    ),
    "canonical of a number": (
        {**ITEM, "links": [{"rel": "collection", "href": f"{API}/l2a", "canonical": 7}]},
        {},
    ),
    "version of a number": ({**ITEM, "stac_version": 1}, {"geoparquet": "'stac_version' of item"}),
    "extensions of a number": (
        {**ITEM, "stac_extensions": 7},
        {"geoparquet": "'stac_extensions' of item 'bad'"},
    ),
    "extension of an object": (
        {**ITEM, "stac_extensions": [{}]},
        {"geoparquet": "'stac_extensions[]' of item 'bad'"},
    ),
    "no collection": (without(with_property("title", 7), "collection"), {"geoparquet": "'title'"}),
}
"""An item with a fault that the minimal check accepts, and what names its omission, by format."""


@pytest.mark.parametrize("case", ITEMS)
def test_item_with_fault_is_kept_and_its_omission_ends_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    bad, omissions = ITEMS[case]
    for _ in range(2):
        caplog.clear()
        status = export(tmp_path, bad, COLLECTION, *OTHERS)
        assert status == (ExitCode.INCOMPLETE if omissions else ExitCode.OK)
        assert read_keys(tmp_path) == make_keys(bad, *OTHERS)
        assert_files_are_whole(tmp_path)
        warnings = read_log(caplog)
        assert len(warnings) == len(omissions)
        owner = "collection 'l2a'" if "collection" in bad else "items without a collection"
        for name, text in omissions.items():
            [warning] = [each for each in warnings if each.startswith(f"{NAMES[name]} of {owner}:")]
            assert text in warning
        assert "s3cret" not in caplog.text
    good = without(ITEM, "collection") if "collection" not in bad else ITEM
    assert export(tmp_path, good, COLLECTION, *OTHERS) == ExitCode.OK
    assert_items_in_every_format(tmp_path, good, *OTHERS)
    assert_links_resolve(tmp_path, whole="assets" in good)
    assert_readers_open(tmp_path, len(OTHERS) + 1)


COLLECTIONS: dict[str, Json] = {
    **{f"no {name}": without(COLLECTION, name) for name in ("extent", "license", "description")},
    **{
        f"{name} of {value!r}": {**COLLECTION, name: value}
        for name in ("extent", "summaries", "providers", "assets", "item_assets", "title")
        for value in (7, ["s3cret"], {"s3cret": [None]})
    },
    "extents of wrong types": {
        **COLLECTION,
        "extent": {"spatial": {"bbox": "s3cret"}, "temporal": {"interval": [[7, {}]]}},
    },
    "extents without content": {
        **COLLECTION,
        "extent": {"spatial": {"bbox": []}, "temporal": {"interval": []}},
    },
    "extents of null": {**COLLECTION, "extent": {"spatial": None, "temporal": None}},
    "links of wrong types": {**COLLECTION, "links": [{"rel": ["root"], "href": 7}, {"rel": {}}]},
    "huge number": {**COLLECTION, "summaries": {"n": [10**400, 2**64]}},
    "nested list": {**COLLECTION, "summaries": make_nested(400)},
    "collection of an object": {**COLLECTION, "collection": {}},
    "version of a list": {**COLLECTION, "stac_version": ["s3cret"]},
}


@pytest.mark.parametrize("validate", ["off", "sample"])
def test_collections_with_faults_do_not_end_run(tmp_path: Path, validate: str) -> None:
    collections = [{**each, "id": f"c{n}"} for n, each in enumerate(COLLECTIONS.values())]
    items = [{**ITEM, "collection": each["id"]} for each in collections]
    for _ in range(2):
        status = export(tmp_path, *collections, *items, *OTHERS, validate=validate)
        assert status == (ExitCode.OK if validate == "off" else ExitCode.INCOMPLETE)
        assert_items_in_every_format(tmp_path, *items, *OTHERS)
        assert_files_are_whole(tmp_path)
        assert_links_resolve(tmp_path)
    good = [{**COLLECTION, "id": each["id"]} for each in collections]
    assert export(tmp_path, *good, *items, *OTHERS) == ExitCode.OK
    assert_items_in_every_format(tmp_path, *items, *OTHERS)
    for each in good:
        assert read_json(tmp_path / each["id"] / "collection.json")["title"] == COLLECTION["title"]
    assert_readers_open(tmp_path, len(items) + len(OTHERS))


IDS = [
    "a/b",
    "..",
    "\0",
    "a\0b",
    "x" * 5000,
    "é\u2028🛰",
    " ",
    "%2F",
    "CON",
    'a"b',
    "</script>",
    "\n",
]


@pytest.mark.parametrize("member", ["id", "collection"])
def test_unusual_ids_are_in_every_format(tmp_path: Path, member: str) -> None:
    unusual = [{**ITEM, member: identifier} for identifier in IDS]
    for _ in range(2):
        assert export(tmp_path, *unusual, *OTHERS) == ExitCode.OK
        assert read_keys(tmp_path) == make_keys(*unusual, *OTHERS)
        assert_links_resolve(tmp_path)
        assert_readers_open(tmp_path, len(unusual) + len(OTHERS))
    assert export(tmp_path, *GOOD, mode="overwrite") == ExitCode.OK
    assert_items_in_every_format(tmp_path, ITEM, *OTHERS)


@pytest.mark.parametrize(
    ("number", "problem"),
    [("1e400", "the number 1e400"), ("NaN", "the value NaN"), ("9" * 5000, "the number 999")],
)
def test_number_that_json_cannot_hold_leaves_export_unchanged(
    tmp_path: Path, number: str, problem: str
) -> None:
    export(tmp_path, *OTHERS)
    before = read_stamps(tmp_path)
    record = json.dumps(make_record_message("s", stac_item=with_geometry("Point", ["X", 2])))
    lines = [json.dumps(make_schema_message("s")), record.replace('"X"', number)]
    for _ in range(2):
        with pytest.raises(InputError, match=f"line 2 of the input has {problem}"):
            make_target(tmp_path, formats=ALL).run(io.StringIO("\n".join(lines)))
        assert read_stamps(tmp_path) == before
    assert export(tmp_path, *GOOD) == ExitCode.OK
    assert_items_in_every_format(tmp_path, ITEM, *OTHERS)


# --- documents of pystac's tests ---------------------------------------------------------------

DOCUMENTS = PROJECT / ".build/stac-documents"


def read_pystac_documents() -> Iterator[Json]:
    """Yield the Items and Collections in the tests of pystac's packages, which make downloads."""
    for archive in sorted(DOCUMENTS.glob("*.tar.gz")):
        with tarfile.open(archive) as files:
            for member in files:
                file = files.extractfile(member)
                if "/tests/data-files/" in member.name and member.name.endswith(".json") and file:
                    document = json.loads(file.read())
                    if document.get("type") in {"Feature", "Collection"}:
                        yield document


@pytest.mark.skipif(
    not (DOCUMENTS / ".ready").exists(), reason="make test downloads pystac's documents"
)
@pytest.mark.filterwarnings("ignore")  # of pystac, on old and deprecated documents
def test_documents_of_pystac_are_in_every_format(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are of STAC 0.8 to 1.1; members of old versions do not have the types of new ones."""
    documents = list(read_pystac_documents())
    items = [each for each in documents if each["type"] == "Feature"]
    assert len(items) > 20
    for _ in range(2):
        caplog.clear()
        assert export(tmp_path, *documents, *OTHERS) == ExitCode.INCOMPLETE
        assert not (tmp_path / "rejected.ndjson").exists()
        assert read_keys(tmp_path) == make_keys(*items, *OTHERS)
        assert all(each.startswith("GeoParquet of ") for each in read_log(caplog))
        assert_files_are_whole(tmp_path)
        assert_readers_open(tmp_path, len(read_keys(tmp_path)["catalog"]))
    assert export(tmp_path, *GOOD, mode="overwrite") == ExitCode.OK
    assert_items_in_every_format(tmp_path, ITEM, *OTHERS)


# --- any document -------------------------------------------------------------------------------

_TEXTS = ["", "\0", "a/b", "https://[", "2025-13-01", "9999-12-31T23:59:59.9999999Z", "</script>"]
_NUMBERS = [2**63, 2**64, -(2**64), 10**400, 1e308, 5e-324, -0.0]
_GEOMETRIES = [{"type": "Point", "coordinates": each} for each in ([], None, ["a"], [1e300, 2])]
_NAMES = ["id", "geometry", "bbox", "links", "assets", "collection", "type", "href", "item", "\0"]
_values: SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([*_TEXTS, *_NUMBERS, *_GEOMETRIES]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
Path_ = tuple[str | int, ...]


def find_paths(document: Any, start: Path_ = ()) -> Iterator[Path_]:
    """Yield the paths of all members in a document."""
    members: Any = document.items() if isinstance(document, dict) else ()
    for name, member in enumerate(document) if isinstance(document, list) else members:
        yield (*start, name)
        yield from find_paths(member, (*start, name))


def mutate(document: Json, path: Path_, value: Any, *, replaces: bool) -> None:
    """Replace a member of a document by a value, or remove it; do nothing if it is gone."""
    parent: Any = document
    try:
        for name in path[:-1]:
            parent = parent[name]
        if replaces:
            _ = parent[path[-1]]
            parent[path[-1]] = value
        else:
            del parent[path[-1]]
    except (LookupError, TypeError):
        pass


@settings(
    deadline=None,
    max_examples=int(os.environ.get("STAC_EXAMPLES", "25")),
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_any_mutation_of_item_or_collection_does_not_end_run(data: st.DataObject) -> None:
    """`STAC_EXAMPLES=2000` looks for more."""
    base = data.draw(st.sampled_from([ITEM, COLLECTION]))
    bad = copy.deepcopy(base)
    for path in data.draw(st.lists(st.sampled_from([*find_paths(base)]), min_size=1, max_size=3)):
        mutate(bad, path, data.draw(_values), replaces=data.draw(st.integers(0, 9)) > 0)
    options = {
        "validate": data.draw(st.sampled_from(["off", "all"])),
        "root_href": data.draw(st.sampled_from([None, "https://example.com/stac"])),
        "partition": data.draw(st.sampled_from(["none", "month"])),
    }
    is_same = all(bad.get(name) == base[name] for name in ("id", "type")) and (
        base is COLLECTION or bad.get("collection") == "l2a"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "out"
        objects = [bad, *(each for each in GOOD if each is not base)]
        status = export(folder, *objects, **options)
        before = read_keys(folder)
        if data.draw(st.booleans()):
            (folder / MANIFEST_FILE).unlink(missing_ok=True)
        assert export(folder, *objects, **options) == status
        assert_files_are_whole(folder)
        keys = read_keys(folder)
        assert keys == before
        assert len(set(map(frozenset, keys.values()))) == 1
        assert keys["catalog"] >= set(map(make_key, OTHERS))
        if status == ExitCode.OK and base is ITEM:
            assert len(keys["catalog"]) == len(OTHERS) + 1
        mode = "update" if is_same else "overwrite"
        assert export(folder, *GOOD, **options, mode=mode) == ExitCode.OK
        assert_items_in_every_format(folder, ITEM, *OTHERS)
        assert_links_resolve(folder, root_href=options["root_href"])
