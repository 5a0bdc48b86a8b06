"""A wheel that is built from a clean copy installs and runs outside the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from tests.project.conftest import UV

if TYPE_CHECKING:
    from pathlib import Path


def test_wheel_contains_packages_types_and_license(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    plugins = ("tap_pixxel", "target_pixxel_store", "target_stac")
    packages = ("pixxel_api", "pixxel_singer", *plugins, "pixxel_sandbox")
    for package in packages:
        assert f"{package}/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "demo/", "benchmarks/"))]


def test_wheel_runs_outside_repository(wheel: Path, tmp_path: Path) -> None:
    """The dependencies come from the environment of the tests."""
    site = tmp_path / "site"
    subprocess.run(
        [UV, "pip", "install", "--quiet", "--no-deps", "--target", site, wheel], check=True
    )
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    code = "import tap_pixxel; print(tap_pixxel.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith(str(site))
    tap = [sys.executable, "-c", "from tap_pixxel.tap import TapPixxel; TapPixxel.cli()"]
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pixxel_sandbox",
            "run",
            "--items",
            "20",
            "--",
            *tap,
            "--config=ENV",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    types = {json.loads(line)["type"] for line in result.stdout.splitlines()}
    assert types == {"SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION"}
    output = tmp_path / "out"
    subprocess.run(
        [sys.executable, "-m", "target_stac", "--config=ENV"],
        cwd=tmp_path,
        env=environment | {"TARGET_STAC_OUTPUT": str(output)},
        input=result.stdout,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(list(output.glob("geoparquet/*.parquet"))) > 1
    dry_run = subprocess.run(
        [
            *(sys.executable, "-m", "pixxel_sandbox", "run", "--no-s3", "--items", "20", "--"),
            *(sys.executable, "-m", "target_pixxel_store", "--config=ENV"),
        ],
        cwd=tmp_path,
        env=environment
        | {
            "TARGET_PIXXEL_STORE_DELIVER_TO": "analysis",
            "TARGET_PIXXEL_STORE_DELIVER_SINCE": "all",
            "TARGET_PIXXEL_STORE_DRY_RUN": "true",
        },
        input=result.stdout,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "nothing was written" in dry_run.stderr
    assert "Leaflet" in (output / "preview.html").read_text(), (
        "the wheel must contain the preview's files"
    )
