"""The wheel that users install, built once from a clean copy of the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def copy_checkout(source: Path) -> None:
    """Copy the files of the checkout that git has or would add, as a fresh clone has them."""
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
        if (PROJECT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, source / name)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    copy_checkout(folder / "source")
    subprocess.run(
        [UV, "build", "--quiet", "--wheel", "--out-dir", folder, folder / "source"], check=True
    )
    [built] = folder.glob("*.whl")
    return built
