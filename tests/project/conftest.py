"""What users install: the wheel, built once from a clean copy, and the locked packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def list_checkout_files() -> list[str]:
    """Return the files that a fresh clone has, and new ones, but none that git ignores."""
    git = shutil.which("git")
    assert git
    listed = subprocess.check_output(
        [git, "ls-files", "--cached", "--others", "--exclude-standard"], cwd=PROJECT, text=True
    )
    return [name for name in listed.splitlines() if (PROJECT / name).is_file()]


def copy_checkout(target: Path, names: tuple[str, ...] = ("*",)) -> None:
    """Copy the checkout's files below the names at its top that match a pattern."""
    for name in list_checkout_files():
        if any(fnmatch(name.partition("/")[0], pattern) for pattern in names):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, target / name)


def list_locked_packages(*extras: str) -> set[str]:
    """Return the packages that the plugins need, as `name==version`, by `requirements.lock`."""
    compiled = subprocess.check_output(
        [
            *(UV, "pip", "compile", "--quiet", "--no-header", "--no-annotate"),
            *("--constraint=requirements.lock", "pyproject.toml", *extras),
        ],
        cwd=PROJECT,
        text=True,
    )
    return set(compiled.splitlines())


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    copy_checkout(folder / "source")
    subprocess.run(
        [UV, "build", "--quiet", "--wheel", "--out-dir", folder, folder / "source"], check=True
    )
    [built] = folder.glob("*.whl")
    return built
