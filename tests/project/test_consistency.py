"""Copies of the settings match their declaration: meltano.yml and .env.example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from docs_tools.tables import PLUGINS, declared_settings, format_default

PROJECT = Path(__file__).parents[2]
MELTANO: dict[str, Any] = yaml.safe_load((PROJECT / "meltano.yml").read_text())

plugins = pytest.mark.parametrize("name", PLUGINS)


def meltano_plugin(name: str) -> dict[str, Any]:
    listed = [*MELTANO["plugins"]["extractors"], *MELTANO["plugins"]["loaders"]]
    [found] = [plugin for plugin in listed if plugin["name"] == name]
    plugin: dict[str, Any] = found
    return plugin


@plugins
def test_meltano_lists_every_setting(name: str) -> None:
    """Meltano passes on only these; `hub_definitions` has the reason why they have no kind."""
    assert meltano_plugin(name)["settings"] == [
        {"name": setting} | ({"sensitive": True} if rule.get("secret") else {})
        for setting, rule in declared_settings(name).items()
    ]


@plugins
def test_meltano_capabilities_match_plugin(name: str) -> None:
    assert sorted(meltano_plugin(name)["capabilities"]) == sorted(
        capability.value for capability in PLUGINS[name].capabilities
    )


def test_meltano_plugins_have_namespace_so_hub_is_not_queried() -> None:
    for plugins in MELTANO["plugins"].values():
        assert all(each.get("namespace") or each.get("inherit_from") for each in plugins)
    assert MELTANO["send_anonymous_usage_stats"] is False


def test_meltano_project_has_two_environments_jobs_and_a_schedule() -> None:
    assert [each["name"] for each in MELTANO["environments"]] == ["sandbox", "production"]
    assert MELTANO["default_environment"] == "sandbox"
    [schedule] = MELTANO["schedules"]
    assert schedule["job"] in [job["name"] for job in MELTANO["jobs"]]
    assert "api_token" not in str(MELTANO["environments"])


def test_meltano_environments_reject_each_others_api() -> None:
    for environment in MELTANO["environments"]:
        loaders = environment["config"]["plugins"]["loaders"]
        [found] = [each["config"] for each in loaders if each["name"] == "target-pixxel-store"]
        assert found["environment"] == environment["name"]
        assert found["journal_path"].startswith("${MELTANO_PROJECT_ROOT}/")


def test_meltano_environments_share_no_file() -> None:
    paths_by_environment = []
    for environment in MELTANO["environments"]:
        loaders = environment["config"]["plugins"]["loaders"]
        paths = {
            (each["name"], setting): str(value)
            for each in loaders
            for setting, value in each["config"].items()
            if str(value).startswith("${MELTANO_PROJECT_ROOT}/")
        }
        assert len(set(paths.values())) == len(paths)
        paths_by_environment.append(paths)
    sandbox, production = paths_by_environment
    assert sandbox.keys() == production.keys()
    assert ("target-pixxel-download", "journal_path") in sandbox
    assert not set(sandbox.values()) & set(production.values())
    plugin_configs = [each.get("config", {}) for each in MELTANO["plugins"]["loaders"]]
    assert "MELTANO_PROJECT_ROOT" not in str(plugin_configs), "it would apply to all environments"


def test_meltano_jobs_name_existing_plugins() -> None:
    names = {each["name"] for plugins in MELTANO["plugins"].values() for each in plugins}
    for job in MELTANO["jobs"]:
        assert {name for task in job["tasks"] for name in task.split()} <= names


@plugins
def test_env_example_lists_every_setting(name: str) -> None:
    text = (PROJECT / ".env.example").read_text()
    prefix = name.upper().replace("-", "_")
    for setting, rule in declared_settings(name).items():
        assert f"{prefix}_{setting.upper()}={format_default(rule)}\n" in text
        assert rule["description"] in text


def test_lock_and_docs_name_no_package_index() -> None:
    for path in ("requirements.lock", "README.md", "pyproject.toml", "Makefile"):
        assert "index-url" not in (PROJECT / path).read_text()
    assert "://" not in (PROJECT / "requirements.lock").read_text()


def read_table(path: str, header: str) -> list[list[str]]:
    lines = (PROJECT / path).read_text().splitlines()
    start = lines.index(header) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows
