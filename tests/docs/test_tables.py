"""The tables of the documentation that repeat the code are as the code prints them."""

from __future__ import annotations

import re

from docs_tools.tables import DOCS, TABLES, list_pages, update_tables


def test_generated_tables_are_up_to_date() -> None:
    """If it fails, run `make docs-tables`."""
    assert [
        path.name for path in list_pages() if update_tables(path.read_text()) != path.read_text()
    ] == []


def test_each_generated_table_is_on_one_page() -> None:
    marks = [
        name
        for path in DOCS.rglob("*.md")
        for name in re.findall(r"<!-- table: (.+?) -->", path.read_text())
    ]
    assert sorted(marks) == sorted(TABLES)
