"""The tests that docs/reference/security.md names exist."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_security_notes_name_existing_tests() -> None:
    notes = (PROJECT / "docs/reference/security.md").read_text()
    named = set(re.findall(r"`([a-z_/]+/test_[a-z0-9_]+)`", notes))
    assert len(named) > 20
    assert [
        each for each in sorted(named) if not (PROJECT / "tests" / f"{each}.py").is_file()
    ] == []
