"""Pages state the guarantee and every exit status, and quote messages that exist; links resolve."""

from __future__ import annotations

import ast
import re
import signal
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from pixxel_singer.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
GAP = "…"
"""Placeholder for the variable parts of a message."""
COMPOSED_MESSAGES = {
    "the token belongs to a different workspace than the setting 'workspace'; nothing was written",
    "delivery … of an earlier run: FAILED",
    "delivery … of an earlier run: not finished",
    "delivery … of an earlier run: SUCCESS, but the object is not in the bucket",
}
"""Messages composed of several texts; tests of the target check them in its log."""
PACKAGES = (
    "target_pixxel_store",
    "target_stac",
    "tap_pixxel",
    "pixxel_api",
    "pixxel_singer",
    "pixxel_backfill",
    "pixxel_sandbox",
)
HEADERS = ("| message |", "| messages |")


def read_tables(path: Path, first_cell: str) -> list[list[str]]:
    """Return the rows of all tables of a page whose first title is this one."""
    rows: list[list[str]] = []
    is_inside = False
    for line in path.read_text().splitlines():
        if line.startswith(f"| {first_cell} |"):
            is_inside = True
        elif not line.startswith("|"):
            is_inside = False
        elif is_inside and not line.startswith("|---"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def string_literals(tree: ast.AST) -> Iterator[str]:
    """Yield the string literals of a program; formatted values become `GAP`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(each.value) if isinstance(each, ast.Constant) else GAP for each in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%[.\d]*[sdfr]", GAP, node.value)


def contains_in_order(parts: list[str], text: str) -> bool:
    position = 0
    for part in parts:
        position = text.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return True


@pytest.fixture(scope="module")
def program_texts() -> set[str]:
    sources = [path.read_text() for name in PACKAGES for path in (PROJECT / name).rglob("*.py")]
    texts = {text for source in sources for text in string_literals(ast.parse(source))}
    return texts | {(PROJECT / "Makefile").read_text()}


@pytest.mark.parametrize(
    ("page", "fewest"), [("reference/messages.md", 70), ("troubleshooting.md", 25)]
)
def test_pages_quote_existing_messages(page: str, fewest: int, program_texts: set[str]) -> None:
    quoted = [
        quote
        for row in read_tables(DOCS / page, "message")
        for quote in re.findall(r"`([^`]+)`", row[0])
    ]
    assert len(quoted) >= fewest
    unknown = [
        quote
        for quote in quoted
        if quote not in COMPOSED_MESSAGES
        and not any(
            contains_in_order([part.strip() for part in quote.split(GAP)], text)
            for text in program_texts
        )
    ]
    assert unknown == []


def test_guarantee_is_stated_in_its_words() -> None:
    guarantee = (
        "with one writer per workspace and a list that lags less than `settle_seconds`, a rerun "
        "after a kill at any moment delivers nothing twice and forgets nothing"
    )
    assert f"\n> {guarantee}\n" in (DOCS / "explanation/nothing-twice.md").read_text()


def test_each_plugin_documents_every_exit_status() -> None:
    statuses = [row[0] for row in read_tables(DOCS / "reference/exit-statuses.md", "status")]
    expected = [*(str(int(each)) for each in ExitCode), "143, 130"]
    assert statuses == expected * 4  # all plugins, then each of the three
    assert [128 + each for each in (signal.SIGTERM, signal.SIGINT)] == [143, 130]


def test_navigation_lists_every_page() -> None:
    config = tomllib.loads((PROJECT / "zensical.toml").read_text())["project"]
    listed = re.findall(r"'([\w/-]+\.md)'", str(config["nav"]))
    assert sorted(listed) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md", "CHANGELOG.md", "docs"])
def test_links_and_pictures_exist(name: str) -> None:
    """`make docs` checks links between pages, but neither pictures nor files outside of docs."""
    paths = [PROJECT / name] if name.endswith(".md") else sorted(DOCS.rglob("*.md"))
    targets = [
        (path, unquote(str(child.attrs.get("href") or child.attrs.get("src")).partition("#")[0]))
        for path in paths
        for token in MarkdownIt().parse(path.read_text())
        for child in token.children or ()
        if child.type in {"link_open", "image"}
    ]
    missing = [
        f"{path.name}: {target}"
        for path, target in targets
        if target and "://" not in target and not (path.parent / target).exists()
    ]
    assert missing == []


def test_readme_is_short() -> None:
    text = (PROJECT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    assert len(text.split()) <= 900
