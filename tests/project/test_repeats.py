"""What repeats a declaration says the same: meltano.yml, the docs' tables, .env.example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tap_pixxel.settings import SCHEMA
from tap_pixxel.streams import STREAMS
from tap_pixxel.tap import TapPixxel

PROJECT = Path(__file__).parents[2]
MELTANO: dict[str, Any] = yaml.safe_load((PROJECT / "meltano.yml").read_text())
SETTINGS: dict[str, Any] = SCHEMA["properties"]
BUILTIN = {"stream_maps", "stream_map_config", "faker_config"}


def own_settings() -> dict[str, Any]:
    return {
        name: rule
        for name, rule in SETTINGS.items()
        if name not in BUILTIN and not name.startswith("flattening")
    }


def extractor() -> dict[str, Any]:
    [plugin] = MELTANO["plugins"]["extractors"]
    found: dict[str, Any] = plugin
    return found


def test_meltano_has_the_taps_settings_in_its_words() -> None:
    listed = {each["name"]: each for each in extractor()["settings"]}
    assert list(listed) == list(own_settings())
    for name, rule in own_settings().items():
        assert listed[name]["label"] == rule["title"]
        assert listed[name]["description"] == rule["description"]
        assert listed[name].get("value") == rule.get("default")
        assert listed[name].get("sensitive", False) == rule.get("secret", False)


def test_meltano_leaves_the_types_to_the_tap() -> None:
    """Its own kinds fail on numbers and plain lists from the environment."""
    assert not [each for each in extractor()["settings"] if "kind" in each]


def test_meltano_claims_the_capabilities_that_the_tap_has() -> None:
    assert sorted(extractor()["capabilities"]) == sorted(
        capability.value for capability in TapPixxel.capabilities
    )


def test_every_plugin_has_a_namespace_so_the_hub_is_never_asked() -> None:
    for plugins in MELTANO["plugins"].values():
        assert all(plugin["namespace"] for plugin in plugins)
    assert MELTANO["send_anonymous_usage_stats"] is False


def test_meltano_has_two_environments_a_job_and_a_schedule() -> None:
    assert [each["name"] for each in MELTANO["environments"]] == ["sandbox", "production"]
    assert MELTANO["default_environment"] == "sandbox"
    [job], [schedule] = MELTANO["jobs"], MELTANO["schedules"]
    assert schedule["job"] == job["name"]
    assert "api_token" not in str(MELTANO["environments"])


def test_the_docs_list_every_setting() -> None:
    rows = _rows("docs/tap-pixxel.md", "| setting | type | default | what |")
    expected = []
    for name, rule in own_settings().items():
        [kind] = [each for each in _types(rule) if each != "null"]
        default = f"`{_written(rule)}`" if "default" in rule else ""
        expected.append([f"`{name}`", kind, default, rule["description"]])
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


def test_the_example_environment_lists_every_setting() -> None:
    text = (PROJECT / ".env.example").read_text()
    for name, rule in own_settings().items():
        assert f"TAP_PIXXEL_{name.upper()}={_written(rule)}\n" in text
        assert rule["description"] in text


def test_the_lock_and_the_documents_name_no_index() -> None:
    for path in ("requirements.lock", "README.md", "pyproject.toml", "Makefile"):
        assert "index-url" not in (PROJECT / path).read_text()
    assert "://" not in (PROJECT / "requirements.lock").read_text()


def _written(rule: dict[str, Any]) -> str:
    default = rule.get("default", "")
    return str(default).lower() if isinstance(default, bool) else str(default)


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
