"""What repeats a declaration says the same: meltano.yml, the docs' tables, .env.example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tap_pixxel import settings as tap_settings
from tap_pixxel.streams import STREAMS
from tap_pixxel.tap import TapPixxel
from target_stac import settings as stac_settings
from target_stac.target import TargetStac

PROJECT = Path(__file__).parents[2]
MELTANO: dict[str, Any] = yaml.safe_load((PROJECT / "meltano.yml").read_text())
BUILTIN = {"stream_maps", "stream_map_config", "faker_config"}
PLUGINS: dict[str, tuple[Any, dict[str, Any]]] = {
    "tap-pixxel": (TapPixxel, tap_settings.SCHEMA),
    "target-stac": (TargetStac, stac_settings.SCHEMA),
}

plugins = pytest.mark.parametrize("name", PLUGINS)


def own_settings(name: str) -> dict[str, Any]:
    return {
        setting: rule
        for setting, rule in PLUGINS[name][1]["properties"].items()
        if setting not in BUILTIN and not setting.startswith("flattening")
    }


def in_meltano(name: str) -> dict[str, Any]:
    listed = [*MELTANO["plugins"]["extractors"], *MELTANO["plugins"]["loaders"]]
    [found] = [plugin for plugin in listed if plugin["name"] == name]
    plugin: dict[str, Any] = found
    return plugin


@plugins
def test_meltano_has_the_plugins_settings_in_their_words(name: str) -> None:
    listed = {each["name"]: each for each in in_meltano(name)["settings"]}
    assert list(listed) == list(own_settings(name))
    for setting, rule in own_settings(name).items():
        assert listed[setting]["label"] == rule["title"]
        assert listed[setting]["description"] == rule["description"]
        assert listed[setting].get("value") == rule.get("default")
        assert listed[setting].get("sensitive", False) == rule.get("secret", False)


@plugins
def test_meltano_leaves_the_types_to_the_plugin(name: str) -> None:
    """Its own kinds fail on numbers and plain lists from the environment."""
    assert not [each for each in in_meltano(name)["settings"] if "kind" in each]


@plugins
def test_meltano_claims_the_capabilities_that_the_plugin_has(name: str) -> None:
    assert sorted(in_meltano(name)["capabilities"]) == sorted(
        capability.value for capability in PLUGINS[name][0].capabilities
    )


def test_every_plugin_has_a_namespace_so_the_hub_is_never_asked() -> None:
    for plugins in MELTANO["plugins"].values():
        assert all(plugin["namespace"] for plugin in plugins)
    assert MELTANO["send_anonymous_usage_stats"] is False


def test_meltano_has_two_environments_jobs_and_a_schedule() -> None:
    assert [each["name"] for each in MELTANO["environments"]] == ["sandbox", "production"]
    assert MELTANO["default_environment"] == "sandbox"
    [schedule] = MELTANO["schedules"]
    assert schedule["job"] in [job["name"] for job in MELTANO["jobs"]]
    assert "api_token" not in str(MELTANO["environments"])


@plugins
def test_the_docs_list_every_setting(name: str) -> None:
    rows = _rows(f"docs/{name}.md", "| setting | type | default | what |")
    expected = []
    for setting, rule in own_settings(name).items():
        [kind] = [each for each in _types(rule) if each != "null"]
        default = f"`{_written(rule)}`" if "default" in rule else ""
        expected.append([f"`{setting}`", kind, default, rule["description"]])
    assert rows == expected


def test_the_docs_list_every_stream() -> None:
    rows = _rows("docs/tap-pixxel.md", "| stream | endpoint | key | replication key |")
    tap = TapPixxel(config={}, validate_config=False)
    expected = []
    for stream in STREAMS:
        made = stream(tap)
        method = "POST" if hasattr(stream, "sort_key") else "GET"
        key = f"`{made.replication_key}`" if made.replication_key else "full table"
        [primary] = made.primary_keys
        expected.append([f"`{made.name}`", f"{method} {stream.path}", f"`{primary}`", key])
    assert rows == expected


@plugins
def test_the_example_environment_lists_every_setting(name: str) -> None:
    text = (PROJECT / ".env.example").read_text()
    prefix = name.upper().replace("-", "_")
    for setting, rule in own_settings(name).items():
        assert f"{prefix}_{setting.upper()}={_written(rule)}\n" in text
        assert rule["description"] in text


def test_the_lock_and_the_documents_name_no_index() -> None:
    for path in ("requirements.lock", "README.md", "pyproject.toml", "Makefile"):
        assert "index-url" not in (PROJECT / path).read_text()
    assert "://" not in (PROJECT / "requirements.lock").read_text()


def _written(rule: dict[str, Any]) -> str:
    default = rule.get("default", "")
    return json.dumps(default) if isinstance(default, bool | list) else str(default)


def _types(rule: dict[str, Any]) -> list[str]:
    return [rule["type"]] if isinstance(rule["type"], str) else rule["type"]


def _rows(path: str, header: str) -> list[list[str]]:
    lines = (PROJECT / path).read_text().splitlines()
    start = lines.index(header) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows
