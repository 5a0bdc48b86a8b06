"""Every console block of the documentation runs against the sandbox as it is shown."""

from __future__ import annotations

import shutil
from difflib import unified_diff
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from typing import TYPE_CHECKING

import pytest

from docs_tools.console_blocks import PROJECT, Block, Shell, Step, read_blocks

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
BLOCKS = {path: read_blocks(path) for path in PAGES}
MAX_NOT_RUN = 20
_FLAGS = ELLIPSIS | NORMALIZE_WHITESPACE


def make_home(home: Path) -> Path:
    """Make a home folder that has what the pages use of the checkout in `pixxel-singer`."""
    checkout = home / "pixxel-singer"
    checkout.mkdir(parents=True)
    for name in ("meltano.yml", ".env.example"):
        shutil.copy(PROJECT / name, checkout)
    (checkout / "demo").symlink_to(PROJECT / "demo")
    return home


def name_page(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "path",
    [path for path, blocks in BLOCKS.items() if any(not each.not_run for each in blocks)],
    ids=name_page,
)
def test_console_blocks_of_page_print_what_they_show(path: Path, tmp_path: Path) -> None:
    with Shell(make_home(tmp_path / "home")) as shell:
        for block in BLOCKS[path]:
            if not block.not_run:
                run_block(block, shell)


def run_block(block: Block, shell: Shell) -> None:
    for number, step in enumerate(block.steps):
        output, status = shell.run(step.command)
        shown = f"{block.page}, line {block.line}: {step.command}"
        if not OutputChecker().check_output(step.output, output, _FLAGS):
            pytest.fail(f"{shown}{show_difference(step, output)}")
        following = block.steps[number + 1].command if number + 1 < len(block.steps) else ""
        assert status == 0 or following.strip() == "echo $?", f"{shown}exit status {status}"


def show_difference(step: Step, output: str) -> str:
    lines = (step.output.splitlines(), output.rstrip().splitlines())
    return "\n".join(unified_diff(*lines, "shown", "printed", lineterm=""))


@pytest.mark.parametrize(
    "block",
    [each for blocks in BLOCKS.values() for each in blocks if each.not_run],
    ids=lambda block: f"{block.page}:{block.line}",
)
def test_console_block_not_run(block: Block) -> None:
    """The block needs what the tests do not have; the report of the run lists it."""
    pytest.skip(f"{block.page}:{block.line}: {block.not_run}")


def test_few_console_blocks_are_not_run() -> None:
    blocks = [each for blocks in BLOCKS.values() for each in blocks]
    assert len([each for each in blocks if each.not_run]) <= MAX_NOT_RUN < len(blocks) / 2
