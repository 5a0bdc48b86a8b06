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


def copy_checkout(target: Path, names: tuple[str, ...] = ("*",)) -> None:
    """Copy the files that a fresh clone has, below the names at its top that match a pattern."""
    git = shutil.which("git")
    assert git
    files = subprocess.run(
        [git, "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in files:
        top = name.partition("/")[0]
        if (PROJECT / name).is_file() and any(fnmatch(top, pattern) for pattern in names):
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
