"""`--help` of each command has an example, the exit statuses and the documentation."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from pixxel_backfill.cli import main as backfill
from pixxel_sandbox.cli import main as sandbox
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.tap import TapPixxel
from target_pixxel_store.target import TargetPixxelStore
from target_stac.target import TargetStac

if TYPE_CHECKING:
    from pixxel_singer.plugin import PixxelPlugin

PROJECT = Path(__file__).parents[2]
PLUGINS = (TapPixxel, TargetPixxelStore, TargetStac)
COMMANDS = {
    **{each.name: each.get_singer_command() for each in PLUGINS},
    "pixxel-backfill": backfill,
    "pixxel-sandbox": sandbox,
}


def read_help(name: str) -> str:
    with click.Context(COMMANDS[name], info_name=name, max_content_width=80) as context:
        return COMMANDS[name].get_help(context)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_example_and_existing_pages(name: str) -> None:
    text = read_help(name)
    [example] = re.findall(r"^ *Example.*:\n +(.+)$", text, flags=re.MULTILINE)
    assert name in example
    pages = re.findall(r"docs/\S+\.md", text)
    assert f"docs/reference/{name.removeprefix('pixxel-')}.md" in pages
    assert all((PROJECT / page).is_file() for page in pages)


@pytest.mark.parametrize("name", [*(each.name for each in PLUGINS), "pixxel-backfill"])
def test_help_lists_each_exit_status(name: str) -> None:
    statuses = re.findall(r"^ +(\d+) +\S", read_help(name).split("Exit statuses:")[1], re.MULTILINE)
    assert statuses == [*(str(int(each)) for each in ExitCode), str(128 + signal.SIGTERM)]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_about_has_purpose_without_docstring(plugin: type[PixxelPlugin]) -> None:
    result = CliRunner().invoke(plugin.get_singer_command(), ["--about", "--format=json"])
    assert json.loads(result.stdout)["description"] == plugin.purpose


def test_sandbox_help_lists_exit_statuses() -> None:
    result = CliRunner().invoke(sandbox, ["--help"])
    assert re.findall(r"^ +(\d+) ", result.output, re.MULTILINE) == ["0", "1", "2", "126", "127"]
