"""Tests of the validation against local JSON Schemas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from tests.target_stac.exports import (
    SCHEMAS,
    Json,
    export,
    find_item_files,
    make_collection,
    make_item,
    read_log,
    read_ndjson,
    set_properties,
)

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_URL = "https://example.com/{}/schema.json"
OWN_SCHEMA_URL = SCHEMA_URL.format("own")


def make_extended_item(name: str, *urls: str, **properties: Any) -> Json:
    return set_properties(
        make_item(name, stac_extensions=list(urls or (OWN_SCHEMA_URL,))), **properties
    )


@pytest.fixture
def schema_folder(tmp_path: Path) -> Path:
    """Return a folder with a schema that requires a property, and one that refers to it."""
    folder = tmp_path / "schemas" / "deeper"
    folder.mkdir(parents=True)
    rule = {"properties": {"properties": {"required": ["own:s3cret"]}}}
    write_schema(folder / "own.json", {"$id": f"{OWN_SCHEMA_URL}#", **rule})
    write_schema(
        folder / "other.json",
        {"$id": SCHEMA_URL.format("other"), "allOf": [{"$ref": OWN_SCHEMA_URL}]},
    )
    return folder.parent


def write_schema(file: Path, schema: Json) -> None:
    draft = {"$schema": "http://json-schema.org/draft-07/schema#"}
    file.write_text(json.dumps(draft | schema))


def export_validated(folder: Path, *objects: Json, **settings: Any) -> tuple[ExitCode, list[str]]:
    """Export with validation; return the status and the reasons of rejected objects."""
    out = folder / "out"
    status = export(out, *objects, **{"validate": "all", **settings})
    rejected = out / "rejected.ndjson"
    return status, [each["reason"] for each in read_ndjson(rejected)] if rejected.exists() else []


def test_item_invalid_by_stac_schema_is_rejected_with_reason(tmp_path: Path) -> None:
    bad = make_item("bad", assets={"a": {"title": "s3cret"}})
    status, [reason] = export_validated(tmp_path, make_item("good"), bad)
    assert status == ExitCode.INCOMPLETE
    assert reason.startswith("item is invalid: assets/a violates the rule at ")
    assert reason.endswith("of https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json")
    assert "s3cret" not in reason
    assert set(find_item_files(tmp_path / "out")) == {"l2a/good"}


def test_collection_invalid_by_stac_schema_is_rejected(tmp_path: Path) -> None:
    bad = make_collection("bad")
    del bad["license"]
    status, [reason] = export_validated(tmp_path, make_collection("good"), bad)
    assert status == ExitCode.INCOMPLETE
    assert "collection is invalid" in reason


def test_item_without_links_is_validated_with_written_links(tmp_path: Path) -> None:
    item = make_item("a")
    del item["links"]
    assert export_validated(tmp_path, item, make_item("b", collection=None)) == (ExitCode.OK, [])


def test_validate_off_accepts_invalid_item(tmp_path: Path) -> None:
    assert export_validated(tmp_path, make_item("bad", assets=7), validate="off") == (
        ExitCode.OK,
        [],
    )


def test_validate_sample_checks_first_item_and_every_twentieth(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    items = [make_item(f"{c}-{n}", collection=c) for n in range(45) for c in ("l1c", "l2a")]
    items[1] |= {"assets": 7}
    status, reasons = export_validated(tmp_path, *items, validate="sample")
    assert (status, len(reasons)) == (ExitCode.INCOMPLETE, 1)
    assert "validated 6 objects" in caplog.text


@pytest.mark.parametrize("name", ["own", "other"])
def test_item_with_extension_is_validated_with_schema_of_folder(
    tmp_path: Path, schema_folder: Path, name: str
) -> None:
    url = SCHEMA_URL.format(name)
    objects = [make_extended_item("good", url, **{"own:s3cret": 1}), make_extended_item("bad", url)]
    status, [reason] = export_validated(tmp_path, *objects, schemas=str(schema_folder))
    assert status == ExitCode.INCOMPLETE
    assert reason.endswith(f"of {url}")


def test_missing_schema_is_logged_once_and_not_downloaded(
    tmp_path: Path, schema_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = SCHEMA_URL.format("missing")
    objects = [
        make_extended_item(name, OWN_SCHEMA_URL, missing, **{"own:s3cret": 1}) for name in "abc"
    ]
    assert export_validated(tmp_path, *objects, schemas=str(schema_folder)) == (ExitCode.OK, [])
    assert [line for line in read_log(caplog) if missing in line] == [
        f"did not validate against schemas missing from the folder 'schemas': {missing}"
    ]


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"$id": 7}',
        '{"$id": "https://example.com/x", "type": 7}',
        '{"$id": "https://example.com/x", "$schema": "https://example.com/draft-99"}',
    ],
)
def test_invalid_schema_file_is_error_before_reading_input(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / "mine.json").write_text(content)
    with pytest.raises(InputError, match=r"^schemas: 'mine.json' "):
        export_validated(tmp_path, make_item("a"), schemas=str(folder))


def test_schema_with_missing_reference_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    missing = SCHEMA_URL.format("missing")
    write_schema(folder / "mine.json", {"$id": OWN_SCHEMA_URL, "$ref": missing})
    status, reasons = export_validated(tmp_path, make_extended_item("a"), schemas=str(folder))
    assert (status, reasons) == (ExitCode.OK, [])
    [line] = read_log(caplog)
    assert line == f"did not validate against schemas missing from the folder 'schemas': {missing}"


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the extensions' schemas are not at hand")
def test_item_with_published_extension_is_validated(tmp_path: Path) -> None:
    eo = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
    good = make_extended_item("good", eo, **{"eo:cloud_cover": 5})
    bad = make_extended_item("bad", eo, **{"eo:cloud_cover": 500})
    status, [reason] = export_validated(tmp_path, good, bad, schemas=str(SCHEMAS))
    assert status == ExitCode.INCOMPLETE
    assert reason.startswith("item is invalid: properties/eo:cloud_cover violates the rule")
