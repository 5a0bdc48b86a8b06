"""The definitions for Meltano Hub are as the code has them, and `meltano add` needs only them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from jsonschema.validators import validator_for

from docs_tools.hub_definitions import HUB, HUB_KEYS, definition_path, format_definition
from docs_tools.tables import PLUGINS
from pixxel_sandbox import Sandbox
from pixxel_singer import distribution_version

MELTANO = Path(sys.executable).with_name("meltano")


def test_definitions_are_up_to_date() -> None:
    """If it fails, run `make docs-tables`."""
    written = {path: path.read_text() for path in HUB.rglob("*.yml")}
    assert written == {definition_path(name): format_definition(name) for name in PLUGINS}


@pytest.mark.parametrize("name", PLUGINS)
def test_definition_is_valid_in_meltano_project(name: str) -> None:
    definition = yaml.safe_load(format_definition(name))
    plugin = {key: value for key, value in definition.items() if key not in HUB_KEYS}
    project = {"plugins": {definition_path(name).parts[-3]: [plugin]}}
    schema = json.loads((files("meltano") / "schemas" / "meltano.schema.json").read_text())
    validator_for(schema)(schema).validate(project)


@pytest.mark.timeout(300)
def test_meltano_adds_and_runs_plugins_in_empty_project(wheel: Path, tmp_path: Path) -> None:
    """The wheel stands for the package index; the Hub is not reachable."""
    (tmp_path / "meltano.yml").write_text(
        "send_anonymous_usage_stats: false\ndefault_environment: dev\nenvironments: [{name: dev}]\n"
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MELTANO_")},
        "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
        "MELTANO_HUB_API_ROOT": "http://127.0.0.1:1",
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "UV_FIND_LINKS": str(wheel.parent),
    }

    def run(*command: str | Path) -> str:
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr[-2000:]
        return result.stdout

    for name in PLUGINS:
        run(MELTANO, "add", name, "--from-ref", definition_path(name))
    about = run(MELTANO, "--log-level=warning", "invoke", "tap-pixxel", "--about", "--format=json")
    assert json.loads(about)["version"] == distribution_version()
    run(tmp_path / ".meltano/loaders/target-pixxel-store/venv/bin/target-pixxel-store", "--version")

    select_defaults(tmp_path / "meltano.yml")
    run(MELTANO, "config", "set", "target-stac", "output", "stac")
    with Sandbox(items=12) as sandbox:
        environment["TAP_PIXXEL_API_URL"] = sandbox.url
        environment["TAP_PIXXEL_API_TOKEN"] = sandbox.token
        run(MELTANO, "run", "tap-pixxel", "target-stac")
    assert (tmp_path / "stac" / "catalog.json").is_file()


def select_defaults(project: Path) -> None:
    """Copy the `select` of tap-pixxel's definition into a Meltano project, as the guide says."""
    definition = yaml.safe_load(definition_path("tap-pixxel").read_text())
    document = yaml.safe_load(project.read_text())
    [tap] = document["plugins"]["extractors"]
    tap["select"] = definition["select"]
    project.write_text(yaml.safe_dump(document))
