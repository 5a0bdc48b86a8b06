"""Fixtures of the loaders' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.loaders.postgres_server import run_postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    """Return the folder of the socket of a PostgreSQL server."""
    with run_postgres_server() as folder:
        yield folder
