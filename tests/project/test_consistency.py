"""Copies of a declaration match it: meltano.yml, tables and quotes in the docs, .env.example."""

from __future__ import annotations

import ast
import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pixxel_singer.exit_codes import ExitCode
from tap_pixxel import settings as tap_settings
from tap_pixxel.tap import TapPixxel
from target_pixxel_store import settings_schema as store_settings
from target_pixxel_store.target import TargetPixxelStore
from target_stac import settings as stac_settings
from target_stac.target import TargetStac

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
MELTANO: dict[str, Any] = yaml.safe_load((PROJECT / "meltano.yml").read_text())
BUILTIN = {"stream_maps", "stream_map_config", "faker_config"}
PLUGINS: dict[str, tuple[Any, dict[str, Any]]] = {
    "tap-pixxel": (TapPixxel, tap_settings.SCHEMA),
    "target-pixxel-store": (TargetPixxelStore, store_settings.SCHEMA),
    "target-stac": (TargetStac, stac_settings.SCHEMA),
}

plugins = pytest.mark.parametrize("name", PLUGINS)


def declared_settings(name: str) -> dict[str, Any]:
    return {
        setting: rule
        for setting, rule in PLUGINS[name][1]["properties"].items()
        if setting not in BUILTIN and not setting.startswith("flattening")
    }


def meltano_plugin(name: str) -> dict[str, Any]:
    listed = [*MELTANO["plugins"]["extractors"], *MELTANO["plugins"]["loaders"]]
    [found] = [plugin for plugin in listed if plugin["name"] == name]
    plugin: dict[str, Any] = found
    return plugin


@plugins
def test_meltano_settings_match_plugin(name: str) -> None:
    listed = {each["name"]: each for each in meltano_plugin(name)["settings"]}
    assert list(listed) == list(declared_settings(name))
    for setting, rule in declared_settings(name).items():
        assert listed[setting]["label"] == rule["title"]
        assert listed[setting]["description"] == rule["description"]
        assert listed[setting].get("value") == rule.get("default")
        assert listed[setting].get("sensitive", False) == rule.get("secret", False)


@plugins
def test_meltano_settings_have_no_kind(name: str) -> None:
    """Meltano's own kinds reject numbers and plain lists from the environment."""
    assert not [each for each in meltano_plugin(name)["settings"] if "kind" in each]


@plugins
def test_meltano_capabilities_match_plugin(name: str) -> None:
    assert sorted(meltano_plugin(name)["capabilities"]) == sorted(
        capability.value for capability in PLUGINS[name][0].capabilities
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
def test_docs_table_lists_every_setting(name: str) -> None:
    rows = read_table(f"docs/reference/{name}.md", "| setting | type | default | what |")
    expected = []
    for setting, rule in declared_settings(name).items():
        [kind] = [each for each in _list_types(rule) if each != "null"]
        default = f"`{_format_default(rule)}`" if "default" in rule else ""
        expected.append([f"`{setting}`", kind, default, rule["description"]])
    assert rows == expected


@plugins
def test_env_example_lists_every_setting(name: str) -> None:
    text = (PROJECT / ".env.example").read_text()
    prefix = name.upper().replace("-", "_")
    for setting, rule in declared_settings(name).items():
        assert f"{prefix}_{setting.upper()}={_format_default(rule)}\n" in text
        assert rule["description"] in text


def test_operating_page_quotes_existing_messages() -> None:
    texts = {
        text
        for package in ("target_pixxel_store", "pixxel_api", "pixxel_singer")
        for path in (PROJECT / package).rglob("*.py")
        for text in _string_literals(ast.parse(path.read_text()))
    }
    rows = [
        *read_table("docs/reference/operating-deliveries.md", "| message | meaning | what to do |"),
        *read_table("docs/reference/operating-deliveries.md", "| message | what to do |"),
    ]
    quoted = [quote for row in rows for quote in re.findall(r"`([^`]+)`", row[0])]
    assert len(quoted) > 40
    unknown = [
        quote
        for quote in quoted
        if quote not in COMPOSED_MESSAGES
        and not any(
            _contains_in_order([part.strip() for part in quote.split(GAP)], text) for text in texts
        )
    ]
    assert unknown == []


GAP = "…"
"""Placeholder for the variable parts of a message."""
COMPOSED_MESSAGES = {
    "the token belongs to a different workspace than the setting 'workspace'; nothing was written",
    "delivery … of an earlier run: FAILED",
    "delivery … of an earlier run: not finished",
    "delivery … of an earlier run: SUCCESS, but the object is not in the bucket",
}
"""Messages composed of several texts; tests of the target check them in its log."""


def _string_literals(tree: ast.AST) -> Iterator[str]:
    """Yield the string literals of a program; formatted values become `GAP`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            pieces = [str(each.value) if isinstance(each, ast.Constant) else GAP
                      for each in node.values]  # fmt: skip
            yield "".join(pieces)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _contains_in_order(parts: list[str], text: str) -> bool:
    position = 0
    for part in parts:
        position = text.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return True


def test_operating_page_states_guarantee_and_every_exit_status() -> None:
    text = (PROJECT / "docs/reference/operating-deliveries.md").read_text()
    guarantee = (
        "with one writer per workspace and a list that lags less than `settle_seconds`, a rerun "
        "after a kill at any moment delivers nothing twice and forgets nothing"
    )
    assert f"\n> {guarantee}\n" in text
    rows = read_table("docs/reference/operating-deliveries.md", "| status | meaning | what to do |")
    signal_statuses = [128 + number for number in (signal.SIGTERM, signal.SIGINT)]
    assert [row[0] for row in rows] == [*(str(int(each)) for each in ExitCode), "143, 130"]
    assert signal_statuses == [143, 130]


def test_lock_and_docs_name_no_package_index() -> None:
    for path in ("requirements.lock", "README.md", "pyproject.toml", "Makefile"):
        assert "index-url" not in (PROJECT / path).read_text()
    assert "://" not in (PROJECT / "requirements.lock").read_text()


def _format_default(rule: dict[str, Any]) -> str:
    default = rule.get("default", "")
    return json.dumps(default) if isinstance(default, bool | list | dict) else str(default)


def _list_types(rule: dict[str, Any]) -> list[str]:
    return [rule["type"]] if isinstance(rule["type"], str) else rule["type"]


def read_table(path: str, header: str) -> list[list[str]]:
    lines = (PROJECT / path).read_text().splitlines()
    start = lines.index(header) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows
