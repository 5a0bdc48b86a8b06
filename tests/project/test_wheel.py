"""A wheel that is built from a clean copy has all that users need; other tests install it."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from tests.project.conftest import list_checkout_files

if TYPE_CHECKING:
    from pathlib import Path


def test_wheel_contains_all_files_of_the_packages_and_the_license(wheel: Path) -> None:
    """Of all packages: a new one must be named in pyproject.toml."""
    files = {
        each for each in list_checkout_files() if each.startswith(("pixxel_", "tap_", "target_"))
    }
    names = zipfile.ZipFile(wheel).namelist()
    assert {each for each in names if ".dist-info/" not in each} == files
    assert {f"{each.partition('/')[0]}/py.typed" for each in files} <= files
    assert any(each.endswith("licenses/LICENSE") for each in names)
