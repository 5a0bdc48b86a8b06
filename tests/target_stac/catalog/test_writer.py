"""Tests of a written catalog, read by pystac and stac-valid without a network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pystac
import yaml
from pystac.validation.local_validator import get_local_schema_cache

from tests.target_stac.exports import (
    EXAMPLE_ITEMS,
    read_documents,
)

STAC_VALID = str(Path(sys.executable).with_name("stac-valid"))


def test_pystac_reads_all_items_of_catalog(example_export: Path) -> None:
    catalog = pystac.Catalog.from_file(str(example_export / "catalog.json"))
    items = list(catalog.get_items(recursive=True))
    assert sorted(each.id for each in items) == sorted(each["id"] for each in EXAMPLE_ITEMS)
    assert all(each.get_root() is catalog for each in items)
    parents = {each.id: each.get_collection() for each in items}
    assert {k: v.id if v else None for k, v in parents.items()} == {
        each["id"]: each.get("collection") for each in EXAMPLE_ITEMS
    }
    catalog.validate_all()


def test_stac_valid_accepts_all_files(example_export: Path, tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    paths = {}
    for number, (url, schema) in enumerate(get_local_schema_cache().items()):
        paths[url] = f"{number}.json"
        (folder / f"{number}.json").write_text(json.dumps(schema))
    config = tmp_path / "schemas.yaml"
    config.write_text(yaml.safe_dump({"schemas": {k: str(folder / v) for k, v in paths.items()}}))
    result = subprocess.run(
        [
            STAC_VALID,
            "validate",
            str(example_export / "catalog.json"),
            "-r",
            "--schema-config",
            str(config),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert result.stdout.count('"valid_stac": true') == len(list(read_documents(example_export)))
