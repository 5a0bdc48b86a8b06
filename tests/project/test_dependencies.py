"""Dependencies are declared, used and documented, and slow ones are imported only when used."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING

import grimp
import pytest

from tests.project.conftest import PROJECT, list_locked_packages

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {
    "pixxel_api",
    "pixxel_singer",
    "tap_pixxel",
    "target_pixxel_store",
    "target_stac",
    "pixxel_sandbox",
}
PACKAGE_EXTRAS = {
    "tap_pixxel": None,
    "target_pixxel_store": "store",
    "target_stac": "stac",
    "pixxel_sandbox": "sandbox",
}
"""Extra that each command's package requires, besides the dependencies of all."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        *PACKAGES, include_external_packages=True, exclude_type_checking_imports=True
    )


@pytest.mark.parametrize(("package", "extra"), PACKAGE_EXTRAS.items())
def test_package_imports_only_what_its_extra_installs(
    graph: grimp.ImportGraph, package: str, extra: str | None
) -> None:
    """What else is declared and not imported, or the reverse, is found by deptry."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    requirements = project["dependencies"] + (extras[extra] if extra else [])
    installed = {re.split(r"[^\w-]", each)[0] for each in requirements}
    imported = {
        name.split(".")[0]
        for name in graph.find_upstream_modules(package, as_package=True)
        if name.split(".")[0] not in PACKAGES
    }
    distributions = packages_distributions()
    missing = {
        name
        for name in imported - sys.stdlib_module_names
        if installed.isdisjoint(each.replace("_", "-") for each in (name, *distributions[name]))
    }
    assert missing == set()


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


def test_sbom_lists_exactly_the_locked_packages_of_all_extras(tmp_path: Path) -> None:
    """Without its validation against the CycloneDX schema, which takes longer than the rest."""
    variables = (f"SBOM={tmp_path / 'sbom'}", "SBOM_OPTIONS=--no-validate")
    subprocess.run(
        ["/usr/bin/make", "--old-file=.venv/.ready", "sbom", *variables], cwd=PROJECT, check=True
    )
    bill = json.loads((tmp_path / "sbom.json").read_text())
    assert bill["metadata"]["component"]["name"] == "pixxel-singer"
    packages = {
        each["purl"].removeprefix("pkg:pypi/").replace("@", "==") for each in bill["components"]
    }
    assert packages == list_locked_packages("--all-extras")
