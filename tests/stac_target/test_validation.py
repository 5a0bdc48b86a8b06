"""Validation against JSON Schemas, from the disk alone: of which objects, and what is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from tests.stac_target.exports import (
    SCHEMAS,
    Json,
    collection,
    export,
    item,
    item_files,
    lines_of,
    told,
    with_properties,
)

if TYPE_CHECKING:
    from pathlib import Path

HERE = "https://example.com/{}/schema.json"
OWN = HERE.format("own")


def extended(name: str, *urls: str, **properties: Any) -> Json:
    return with_properties(item(name, stac_extensions=list(urls or (OWN,))), **properties)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a schema that wants a property, and one that refers to another."""
    folder = tmp_path / "schemas" / "deeper"
    folder.mkdir(parents=True)
    rule = {"properties": {"properties": {"required": ["own:s3cret"]}}}
    write(folder / "own.json", {"$id": f"{OWN}#", **rule})
    write(folder / "other.json", {"$id": HERE.format("other"), "allOf": [{"$ref": OWN}]})
    return folder.parent


def write(file: Path, schema: Json) -> None:
    draft = {"$schema": "http://json-schema.org/draft-07/schema#"}
    file.write_text(json.dumps(draft | schema))


def run(folder: Path, *objects: Json, **settings: Any) -> tuple[ExitCode, list[str]]:
    """Export with all checks; give the status and why objects were left out."""
    out = folder / "out"
    status = export(out, *objects, **{"validate": "all", **settings})
    rejected = out / "rejected.ndjson"
    return status, [each["reason"] for each in lines_of(rejected)] if rejected.exists() else []


def test_an_item_that_breaks_a_rule_of_stac_is_left_out_and_told_why(tmp_path: Path) -> None:
    bad = item("bad", assets={"a": {"title": "s3cret"}})
    status, [reason] = run(tmp_path, item("good"), bad)
    assert status == ExitCode.INCOMPLETE
    assert reason.startswith("item is not valid: assets/a breaks the rule at ")
    assert reason.endswith("of https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json")
    assert "s3cret" not in reason
    assert set(item_files(tmp_path / "out")) == {"l2a/good"}


def test_a_collection_is_checked_too(tmp_path: Path) -> None:
    bad = collection("bad")
    del bad["license"]
    status, [reason] = run(tmp_path, collection("good"), bad)
    assert status == ExitCode.INCOMPLETE
    assert "collection is not valid" in reason


def test_items_are_checked_with_the_links_they_are_written_with(tmp_path: Path) -> None:
    made = item("a")
    del made["links"]
    assert run(tmp_path, made, item("b", collection=None)) == (ExitCode.OK, [])


def test_off_checks_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, item("bad", assets=7), validate="off") == (ExitCode.OK, [])


def test_sample_checks_the_first_of_each_collection_and_some_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    items = [item(f"{c}-{n}", collection=c) for n in range(45) for c in ("l1c", "l2a")]
    items[1] |= {"assets": 7}
    status, reasons = run(tmp_path, *items, validate="sample")
    assert (status, len(reasons)) == (ExitCode.INCOMPLETE, 1)
    assert "6 objects were validated" in caplog.text


@pytest.mark.parametrize("name", ["own", "other"])
def test_extensions_are_checked_with_the_schemas_of_the_folder(
    tmp_path: Path, own: Path, name: str
) -> None:
    url = HERE.format(name)
    objects = [extended("good", url, **{"own:s3cret": 1}), extended("bad", url)]
    status, [reason] = run(tmp_path, *objects, schemas=str(own))
    assert status == ExitCode.INCOMPLETE
    assert reason.endswith(f"of {url}")


def test_a_schema_that_is_not_there_is_told_once_and_not_fetched(
    tmp_path: Path, own: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = HERE.format("missing")
    objects = [extended(name, OWN, missing, **{"own:s3cret": 1}) for name in "abc"]
    assert run(tmp_path, *objects, schemas=str(own)) == (ExitCode.OK, [])
    assert [line for line in told(caplog) if missing in line] == [
        f"not validated against these, which 'schemas' does not have: {missing}"
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
def test_a_file_that_is_no_schema_is_an_error_before_anything_is_read(
    tmp_path: Path, content: str
) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / "mine.json").write_text(content)
    with pytest.raises(InputError, match=r"^schemas: 'mine.json' "):
        run(tmp_path, item("a"), schemas=str(folder))


def test_a_schema_that_refers_to_one_that_is_not_there_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    missing = HERE.format("missing")
    write(folder / "mine.json", {"$id": OWN, "$ref": missing})
    status, reasons = run(tmp_path, extended("a"), schemas=str(folder))
    assert (status, reasons) == (ExitCode.OK, [])
    [line] = told(caplog)
    assert line == f"not validated against these, which 'schemas' does not have: {missing}"


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the extensions' schemas are not at hand")
def test_published_extensions_are_checked(tmp_path: Path) -> None:
    eo = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
    good = extended("good", eo, **{"eo:cloud_cover": 5})
    bad = extended("bad", eo, **{"eo:cloud_cover": 500})
    status, [reason] = run(tmp_path, good, bad, schemas=str(SCHEMAS))
    assert status == ExitCode.INCOMPLETE
    assert reason.startswith("item is not valid: properties/eo:cloud_cover breaks the rule")
