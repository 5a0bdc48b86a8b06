"""Imports run one way, and what takes long to import is imported only where it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
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
